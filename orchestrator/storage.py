"""Storage: a folder of this machine, a shared one, or a place in an object store; the same few operations on all."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.fs as pafs

from orchestrator.errors import StorageError, UsageError

# Google's client goes on trying for a quarter of an hour unless it is told
GOOGLE_RETRY = timedelta(seconds=60)
# bytes that are copied at once
COPIED = 1 << 22
# these stores promise it: Amazon since 2020, Google and Azure always
LISTS_AT_ONCE = ("s3", "gs", "gcs", "abfs", "abfss", "memory")


@dataclass(frozen=True)
class Storage:
    """A place for files. Only its address travels between processes; each connects by itself.

    Object stores take their credentials from where their own tools do (environment, files, instance roles).

    Attributes:
        address: absolute path of a folder, or a URI such as `s3://bucket/folder` or `gs://bucket/folder`; also
            everything that fsspec knows, if its package is installed.
    """

    address: str

    @classmethod
    def at(cls, place: str | Path) -> Storage:
        """A place as a user writes it: relative paths and `~` are resolved.

        Raises:
            UsageError: a URI of a kind that is not known.
        """
        text = str(place)
        if text.startswith("file://"):
            text = urlsplit(text).path
        if "://" not in text:
            return cls(str(Path(text).expanduser().resolve()))
        base, question, query = text.partition("?")
        storage = cls(base.rstrip("/") + question + query)
        _connect(storage.address)
        return storage

    @property
    def is_local(self) -> bool:
        """Whether it is a folder; of this machine, or mounted here."""
        return "://" not in self.address

    @property
    def lists_at_once(self) -> bool:
        """Whether a file is listed as soon as it is written, for all who look."""
        return self.is_local or urlsplit(self.address).scheme in LISTS_AT_ONCE

    @property
    def filesystem(self) -> pafs.FileSystem:
        """What to give to libraries that take a pyarrow file system."""
        return _connect(self.address)[0]

    @property
    def path(self) -> str:
        """The place within `filesystem`."""
        return _connect(self.address)[1]

    def child(self, name: str) -> Storage:
        """A folder in it."""
        if self.is_local:
            return Storage(f"{self.address}/{name}")
        parts = urlsplit(self.address)
        return Storage(urlunsplit(parts._replace(path=f"{parts.path}/{name}")))

    def prepare(self) -> None:
        """Makes the folder if it is missing, and tries whether one can write there.

        Raises:
            UsageError: one cannot.
        """
        probe = f".probe-{secrets.token_hex(4)}"
        try:
            self.filesystem.create_dir(self.path, recursive=True)
            self.write(probe, b"")
            self.remove(probe)
        except (OSError, StorageError) as error:
            raise UsageError(f"{self}: cannot be used as storage ({_reason(error)}); give another --storage") from None

    def write(self, name: str, content: bytes) -> None:
        """Writes a file; it is there complete or not at all.

        Raises:
            StorageError: it could not be written.
        """
        target = f"{self.path}/{name}"
        try:
            if not self.is_local:
                # an object appears when its upload is complete
                with self.filesystem.open_output_stream(target) as stream:
                    stream.write(content)
                return
            path = Path(target)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be written ({_reason(error)})") from error

    def read(self, name: str) -> bytes:
        """What `write` wrote.

        Raises:
            StorageError: it is not there or could not be read.
        """
        try:
            with self.filesystem.open_input_file(f"{self.path}/{name}") as stream:
                return bytes(stream.read())
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be read ({_reason(error)})") from error

    def fetch(self, name: str, path: Path) -> None:
        """Copies a file of any size to this machine.

        Raises:
            StorageError: it is not there or could not be read.
        """
        try:
            with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream, path.open("wb") as file:
                shutil.copyfileobj(stream, file, COPIED)
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be read ({_reason(error)})") from error

    def take(self, path: Path, name: str) -> None:
        """Copies a file of any size from this machine; it is there complete or not at all.

        Raises:
            StorageError: it could not be written.
        """
        target = f"{self.path}/{name}"
        try:
            if not self.is_local:
                with path.open("rb") as file, self.filesystem.open_output_stream(target) as stream:
                    shutil.copyfileobj(file, stream, COPIED)
                return
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(target).with_name(f".{Path(target).name}.writing")
            shutil.copyfile(path, temporary)
            temporary.replace(target)
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be written ({_reason(error)})") from error

    def remove(self, name: str) -> None:
        """Deletes a file; one that is not there is no error.

        Raises:
            StorageError: it could not be deleted.
        """
        try:
            self.filesystem.delete_file(f"{self.path}/{name}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be deleted ({_reason(error)})") from error

    def size(self, name: str) -> int:
        """Bytes of a file, 0 if it is not there.

        Raises:
            StorageError: it could not be looked at.
        """
        try:
            return int(self.filesystem.get_file_info(f"{self.path}/{name}").size or 0)
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be read ({_reason(error)})") from error

    def has(self, name: str) -> bool:
        """Whether a file is there.

        Raises:
            StorageError: it could not be looked at.
        """
        try:
            found = self.filesystem.get_file_info(f"{self.path}/{name}")
        except OSError as error:
            raise StorageError(f"{self}: {name} could not be looked at ({_reason(error)})") from error
        return bool(found.type == pafs.FileType.File)

    def names(self) -> list[str]:
        """All files in it, with the folders below, sorted.

        Raises:
            StorageError: it could not be read.
        """
        found = self._listed(recursive=True)
        return sorted(info.path[len(self.path) :].lstrip("/") for info in found if info.type == pafs.FileType.File)

    def details(self) -> dict[str, tuple[int, float | None]]:
        """All files in it, with the folders below: their bytes, and when they were written (see `modified`).

        Raises:
            StorageError: it could not be read.
        """
        found = self._listed(recursive=True)
        return {
            info.path[len(self.path) :].lstrip("/"): (
                int(info.size or 0),
                None if info.mtime_ns is None else info.mtime_ns / 1e9,
            )
            for info in found
            if info.type == pafs.FileType.File
        }

    def modified(self) -> dict[str, float | None]:
        """When each file directly in it was written, by the store's clock, in seconds since 1970; None if unknown.

        Raises:
            StorageError: it could not be read.
        """
        found = self._listed()
        return {
            Path(info.path).name: None if info.mtime_ns is None else info.mtime_ns / 1e9
            for info in found
            if info.type == pafs.FileType.File
        }

    def folders(self) -> list[str]:
        """The names of the folders directly in it, sorted; none if it does not exist.

        Raises:
            StorageError: it could not be read.
        """
        found = self._listed()
        return sorted(Path(info.path).name for info in found if info.type == pafs.FileType.Directory)

    def _listed(self, *, recursive: bool = False) -> list[pafs.FileInfo]:
        try:
            selector = pafs.FileSelector(self.path, allow_not_found=True, recursive=recursive)
            return list(self.filesystem.get_file_info(selector))
        except OSError as error:
            raise StorageError(f"{self}: could not be listed ({_reason(error)})") from error

    def clear(self) -> None:
        """Deletes the folder with all that is in it.

        Raises:
            StorageError: it could not be deleted.
        """
        try:
            self.filesystem.delete_dir(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{self}: could not be deleted ({_reason(error)})") from error

    def __str__(self) -> str:
        if self.is_local:
            return self.address
        # without the keys that a URI may hold
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


@lru_cache(maxsize=64)
def _connect(address: str) -> tuple[Any, str]:
    """The file system and the path of an address.

    Raises:
        UsageError: a URI of a kind that is not known.
    """
    if "://" not in address:
        return pafs.LocalFileSystem(), address
    if address.startswith("gs://") and "?" not in address:
        return pafs.GcsFileSystem(retry_time_limit=GOOGLE_RETRY), address.removeprefix("gs://")
    try:
        filesystem, path = pafs.FileSystem.from_uri(address)
    except pa.ArrowInvalid:
        return _connect_fsspec(address)
    except OSError as error:
        raise UsageError(f"{address}: cannot be used as storage ({_reason(error)})") from None
    return filesystem, path.rstrip("/")


def _connect_fsspec(address: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise UsageError(f"{address}: not a storage that is known here ({_reason(error)})") from None
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem)), str(path).rstrip("/")


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror) if strerror else " ".join(str(error).split())[:300]
