"""Random search."""

from __future__ import annotations

import optuna

from orchestrator.search.searchers._base import Draw, Searcher


class Random(Searcher):
    """Draws every configuration on its own, as the space says how values are spread."""

    def sampler(self, draw: Draw) -> optuna.samplers.BaseSampler:
        """See `Searcher`."""
        return optuna.samplers.RandomSampler(seed=draw.seed)
