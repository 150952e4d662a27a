"""A sweep's folder: what the sweep is (`sweep.json`, and the same a second time), and how sweeps are found again."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.environment import home
from orchestrator.errors import (
    ExecutionError,
    NewerFormatError,
    NoSuchSweepError,
    OrchestratorError,
    StorageError,
    did_you_mean,
)
from orchestrator.journal.events import Begun
from orchestrator.journal.journal import has_events, read_events
from orchestrator.journal.lock import is_locked
from orchestrator.journal.sealed import seal, unseal
from orchestrator.journal.statuses import SweepStatus
from orchestrator.storage import Storage

FILE, COPY = "sweep.json", "sweep-copy.json"
FORMAT = 1
MIN_PREFIX = 6
# places that are looked at at once
MOST_LOOKS = 32
ID = re.compile(r"(?P<name>.+)-(?P<started>\d{8}-\d{6})-[0-9a-f]{4}")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a sweep is, besides what happens in it; plain JSON.

    Attributes:
        id, name: of its folder; of the sweep, the experiment and the registered model.
        config: the options, `SweepConfig` as JSON, with absolute paths and without the storage's address.
        space: the search space, as JSON.
        digest, metric: of the data, and what is optimised.
        run_id, tracking_uri: where MLflow has it; the run is None until there is one.
        threads: of torch in each worker; 0 until that is known.
        folder: in which it was started; networks of the user's are looked for there.
        labels: tags of the MLflow run of every trial.
        started: seconds since 1970.
        notes: what was guessed about the data, see `Note.to_json`.
        maximize: which way the metric is better, None if an older version wrote this.
        status: running, finished, interrupted or failed; one that is running without a process was killed.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    space: Mapping[str, Any]
    digest: str
    metric: str
    run_id: str | None
    tracking_uri: str
    threads: int
    folder: str
    labels: Mapping[str, str]
    started: float
    notes: tuple[Mapping[str, str | None], ...] = ()
    maximize: bool | None = None
    status: SweepStatus = SweepStatus.RUNNING

    def with_status(self, status: SweepStatus) -> Header:
        """The same sweep in another state."""
        return dataclasses.replace(self, status=status)

    def with_run(self, run_id: str | None, tracking_uri: str) -> Header:
        """The same sweep with another run in MLflow."""
        return dataclasses.replace(self, run_id=run_id, tracking_uri=tracking_uri)


def sweeps_home() -> Storage:
    """Where sweeps are kept unless the user says otherwise."""
    return Storage.at(home() / "sweeps")


def new_id(name: str) -> str:
    """A name for the folder of a new sweep."""
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def announce(storage: Storage, sweep_id: str) -> None:
    """Leaves a pointer at home to a sweep that is kept elsewhere, so that it is found from its first moment on.

    Raises:
        StorageError: it could not be written.
    """
    if sweeps_home().child(sweep_id) == storage:
        return
    pointer = f"{sweep_id}.json"
    sweeps_home().write(pointer, json.dumps({"storage": storage.address}).encode())
    # an address may hold keys
    (Path(sweeps_home().path) / pointer).chmod(0o600)


def forget(sweep_id: str) -> None:
    """Deletes the pointer to a sweep.

    Raises:
        StorageError: it could not be deleted.
    """
    sweeps_home().remove(f"{sweep_id}.json")


def write_header(storage: Storage, header: Header) -> None:
    """Writes what a sweep is, twice: from the second copy the first one is made again if it is damaged.

    Raises:
        StorageError: it could not be written.
    """
    content = seal({"format": FORMAT, **dataclasses.asdict(header)})
    storage.write(COPY, content)
    storage.write(FILE, content)
    announce(storage, header.id)


def has_begun(storage: Storage) -> bool:
    """Whether anything has happened in a sweep; where that cannot be seen, it may have."""
    try:
        return has_events(storage)
    except StorageError:
        return True


def read_header(storage: Storage, name: str = FILE) -> Header:
    """What a sweep is, from `sweep.json` or from its copy.

    Raises:
        NewerFormatError: another version of this program has written it.
        StorageError: it is not there, or damaged.
    """
    where = f"{storage}/{name}"
    content = storage.read(name)
    try:
        values = json.loads(content)
        found = values["format"]
        if isinstance(found, int) and found != FORMAT:
            raise NewerFormatError(
                f"{where} has format {found}, and this orchestrator reads format {FORMAT}: another version of it has "
                "written the file; use that version for this sweep"
            )
        header = _validator().validate_python(unseal(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StorageError(f"{where}: damaged ({type(error).__name__}: {reason})") from None
    return header


@functools.cache
def _validator() -> TypeAdapter[Header]:
    return TypeAdapter(Header)


@dataclass(frozen=True)
class KnownSweep:
    """A sweep that was found, and where.

    Attributes:
        header: what it is.
        storage: its folder.
        damage: why the header was read from its second copy; empty if it was not.
    """

    header: Header
    storage: Storage
    damage: str = ""

    @property
    def id(self) -> str:
        """By which it is known."""
        return self.header.id

    @property
    def name(self) -> str:
        """Of the sweep."""
        return self.header.name

    @property
    def started(self) -> float:
        """Seconds since 1970."""
        return self.header.started

    @property
    def state(self) -> SweepStatus:
        """As in the header; `killed` if it should be running and no process drives it, `damaged` as `damage` says."""
        if self.damage:
            return SweepStatus.DAMAGED
        if self.header.status == SweepStatus.RUNNING and not is_locked(self.storage):
            return SweepStatus.KILLED
        return self.header.status

    @property
    def has_trials(self) -> bool:
        """Whether a trial of it has ever begun, as far as that can be read."""
        with contextlib.suppress(StorageError):
            return any(isinstance(event, Begun) for event in read_events(self.storage))
        return False


@dataclass(frozen=True)
class BrokenSweep:
    """What is left of a sweep that cannot be gone on with as it is.

    Attributes:
        id: name of its folder.
        storage: its folder.
        state: damaged, newer (of another version), unstarted (killed before anything was written down) or missing.
        reason: a sentence.
    """

    id: str
    storage: Storage
    state: SweepStatus
    reason: str

    @property
    def name(self) -> str:
        """Of the sweep, as far as its id tells."""
        found = ID.fullmatch(self.id)
        return self.id if found is None else found["name"]

    @property
    def started(self) -> float:
        """Seconds since 1970, 0 if its id does not tell."""
        found = ID.fullmatch(self.id)
        with contextlib.suppress(ValueError, OverflowError):
            return 0.0 if found is None else time.mktime(time.strptime(found["started"], "%Y%m%d-%H%M%S"))
        return 0.0


def all_sweeps(base: Storage | None = None) -> list[KnownSweep | BrokenSweep]:
    """All sweeps, the latest first: those below `base`, or those at home and those that left a pointer there.

    Raises:
        StorageError: the place could not be read.
    """
    found = list(_below(base or sweeps_home()))
    pointers = sorted(Path(sweeps_home().path).glob("*.json")) if base is None else []
    if pointers:
        # a storage that cannot be reached takes many seconds to say so
        with ThreadPoolExecutor(max_workers=min(len(pointers), MOST_LOOKS)) as looks:
            found += looks.map(_pointed_at, pointers)
    return sorted(found, key=lambda sweep: sweep.started, reverse=True)


def sweeps_of_id(sweep_id: str, base: Storage | None) -> list[KnownSweep | BrokenSweep]:
    """Those of `all_sweeps` with this id; no other one is looked at: it may lie in a storage that does not answer."""
    if not ID.fullmatch(sweep_id):
        return []
    where = base or sweeps_home()
    found = [_look(where.child(sweep_id), sweep_id)] if sweep_id in where.folders() else []
    pointer = Path(sweeps_home().path) / f"{sweep_id}.json"
    return [*found, _pointed_at(pointer)] if base is None and pointer.is_file() else found


def known_sweeps(base: Storage | None = None) -> list[KnownSweep]:
    """Of `all_sweeps` those that one can go on with."""
    return [sweep for sweep in all_sweeps(base) if isinstance(sweep, KnownSweep)]


def find_sweep(selector: str | None, base: Storage | None = None) -> KnownSweep:
    """One sweep: by its id, by its name (the latest), by its MLflow run (at least 6 characters); None for the latest.

    One that ended before its first trial hides no earlier one that has trials.

    Raises:
        NoSuchSweepError: there is none.
        ExecutionError: it cannot be gone on with; says why.
    """
    sweeps = (sweeps_of_id(selector, base) if selector is not None else []) or all_sweeps(base)
    where = base or sweeps_home()
    for wanted in _conditions(selector):
        chosen = [sweep for sweep in sweeps if wanted(sweep)]
        # of what has not begun, or is gone, nobody speaks who does not give its id
        begun = [sweep for sweep in chosen if not _is_nothing(sweep)] or chosen
        if begun:
            sweep = _most_telling(begun)
            if isinstance(sweep, KnownSweep):
                return sweep
            raise ExecutionError(f"the sweep {sweep.id} cannot be used: {sweep.reason}")
    if not sweeps:
        hint = "" if base is not None else "; if it is elsewhere, give that folder with --storage or ORCHESTRATOR_HOME"
        raise NoSuchSweepError(f"there is no sweep in {where}{hint}")
    listed = ", ".join(sweep.id for sweep in sweeps[:5])
    hint = did_you_mean(selector or "", [name for sweep in sweeps for name in (sweep.name, sweep.id)])
    raise NoSuchSweepError(f"there is no sweep '{selector}' in {where} (latest: {listed}){hint}")


def _most_telling(sweeps: list[KnownSweep | BrokenSweep]) -> KnownSweep | BrokenSweep:
    """The latest, unless it ended before its first trial and another one did not."""
    if len(sweeps) == 1:
        return sweeps[0]
    return next(
        (
            sweep
            for sweep in sweeps
            if isinstance(sweep, BrokenSweep) or sweep.state == SweepStatus.RUNNING or sweep.has_trials
        ),
        sweeps[0],
    )


def _conditions(selector: str | None) -> Iterator[Callable[[KnownSweep | BrokenSweep], bool]]:
    """What a selector may mean, the most exact first."""

    def run(sweep: KnownSweep | BrokenSweep) -> str:
        return (sweep.header.run_id or "") if isinstance(sweep, KnownSweep) else ""

    if selector is None:
        yield lambda _sweep: True
        return
    yield lambda sweep: selector in (sweep.id, run(sweep) or None)
    yield lambda sweep: selector == sweep.name
    yield lambda sweep: len(selector) >= MIN_PREFIX and run(sweep).startswith(selector)


def _below(base: Storage) -> Iterator[KnownSweep | BrokenSweep]:
    for name in base.folders():
        found = _look(base.child(name), name)
        # a folder of something else may lie beside sweeps
        if ID.fullmatch(name) or isinstance(found, KnownSweep) or found.state != SweepStatus.UNSTARTED:
            yield found


def _pointed_at(pointer: Path) -> KnownSweep | BrokenSweep:
    """The sweep of a pointer; its place may be gone, or not reachable now."""
    try:
        storage = Storage.at(json.loads(pointer.read_text())["storage"])
    except (OrchestratorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{pointer} does not tell where it is ({error})"
        return BrokenSweep(pointer.stem, Storage(str(pointer.with_suffix(""))), SweepStatus.MISSING, reason)
    found = _look(storage, pointer.stem)
    if not _is_nothing(found):
        return found
    try:
        there = bool(storage.names())
        reason = f"nothing is left of it in {storage}"
    except StorageError as error:
        there, reason = False, str(error)
    return found if there else BrokenSweep(pointer.stem, storage, SweepStatus.MISSING, reason)


def _look(storage: Storage, sweep_id: str) -> KnownSweep | BrokenSweep:
    damage = ""
    for name in (FILE, COPY):
        try:
            return KnownSweep(read_header(storage, name), storage, damage)
        except NewerFormatError as error:
            return BrokenSweep(sweep_id, storage, SweepStatus.NEWER, str(error))
        except StorageError as error:
            damage = damage or str(error)
    hint = f"`orchestrator sweeps --remove {sweep_id}` deletes what is there"
    if not _has_any(storage, FILE, COPY) and not has_begun(storage):
        reason = f"it was killed before anything was written down, so there is nothing to go on with; {hint}"
        return BrokenSweep(sweep_id, storage, SweepStatus.UNSTARTED, reason)
    return BrokenSweep(sweep_id, storage, SweepStatus.DAMAGED, f"{damage}, and so is its second copy {COPY}; {hint}")


def _has_any(storage: Storage, *names: str) -> bool:
    """Whether one of the files is there, or cannot be looked at."""
    try:
        return any(storage.has(name) for name in names)
    except StorageError:
        return True


def _is_nothing(sweep: KnownSweep | BrokenSweep) -> bool:
    """Whether nobody has anything of it."""
    return isinstance(sweep, BrokenSweep) and sweep.state in (SweepStatus.UNSTARTED, SweepStatus.MISSING)
