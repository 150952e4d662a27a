"""Which settings of a search space decide: their importances, and data for slices and parallel coordinates."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.analysis.history import SweepHistory
from orchestrator.analysis.studies import drawn_within
from orchestrator.search.space import SearchSpace
from orchestrator.search.suggest import distributions
from orchestrator.sweeps.trial_table import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

# PED-ANOVA compares the best tenth with all, and needs two at least
LEAST_TRIALS, QUANTILE = 10, 0.1
# of more trials so many, evenly spaced from the best to the worst
MOST_TRIALS = 1000
# the seed of a trial follows from its index
NO_SETTINGS = ("seed", "metric")


def importance_of(space: SearchSpace, records: Sequence[TrialRecord], *, maximize: bool) -> dict[str, float]:
    """How differently the best tenth of the trials has each setting than all of them.

    PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255) as Optuna has it, with its rules for settings that only some
    trials have. Trials that were stopped early count with the best value that they had: they are not among the best.

    Args:
        space: of the sweep.
        records: of its trials, the best first.
        maximize: which way their values are better.

    Returns:
        By the setting's name that is unique in the space (`ARCHITECTURE.NAME` for one's own), largest first, together
        1; nothing with fewer than 10 trials that have a value.
    """
    found = [record for record in records if record.value is not None and math.isfinite(record.value) and record.point]
    if len(found) < LEAST_TRIALS:
        return {}
    if len(found) > MOST_TRIALS:
        step = len(found) / MOST_TRIALS
        found = [found[int(place * step)] for place in range(MOST_TRIALS)]
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = distributions(space)
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    points = [drawn_within(record.point, known) for record in found]
    study.add_trials(
        optuna.create_trial(params=point, distributions={name: known[name] for name in point}, value=record.value)
        for record, point in zip(found, points, strict=True)
    )
    if not any(points):
        return {}
    with warnings.catch_warnings():
        # of Optuna's, about few trials
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(QUANTILE, 2 / len(found)))
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def parameter_importances(history: SweepHistory) -> dict[str, float]:
    """The importances of the settings of a sweep, see `importance_of`."""
    if not history.header.space:
        return {}
    by_index = {trial.index: trial.record for trial in history.trials}
    records = [by_index[index] for index in history.ranking]
    return importance_of(SearchSpace.model_validate(history.header.space), records, maximize=history.metric.maximize)


def parallel_coordinates(history: SweepHistory) -> pd.DataFrame:
    """The trials that have a value, as lines of a plot of parallel coordinates, the best first.

    Returns:
        A row per trial, with its number as index: `value`, and a column for each setting that is not the same in all,
        under its plain name; missing where a trial has no such setting.
    """
    import pandas as pd

    by_index = {trial.index: trial.record for trial in history.trials}
    records = [by_index[index] for index in history.ranking if by_index[index].value is not None]
    settings = [(record.best_spec or record.spec).parameters for record in records]
    names = [
        name
        for name in dict.fromkeys(name for own in settings for name in own)
        if name not in NO_SETTINGS and len({repr(own.get(name)) for own in settings}) > 1
    ]
    rows = [
        {"trial": record.index, "value": record.value, **{name: own.get(name) for name in names}}
        for record, own in zip(records, settings, strict=True)
    ]
    return pd.DataFrame(rows, columns=["trial", "value", *names]).set_index("trial")


def slices(history: SweepHistory) -> pd.DataFrame:
    """Each setting that varies against the value, as points of a plot for each setting.

    Returns:
        A row per trial and setting that it has: `trial`, `setting`, `setting_value`, `value`.
    """
    wide = parallel_coordinates(history).reset_index()
    names = [name for name in wide.columns if name not in ("trial", "value")]
    long = wide.melt(id_vars=["trial", "value"], value_vars=names, var_name="setting", value_name="setting_value")
    return long.dropna(subset=["setting_value"])[["trial", "setting", "setting_value", "value"]].reset_index(drop=True)
