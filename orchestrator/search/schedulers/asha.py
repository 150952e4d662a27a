"""ASHA that stops: a trial that is not among the best at a rung ends there."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.search.schedulers._base import Decision, Observation, Scheduler
from orchestrator.search.schedulers._rungs import REDUCTION_FACTOR, halving_epochs, rungs_for
from orchestrator.search.space import SearchSpace


class Asha(Scheduler):
    """Asynchronous successive halving in its stopping form (Li et al. 2018, arXiv 1810.05934, section 3.1)."""

    def __init__(self, rungs: Sequence[int], reduction: int = REDUCTION_FACTOR) -> None:
        """Args:
        rungs: epochs at which trials are compared.
        reduction: one of so many goes on.
        """
        self._scores: dict[int, dict[int, float]] = {rung: {} for rung in rungs}
        self._reduction = reduction

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> Asha:
        """See `Scheduler`."""
        return cls(rungs_for(epochs, space))

    @classmethod
    def expected_epochs(cls, epochs: int, space: SearchSpace) -> float:
        """At every rung one of `REDUCTION_FACTOR` goes on."""
        return halving_epochs(epochs, space)

    @property
    def rungs(self) -> tuple[int, ...]:
        """See `Scheduler`."""
        return tuple(self._scores)

    def observe(self, seen: Observation) -> Decision:
        """Goes on if the trial is among the best at this rung of those that have reached it so far."""
        rung = self._scores.get(seen.epoch)
        if rung is None:
            return Decision.CONTINUE
        rung[seen.index] = seen.best
        better = sum(1 for other in rung.values() if other > seen.best)
        return Decision.CONTINUE if better < max(1, len(rung) // self._reduction) else Decision.STOP
