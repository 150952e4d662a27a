"""One driver at a time: a sweep that two processes drive would have every trial twice."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from orchestrator.errors import ExecutionError, LostLockError, StorageError
from orchestrator.journal.claims import BEAT_SECONDS, StoreLock, here, is_claimed, taken
from orchestrator.storage import Storage

FILE = "driver.lock"
FOLDER = "lock"
TRY_SECONDS = 0.5
SETTLE_SECONDS = 2.0


class Lock(Protocol):
    """The right to drive a sweep.

    Attributes:
        lost: who has it now, None as long as it is not known to be lost.
    """

    lost: LostLockError | None

    def check(self) -> None:
        """Asked before anything is written.

        Raises:
            LostLockError: another process drives the sweep.
            StorageError: that is not known now.
        """


class _FileLock:
    """A file is locked as long as it is open; when it was deleted, another one may be in its place."""

    def __init__(self, storage: Storage, sweep_id: str, held: ExitStack) -> None:
        self._storage, self._sweep_id, self._held = storage, sweep_id, held
        self._checking = threading.Lock()
        self._file = held.enter_context(_locked_file(storage, sweep_id, tell=True))
        self.lost: LostLockError | None = None

    def check(self) -> None:
        """See `Lock`."""
        with self._checking:
            if self.lost is None and self._is_replaced():
                try:
                    self._file = self._held.enter_context(_locked_file(self._storage, self._sweep_id, tell=True))
                except StorageError:
                    # who cannot write there cannot drive the sweep either
                    return
                except ExecutionError:
                    self.lost = LostLockError(
                        f"the sweep {self._sweep_id} is driven by another process, because {FILE} was deleted or "
                        "replaced; this one has stopped and writes nothing more"
                    )
            if self.lost is not None:
                raise self.lost

    def _is_replaced(self) -> bool:
        """Whether another file has its name; where there is none nobody else has the lock."""
        try:
            found = (Path(self._storage.path) / FILE).stat()
        except OSError:
            return False
        own = os.fstat(self._file.fileno())
        return (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino)


@contextmanager
def locked(storage: Storage, sweep_id: str) -> Iterator[Lock]:
    """While it is open, no other process can have the lock of this sweep; it ends with the process, however that ends.

    In an object store a process that was not heard of for a minute loses it, and learns that by `check`.

    Raises:
        ExecutionError: another process has it.
    """
    if storage.is_local:
        with ExitStack() as held:
            yield _FileLock(storage, sweep_id, held)
    else:
        with _beating(storage, sweep_id) as lock:
            yield lock


def is_locked(storage: Storage) -> bool:
    """Whether a process drives the sweep."""
    if not storage.is_local:
        try:
            return is_claimed(storage.child(FOLDER))
        except StorageError:
            return False
    try:
        with _locked_file(storage, "", tell=False):
            return False
    except (ExecutionError, StorageError):
        # on a read-only disk nobody can tell
        return True


@contextmanager
def _locked_file(storage: Storage, sweep_id: str, *, tell: bool) -> Iterator[TextIO]:
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
                raise taken(sweep_id, file.read())
            time.sleep(TRY_SECONDS / 10)
        if tell:
            # a full disk is no reason not to go on: the content is for people
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(here().decode())
                file.flush()
        yield file


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _beating(storage: Storage, sweep_id: str) -> Iterator[StoreLock]:
    """In an object store: a claim that is renewed again and again."""
    lock = StoreLock(storage.child(FOLDER), sweep_id, 0.0 if storage.lists_at_once else SETTLE_SECONDS)
    lock.acquire()
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            # a store that does not answer may do so later
            with contextlib.suppress(StorageError):
                lock.beat()

    thread = threading.Thread(target=beat, name="lock", daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        ended.set()
        thread.join()
        lock.release()
