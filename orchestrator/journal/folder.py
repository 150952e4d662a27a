"""A sweep's folder: what the sweep is (`sweep.json`), what happened (the journal), its trials' files, its lock."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.environment import home
from orchestrator.errors import ExecutionError, OrchestratorError, StorageError
from orchestrator.journal.lock import is_locked, locked
from orchestrator.storage import Storage

FILE = "sweep.json"
FORMAT = 1
MIN_PREFIX = 6
RUNNING, FINISHED, INTERRUPTED, FAILED, KILLED = "running", "finished", "interrupted", "failed", "killed"


@dataclass(frozen=True)
class Header:
    """What a sweep is, besides what happens in it; plain JSON.

    Attributes:
        id: name of its folder.
        name: of the sweep, the experiment and the registered model.
        config: the options, `SweepConfig` as JSON, with absolute paths and without the storage's address.
        space: the search space, as JSON.
        digest: of the data.
        metric: what is optimised.
        run_id, tracking_uri: where MLflow has it.
        threads: of torch in each worker.
        versions: of the packages that decide about results.
        folder: in which it was started; networks of the user's are looked for there.
        labels: tags of the MLflow run of every trial.
        started: seconds since 1970.
        status: running, finished, interrupted or failed; one that is running without a process was killed.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    space: Mapping[str, Any]
    digest: str
    metric: str
    run_id: str
    tracking_uri: str
    threads: int
    versions: Mapping[str, str]
    folder: str
    labels: Mapping[str, str]
    started: float
    status: str = RUNNING

    def with_status(self, status: str) -> Header:
        """The same sweep in another state."""
        return dataclasses.replace(self, status=status)


def sweeps_home() -> Storage:
    """Where sweeps are kept unless the user says otherwise."""
    return Storage.at(home() / "sweeps")


def new_id(name: str) -> str:
    """A name for the folder of a new sweep."""
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def write_header(storage: Storage, header: Header) -> None:
    """Writes what a sweep is; one that is kept elsewhere leaves a pointer at home, so that it is found by its name.

    Raises:
        StorageError: it could not be written.
    """
    storage.write(FILE, json.dumps({"format": FORMAT, **dataclasses.asdict(header)}, indent=1).encode())
    if sweeps_home().child(header.id) != storage:
        pointer = f"{header.id}.json"
        sweeps_home().write(pointer, json.dumps({"storage": storage.address}).encode())
        # an address may hold keys
        (Path(sweeps_home().path) / pointer).chmod(0o600)


def has_header(storage: Storage) -> bool:
    """Whether a sweep has begun there; where that cannot be seen, it may have."""
    try:
        return storage.size(FILE) > 0
    except StorageError:
        return True


def read_header(storage: Storage) -> Header:
    """What a sweep is.

    Raises:
        StorageError: there is none, or it was written by another version.
    """
    content = storage.read(FILE)
    try:
        values = json.loads(content)
        if values.pop("format") != FORMAT:
            raise StorageError(f"{storage}/{FILE}: written by another version of orchestrator")
        return Header(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{storage}/{FILE}: damaged ({error!r})") from None


@dataclass(frozen=True)
class KnownSweep:
    """A sweep that was found, and where."""

    header: Header
    storage: Storage

    @property
    def state(self) -> str:
        """As in the header; `killed` if it should be running and no process drives it."""
        if self.header.status == RUNNING and not is_locked(self.storage):
            return KILLED
        return self.header.status


def known_sweeps(base: Storage | None = None) -> list[KnownSweep]:
    """All sweeps, the latest first: those below `base`, or those at home and those that left a pointer there."""
    found = list(_below(base or sweeps_home()))
    if base is None:
        for pointer in Path(sweeps_home().path).glob("*.json"):
            # the place may be gone, or not reachable now
            with contextlib.suppress(OrchestratorError, OSError, ValueError, KeyError, TypeError):
                storage = Storage.at(json.loads(pointer.read_text())["storage"])
                found.append(KnownSweep(read_header(storage), storage))
    return sorted(found, key=lambda sweep: sweep.header.started, reverse=True)


def find_sweep(selector: str | None, base: Storage | None = None) -> KnownSweep:
    """One sweep: by its id, by its name (the latest), by its MLflow run (at least 6 characters); None for the latest.

    Raises:
        ExecutionError: there is none.
    """
    sweeps = known_sweeps(base)
    where = base or sweeps_home()
    if not sweeps:
        hint = "" if base is not None else "; if it keeps its files elsewhere, say where with --storage"
        raise ExecutionError(f"there is no sweep in {where}{hint}")
    if selector is None:
        return sweeps[0]
    for wanted in (
        lambda header: selector in (header.id, header.run_id),
        lambda header: selector == header.name,
        lambda header: len(selector) >= MIN_PREFIX and header.run_id.startswith(selector),
    ):
        for sweep in sweeps:
            if wanted(sweep.header):
                return sweep
    listed = ", ".join(sweep.header.id for sweep in sweeps[:5])
    raise ExecutionError(f"there is no sweep '{selector}' in {where} (latest: {listed})")


def remove_sweep(sweep_id: str, base: Storage | None = None) -> None:
    """Deletes the folder of a sweep, and the pointer to it.

    Raises:
        ExecutionError: there is none of that id, or it is running.
    """
    found = find_sweep(sweep_id, base)
    if found.header.id != sweep_id:
        raise ExecutionError(f"'{sweep_id}' is no id of a sweep; `orchestrator sweeps` lists them")
    with locked(found.storage, sweep_id):
        found.storage.clear()
    sweeps_home().remove(f"{sweep_id}.json")


def _below(base: Storage) -> Iterator[KnownSweep]:
    for name in base.folders():
        storage = base.child(name)
        with contextlib.suppress(StorageError):
            yield KnownSweep(read_header(storage), storage)
