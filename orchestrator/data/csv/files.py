"""The bytes of a file, decompressed whatever its name is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path

from orchestrator.errors import DataError, UsageError

GZIP, BZIP2, XZ, ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04"
OTHER_FILES = (
    (b"PAR1", "a Parquet file", "give its name the ending .parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", "save the sheet as CSV"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"%PDF-", "a PDF document", "save the table as CSV"),
)
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
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, not a file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    for magic, kind, remedy in OTHER_FILES:
        if content.startswith(magic):
            raise DataError(f"{path}: is {kind}, not a CSV file; {remedy}")
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
        if "[Content_Types].xml" in names or "mimetype" in names:
            raise DataError(f"{path}: is a workbook or a document, not a CSV file; save the sheet as CSV")
        # macOS adds files of its own
        members = [name for name in names if not name.endswith("/") and not name.startswith(("__MACOSX/", "."))]
        if len(members) != 1:
            shown = ", ".join(members[:3]) + (", ..." if len(members) > 3 else "")  # noqa: PLR2004
            raise DataError(f"{path}: the zip archive holds {len(members)} files ({shown}); it must hold one")
        if archive.getinfo(members[0]).flag_bits & ENCRYPTED:
            raise DataError(f"{path}: the zip archive needs a password; unpack it first")
        return archive.read(members[0])
