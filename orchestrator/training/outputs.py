"""From what a network computes to what a user reads: probabilities, or values in the target's unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import TargetEncoder, Task
from orchestrator.training.metrics import classification_metrics, regression_metrics


def probabilities(task: Task, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Class probabilities.

    Args:
        task: binary or multiclass.
        logits: float32 [rows, 1] for a binary task (of class 1), else [rows, classes].

    Returns:
        float64 [rows, classes], each row summing to 1.
    """
    wide = logits.astype(np.float64)
    if task is Task.BINARY:
        # both from the same exponential: neither underflows to a wrong 0 before 1e-308
        small = np.exp(-np.abs(wide[:, 0]))
        likely, unlikely = 1 / (1 + small), small / (1 + small)
        positive = np.where(wide[:, 0] >= 0, likely, unlikely)
        negative = np.where(wide[:, 0] >= 0, unlikely, likely)
        return np.stack([negative, positive], axis=1)
    exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    normalised: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return normalised


def values(encoder: TargetEncoder, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Regression: float32 [rows, 1] standardised -> float64 [rows] in the target's unit."""
    result: NDArray[np.float64] = outputs[:, 0].astype(np.float64) * encoder.std + encoder.mean
    return result


def evaluate(
    task: Task, encoder: TargetEncoder, outputs: NDArray[np.float32], target: NDArray[Any]
) -> dict[str, float]:
    """All metrics of the task.

    Args:
        task: what is predicted.
        encoder: of the target.
        outputs: of a network, float32 [rows, outputs].
        target: [rows], class numbers or standardised values.
    """
    if task.is_classification:
        return classification_metrics(target.astype(np.int64), probabilities(task, outputs))
    return regression_metrics(target.astype(np.float64) * encoder.std + encoder.mean, values(encoder, outputs))
