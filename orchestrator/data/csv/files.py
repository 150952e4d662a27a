"""The bytes of a file, decompressed whatever its name is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from orchestrator.data.csv.foreign import SHEET, check_binary, other_file
from orchestrator.environment import no_such_file
from orchestrator.errors import DataError, UsageError

GZIP, BZIP2, XZ, ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04"
ENCRYPTED = 0x1


def read_bytes(path: Path) -> bytes:
    """What is in a file, without the compression of gzip, bzip2, xz or zip (of one file).

    Raises:
        UsageError: the file does not exist, is a folder, or cannot be read.
        DataError: it is damaged, or no text at all.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(no_such_file(path)) from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, not a file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    check_binary(str(path), content)
    unpacked = _unpacked(path, content)
    if unpacked is not content:
        check_binary(str(path), unpacked)
    return unpacked


def read_members(path: Path) -> dict[str, bytes]:
    """The files of a zip archive by name, without those that macOS adds; none if it is no archive of plain files.

    What is wrong with it is said by `read_bytes`.
    """
    try:
        with path.open("rb") as file:
            if not file.read(len(ZIP)).startswith(ZIP):
                return {}
        with zipfile.ZipFile(path) as archive:
            names = _members(archive.namelist())
            if any(archive.getinfo(name).flag_bits & ENCRYPTED for name in names):
                return {}
            return {name: archive.read(name) for name in names} if len(names) > 1 else {}
    except (EOFError, OSError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return {}


def _members(names: Iterable[str]) -> list[str]:
    # macOS adds files of its own
    return [name for name in names if not name.endswith("/") and not name.startswith(("__MACOSX/", "."))]


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        if content.startswith(GZIP):
            return gzip.decompress(content)
        if content.startswith(BZIP2):
            return bz2.decompress(content)
        if content.startswith(XZ):
            return lzma.decompress(content)
        if content.startswith(ZIP):
            return _unzip(path, content)
    except (EOFError, OSError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        kind = {GZIP[:1]: "gzip", BZIP2[:1]: "bzip2", XZ[:1]: "xz"}.get(content[:1], "zip")
        raise DataError(f"{path}: the {kind} data is damaged ({error})") from None
    return content


def _unzip(path: Path, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if any(name.startswith("xl/") for name in names):
            raise other_file(str(path), "an Excel workbook", SHEET)
        if "[Content_Types].xml" in names or "mimetype" in names:
            raise other_file(str(path), "a workbook or a document", SHEET)
        if any(name.endswith(".npy") for name in names):
            raise other_file(str(path), "an archive of NumPy", "load it with numpy.load and give a data frame")
        members = _members(names)
        if len(members) != 1:
            shown = ", ".join(members[:3]) + (", ..." if len(members) > 3 else "")  # noqa: PLR2004
            raise DataError(
                f"{path}: the zip archive holds {len(members)} files ({shown}); it must hold one, or CSV files"
            )
        if archive.getinfo(members[0]).flag_bits & ENCRYPTED:
            raise DataError(f"{path}: the zip archive needs a password; unpack it first")
        return archive.read(members[0])
