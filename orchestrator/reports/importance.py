"""How much each setting of a search space decided about the figures of trials."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from orchestrator.search.space import SearchSpace
from orchestrator.search.suggest import distributions
from orchestrator.sweeps.trial_table import TrialRecord

# PED-ANOVA compares the best tenth with all, and needs two at least
LEAST_TRIALS, QUANTILE = 10, 0.1
# of more trials so many, evenly spaced from the best to the worst
MOST_TRIALS = 500


def importance_of(space: SearchSpace, records: Sequence[TrialRecord], *, maximize: bool) -> dict[str, float]:
    """PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255): how differently the best tenth of trials has each setting.

    Args:
        space: of the sweep.
        records: of its trials, the best first.
        maximize: which way their values are better.

    Returns:
        By the setting's name that is unique in the space, largest first, together 1; nothing with fewer than 10 trials.
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
    trials = []
    for record in found:
        point = {name: value for name, value in record.point.items() if name in known}
        drawn = {name: known[name] for name in point}
        trials.append(optuna.create_trial(params=point, distributions=drawn, value=record.value))
    study.add_trials(trials)
    quantile = max(QUANTILE, 2 / len(found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
