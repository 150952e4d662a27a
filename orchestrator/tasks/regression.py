"""A number: the network computes its mean, standardised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.raw_column import RawColumn
from orchestrator.tasks._moments import found_durations
from orchestrator.tasks._numbers import NumberTask, is_written_as_number
from orchestrator.tasks._scores import REGRESSION, ZERO, row_counts
from orchestrator.tasks.metric import Metric, by_name
from orchestrator.tasks.predictions import AnswerColumn, Predictions
from orchestrator.tasks.target import TargetEncoder
from orchestrator.units import counted

if TYPE_CHECKING:
    from orchestrator.tasks._base import Loss


@dataclass(frozen=True)
class Regression(NumberTask):
    """A number."""

    kind: ClassVar[str] = "regression"
    metrics: ClassVar[Mapping[str, Metric]] = by_name(
        Metric("rmse", maximize=False, in_target_unit=True),
        Metric("mae", maximize=False, in_target_unit=True, centre="middle"),
        Metric("r2", maximize=True),
    )
    more_metrics: ClassVar[Mapping[str, Metric]] = by_name(
        Metric("mape", maximize=False, centre="middle"),
        Metric("rmsle", maximize=False, centre="log"),
    )
    default_metric: ClassVar[str] = "rmse"
    sure_metric: ClassVar[str] = "rmse"
    tie_metric: ClassVar[str] = "rmse"

    @classmethod
    def recognises(cls, raw: RawColumn) -> bool:
        """See `Task`."""
        return raw.number_error is None or is_written_as_number(raw) or found_durations(raw) is not None

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return 1

    def loss(self, smoothing: float = 0.0, *, each: bool = False) -> Loss:
        """See `Task`: squared error of the standardised target."""
        from torch.nn import functional as F

        reduction = "none" if each else "sum"
        return lambda outputs, target: F.mse_loss(outputs[:, 0].float(), target, reduction=reduction)

    def score(
        self,
        name: str,
        encoder: TargetEncoder,
        shares: NDArray[np.float64],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None = None,
    ) -> float | None:
        """See `Task`."""
        counts = row_counts(target, weight)
        wanted, found = self.decode(encoder, target), self.answered(encoder, shares[:, 0])
        return REGRESSION[name](wanted, found, counts, encoder.std)

    def named(self, encoder: TargetEncoder, shares: NDArray[np.float64], target: NDArray[Any]) -> dict[str, Any]:
        """See `Task`."""
        return {"target": self.decode(encoder, target), "prediction": self.answered(encoder, shares[:, 0])}

    def unmeasured_in(self, target: NDArray[Any], name: str = "", encoder: TargetEncoder | None = None) -> str:
        """See `Task`: how many rows mape would divide by zero in, and rmsle has no logarithm of."""
        if name not in self.more_metrics or encoder is None:
            return self.unmeasured
        values = self.decode(encoder, target)
        if name == "mape":
            wrong, why = np.abs(values) <= ZERO * encoder.std, "0, by which it would divide"
        else:
            wrong, why = values < -ZERO * encoder.std, "below 0, where it has no logarithm"
        count = int(wrong.sum())
        return f"the target is {why}, in {counted(count, 'row')}"

    def remedy(self, name: str) -> str:
        """See `Task`."""
        return "leave such rows out" if name in self.more_metrics else super().remedy(name)

    def constant_outputs(self, target: NDArray[Any]) -> NDArray[np.float32]:
        """See `Task`: the mean of the training rows."""
        del target
        return np.zeros(1, np.float32)

    @cached_property
    def answers(self) -> tuple[AnswerColumn, ...]:
        """See `Task`."""
        return (AnswerColumn(name="value"),)

    def predictions(self, encoder: TargetEncoder, outputs: NDArray[np.float32]) -> Predictions:
        """See `Task`."""
        return Predictions(self.answers, {"value": self.answered(encoder, outputs[:, 0])})
