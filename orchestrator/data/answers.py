"""From what a network computes to what a user reads: labels and probabilities, or values in the target's unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.data.encoder import TargetEncoder
from orchestrator.data.schema import Label, Schema, Task
from orchestrator.errors import BundleError, UnansweredError

LABEL_COLUMN = "label"
VALUE_COLUMN = "value"


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the answers of two models to the same rows are apart.

    Attributes:
        rows: with another label, or with a value that is further away than a tolerance.
        total, largest: of the differences of a row's probabilities (the largest of its classes), or of its values.
    """

    rows: int
    total: float
    largest: float


@dataclass(frozen=True)
class Predictions:
    """Answers to some rows, in their order.

    Attributes:
        labels: one class label per row; empty for regression.
        probabilities: float64 [rows, classes]; [rows, 0] for regression.
        values: float64 [rows] in the target's unit; empty for classification.
    """

    labels: list[Label]
    probabilities: NDArray[np.float64]
    values: NDArray[np.float64]

    def check_finite(self) -> None:
        """Raises UnansweredError when the answer to a row is not a number."""
        figures = self.values[:, None] if len(self.values) else self.probabilities
        finite = np.isfinite(figures).all(axis=1)
        if not finite.all():
            raise UnansweredError(int(np.argmin(finite)))

    def frame(self, schema: Schema, index: pd.Index | None = None) -> pd.DataFrame:
        """`label` and one `probability_<class>` column per class, or `value`; one row per row."""
        if not schema.target.task.is_classification:
            return pd.DataFrame({VALUE_COLUMN: self.values}, index=index)
        columns: dict[str, Any] = {LABEL_COLUMN: pd.Series(self.labels, index=index)}
        for position, label in enumerate(schema.target.classes):
            columns[f"probability_{label}"] = self.probabilities[:, position]
        return pd.DataFrame(columns, index=index)

    def records(self, schema: Schema) -> list[dict[str, Any]]:
        """One JSON object per row: label and probabilities by class, or value."""
        if not schema.target.task.is_classification:
            return [{VALUE_COLUMN: value} for value in self.values.tolist()]
        names = [str(label) for label in schema.target.classes]
        return [
            {LABEL_COLUMN: label, "probabilities": dict(zip(names, row, strict=True))}
            for label, row in zip(self.labels, self.probabilities.tolist(), strict=True)
        ]

    def flat_records(self, schema: Schema) -> list[dict[str, Any]]:
        """One JSON object per row with the columns of `frame`, as MLflow's scoring server gives them."""
        if not schema.target.task.is_classification:
            return [{VALUE_COLUMN: value} for value in self.values.tolist()]
        names = [LABEL_COLUMN, *(f"probability_{label}" for label in schema.target.classes)]
        return [
            dict(zip(names, (label, *row), strict=True))
            for label, row in zip(self.labels, self.probabilities.tolist(), strict=True)
        ]

    def to_columns(self, schema: Schema) -> dict[str, Any]:
        """`label` and `probabilities` ([rows, classes]), or `value`."""
        if not schema.target.task.is_classification:
            return {VALUE_COLUMN: self.values}
        return {LABEL_COLUMN: self.labels, "probabilities": self.probabilities}

    def difference(self, other: Predictions, tolerance: float = 0.0) -> Difference:
        """How far another model's answers are from these.

        Args:
            other: answers to the same rows.
            tolerance: values that are not further away than this count as the same.

        Returns:
            See there. Answers about other classes differ in every row, by 1.
        """
        if self.probabilities.shape != other.probabilities.shape or len(self.values) != len(other.values):
            rows = max(len(self.labels), len(self.values))
            return Difference(rows, float(rows), 1.0)
        if len(self.values):
            distances = np.abs(self.values - other.values)
            changed = int(np.count_nonzero(distances > tolerance))
        else:
            distances = np.abs(self.probabilities - other.probabilities).max(axis=1, initial=0.0)
            changed = sum(one != another for one, another in zip(self.labels, other.labels, strict=True))
        return Difference(changed, float(distances.sum()), float(distances.max(initial=0.0)))


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


def check_outputs(found: object, rows: int, width: int) -> NDArray[np.float32]:
    """What a network gave for some rows.

    Raises:
        BundleError: it is not float32 [rows, width].
    """
    if not isinstance(found, np.ndarray) or found.dtype != np.float32 or found.shape != (rows, width):
        raise BundleError(
            f"the model's network does not give the {width} outputs for each row that its schema.json asks for"
        )
    return found


def predictions(schema: Schema, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> Predictions:
    """What a network's outputs, float32 [rows, outputs], say about the rows."""
    target = schema.target
    if not target.task.is_classification:
        return Predictions([], np.empty((len(outputs), 0)), values(encoder, outputs))
    shares = probabilities(target.task, outputs)
    return Predictions([target.classes[code] for code in shares.argmax(axis=1)], shares, np.empty(0))
