"""Where rows come from: `sklearn:NAME`, CSV, Parquet and JSON files, pandas data frames."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.names import name_of, names_of
from orchestrator.columns.notes import Note
from orchestrator.data.csv import read_csv
from orchestrator.data.folders import (
    COMPRESSED_SUFFIXES,
    ENDINGS,
    JSON_SUFFIXES,
    PARQUET_SUFFIXES,
    SHEET_SUFFIXES,
    FileKind,
    files_of,
)
from orchestrator.data.given_rows import Rows, given_rows
from orchestrator.data.json_tables import is_json, read_json
from orchestrator.data.many_files import ReadFiles, read_archive, read_files
from orchestrator.data.nested import Nested
from orchestrator.data.normalise import plain_frame, stacked, with_truth_as_words
from orchestrator.data.parquet import is_parquet, open_parquet_folder, read_parquet
from orchestrator.environment import no_such_file
from orchestrator.errors import DataError, UsageError, nearest
from orchestrator.naming import SKLEARN_PREFIX, made_name, stem_of

Source = str | Path | Rows
SKLEARN_NAMES = ("iris", "wine", "breast_cancer", "digits", "diabetes")
SHEETS = "it is a spreadsheet; save its sheet as CSV there, or read it with pandas.read_excel and give the data frame"
CONFIGURATION = "if it says what a sweep is, give it with --config"
# what people give instead of a table, and what to do then
OTHER_FILES = {
    **dict.fromkeys(SHEET_SUFFIXES, SHEETS),
    **dict.fromkeys((".yaml", ".yml"), CONFIGURATION),
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Raw rows with names.

    Attributes:
        frame: the rows; column names are distinct strings.
        name: short name, from which sweeps and models get theirs.
        origin: what messages call it: the file's path or `sklearn:iris`.
        default_target: the target if the source itself knows it (scikit-learn's data sets), else None.
        notes: what the user should know about how it was read.
        index: what the index of a data frame was called, which is no column.
        nested: columns that were expanded, see there.
        parts: of each row, if some are from files for validation and test: int8 [rows], see `RowMarks`.
        others: data frames with the rows of these parts, by their names; instead of files.
    """

    frame: pd.DataFrame
    name: str
    origin: str
    default_target: str | None = None
    notes: tuple[Note, ...] = ()
    index: tuple[str, ...] = ()
    nested: tuple[Nested, ...] = ()
    parts: NDArray[np.int8] | None = None
    others: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def load_table(source: Source, name: str | None = None, csv: CsvWish = PLAIN_CSV) -> Table:
    """Reads a data set.

    Args:
        source: `sklearn:iris|wine|breast_cancer|digits|diabetes`, the path of a CSV (compressed, too), Parquet or
            JSON file (a row in each line, or a list of rows), or a data frame.
        name: a name instead of the one made from the source.
        csv: how a CSV file is written, instead of what is found out.

    Raises:
        UsageError: unknown data set name, missing file, unknown file type.
        DataError: the content cannot be used.
    """
    table = _load(source, name, (), csv)
    if name is None and isinstance(source, str | Path):
        table = replace(table, notes=(*name_notes(source), *table.notes))
    if table.frame.empty:
        raise DataError(f"{table.origin}: there are no rows")
    return table


def load_rows(source: Source, known: Iterable[str], csv: CsvWish = PLAIN_CSV) -> Table:
    """Reads rows to answer: as `load_table`, but there may be none.

    Args:
        source: see `load_table`.
        known: names of the columns that a model knows; they tell where the header of a CSV file is.
        csv: see `load_table`.

    Raises:
        UsageError, DataError: see `load_table`.
    """
    return _load(source, None, known, csv)


def check_source(source: Source) -> None:
    """Refuses a path that `load_rows` would refuse without looking into the file.

    Raises:
        UsageError: there is no such file, or nothing that is known by its name.
    """
    if not isinstance(source, str | Path) or str(source).startswith(SKLEARN_PREFIX):
        return
    if "://" in str(source):
        raise UsageError(f"{source}: is an address, not a file; load it down and give the file")
    path = Path(source)
    if not path.exists():
        raise UsageError(no_such_file(path))
    if not path.is_dir() and not path.name.lower().endswith((*ENDINGS, *COMPRESSED_SUFFIXES)):
        hint = OTHER_FILES.get(path.suffix.lower(), "give a .csv, .csv.gz, .parquet or .jsonl file")
        raise UsageError(f"{path}: unknown file type; {hint}")


def check_csv_wish(origin: str, wish: CsvWish) -> None:
    """Raises UsageError when something is said of a CSV file that is none."""
    if wish != PLAIN_CSV:
        raise UsageError(f"{origin}: {wish.option} is for CSV files; leave it out")


