"""What is in a folder: Parquet files, whose rows stay there, or CSV or JSON files, which are read at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import NoReturn

from orchestrator.columns.notes import Note
from orchestrator.errors import DataError

PARQUET_SUFFIXES = (".parquet", ".pq")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
# which may hold anything else, too
LOOSE_SUFFIXES = (".txt", ".dat")
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")


class FileKind(StrEnum):
    """What a file with rows is; of a folder with several kinds the first one that is there is read."""

    PARQUET = "Parquet"
    CSV = "CSV"
    JSON = "JSON"
    TEXT = "text"


SUFFIXES = {
    FileKind.PARQUET: PARQUET_SUFFIXES,
    FileKind.CSV: TABLE_SUFFIXES,
    FileKind.JSON: JSON_SUFFIXES,
    FileKind.TEXT: LOOSE_SUFFIXES,
}
SHEET_SUFFIXES = (".xlsx", ".xls", ".xlsm", ".ods")
# of all files with rows, apart from what says that they are compressed
ENDINGS = tuple(chain.from_iterable(SUFFIXES.values()))
NO_TABLES = "there is no Parquet, CSV or JSON file in it"


@dataclass(frozen=True)
class FolderFiles:
    """The files of a folder that are read as one table.

    Attributes:
        kind: of these files; None if there are none.
        files: by their names.
        notes: about files of another kind, which are passed over.
    """

    kind: FileKind | None
    files: tuple[Path, ...]
    notes: tuple[Note, ...]


def is_streamed(source: object) -> bool:
    """Whether the rows of a source stay in their files: it is a folder of Parquet files, or one without any files."""
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return False
    kinds = {kind_of(file.name) for file in _visible(Path(source))} - {None}
    return not kinds or FileKind.PARQUET in kinds


def files_of(folder: Path) -> FolderFiles:
    """The files of a folder and those below it; names that start with a dot or an underscore are passed over."""
    by_kind: dict[FileKind, list[Path]] = {kind: [] for kind in FileKind}
    for file in _visible(folder):
        kind = kind_of(file.name)
        if kind is not None:
            by_kind[kind].append(file)
    kind = next((kind for kind in FileKind if by_kind[kind]), None)
    if kind is None:
        return FolderFiles(None, (), ())
    # a text beside tables says something about them
    others = [file for other in FileKind if other not in (kind, FileKind.TEXT) for file in sorted(by_kind[other])]
    return FolderFiles(kind, tuple(sorted(by_kind[kind])), _note(kind, others))


def kind_of(name: str) -> FileKind | None:
    """What is in a file, by its name, compressed or not; None if that says nothing."""
    name = name.lower()
    plain = name
    for compressed in COMPRESSED_SUFFIXES:
        plain = plain.removesuffix(compressed)
    found = next((kind for kind, suffixes in SUFFIXES.items() if plain.endswith(suffixes)), None)
    # Parquet is compressed inside
    return None if found is FileKind.PARQUET and plain != name else found


def _visible(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_unread):
        # Spark gives its own folders such names
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in names:
            file = Path(place, name)
            if name.startswith((".", "_")):
                continue
            if file.is_file():
                yield file
            elif file.is_symlink() and kind_of(name) is not None and not file.exists():
                raise DataError(f"{file}: is a link to {file.readlink()}, which is not there; mend or remove it")


def no_tables(folder: Path) -> str:
    """What a folder without tables has, in a sentence."""
    sheet = next((file for file in sorted(_visible(folder)) if file.name.lower().endswith(SHEET_SUFFIXES)), None)
    return NO_TABLES if sheet is None else f"{NO_TABLES}; save the sheet of {sheet.name} as CSV there"


def _unread(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read ({str(error.strerror).lower()})")


def _note(kind: FileKind, others: list[Path]) -> tuple[Note, ...]:
    if not others:
        return ()
    counts = Counter(kind_of(file.name) for file in others)
    listed = " and ".join(f"{count} {other}" for other, count in counts.items())
    files = "file is" if len(others) == 1 else "files are"
    why = f"beside the {kind} files of the folder {listed} {files} there, such as {others[0].name}"
    return (Note(why=why, done="passed over", option="move them elsewhere, or give one kind of files alone"),)
