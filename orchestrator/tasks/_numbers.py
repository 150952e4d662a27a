"""What tasks share that predict numbers: targets are standardised, answers are in the target's own unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.summaries import Moments
from orchestrator.columns.values import Series, number_content, to_numbers
from orchestrator.errors import DataError
from orchestrator.tasks._base import Task, shapes_differ
from orchestrator.tasks.predictions import Difference, Predictions
from orchestrator.tasks.target import TargetEncoder, TargetSummary

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class NumberTask(Task):
    """A number, or several that say something about one."""

    target_type: ClassVar[type[np.generic]] = np.float32
    unmeasured: ClassVar[str] = "the validation part has only one row"

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Task`."""
        if content["classes"]:
            raise ValueError("its classes are not those of its task")
        return cls()

    def found_in(self, raw: RawColumn, *, sampled: bool = False, asked: bool = False) -> Self:
        """See `Task`."""
        del sampled, asked
        if raw.number_error is not None:
            raise DataError(f"{raw.origin}: a {self.kind} target needs numbers: {raw.number_error}")
        if len(raw.head) < 2 and len(raw.counts) == 1:  # noqa: PLR2004
            raise DataError(f"{raw.origin}: the target column '{raw.name}' has the same value in every row")
        return self

    def summarise(self, rows: Series, training: Series) -> TargetSummary:
        """See `Task`."""
        del rows
        return TargetSummary(moments=Moments.of(to_numbers(training, str(training.name))))

    def content_of(self, series: Series) -> bytes:
        """See `Task`."""
        return number_content(to_numbers(series, str(series.name)))

    def fit(self, training: Series) -> TargetEncoder:
        """See `Task`."""
        values = to_numbers(training, str(training.name))
        std = float(values.std())
        return TargetEncoder(float(values.mean()), std if std > 0 else 1.0)

    def fit_summary(self, summary: TargetSummary) -> TargetEncoder:
        """See `Task`."""
        return TargetEncoder(summary.moments.mean, summary.moments.std or 1.0)

    def encode(self, encoder: TargetEncoder, series: Series) -> NDArray[np.float32]:
        """See `Task`: standardised."""
        values = to_numbers(series, str(series.name))
        return ((values - encoder.mean) / encoder.std).astype(np.float32)

    def decode(self, encoder: TargetEncoder, numbers: NDArray[np.generic]) -> NDArray[np.float64]:
        """Standardised numbers in the target's unit: float64 of the same shape."""
        result: NDArray[np.float64] = numbers.astype(np.float64) * encoder.std + encoder.mean
        return result

    def average(self, outputs: Tensor) -> Tensor:
        """See `Task`: their mean."""
        return outputs.mean(0)

    def difference(self, answers: Predictions, other: Predictions, tolerance: float = 0.0) -> Difference:
        """See `Task`: how far the numbers of a row are apart."""
        if shapes_differ(answers, other):
            return Difference(len(answers), float(len(answers)), 1.0)
        rows = len(answers)
        mine, theirs = (
            np.column_stack([np.asarray(found.values[column.name]).reshape(rows, -1) for column in found.columns])
            for found in (answers, other)
        )
        distances = np.abs(mine - theirs).max(axis=1, initial=0.0)
        changed = int(np.count_nonzero(distances > tolerance))
        return Difference(changed, float(distances.sum()), float(distances.max(initial=0.0)))

    def scale(self, encoder: TargetEncoder) -> float | None:
        """See `Task`."""
        return encoder.std
