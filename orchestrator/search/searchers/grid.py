"""Grid search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna

from orchestrator.search.searchers._base import Draw, Searcher
from orchestrator.search.suggest import SpecSampler


class Grid(Searcher):
    """Tries all combinations of the values that the space gives to a grid, each once."""

    searches = "grid"
    tries_all = True

    def first_points(self, sampler: SpecSampler) -> Sequence[Mapping[str, Any]]:
        """The whole grid."""
        return list(sampler.distinct(sampler.space.grid()).values())

    def size(self, sampler: SpecSampler) -> int | None:
        """Of the grid."""
        return len(sampler.distinct(sampler.space.grid()))

    def sampler(self, draw: Draw) -> optuna.samplers.BaseSampler:
        """For what the grid leaves open: nothing, as long as there are configurations in it."""
        return optuna.samplers.RandomSampler(seed=draw.seed)
