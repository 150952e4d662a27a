"""`resume_sweep`: goes on with a sweep whose process has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from orchestrator.columns.rows_wish import FRAME
from orchestrator.data import Table, load_table
from orchestrator.data.joining import without_frames
from orchestrator.data.opening import with_frames
from orchestrator.errors import DataError
from orchestrator.journal.folder import find_sweep
from orchestrator.journal.package import kept_package
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.result import SweepResult
from orchestrator.runtime.sweeps import continue_sweep
from orchestrator.storage import Storage
from orchestrator.sweeps.plan import data_options
from orchestrator.sweeps.resume import past_of, session_options
from orchestrator.tracking.store import absolute_uri


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