def _load(source: Source, name: str | None, known: Iterable[str], csv: CsvWish) -> Table:
    if not isinstance(source, str | Path):
        check_csv_wish("the data frame", csv)
        frame = given_rows(source, list(known) or None)
        return _from_frame(frame, name or "data", "the data frame")
    text = str(source)
    if text.startswith(SKLEARN_PREFIX):
        check_csv_wish(text, csv)
        return _from_sklearn(text.removeprefix(SKLEARN_PREFIX), name)
    check_source(source)
    path = Path(source)
    notes: tuple[Note, ...] = ()
    index: tuple[str, ...] = ()
    if path.is_dir():
        return _from_files(path, _folder(path, known, csv), name)
    if is_parquet(path):
        check_csv_wish(text, csv)
        frame, index = read_parquet(path)
        notes = kind_note(path, PARQUET_SUFFIXES, "Parquet")
    elif is_json(path):
        check_csv_wish(text, csv)
        frame = read_json(path)
        notes = kind_note(path, JSON_SUFFIXES, "JSON")
    elif (archive := read_archive(path, known, csv)) is not None:
        return _from_files(path, archive, name)
    else:
        read = read_csv(path, known, csv)
        frame, notes = read.frame, read.notes
    table = _from_frame(frame, name or made_name(stem_of(path)), str(path), index)
    return replace(table, notes=(*notes, *table.notes))


def _folder(path: Path, known: Iterable[str], csv: CsvWish) -> ReadFiles:
    """All rows of the files in a folder."""
    found = files_of(path)
    if found.kind in (FileKind.PARQUET, FileKind.JSON):
        check_csv_wish(str(path), csv)
    if found.kind is not FileKind.PARQUET:
        return read_files(path, found, known, csv)
    pieces = open_parquet_folder(path)
    return ReadFiles(stacked([pieces.read(number) for number in range(len(pieces.pieces))]), pieces.notes)


def _from_files(path: Path, read: ReadFiles, name: str | None) -> Table:
    table = _from_frame(read.frame, name or made_name(stem_of(path)), str(path))
    return replace(table, notes=(*read.notes, *table.notes))


def kind_note(path: Path, suffixes: Sequence[str], kind: str) -> tuple[Note, ...]:
    """About a file that is called as if it were of another kind."""
    if any(suffix in path.name.lower() for suffix in suffixes):
        return ()
    return (Note(why=f"the file is {kind}, although its name says otherwise", done="read as such"),)


def name_notes(source: str | Path) -> tuple[Note, ...]:
    """About the name that is made of a source, if it is another one than the source has."""
    stem = stem_of(source)
    name = made_name(stem)
    # two ways to write the same letters look the same
    if name == unicodedata.normalize("NFC", stem):
        return ()
    why = f"'{stem}' cannot be the name of a model everywhere"
    return (Note(why=why, done=f"it is called '{name}'", option="--name gives it another one"),)


def _from_frame(frame: pd.DataFrame, name: str, origin: str, index: tuple[str, ...] = ()) -> Table:
    names, nameless = names_of(list(frame.columns))
    repeated = [column for column, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{origin}: the column name '{repeated[0]}' occurs {names.count(repeated[0])} times; rename one"
        )
    index += tuple(name_of(level) for level in frame.index.names if level is not None)
    plain = with_truth_as_words(plain_frame(frame.set_axis(names, axis=1).reset_index(drop=True)))
    return Table(frame=plain, name=name, origin=origin, notes=(*map(_index_note, index), *nameless), index=index)


def _index_note(name: str) -> Note:
    return Note(
        why=f"'{name}' is the index of the data frame", done="left out", option="frame.reset_index() makes it a column"
    )


def _from_sklearn(dataset: str, name: str | None) -> Table:
    if dataset not in SKLEARN_NAMES:
        near = nearest(dataset, SKLEARN_NAMES)
        hint = "" if near is None else f"; did you mean {SKLEARN_PREFIX}{near}?"
        raise UsageError(f"{SKLEARN_PREFIX}{dataset} is not known (known: {', '.join(SKLEARN_NAMES)}){hint}")
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{dataset}")(as_frame=True)
    frame: pd.DataFrame = loaded.frame.rename(
        columns=lambda column: str(column).removesuffix(" (cm)").replace(" ", "_")
    )
    if dataset in ("iris", "wine", "breast_cancer"):
        names = [str(label) for label in loaded.target_names]
        frame["target"] = [names[code] for code in frame["target"]]
    return Table(frame=frame, name=name or dataset, origin=f"{SKLEARN_PREFIX}{dataset}", default_target="target")
