"""Journal: the events of a sweep in its storage, in a file that grows or, where files cannot grow, in many."""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from orchestrator.errors import LostLockError, LostStorageError, StorageError
from orchestrator.journal.events import Event, from_line, to_line
from orchestrator.storage import Storage

FILE = "journal.jsonl"
FOLDER = "journal"
SYNC_SECONDS = 1.0
# how often an object store is asked whether it still has what was written last
LOOK_SECONDS = 3.0
# a disk that answers so is gone, or will be
BROKEN = (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN)


class _Lines(Protocol):
    """Where lines are added."""

    def add(self, content: bytes) -> None:
        """Writes them, so that they survive this process.

        Raises:
            OSError, StorageError: nothing of them was written.
        """

    def sync(self) -> None:
        """What was added survives the machine, too.

        Raises:
            OSError: that is not known.
        """

    def take_back(self) -> None:
        """What was added since the last `sync` is not there any more.

        Raises:
            LostStorageError: that is not possible.
        """

    def look(self) -> None:
        """Whether what was written is still where others find it.

        Raises:
            LostStorageError: it is not.
        """

    def close(self) -> None:
        """The end."""


class Journal:
    """The events of a sweep, in order.

    An event that was recorded survives the end of this process at once (in an object store: within a second), and that
    of the machine within a second. Only then others are told of it: nobody knows what the journal may forget. If the
    disk is full, events wait in memory until there is room.

    Attributes:
        trouble: why events wait, None if none does.
    """

    def __init__(
        self,
        storage: Storage,
        told: Callable[[Event], None] = lambda _event: None,
        check_lock: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the journal of a sweep to go on with it; a line that was torn by a crash is cut off.

        Args:
            storage: of the sweep.
            told: is given every event, in order, when it survives the machine.
            check_lock: raises LostLockError when another driver has taken over the sweep; asked before every write.

        Raises:
            StorageError: it cannot be written, or read.
        """
        self.trouble: str | None = None
        self._told, self._check_lock = told, check_lock
        self._lost: StorageError | None = None
        # of what waits, of who writes, and of who makes it last and tells
        self._lock, self._writing, self._syncing = threading.Lock(), threading.Lock(), threading.RLock()
        self._waiting: list[Event] = []
        self._written: list[Event] = []
        self._lines: _Lines = _GrowingFile(storage) if storage.is_local else _Segments(storage)
        self._closing = threading.Event()
        # an object store gets its lines once a second
        self._eager = storage.is_local
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Adds an event; never fails, see `trouble` and `check`."""
        with self._lock:
            self._waiting.append(event)
        if self._lost is not None:
            self._tell_lost()
        elif self._eager:
            self._write()

    def check(self) -> None:
        """Whether it makes sense to record anything more.

        Raises:
            LostStorageError: the storage was deleted or replaced.
            LostLockError: another driver has taken over the sweep.
        """
        if self._lost is not None:
            raise self._lost

    def flush(self) -> None:
        """Writes what waits, if that is possible now, and makes it last.

        Raises:
            LostStorageError, LostLockError: as `check`.
        """
        self._secure()
        self.check()

    def close(self) -> None:
        """Writes what is left; what was lost with its storage is over.

        Raises:
            StorageError: some events could not be written.
        """
        self._closing.set()
        self._thread.join()
        self._secure()
        self._lines.close()
        left = len(self._waiting) + len(self._written)
        if left and self._lost is None:
            raise StorageError(f"{left} events of the sweep could not be written down ({self.trouble})")

    def _work(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            self._secure()

    def _secure(self) -> None:
        if self._lost is None:
            try:
                self._check_lock()
                self._lines.look()
            except (LostStorageError, LostLockError) as error:
                self._lost = error
            except StorageError as error:
                # the store does not answer, which may pass
                self.trouble = str(error)
        self._write()
        self._sync()
        if self._lost is not None:
            self._tell_lost()

    def _write(self) -> None:
        with self._writing:
            with self._lock:
                batch = list(self._waiting)
            if not batch or self._lost is not None:
                return
            try:
                self._check_lock()
                self._lines.add(b"".join(to_line(event).encode() + b"\n" for event in batch))
            except (LostStorageError, LostLockError) as error:
                self._lost = error
                return
            except Exception as error:  # object stores raise many kinds
                self.trouble = getattr(error, "strerror", None) or str(error)
                return
            with self._lock:
                del self._waiting[: len(batch)]
                self._written += batch
            self.trouble = None

    def _sync(self) -> None:
        with self._syncing:
            with self._lock:
                batch = list(self._written)
            if not batch or self._lost is not None:
                return
            try:
                self._lines.sync()
                self._lines.look()
            except LostStorageError as error:
                self._lost = error
                return
            except OSError as error:
                self._write_again(error)
                return
            with self._lock:
                del self._written[: len(batch)]
            for event in batch:
                self._told(event)

    def _write_again(self, error: OSError) -> None:
        """A disk that could not make it last may have dropped it, and would say nothing the next time."""
        self.trouble = error.strerror or str(error)
        with self._writing:
            try:
                self._lines.take_back()
            except LostStorageError as lost:
                self._lost = lost
                return
            with self._lock:
                self._waiting[:0] = self._written
                self._written.clear()

    def _tell_lost(self) -> None:
        """Nobody goes on with a lost storage: others may know the end. A driver that is deposed tells nothing."""
        with self._syncing:
            with self._lock:
                batch = self._written + self._waiting
                self._written, self._waiting = [], []
            if isinstance(self._lost, LostStorageError):
                for event in batch:
                    self._told(event)


def _gone(storage: Storage, reason: str) -> LostStorageError:
    return LostStorageError(
        f"the sweep's storage {storage} was deleted or replaced while it ran ({reason}): the sweep has stopped and "
        "nothing was registered; bring the storage back and resume the sweep, or start a new one"
    )


class _GrowingFile:
    """One file of this machine."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._path = storage, Path(storage.path) / FILE
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._path.open("ab", buffering=0)
            self._length = self._lasting = len(_whole_lines(self._path.read_bytes()))
            self._file.truncate(self._length)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be written ({error.strerror or error})") from None

    def add(self, content: bytes) -> None:
        """See `_Lines`; half a line is taken back."""
        written = 0
        try:
            while written < len(content):
                written += self._file.write(content[written:])
        except OSError as error:
            self._raise_if_broken(error)
            self._file.truncate(self._length)
            raise
        self._length += written

    def sync(self) -> None:
        """See `_Lines`."""
        length = self._length
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._raise_if_broken(error)
            raise
        self._lasting = length

    def take_back(self) -> None:
        """See `_Lines`."""
        self._length = self._lasting
        try:
            self._file.truncate(self._length)
        except OSError as error:
            raise _gone(self._storage, error.strerror or str(error)) from error

    def look(self) -> None:
        """See `_Lines`: a file that was deleted can be written on and on."""
        length = self._length
        try:
            found, own = self._path.stat(), os.fstat(self._file.fileno())
        except (FileNotFoundError, NotADirectoryError):
            raise _gone(self._storage, f"{FILE} is not there any more") from None
        except OSError as error:
            self._raise_if_broken(error)
            return
        if own.st_nlink == 0 or (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            raise _gone(self._storage, f"{FILE} is another file now")
        if own.st_size < length:
            raise _gone(self._storage, f"{FILE} was cut off")

    def close(self) -> None:
        """See `_Lines`."""
        self._file.close()

    def _raise_if_broken(self, error: OSError) -> None:
        if error.errno in BROKEN:
            raise _gone(self._storage, error.strerror or str(error)) from error


class _Segments:
    """Files that are written once, in an object store; their names are in the order of their writing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        names = _segment_names(storage)
        self._next = _number(names[-1]) + 1 if names else 0
        self._token = secrets.token_hex(4)
        self._last: str | None = None
        self._looked = time.monotonic()

    def add(self, content: bytes) -> None:
        """See `_Lines`."""
        name = f"{FOLDER}/{self._next:08d}-{self._token}.jsonl"
        self._storage.write(name, content)
        self._last = name
        self._next += 1

    def sync(self) -> None:
        """What is there is there."""

    def take_back(self) -> None:
        """Nothing is there that does not last."""

    def look(self) -> None:
        """See `_Lines`; now and then."""
        if self._last is None or time.monotonic() < self._looked + LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            there = self._storage.has(self._last)
        except StorageError:
            # a store that does not answer may do so later
            return
        if not there:
            raise _gone(self._storage, f"{self._last} is not there any more")

    def close(self) -> None:
        """Nothing to do."""


def read_events(storage: Storage) -> Iterator[Event]:
    """The events of a sweep, in order; a line at the end that a crash has torn is left out.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    if storage.is_local:
        path = Path(storage.path) / FILE
        try:
            # a driver may be killed before it has opened its journal
            contents = [(str(path), _whole_lines(path.read_bytes()))] if path.exists() else []
        except OSError as error:
            raise StorageError(f"{path}: cannot be read ({error.strerror or error})") from None
    else:
        contents = [(f"{storage}/{name}", storage.read(name)) for name in _segment_names(storage)]
    for origin, content in contents:
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                yield from_line(line.decode())
            except ValueError as error:
                raise StorageError(f"{origin}: line {number} is damaged ({error})") from None


def has_events(storage: Storage) -> bool:
    """Whether anything was recorded there.

    Raises:
        StorageError: that cannot be seen.
    """
    return storage.size(FILE) > 0 if storage.is_local else bool(_segment_names(storage))


def _segment_names(storage: Storage) -> list[str]:
    """Those that count: a driver that was deposed may have been in the middle of a write when the next one began."""
    names = [f"{FOLDER}/{name}" for name in storage.child(FOLDER).names()]
    begun: dict[str, int] = {}
    for name in names:
        begun.setdefault(_owner(name), _number(name))
    return [name for name in names if not any(begun[_owner(name)] < first <= _number(name) for first in begun.values())]


def _number(name: str) -> int:
    return int(Path(name).name.partition("-")[0])


def _owner(name: str) -> str:
    return Path(name).stem.partition("-")[2]


def _whole_lines(content: bytes) -> bytes:
    """The content up to its last valid line: a machine that dies may leave half a line, or zeros."""
    end = content.rfind(b"\n") + 1
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        try:
            from_line(content[start:end].decode())
        except ValueError:
            end = start
        else:
            break
    return content[:end]
