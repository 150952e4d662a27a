"""`resume_sweep`: goes on with a sweep whose process has ended. `run_or_resume`: does so if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.columns.rows_wish import AUTO, FRAME
from orchestrator.config import SweepConfig
from orchestrator.data import Table, load_table
from orchestrator.data.joining import without_frames
from orchestrator.data.opening import with_frames
from orchestrator.errors import DataError, ExecutionError, StorageError
from orchestrator.journal.folder import KnownSweep, find_sweep, known_sweeps
from orchestrator.journal.package import kept_package
from orchestrator.journal.statuses import SweepStatus
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.opening import open_tracker
from orchestrator.runtime.result import SweepResult
from orchestrator.runtime.sweeps import continue_sweep, new_origin, run_on_ray
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import Outcome
from orchestrator.sweeps.plan import data_options
from orchestrator.sweeps.resume import check_trials, past_of, session_options
from orchestrator.tracking.store import absolute_uri
from orchestrator.tracking.sync import SyncResult, sync

# what may be another thing in each session; it makes no other sweep
OF_SESSION = frozenset(
    {
        "address",
        "tracking_uri",
        "tracking_timeout",
        "concurrency",
        "placement_timeout",
        "max_failures",
        "failed_share",
        "epoch_timeout",
        "disk_budget",
        "register_model",
        "allow_second_best",
    }
)


def run_or_resume(config: SweepConfig, hooks: Hooks) -> SweepResult | SyncResult:
    """Goes on with the latest sweep of that name and with these options, or starts it if none is unfinished.

    So a command that is run again after any end, by a scheduler say, does not begin from the start. What MLflow has not
    got of a finished one, because it did not answer, is sent. One that has failed only because a better trial was lost
    fails again: a scheduler would train all of it once more otherwise.

    Args:
        config: what the user asked for; where sweeps of that name are looked for is its `storage`.
        hooks: what to listen to.

    Raises:
        OrchestratorError: of the kind that says what is wrong; another process drives that sweep, say.
    """
    origin = new_origin(config, None)
    base = None if config.storage is None else Storage.at(config.storage)
    same = (sweep for sweep in known_sweeps(base) if sweep.name == config.sweep_name and _is_of(sweep, origin.config))
    latest = next(same, None)
    options = {name: getattr(config, name) for name in OF_SESSION if name in config.model_fields_set}
    tracking_uri = options.pop("tracking_uri", None)
    outcome = None if latest is None or latest.state != SweepStatus.FINISHED else _outcome(latest)
    if latest is not None and outcome is not None and outcome.waits:
        hooks.notify(f"{latest.id} is finished, and MLflow has not got all of it: that is sent now")
        patience = config.tracking_timeout.total_seconds()
        return sync(latest.id, storage=config.storage, tracking_uri=tracking_uri, patience=patience)
    if latest is not None and outcome is not None and outcome.passed_over:
        version = (outcome.model or "").rpartition("/")[2]
        accept = f"accept that with: orchestrator promote {latest.name} {version}; " if version else ""
        raise ExecutionError(
            f"{latest.id} is finished, with trial {outcome.best} in the place of a better one "
            f"({'; '.join(outcome.skipped)}); {accept}a sweep without --resume begins anew"
        )
    if latest is None or latest.state == SweepStatus.FINISHED:
        return run_on_ray(origin, hooks, open_tracker)
    hooks.notify(f"going on with {latest.id}, which is {latest.state}")
    return resume_sweep(latest.id, storage=config.storage, tracking_uri=tracking_uri, hooks=hooks, options=options)


def _outcome(sweep: KnownSweep) -> Outcome | None:
    """How the last session of a sweep has ended; None where that cannot be read."""
    try:
        outcome = Outcome.read(sweep.storage)
    except StorageError:
        return None
    return outcome if outcome is not None and outcome.current else None


def _is_of(sweep: KnownSweep, config: SweepConfig) -> bool:
    """Whether a sweep was started with these options."""
    # folds that are chosen are written down as their number; a path is absolute there
    chosen = {"folds"} if config.folds == AUTO else set()
    left = OF_SESSION | chosen | {"storage"}
    wanted = config.model_dump(mode="json", exclude_none=True, exclude=set(left))
    found = {name: value for name, value in sweep.header.config.items() if name not in left}
    return {**found, **_paths(found)} == {**wanted, **_paths(wanted)}


def _paths(options: Mapping[str, Any]) -> dict[str, str]:
    names = [name for name in ("data", "validation", "test") if isinstance(options.get(name), str)]
    return {name: str(Path(options[name]).resolve()) for name in names if Path(options[name]).exists()}


def resume_sweep(
    sweep: str | None = None,
    *,
    data: pd.DataFrame | None = None,
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    storage: str | None = None,
    trials: str | int | None = None,
    tracking_uri: str | None = None,
    hooks: Hooks | None = None,
    options: Mapping[str, Any],
) -> SweepResult:
    """Goes on with a sweep: finished trials stay, the others go on from their last checkpoints.

    The search algorithm and the scheduler know all that happened; the MLflow runs are the same ones.

    Args:
        sweep: its id, its name (the latest of that name) or its MLflow run; None for the latest.
        data, validation, test: the data frames that it was started with, if it was.
        storage: where to look for it, if that is not known on this machine.
        trials: how many there shall be in all, or `+N` for so many more; the same as before if left out.
        tracking_uri: the store, if it has another address now.
        hooks: what to listen to.
        options: fields of `SweepConfig` with other values than before; None counts as not given.

    Raises:
        OrchestratorError: of the kind that says what is wrong; see `orchestrator.errors`.
    """
    _, frames = without_frames(locals())
    check_trials(trials)
    found = find_sweep(sweep, None if storage is None else Storage.at(storage))
    if tracking_uri is not None:
        found = replace(found, header=replace(found.header, tracking_uri=absolute_uri(tracking_uri)))
    with kept_package(found.storage) as folder:
        past = past_of(found)
        config = session_options(found, past, trials, options)
        given = {"data": data, "validation": validation, "test": test}
        absent = [name for name, frame in given.items() if frame is None and found.header.config.get(name) == FRAME]
        if absent:
            raise DataError(
                f"the sweep {found.header.id} was started with a data frame; go on with it from Python: "
                f"orchestrator.resume(SWEEP, {', '.join(f'{name}=frame' for name in absent)})"
            )
        table = None if data is None else load_table(data, found.header.name)
        if frames:
            whole = with_frames(config.data if table is None else table, data_options(config), frames)
            table = whole if isinstance(whole, Table) else None
        return continue_sweep(found, past, config, table=table, hooks=hooks, package=folder)
