"""The sweep of an estimator: where its trials run, what is written down of it, and what is left of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import StorageError
from orchestrator.journal.folder import forget
from orchestrator.runtime.in_process import run_in_process
from orchestrator.runtime.opening import open_tracker
from orchestrator.runtime.sweeps import new_origin, run_on_ray
from orchestrator.runtime.untracked import open_untracked

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.data import Table
    from orchestrator.runtime.assembly import Origin
    from orchestrator.runtime.hooks import Hooks
    from orchestrator.runtime.result import SweepResult
    from orchestrator.runtime.sweeps import Opener


def searched(config: SweepConfig, table: Table, hooks: Hooks, *, alone: bool) -> SweepResult:
    """Runs a sweep.

    Args:
        config: of it; without `tracking_uri` MLflow hears nothing, and without `storage` its folder is deleted.
        table: its data.
        hooks: what to listen to.
        alone: whether trials run one after another in this process, instead of many at once on Ray.

    Raises:
        OrchestratorError: of the kind that says what is wrong.
    """
    origin = replace(new_origin(config, table), passing=config.storage is None)
    opener: Opener = open_untracked if config.tracking_uri is None else open_tracker
    with _passing(origin) if origin.passing else nullcontext():
        return (run_in_process if alone else run_on_ray)(origin, hooks, opener)


@contextmanager
def _passing(origin: Origin) -> Iterator[None]:
    """At the end nothing is left of the sweep but what it has returned."""
    try:
        yield
    finally:
        with contextlib.suppress(StorageError):
            origin.storage.clear()
            forget(origin.id)
