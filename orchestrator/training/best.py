"""Which epoch of a trial is its best so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from orchestrator.tasks import Metric
from orchestrator.training.report import EpochReport


@dataclass(frozen=True)
class BestEpoch:
    """The epoch with the best value; of equal ones that with the best tie value, of these the latest.

    Attributes:
        epoch: its number, 0 before the first.
        value: of the trial's metric.
        tie: see `Task.tie`.
        improved: the last epoch that was better, and not only later: patience counts from there, or a network that
            does not change any more would be trained to the end.
    """

    epoch: int
    value: float
    tie: float | None = None
    improved: int = 0

    @classmethod
    def of(cls, report: EpochReport) -> Self:
        """As of an epoch that is over; reports of before have no tie values."""
        improved = report.improved_epoch or report.best_epoch
        return cls(report.best_epoch, report.best_value, report.best_tie, improved)

    def after(self, epoch: int, value: float, tie: float | None, metric: Metric) -> BestEpoch:
        """The best one when another epoch has been measured; see the class."""
        if metric.better(value, self.value):
            return BestEpoch(epoch, value, tie, epoch)
        if not self.epoch or value != self.value:
            return self
        if tie == self.tie:
            return BestEpoch(epoch, value, tie, self.improved)
        if tie is not None and self.tie is not None and tie < self.tie:
            return BestEpoch(epoch, value, tie, epoch)
        return self
