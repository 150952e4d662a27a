"""Deleting what is kept of a sweep."""

from __future__ import annotations

import contextlib
from pathlib import Path

from orchestrator.errors import NoSuchSweepError
from orchestrator.journal.folder import BrokenSweep, KnownSweep, all_sweeps, find_sweep, forget, sweeps_of_id
from orchestrator.journal.lock import locked
from orchestrator.journal.statuses import SweepStatus
from orchestrator.storage import Storage


def remove_sweep(sweep_id: str, base: Storage | None = None) -> KnownSweep | BrokenSweep:
    """Deletes the folder of a sweep, whatever state it is in, and the pointer to it; returns what it was.

    Raises:
        ExecutionError: there is none of that id, or it is running.
        StorageError: it could not be deleted.
    """
    sweeps = sweeps_of_id(sweep_id, base) or all_sweeps(base)
    found = next((sweep for sweep in sweeps if sweep.id == sweep_id), None)
    if found is None:
        find_sweep(sweep_id, base)
        raise NoSuchSweepError(f"'{sweep_id}' is no id of a sweep; `orchestrator sweeps` lists them")
    if not (isinstance(found, BrokenSweep) and found.state == SweepStatus.MISSING):
        with locked(found.storage, sweep_id):
            found.storage.clear()
    elif found.storage.is_local:
        # what cannot be reached now is left alone, an empty folder is not
        with contextlib.suppress(OSError):
            Path(found.storage.path).rmdir()
    forget(sweep_id)
    return found
