"""Search algorithms: what to try next. All go through Optuna by way of Tune's `OptunaSearch`."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from orchestrator.search.suggest import SpecSampler
from orchestrator.training import Metric

OBJECTIVE = "objective"


class TrialSearch(OptunaSearch):  # type: ignore[misc]
    """`OptunaSearch` that tells Optuna of failed trials as failed: a diverged trial reports NaN and no error."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Passes the result on, or its absence."""
        value = (result or {}).get(OBJECTIVE)
        if value is None or not math.isfinite(value):
            super().on_trial_complete(trial_id, None, error=True)
        else:
            super().on_trial_complete(trial_id, result, error=error)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: Optuna prunes nothing here, and the final value is all that its samplers use."""


def build_search(
    algorithm: str, sampler: SpecSampler, metric: Metric, points: Sequence[Mapping[str, Any]]
) -> TrialSearch:
    """The search for a sweep.

    Args:
        algorithm: tpe, random, or grid (then `points` are the whole grid).
        sampler: turns Optuna's trials into specs.
        metric: decides whether the objective is maximised.
        points: configurations to try first, as flat parameters.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("ray.tune.search.optuna").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # multivariate and grouped sampling are what a conditional space needs; Optuna calls them experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        chosen = (
            optuna.samplers.TPESampler(multivariate=True, group=True, seed=sampler.seed)
            if algorithm == "tpe"
            else optuna.samplers.RandomSampler(seed=sampler.seed)
        )
        return TrialSearch(
            space=sampler,
            metric=OBJECTIVE,
            mode=metric.mode,
            sampler=chosen,
            points_to_evaluate=[sampler.space.qualify(point) for point in points],
        )
