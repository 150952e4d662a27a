"""Tree-structured Parzen estimators."""

from __future__ import annotations

import warnings

import optuna

from orchestrator.search.searchers._base import Draw, Searcher


class Tpe(Searcher):
    """Draws where good configurations are dense and bad ones are not (Bergstra et al. 2011, NeurIPS)."""

    def sampler(self, draw: Draw) -> optuna.samplers.BaseSampler:
        """See `Searcher`."""
        with warnings.catch_warnings():
            # multivariate and grouped sampling are what a conditional space needs; Optuna calls them experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=False, seed=draw.seed)
