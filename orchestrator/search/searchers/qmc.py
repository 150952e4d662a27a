"""Quasi-random search."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna

from orchestrator.search.searchers._base import STREAM, Draw, Searcher
from orchestrator.search.suggest import distributions


class Qmc(Searcher):
    """Spreads configurations evenly over the space: points of a scrambled Sobol sequence (Owen 1998, ACM TOMACS 8).

    Like random search it needs no results, but it leaves no gaps. Point number `index` of the sequence becomes trial
    number `index`; of its coordinates, one for each parameter of the space, a trial takes those that it has.
    """

    def sampler(self, draw: Draw) -> optuna.samplers.BaseSampler:
        """See `Searcher`."""
        return _SobolPoint(draw)


class _SobolPoint(optuna.samplers.QMCSampler):  # type: ignore[misc]
    """One point of a sequence that depends on the sweep's seed only.

    Optuna counts the points in the study, which a search that is rebuilt would have to count again.
    """

    def __init__(self, draw: Draw) -> None:
        # a configuration that was there already is replaced by the point of another sequence
        entropy = [draw.sweep_seed, STREAM, draw.number]
        scrambling = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        with warnings.catch_warnings():
            # Optuna calls it experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(scramble=True, seed=scrambling, warn_independent_sampling=False)
        self._draw = draw

    def infer_relative_search_space(self, study: optuna.Study, trial: Any) -> dict[str, Any]:  # noqa: ANN401
        """All parameters of the space: Optuna would take those of the first trial that has a result."""
        found = distributions(self._draw.space)
        return {name: distribution for name, distribution in found.items() if not distribution.single()}

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, Any]) -> int:
        return self._draw.index
