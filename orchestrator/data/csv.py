"""A strict CSV reader: what is wrong with a file is said in one sentence instead of being guessed around."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from orchestrator.columns.values import is_number_text
from orchestrator.errors import DataError, UsageError

DELIMITERS = (",", ";", "\t", "|")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"


def read_csv(path: Path) -> pd.DataFrame:
    """Reads a CSV file (plain or gzip) with one header line; every cell stays text, missing cells are empty.

    The delimiter (comma, semicolon, tab or bar) is taken from the header line.

    Raises:
        UsageError: the file does not exist or is a folder.
        DataError: empty file, no header, duplicate names, bytes that are not UTF-8, rows of uneven length.
    """
    content = _read_bytes(path)
    if not content.removeprefix(BYTE_ORDER_MARK).strip():
        raise DataError(f"{path}: the file is empty")
    if b"\x00" in content:
        raise DataError(f"{path}: byte {content.index(0)} is zero, so this is not a text file")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: byte {error.start} (line {line}) is not UTF-8 (0x{content[error.start]:02x}); "
            "save the file as UTF-8 and try again"
        ) from None
    header, delimiter, rest = _split_header(path, text.removeprefix("\ufeff"))
    _check_header(path, header)
    if not rest.strip():
        raise DataError(f"{path}: there is a header but no row below it")
    return _parse_rows(path, header, delimiter, rest)


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, not a file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    if content.startswith(GZIP_MAGIC):
        try:
            return gzip.decompress(content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path}: the gzip data is damaged ({error})") from None
    return content


def _split_header(path: Path, text: str) -> tuple[list[str], str, bytes]:
    """The column names, the delimiter, and the bytes below the header."""
    text = text.lstrip("\r\n")
    stream = io.StringIO(text, newline="")
    counts = Counter(character for character in text.split("\n", 1)[0] if character in DELIMITERS)
    delimiter = max(DELIMITERS, key=lambda character: (counts[character], -DELIMITERS.index(character)))
    try:
        header = next(csv.reader(stream, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: the header line cannot be read ({error})") from None
    return [name.strip() for name in header], delimiter, text[stream.tell() :].encode("utf-8")


def _check_header(path: Path, header: list[str]) -> None:
    if all(is_number_text(name) or not name for name in header):
        shown = ", ".join(header[:3])
        raise DataError(
            f"{path}: the first line ({shown}, ...) holds values, not column names; add a header line to the file"
        )
    for position, name in enumerate(header, start=1):
        if not name:
            raise DataError(f"{path}: column {position} has no name in the header line; give it one")
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(f"{path}: the column name '{repeated[0]}' occurs {header.count(repeated[0])} times; rename one")


def _parse_rows(path: Path, header: list[str], delimiter: str, content: bytes) -> pd.DataFrame:
    uneven: list[pa_csv.InvalidRow] = []

    def keep_first(row: pa_csv.InvalidRow) -> str:
        uneven.append(row)
        return "error"

    try:
        table = pa_csv.read_csv(
            io.BytesIO(content),
            # one thread: only then does pyarrow number the rows that it refuses
            read_options=pa_csv.ReadOptions(column_names=header, use_threads=False, block_size=1 << 22),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=len(header) > 1,
                invalid_row_handler=keep_first,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if uneven:
            row = uneven[0]
            place = f"line {row.number + 1}" if row.number is not None else "a line"
            raise DataError(
                f"{path}: {place} has {row.actual_columns} fields, the header has {row.expected_columns}"
            ) from None
        raise DataError(f"{path}: cannot be read as CSV ({str(error).splitlines()[0]})") from None
    frame: pd.DataFrame = table.to_pandas()
    return frame
