"""A portfolio: the configurations that a space tries first never wait, the others are promoted as by ASHA."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.search.schedulers._base import Decision, Observation
from orchestrator.search.schedulers._rungs import REDUCTION_FACTOR, rungs_for
from orchestrator.search.schedulers.asha_promote import PromotionAsha
from orchestrator.search.space import SearchSpace
from orchestrator.training.spec import TrialSpec


class Portfolio(PromotionAsha):
    """`PromotionAsha`, whose start points of the space never pause.

    Good defaults of several families, all trained to their end, are worth more than many trials of which few end
    (Holzmüller et al. 2024, arXiv 2407.04491, section 5.2), above all where they are put together in an ensemble.

    One that is trained with `coslog4` ends early where a whole cycle, from one rung to the next, has brought nothing:
    the last one, more than half of the epochs, then brings nothing either (docs/schedulers.md has figures).
    """

    def __init__(
        self, rungs: Sequence[int], points: Sequence[Mapping[str, Any]] = (), reduction: int = REDUCTION_FACTOR
    ) -> None:
        """Args:
        rungs, reduction: see `PromotionAsha`.
        points: configurations that never pause, as start points of a search space.
        """
        super().__init__(rungs, reduction)
        self._points = points
        self._trusted: set[int] = set()
        # those whose rungs are ends of cycles
        self._cycling: set[int] = set()

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> Portfolio:
        """See `Scheduler`."""
        return cls(rungs_for(epochs, space), space.start_points)

    def drawn(self, index: int, spec: TrialSpec) -> None:
        """Whether it is one of the start points."""
        if any(_is_example(spec, point) for point in self._points):
            self._trusted.add(index)
            if spec.schedule == "coslog4":
                self._cycling.add(index)

    def milestones(self, index: int) -> tuple[int, ...]:
        """All rungs, of those that pause."""
        return () if index in self._trusted else super().milestones(index)

    def observe(self, seen: Observation) -> Decision:
        """Pauses at each rung, unless it is a start point; these count for the others there, see the class."""
        if seen.index not in self._trusted:
            return super().observe(seen)
        if seen.epoch not in self._scores:
            return Decision.CONTINUE
        before = max((rung for rung in self._rungs if rung < seen.epoch), default=0)
        is_spent = seen.index in self._cycling and self._scores.get(before, {}).get(seen.index) == seen.best
        self._scores[seen.epoch][seen.index] = seen.best
        return Decision.STOP if is_spent else Decision.CONTINUE

    def informs(self, index: int, epoch: int) -> bool:
        """At the first rung, as with all others, which are told when they pause there."""
        return index in self._trusted and epoch == min(self._rungs, default=0)


def _is_example(spec: TrialSpec, point: Mapping[str, Any]) -> bool:
    """Whether a spec has all that a start point says."""
    return all(_is_equal(spec.settings.get(name, getattr(spec, name, None)), value) for name, value in point.items())


def _is_equal(one: object, other: object) -> bool:
    # steps of a float may be added up
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other
