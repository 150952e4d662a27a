"""Sweeps as Optuna's studies: for its dashboard, its plots, and its importances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.history import SweepHistory, TrialHistory
from orchestrator.analysis.rows import row_of
from orchestrator.errors import StorageError
from orchestrator.journal import TrialStatus
from orchestrator.search.space import SearchSpace
from orchestrator.search.suggest import distributions

if TYPE_CHECKING:
    import optuna

# such a trial was not given up: it was trained as far as there was time
BY_TIME = "by the time budget"


def write_study(history: SweepHistory, path: Path) -> int:
    """Writes a sweep as a study of Optuna's into a SQLite file, from where `optuna.load_study` reads it.

    The study has the name of the sweep's id. A trial has what was drawn for it as parameters with their distributions
    (`ARCHITECTURE.NAME` for what only one architecture has), its best value, the metric after each epoch as
    intermediate values, and as user attributes what `TrialRow` says besides. A trial that was stopped early, or
    not promoted, is PRUNED; one without a value FAIL; one with a value that has come to its end, or to that of the time
    budget, COMPLETE; and one that runs or is paused RUNNING.

    Args:
        history: of the sweep.
        path: of a new file.

    Returns:
        How many trials it has.

    Raises:
        StorageError: the file cannot be written.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        # no crash is to be survived by a file that is made anew in seconds
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 30}})
        study = optuna.create_study(
            study_name=history.id, storage=storage, direction="maximize" if history.metric.maximize else "minimize"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([history.metric.name])
        best = None if history.best is None else history.best.index
        about = {"metric": history.metric.name, "state": str(history.state), "best_trial": best}
        for name, value in {**about, "data": history.header.config.get("data")}.items():
            study.set_user_attr(name, value)
        trials = study_trials(history)
        study.add_trials(trials)
    except (SQLAlchemyError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StorageError(f"{path}: cannot be written ({reason})") from None
    storage.engine.dispose()
    return len(trials)


def study_trials(history: SweepHistory) -> list[optuna.trial.FrozenTrial]:
    """The trials of a sweep as Optuna's, by their index; see `write_study`."""
    known = space_distributions(history.header.space)
    return [_frozen(trial, history, known) for trial in history.trials]


def space_distributions(space: Mapping[str, Any]) -> dict[str, optuna.distributions.BaseDistribution]:
    """The distributions of a search space as a sweep's header has it, by names that are unique in it."""
    return distributions(SearchSpace.model_validate(space)) if space else {}


def drawn_within(
    point: Mapping[str, Any], known: Mapping[str, optuna.distributions.BaseDistribution]
) -> dict[str, Any]:
    """What was drawn, without values that their distributions do not have: a space may have been changed meanwhile."""
    return {name: value for name, value in point.items() if name in known and _contains(known[name], value)}


def _contains(distribution: optuna.distributions.BaseDistribution, value: Any) -> bool:  # noqa: ANN401
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def _frozen(
    trial: TrialHistory, history: SweepHistory, known: Mapping[str, optuna.distributions.BaseDistribution]
) -> optuna.trial.FrozenTrial:
    import optuna

    record, state = trial.record, _state(trial)
    point = drawn_within(record.point, known)
    name = history.metric.name
    measured = {epoch.report.epoch: epoch.report.validation.get(name) for epoch in trial.epochs}
    last = trial.epochs[-1].at if trial.epochs else record.started
    over = state.is_finished()
    has_value = record.value is not None and math.isfinite(record.value)
    return optuna.trial.FrozenTrial(
        number=record.index,
        trial_id=record.index,
        state=state,
        value=record.value if over and has_value and state != optuna.trial.TrialState.FAIL else None,
        datetime_start=datetime.fromtimestamp(record.started),
        datetime_complete=datetime.fromtimestamp(trial.ended or last) if over else None,
        params=point,
        distributions={name: known[name] for name in point},
        user_attrs=_attributes(trial),
        system_attrs={},
        intermediate_values={epoch: value for epoch, value in measured.items() if value is not None},
    )


def _state(trial: TrialHistory) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    if trial.status in (TrialStatus.RUNNING, TrialStatus.WAITING, TrialStatus.PAUSED):
        return TrialState.RUNNING
    if trial.status == TrialStatus.FAILED or trial.record.value is None or not math.isfinite(trial.record.value):
        return TrialState.FAIL
    if trial.status == TrialStatus.STOPPED and not trial.reason.startswith(BY_TIME):
        return TrialState.PRUNED
    return TrialState.COMPLETE


def _attributes(trial: TrialHistory) -> dict[str, Any]:
    """What Optuna has no place of its own for: flat, so that its dashboard shows each as a column."""
    row = row_of(trial)
    own = {
        "trial": row.trial,
        "status": str(row.status),
        "reason": row.reason,
        "best_epoch": row.best_epoch,
        "epochs": row.epochs,
        "seconds": row.seconds,
        "train_seconds": row.train_seconds,
        "attempts": row.attempts,
        "parameters": row.parameters,
    }
    metrics = {f"metrics.{name}": value for name, value in row.metrics.items()}
    return {name: value for name, value in {**own, **metrics}.items() if value not in (None, "")}
