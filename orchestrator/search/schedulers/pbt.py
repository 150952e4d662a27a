"""Population based training: bad trials take over the weights of good ones and go on with changed settings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from orchestrator.search.explore import explorer
from orchestrator.search.schedulers._base import Continuation, Decision, Observation, Scheduler
from orchestrator.search.schedulers._rungs import first_rung
from orchestrator.search.space import SearchSpace
from orchestrator.training import TrialSpec

# of the population: so large a part exploits, and is exploited
QUANTILE = 0.25
Explore = Callable[[TrialSpec, np.random.Generator], TrialSpec]


class PopulationBasedTraining(Scheduler):
    """Jaderberg et al. 2017 (arXiv 1711.09846) with truncation selection.

    All trials pause after every `interval` epochs. Whenever there is room, the one with the fewest epochs goes on. If
    it is among the worst quarter at its epoch, it takes over the weights and the settings of one of the best quarter,
    the settings changed a little.
    """

    pauses = True
    wants_all = True
    copies_weights = True

    def __init__(self, interval: int, epochs: int, seed: int, explore: Explore) -> None:
        """Args:
        interval: epochs between two comparisons.
        epochs: of a trial at most.
        seed: of the sweep.
        explore: changes a spec a little.
        """
        self._milestones = tuple(range(interval, epochs, interval))
        self._seed, self._explore = seed, explore
        self._specs: dict[int, TrialSpec] = {}
        self._scores: dict[int, dict[int, float]] = {epoch: {} for epoch in self._milestones}
        self._paused: dict[int, int] = {}
        self._gone: set[int] = set()

    @classmethod
    def create(cls, epochs: int, space: SearchSpace, seed: int) -> PopulationBasedTraining:
        """See `Scheduler`."""
        return cls(first_rung(epochs), epochs, seed, explorer(space))

    @property
    def rungs(self) -> tuple[int, ...]:
        """See `Scheduler`."""
        return self._milestones

    def milestones(self, index: int) -> tuple[int, ...]:
        """All epochs of comparison."""
        return self._milestones

    def drawn(self, index: int, spec: TrialSpec) -> None:
        """One more of the population."""
        self._specs[index] = spec

    def observe(self, seen: Observation) -> Decision:
        """Pauses at each milestone."""
        if seen.epoch not in self._scores:
            return Decision.CONTINUE
        self._scores[seen.epoch][seen.index] = seen.score
        self._paused[seen.index] = seen.epoch
        return Decision.PAUSE

    def ended(self, index: int) -> None:
        """See `Scheduler`; its scores still count."""
        self._gone.add(index)
        self._paused.pop(index, None)

    def choose(self, *, drawing: bool, idle: bool, finishing: bool = False) -> Continuation | None:
        """The one that has come least far; the population is made complete first."""
        if drawing or not self._paused:
            return None
        index = min(self._paused, key=lambda other: (self._paused[other], other))
        return self._continuation(index, self._paused[index])

    def continued(self, chosen: Continuation) -> None:
        """Takes over the changed settings."""
        self._paused.pop(chosen.index, None)
        if chosen.spec is not None:
            self._specs[chosen.index] = chosen.spec

    def _continuation(self, index: int, epoch: int) -> Continuation:
        scores = self._scores[epoch]
        ranked = sorted(scores, key=lambda other: (-scores[other], other))
        share = int(len(ranked) * QUANTILE)
        donors = [other for other in ranked[:share] if other not in self._gone]
        if not donors or index not in ranked[-share:]:
            return Continuation(index)
        random = np.random.default_rng([self._seed, index, epoch])
        donor = donors[int(random.integers(len(donors)))]
        return Continuation(index, donor, self._explore(self._specs[donor], random))
