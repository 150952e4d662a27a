"""The median stopping rule."""

from __future__ import annotations

import statistics

from orchestrator.search.schedulers._base import Decision, Observation, Scheduler
from orchestrator.search.schedulers._rungs import first_rung
from orchestrator.search.space import SearchSpace

MIN_OTHERS = 3


class MedianStopping(Scheduler):
    """Stops a trial whose best score is below the median of the others' running averages at the same epoch.

    Golovin et al. 2017 (Google Vizier, KDD), section 3.2.2.
    """

    def __init__(self, grace: int, min_others: int = MIN_OTHERS) -> None:
        """Args:
        grace: epochs in which no trial is stopped.
        min_others: so many others must have reached an epoch before it is compared.
        """
        self._grace, self._min_others = grace, min_others
        self._sums: dict[int, float] = {}
        # epoch -> trial -> mean of its scores up to there
        self._averages: dict[int, dict[int, float]] = {}

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> MedianStopping:
        """See `Scheduler`."""
        return cls(first_rung(epochs))

    @classmethod
    def expected_epochs(cls, epochs: int, space: SearchSpace) -> float:
        """The half that it stops is taken to stop after its grace."""
        return (first_rung(epochs) + epochs) / 2

    def observe(self, seen: Observation) -> Decision:
        """See the class."""
        self._sums[seen.index] = self._sums.get(seen.index, 0.0) + seen.score
        averages = self._averages.setdefault(seen.epoch, {})
        others = list(averages.values())
        averages[seen.index] = self._sums[seen.index] / seen.epoch
        if seen.epoch <= self._grace or len(others) < self._min_others:
            return Decision.CONTINUE
        return Decision.STOP if seen.best < statistics.median(others) else Decision.CONTINUE
