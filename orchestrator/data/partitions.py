"""Columns that stand in the names of folders: `year=2023/part.parquet`, as Hive, Spark and pandas write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from orchestrator.columns.names import name_of
from orchestrator.columns.notes import Note
from orchestrator.errors import DataError

# what Hive writes for a missing value
MISSING = "__HIVE_DEFAULT_PARTITION__"
Value = int | str | None
Partition = tuple[tuple[str, Value], ...]


def find_partitions(folder: Path, files: Sequence[Path], columns: Iterable[str]) -> dict[Path, Partition]:
    """What the names of folders say of the rows of each file; what a file has a column for is not looked at.

    Whole numbers are such if all values of a name are, and none begins with a zero.

    Raises:
        DataError: the folders of a file say other names than those of the first one, or one twice.
    """
    found = {file: _named(folder, file) for file in files}
    first = next(iter(found.values()))
    for file, texts in found.items():
        if set(texts) != set(first):
            odd = sorted(set(texts) ^ set(first))[0]
            place = "is not among" if odd in texts else "is only among"
            raise DataError(f"{file}: '{odd}' {place} the names of the folders of {files[0]}")
    present = set(columns)
    names = [name for name in first if name not in present]
    whole = {name for name in names if all(_is_whole(texts[name]) for texts in found.values())}
    return {
        file: tuple((name, _typed(texts[name], whole=name in whole)) for name in names) for file, texts in found.items()
    }


def partition_note(partition: Partition) -> tuple[Note, ...]:
    """That there are such columns."""
    names = [f"'{name}'" for name, _ in partition]
    if not names:
        return ()
    value = "" if partition[0][1] is None else partition[0][1]
    done = f"read as the column {names[0]}" if len(names) == 1 else f"read as the columns {', '.join(names)}"
    option = f"--ignore {names[0]} leaves it out"
    return (Note(why=f"folders are named as '{partition[0][0]}={value}'", done=done, option=option),)


def partition_column(value: Value, rows: int) -> pa.ChunkedArray:
    """The column of one file."""
    kind = pa.int64() if isinstance(value, int) else pa.large_string()
    return pa.chunked_array([pa.repeat(pa.scalar(value, kind), rows)])


def _named(folder: Path, file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in file.relative_to(folder).parts[:-1]:
        name, sign, value = part.partition("=")
        if not sign or not name:
            continue
        name = name_of(unquote(name))
        if name in found:
            raise DataError(f"{file}: two of its folders say '{name}'")
        found[name] = unquote(value)
    return found


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return text == MISSING or (digits.isdecimal() and digits.isascii() and str(int(text)) == text and len(text) < 19)  # noqa: PLR2004


def _typed(text: str, *, whole: bool) -> Value:
    if text == MISSING:
        return None
    return int(text) if whole else text
