"""Searcher: how the next configuration is chosen, by a sampler of Optuna's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from orchestrator.search.space import SearchSpace
from orchestrator.search.suggest import SpecSampler

if TYPE_CHECKING:
    import optuna

# keeps the draws of a search apart from the seeds of its trials
STREAM = 1


@dataclass(frozen=True)
class Draw:
    """One try to find the configuration of a trial.

    Attributes:
        space: what is searched.
        sweep_seed: of the sweep.
        index: of the trial.
        number: of this try, from 0: a configuration that another trial has had already is not taken.
    """

    space: SearchSpace
    sweep_seed: int
    index: int
    number: int

    @property
    def seed(self) -> int:
        """Of this draw, whatever was drawn before."""
        entropy = [self.sweep_seed, self.index, STREAM]
        entropy += [self.number] if self.number else []
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])


class Searcher(ABC):
    """What all search algorithms share.

    A draw depends on the sweep's seed, on the trial's index and on the results that are known, never on what this
    object has drawn before: then a search that is rebuilt from its record goes on as it would have without the break.

    Attributes:
        searches: what it searches, in the user's words.
        tries_all: whether it tries all configurations of that, unless the user says how many.
    """

    searches: ClassVar[str] = "search space"
    tries_all: ClassVar[bool] = False

    def first_points(self, sampler: SpecSampler) -> Sequence[Mapping[str, Any]]:
        """The configurations that are tried first, as flat parameters."""
        return sampler.space.start_points

    def size(self, sampler: SpecSampler) -> int | None:
        """How many configurations it can try, None for endless ones."""
        return None if sampler.points is None else len(sampler.points)

    @abstractmethod
    def sampler(self, draw: Draw) -> optuna.samplers.BaseSampler:
        """Optuna's sampler for one draw; the study has the trials so far with their results."""
