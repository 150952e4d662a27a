"""Several files that are one table: the CSV or JSON files of a folder, or of a zip archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.names import same_names, spelling_note
from orchestrator.columns.notes import Note
from orchestrator.data.csv import parse_csv, read_csv
from orchestrator.data.csv.files import read_members
from orchestrator.data.csv.reader import CsvTable
from orchestrator.data.file_decimals import with_one_decimal
from orchestrator.data.folders import FileKind, FolderFiles, kind_of, no_tables
from orchestrator.data.json_tables import read_json
from orchestrator.data.normalise import frame_of, stacked
from orchestrator.data.partitions import Partition, find_partitions, partition_column, partition_note
from orchestrator.errors import DataError, UsageError

# of files in a sentence
SHOWN = 3
# reads a file, with the names of columns that it is expected to have
Reader = Callable[[Iterable[str]], tuple[pd.DataFrame, tuple[Note, ...]]]


@dataclass(frozen=True)
class ReadFiles:
    """What was read.

    Attributes:
        frame: the rows of all files, one after another, with the columns of the first one.
        notes: what was guessed and passed over, with the names of the files.
    """

    frame: pd.DataFrame
    notes: tuple[Note, ...]


def read_files(folder: Path, found: FolderFiles, known: Iterable[str], wish: CsvWish) -> ReadFiles:
    """Reads the CSV or JSON files of a folder, sorted by their names.

    Args:
        folder: where they are.
        found: the files.
        known: names of columns that are looked for.
        wish: what the user says of CSV files.

    Raises:
        UsageError: there are none.
        DataError: one cannot be read, or has other columns than the first one.
    """
    files = [file for file in found.files if file.stat().st_size]
    empty = [file.name for file in found.files if not file.stat().st_size]
    if not files:
        what = "they are all empty" if empty else no_tables(folder)
        raise UsageError(f"{folder}: is a folder, but {what}")

    def reader(file: Path) -> Reader:
        if found.kind is FileKind.JSON:
            return lambda _names: (read_json(file), ())
        return lambda names: _of_csv(file, names, wish)

    names = {str(file.relative_to(folder)): reader(file) for file in files}
    read, frames = _read(str(folder), names, known)
    partitions = find_partitions(folder, files, [str(name) for name in frames[0].columns])
    frames = [_with_partition(frame, partitions[file]) for file, frame in zip(files, frames, strict=True)]
    notes = (*found.notes, *_empty_note(empty), *read, *partition_note(partitions[files[0]]))
    return ReadFiles(stacked(frames), notes)


def read_archive(path: Path, known: Iterable[str], wish: CsvWish) -> ReadFiles | None:
    """Reads a zip archive of several CSV files; None if it is none.

    Raises:
        DataError: one cannot be read, or has other columns than the first one.
    """
    members = read_members(path)
    tables = {name: content for name, content in members.items() if kind_of(name) in (FileKind.CSV, FileKind.TEXT)}
    csv = {name: content for name, content in tables.items() if kind_of(name) is FileKind.CSV}
    tables = {name: content for name, content in sorted((csv or tables).items()) if content}
    if len(members) < 2 or not tables:  # noqa: PLR2004
        return None
    others = [name for name in members if name not in tables]

    def reader(name: str, content: bytes) -> Reader:
        return lambda names: _content_of(parse_csv(f"{path}/{name}", content, names, wish))

    read, frames = _read(str(path), {name: reader(name, content) for name, content in tables.items()}, known)
    passed = [
        Note(why=f"the zip archive holds {_listed(others)} beside {len(tables)} CSV files", done="passed over")
        for _ in others[:1]
    ]
    return ReadFiles(stacked(frames), (*passed, *read))


def _of_csv(file: Path, names: Iterable[str], wish: CsvWish) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    return _content_of(read_csv(file, names, wish))


def _content_of(read: CsvTable) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    return read.frame, read.notes


def _read(origin: str, readers: Mapping[str, Reader], known: Iterable[str]) -> tuple[list[Note], list[pd.DataFrame]]:
    """The rows of each file with the columns of the first one, and notes."""
    frames: list[pd.DataFrame] = []
    said: dict[Note, list[str]] = {}
    expected = list(known)
    for name, reader in readers.items():
        frame, notes = reader(expected)
        if not frames:
            columns, first = [str(column) for column in frame.columns], name
            # they tell where the headers of the others are
            expected = columns
        else:
            frame, spelling = _alike(f"{origin}/{name}", frame, columns, first)
            notes = (*notes, *spelling)
        for note in notes:
            said.setdefault(note, []).append(name)
        frames.append(frame)
    frames, decimals = with_one_decimal(dict(zip(readers, frames, strict=True)))
    for note, names in decimals:
        said[note] = names
    return [_in_files(note, names, len(frames)) for note, names in said.items()], frames


def _alike(origin: str, frame: pd.DataFrame, columns: list[str], first: str) -> tuple[pd.DataFrame, list[Note]]:
    """The rows of a file with the columns of the first one, in their order."""
    present = [str(name) for name in frame.columns]
    if present == columns:
        return frame, []
    same = same_names(columns, present)
    absent = [name for name in columns if name not in same]
    further = [name for name in present if name not in same.values()]
    if absent or further:
        odd = f"'{absent[0]}' is only in {first}" if absent else f"'{further[0]}' is not in {first}"
        raise DataError(f"{origin}: other columns than the files before: {odd}; give files with the same header")
    notes = [spelling_note(name, there) for name, there in same.items() if there != name]
    return frame[[same[name] for name in columns]].set_axis(columns, axis=1), notes


def _in_files(note: Note, names: Sequence[str], files: int) -> Note:
    if len(names) == files:
        return replace(note, why=f"{note.why} (in all {files} files)" if files > 1 else note.why)
    return replace(note, why=f"{note.why} (in {_listed(names)})")


def _with_partition(frame: pd.DataFrame, partition: Partition) -> pd.DataFrame:
    """The rows with what the names of folders say of them."""
    if not partition:
        return frame
    more = frame_of((name, partition_column(value, len(frame))) for name, value in partition)
    return pd.concat([frame.reset_index(drop=True), more], axis=1)


def _empty_note(names: Sequence[str]) -> tuple[Note, ...]:
    if not names:
        return ()
    what = "is an empty file" if len(names) == 1 else "are empty files"
    return (Note(why=f"{_listed(names)} {what}", done="passed over"),)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    shown = list(names[:SHOWN])
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
