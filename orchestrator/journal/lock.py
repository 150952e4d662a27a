"""One driver at a time: a sweep that two processes drive would have every trial twice."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from orchestrator.errors import ExecutionError, StorageError
from orchestrator.storage import Storage

FILE = "driver.lock"
BEAT_SECONDS = 10.0
TRY_SECONDS = 0.5
# a driver that has not written for so long is dead
SILENT_SECONDS = 60.0


@contextmanager
def locked(storage: Storage, sweep_id: str) -> Iterator[None]:
    """While it is open, no other process can have the lock of this sweep; it ends with the process, however that ends.

    Raises:
        ExecutionError: another process has it.
    """
    with _locked_file(storage, sweep_id, tell=True) if storage.is_local else _beating(storage, sweep_id):
        yield


def is_locked(storage: Storage) -> bool:
    """Whether a process drives the sweep."""
    if not storage.is_local:
        return _holder(storage) is not None
    try:
        with _locked_file(storage, "", tell=False):
            return False
    except (ExecutionError, StorageError):
        # on a read-only disk nobody can tell
        return True


@contextmanager
def _locked_file(storage: Storage, sweep_id: str, *, tell: bool) -> Iterator[None]:
    try:
        file = (Path(storage.path) / FILE).open("a+")
    except OSError as error:
        raise StorageError(f"{storage}: cannot be written ({error.strerror})") from None
    with file:
        deadline = time.monotonic() + (TRY_SECONDS if tell else 0)
        while not _try_lock(file):
            # who only looks has it for a moment
            if time.monotonic() > deadline:
                file.seek(0)
                raise _taken(sweep_id, file.read())
            time.sleep(TRY_SECONDS / 10)
        if tell:
            # a full disk is no reason not to go on: the content is for people
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(_here())
                file.flush()
        yield


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _beating(storage: Storage, sweep_id: str) -> Iterator[None]:
    """In an object store: a file that is written again and again."""
    found = _holder(storage)
    if found is not None:
        raise _taken(sweep_id, found)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with contextlib.suppress(StorageError):
                storage.write(FILE, _here().encode())

    storage.write(FILE, _here().encode())
    thread = threading.Thread(target=beat, name="lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(StorageError):
            storage.remove(FILE)


def _holder(storage: Storage) -> str | None:
    """What the living driver of a sweep in an object store has written, None if there is none."""
    with contextlib.suppress(StorageError, ValueError, KeyError, TypeError):
        found = storage.read(FILE).decode()
        if time.time() - json.loads(found)["at"] < SILENT_SECONDS:
            return found
    return None


def _here() -> str:
    return json.dumps({"host": platform.node(), "process": os.getpid(), "at": time.time()})


def _taken(sweep_id: str, content: str) -> ExecutionError:
    try:
        holder = json.loads(content)
        where = f"process {holder['process']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        where = "another process"
    return ExecutionError(
        f"the sweep {sweep_id} is running ({where}); wait for its end, or stop it there with Ctrl-C "
        f"(a process that is gone is noticed within {SILENT_SECONDS:.0f} s)"
    )
