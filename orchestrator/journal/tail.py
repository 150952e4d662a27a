"""JournalTail: the events of a sweep that another process drives, as they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import StorageError
from orchestrator.journal.events import Event, from_line
from orchestrator.journal.journal import read_events
from orchestrator.journal.lines import FILE, segment_names, whole_lines
from orchestrator.storage import Storage


class JournalTail:
    """Reads what was added to a journal since it was asked last.

    Attributes:
        events: all so far.
    """

    def __init__(self, storage: Storage) -> None:
        """Args:
        storage: of the sweep.
        """
        self._storage = storage
        self._place: _Place = _FilePlace(storage) if storage.is_local else _SegmentPlace(storage)
        self.events: list[Event] = []

    def read(self) -> tuple[Sequence[Event], bool]:
        """New events, and whether they are all of them, because what was read before has been taken back.

        A driver may take back the last second of what it has written, before anyone of its own has learned of it.

        Raises:
            StorageError: it cannot be read, or is damaged.
        """
        try:
            content = self._place.added()
            found = [from_line(line.decode()) for line in content.splitlines()]
        except _TakenBackError:
            return self._read_again()
        except ValueError:
            # a line of other bytes than before, or one that is damaged, which reading all of it tells
            return self._read_again()
        self.events += found
        return found, False

    def _read_again(self) -> tuple[Sequence[Event], bool]:
        self._place.restart()
        try:
            self.events = [from_line(line.decode()) for line in self._place.added().splitlines()]
        except (ValueError, _TakenBackError):
            # says which line it is
            self.events = list(read_events(self._storage))
        return self.events, True


class _TakenBackError(Exception):
    """What was read before is not there any more."""


class _FilePlace:
    """One file that grows."""

    def __init__(self, storage: Storage) -> None:
        self._path, self._length, self._last = Path(storage.path) / FILE, 0, b""

    def restart(self) -> None:
        """Begins with the first line again."""
        self._length, self._last = 0, b""

    def added(self) -> bytes:
        """The lines that have come; one at the end that is not whole comes later."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._length - len(self._last))
                content = file.read()
        except FileNotFoundError:
            # a driver may be about to open its journal
            if self._length:
                raise StorageError(f"{self._path}: is not there any more") from None
            return b""
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be read ({error.strerror or error})") from None
        if not content.startswith(self._last):
            raise _TakenBackError
        content = whole_lines(content[len(self._last) :])
        self._length += len(content)
        self._last = (content.splitlines(keepends=True) or [self._last])[-1]
        return content


class _SegmentPlace:
    """Files of an object store, one after the other."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._names = storage, list[str]()

    def restart(self) -> None:
        """Begins with the first one again."""
        self._names = []

    def added(self) -> bytes:
        """The lines of those that have come."""
        names = segment_names(self._storage)
        known = len(self._names)
        if names[:known] != self._names:
            raise _TakenBackError
        content = b"".join(self._storage.read(name) for name in names[known:])
        self._names = names
        return content


_Place = _FilePlace | _SegmentPlace
