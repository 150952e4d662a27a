"""Hyperband, asynchronous: several brackets of ASHA that begin to compare at different rungs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from orchestrator.search.schedulers._base import Continuation, Decision, Observation, Scheduler
from orchestrator.search.schedulers._rungs import REDUCTION_FACTOR, halving_epochs, rungs_for
from orchestrator.search.schedulers.asha_promote import PromotionAsha
from orchestrator.search.space import SearchSpace
from orchestrator.training import TrialSpec


class Hyperband(Scheduler):
    """Trials are dealt out to brackets in the proportions of Li et al. 2018 (JMLR 18, algorithm 1).

    Bracket s begins to compare at rung s, the last one never compares; each promotes as `PromotionAsha` does
    (arXiv 1810.05934, section 3.3). It guards against metrics that say little early on.
    """

    pauses = True

    def __init__(self, rungs: Sequence[int], reduction: int = REDUCTION_FACTOR) -> None:
        """Args: see `PromotionAsha`."""
        count = len(rungs) + 1
        self._brackets = [PromotionAsha(rungs[start:], reduction) for start in range(count)]
        # bracket `start` has count - start levels and gets so many trials in one round of Hyperband
        self._weights = [
            math.ceil(count / (count - start) * reduction ** (count - start - 1)) for start in range(count)
        ]
        self._dealt = [0] * count
        self._bracket: dict[int, int] = {}

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> Hyperband:
        """See `Scheduler`."""
        return cls(rungs_for(epochs, space))

    @classmethod
    def expected_epochs(cls, epochs: int, space: SearchSpace) -> float:
        """All trials are taken to be in its first bracket, which has most of them."""
        return halving_epochs(epochs, space)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Those of its first bracket, which has all of them."""
        return self._brackets[0].rungs

    def drawn(self, index: int, spec: TrialSpec) -> None:
        """Goes to the bracket that is furthest behind its share."""
        chosen = min(range(len(self._dealt)), key=lambda number: (self._dealt[number] + 1) / self._weights[number])
        self._dealt[chosen] += 1
        self._bracket[index] = chosen

    def milestones(self, index: int) -> tuple[int, ...]:
        """The rungs of its bracket."""
        return self._of(index).milestones(index)

    def observe(self, seen: Observation) -> Decision:
        """As its bracket says."""
        return self._of(seen.index).observe(seen)

    def ended(self, index: int) -> None:
        """See `Scheduler`."""
        self._of(index).ended(index)

    def choose(self, *, drawing: bool, idle: bool, finishing: bool = False) -> Continuation | None:
        """From the first bracket that has one."""
        for bracket in self._brackets:
            chosen = bracket.choose(drawing=drawing, idle=idle, finishing=finishing)
            if chosen is not None:
                return chosen
        return None

    def continued(self, chosen: Continuation) -> None:
        """See `Scheduler`."""
        self._of(chosen.index).continued(chosen)

    def _of(self, index: int) -> PromotionAsha:
        return self._brackets[self._bracket[index]]
