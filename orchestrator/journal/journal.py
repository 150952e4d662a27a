"""Journal: the events of a sweep in its storage, in a file that grows or, where files cannot grow, in many."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from orchestrator.errors import StorageError
from orchestrator.journal.events import Event, from_line, to_line
from orchestrator.storage import Storage

FILE = "journal.jsonl"
FOLDER = "journal"
SYNC_SECONDS = 1.0


class _Lines(Protocol):
    """Where lines are added."""

    def add(self, content: bytes) -> None:
        """Writes them, so that they survive this process.

        Raises:
            OSError, StorageError: nothing of them was written.
        """

    def sync(self) -> None:
        """What was added survives the machine, too."""

    def close(self) -> None:
        """The end."""


class Journal:
    """The events of a sweep, in order.

    An event that was recorded survives the end of this process at once (in an object store: within a second), and that
    of the machine within a second. If the disk is full, events wait in memory until there is room.

    Attributes:
        trouble: why events wait, None if none does.
    """

    def __init__(self, storage: Storage, told: Callable[[Event], None] = lambda _event: None) -> None:
        """Opens the journal of a sweep to go on with it; a line that was torn by a crash is cut off.

        Args:
            storage: of the sweep.
            told: is given every event that is recorded; one for an object store when it is there.

        Raises:
            StorageError: it cannot be written, or read.
        """
        self.trouble: str | None = None
        self._told = told
        # of what waits, and of who writes
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[Event] = []
        self._lines: _Lines = _GrowingFile(storage) if storage.is_local else _Segments(storage)
        # so that a machine that dies takes no more than a second along; an object store gets its lines here
        self._closing = threading.Event()
        self._eager = storage.is_local
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Adds an event; never fails, see `trouble`."""
        with self._lock:
            self._waiting.append(event)
        if self._eager:
            self._write()
            self._told(event)

    def flush(self) -> None:
        """Writes what waits, if that is possible now."""
        self._write()

    def close(self) -> None:
        """Writes what is left.

        Raises:
            StorageError: some events could not be written.
        """
        self._closing.set()
        self._thread.join()
        self._write()
        left = len(self._waiting)
        with contextlib.suppress(OSError):
            self._lines.sync()
        self._lines.close()
        if left:
            raise StorageError(f"{left} events of the sweep could not be written down ({self.trouble})")

    def _work(self) -> None:
        while not self._closing.wait(SYNC_SECONDS):
            self._write()
            with contextlib.suppress(OSError):
                self._lines.sync()

    def _write(self) -> None:
        with self._writing:
            with self._lock:
                batch = list(self._waiting)
            if not batch:
                return
            try:
                self._lines.add(b"".join(to_line(event).encode() + b"\n" for event in batch))
            except Exception as error:  # object stores raise many kinds
                self.trouble = getattr(error, "strerror", None) or str(error)
                return
            with self._lock:
                del self._waiting[: len(batch)]
            self.trouble = None
        if not self._eager:
            for event in batch:
                self._told(event)


class _GrowingFile:
    """One file of this machine."""

    def __init__(self, storage: Storage) -> None:
        path = Path(storage.path) / FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("ab", buffering=0)
            self._length = len(_whole_lines(path.read_bytes()))
            self._file.truncate(self._length)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from None

    def add(self, content: bytes) -> None:
        """See `_Lines`; half a line is taken back."""
        written = 0
        try:
            while written < len(content):
                written += self._file.write(content[written:])
        except OSError:
            self._file.truncate(self._length)
            raise
        self._length += written

    def sync(self) -> None:
        """See `_Lines`."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """See `_Lines`."""
        self._file.close()


class _Segments:
    """Files that are written once, in an object store; their names are in the order of their writing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        names = _segment_names(storage)
        self._next = int(Path(names[-1]).name.split("-")[0]) + 1 if names else 0
        self._token = secrets.token_hex(4)

    def add(self, content: bytes) -> None:
        """See `_Lines`."""
        self._storage.write(f"{FOLDER}/{self._next:08d}-{self._token}.jsonl", content)
        self._next += 1

    def sync(self) -> None:
        """What is there is there."""

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
    return [name for name in storage.names() if name.startswith(f"{FOLDER}/")]


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
