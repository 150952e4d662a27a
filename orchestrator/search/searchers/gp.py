"""Bayesian optimisation with a Gaussian process."""

from __future__ import annotations

import optuna

from orchestrator.search.searchers._base import Draw, Searcher

# so many trials are drawn at random before a process is fitted to their results
STARTUP_TRIALS = 10


class Gp(Searcher):
    """Draws where a Gaussian process expects the largest improvement (Jones et al. 1998, J. Global Optim. 13).

    It learns from few results, and takes longer the more there are. Only parameters that every trial has are part of
    the process: of those that one architecture has alone, or that depend on others, values are drawn at random.
    """

    def sampler(self, draw: Draw) -> optuna.samplers.BaseSampler:
        """See `Searcher`."""
        return optuna.samplers.GPSampler(
            seed=draw.seed, n_startup_trials=STARTUP_TRIALS, warn_independent_sampling=False
        )
