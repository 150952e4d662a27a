"""Journal: the events of a sweep in its storage, written before anything else learns of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LostLockError, LostStorageError, StorageError
from orchestrator.journal.events import Event, from_line, to_line
from orchestrator.journal.lines import FILE, GrowingFile, Lines, Segments, segment_names, whole_lines
from orchestrator.storage import Storage

SYNC_SECONDS = 1.0


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
        self._lines: Lines = GrowingFile(storage) if storage.is_local else Segments(storage)
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


def read_events(storage: Storage) -> Iterator[Event]:
    """The events of a sweep, in order; a line at the end that a crash has torn is left out.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    if storage.is_local:
        path = Path(storage.path) / FILE
        try:
            # a driver may be killed before it has opened its journal
            contents = [(str(path), whole_lines(path.read_bytes()))] if path.exists() else []
        except OSError as error:
            raise StorageError(f"{path}: cannot be read ({error.strerror or error})") from None
    else:
        contents = [(f"{storage}/{name}", storage.read(name)) for name in segment_names(storage)]
    for origin, content in contents:
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                yield from_line(line.decode())
            except ValueError as error:
                raise StorageError(
                    f"{origin}: line {number} is damaged ({error}), so the sweep can be neither sent nor gone on with; "
                    "bring the file back, or start a new sweep"
                ) from None


@dataclass(frozen=True)
class Past:
    """What had happened in a sweep when its journal was read.

    Attributes:
        events: in order.
        mark: how far the journal went.
    """

    events: tuple[Event, ...]
    mark: str

    def is_current(self, storage: Storage) -> bool:
        """Whether nothing has been recorded since.

        Raises:
            StorageError: that cannot be seen.
        """
        return self.mark == _mark(storage)


NO_PAST = Past((), "0")


def read_past(storage: Storage) -> Past:
    """The events of a sweep, to be used again as long as there are no others.

    Raises:
        StorageError: see `read_events`.
    """
    mark = _mark(storage)
    return Past(tuple(read_events(storage)), mark)


def _mark(storage: Storage) -> str:
    return str(storage.size(FILE)) if storage.is_local else " ".join(segment_names(storage)[-1:])


def has_events(storage: Storage) -> bool:
    """Whether anything was recorded there.

    Raises:
        StorageError: that cannot be seen.
    """
    return storage.size(FILE) > 0 if storage.is_local else bool(segment_names(storage))
