"""How good the outputs of a network are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import TargetEncoder, Task
from orchestrator.data.answers import probabilities, values
from orchestrator.training.metrics import classification_metrics, regression_metrics


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
