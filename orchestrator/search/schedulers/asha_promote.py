"""ASHA that promotes: trials pause at a rung, and the best of a rung go on when there is room."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.search.schedulers._base import Continuation, Decision, Observation, Scheduler
from orchestrator.search.schedulers._rungs import REDUCTION_FACTOR, halving_epochs, rungs_for
from orchestrator.search.space import SearchSpace


class PromotionAsha(Scheduler):
    """Asynchronous successive halving as in Li et al. 2018 (arXiv 1810.05934), algorithm 2.

    A trial that is paused can still be promoted when later ones turn out to be worse; the stopping form has lost it.
    """

    pauses = True

    def __init__(self, rungs: Sequence[int], reduction: int = REDUCTION_FACTOR) -> None:
        """Args:
        rungs: epochs at which trials pause, in ascending order.
        reduction: one of so many is promoted.
        """
        self._rungs = tuple(rungs)
        self._reduction = reduction
        self._scores: dict[int, dict[int, float]] = {rung: {} for rung in rungs}
        self._promoted: dict[int, set[int]] = {rung: set() for rung in rungs}
        # rung at which a trial waits
        self._paused: dict[int, int] = {}

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> PromotionAsha:
        """See `Scheduler`."""
        return cls(rungs_for(epochs, space))

    @classmethod
    def expected_epochs(cls, epochs: int, space: SearchSpace) -> float:
        """At every rung one of `REDUCTION_FACTOR` goes on."""
        return halving_epochs(epochs, space)

    @property
    def rungs(self) -> tuple[int, ...]:
        """See `Scheduler`."""
        return self._rungs

    def milestones(self, index: int) -> tuple[int, ...]:
        """All rungs."""
        return self._rungs

    def observe(self, seen: Observation) -> Decision:
        """Pauses at each rung."""
        if seen.epoch not in self._scores:
            return Decision.CONTINUE
        self._scores[seen.epoch][seen.index] = seen.best
        self._paused[seen.index] = seen.epoch
        return Decision.PAUSE

    def ended(self, index: int) -> None:
        """See `Scheduler`; its scores still count for the others."""
        self._paused.pop(index, None)

    def choose(self, *, drawing: bool, idle: bool, finishing: bool = False) -> Continuation | None:
        """The best trial of the highest rung from which one can be promoted.

        When nothing else is left to do, the best of each rung is promoted even if there are too few for a share; and
        any of them, the best first, when there is just time enough to finish.
        """
        last_chance = idle and not drawing
        for rung in reversed(self._rungs):
            scores = self._scores[rung]
            share = max(len(scores) // self._reduction, 1 if last_chance and not self._promoted[rung] else 0)
            share = len(scores) if finishing else share
            ranked = sorted(scores, key=lambda index: (-scores[index], index))
            for index in ranked[:share]:
                if index not in self._promoted[rung] and self._paused.get(index) == rung:
                    return Continuation(index)
        return None

    def continued(self, chosen: Continuation) -> None:
        """Counts as promoted from its rung."""
        rung = self._paused.pop(chosen.index, None)
        if rung is not None:
            self._promoted[rung].add(chosen.index)
