"""Where the lines of a journal are kept: in a file that grows or, where files cannot grow, in many."""

from __future__ import annotations

import errno
import os
import secrets
import time
from pathlib import Path
from typing import BinaryIO, Protocol

from orchestrator.errors import LostStorageError, StorageError
from orchestrator.journal.events import from_line
from orchestrator.storage import Storage

FILE = "journal.jsonl"
FOLDER = "journal"
# how often an object store is asked whether it still has what was written last
LOOK_SECONDS = 3.0
# a disk that answers so is gone, or will be
BROKEN = (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN)


class Lines(Protocol):
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


def _gone(storage: Storage, reason: str) -> LostStorageError:
    return LostStorageError(
        f"the sweep's storage {storage} was deleted or replaced while it ran ({reason}): the sweep has stopped and "
        "nothing was registered; bring the storage back and resume the sweep, or start a new one"
    )


class GrowingFile:
    """One file of this machine."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._path = storage, Path(storage.path) / FILE
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._path.open("ab", buffering=0)
            self._length = self._lasting = len(whole_lines(self._path.read_bytes()))
            self._file.truncate(self._length)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be written ({error.strerror or error})") from None

    def add(self, content: bytes) -> None:
        """See `Lines`; half a line is taken back."""
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
        """See `Lines`."""
        length = self._length
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._raise_if_broken(error)
            raise
        self._lasting = length

    def take_back(self) -> None:
        """See `Lines`."""
        self._length = self._lasting
        try:
            self._file.truncate(self._length)
        except OSError as error:
            raise _gone(self._storage, error.strerror or str(error)) from error

    def look(self) -> None:
        """See `Lines`: a file that was deleted can be written on and on."""
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
        """See `Lines`."""
        self._file.close()

    def _raise_if_broken(self, error: OSError) -> None:
        if error.errno in BROKEN:
            raise _gone(self._storage, error.strerror or str(error)) from error


class Segments:
    """Files that are written once, in an object store; their names are in the order of their writing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        names = segment_names(storage)
        self._next = _number(names[-1]) + 1 if names else 0
        self._token = secrets.token_hex(4)
        self._last: str | None = None
        self._looked = time.monotonic()

    def add(self, content: bytes) -> None:
        """See `Lines`."""
        name = f"{FOLDER}/{self._next:08d}-{self._token}.jsonl"
        self._storage.write(name, content)
        self._last = name
        self._next += 1

    def sync(self) -> None:
        """What is there is there."""

    def take_back(self) -> None:
        """Nothing is there that does not last."""

    def look(self) -> None:
        """See `Lines`; now and then."""
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


def segment_names(storage: Storage) -> list[str]:
    """The files of an object store, in order.

    A driver that was deposed may have been in the middle of a write when the next one began: that does not count.
    """
    names = [f"{FOLDER}/{name}" for name in storage.child(FOLDER).names()]
    begun: dict[str, int] = {}
    for name in names:
        begun.setdefault(_owner(name), _number(name))
    return [name for name in names if not any(begun[_owner(name)] < first <= _number(name) for first in begun.values())]


def _number(name: str) -> int:
    return int(Path(name).name.partition("-")[0])


def _owner(name: str) -> str:
    return Path(name).stem.partition("-")[2]


def whole_lines(content: bytes) -> bytes:
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
