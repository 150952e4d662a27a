"""A folder of Parquet files: more rows than memory holds, read one row group at a time."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.columns.names import levels, name_of
from orchestrator.columns.notes import Note
from orchestrator.data.folders import PARQUET_SUFFIXES, FileKind, files_of, no_tables
from orchestrator.data.nested import Nested, expand
from orchestrator.data.normalise import frame_of
from orchestrator.data.partitions import Partition, find_partitions, partition_column, partition_note
from orchestrator.environment import no_such_file
from orchestrator.errors import DataError, UsageError
from orchestrator.naming import made_name, stem_of

MAGIC = b"PAR1"


@dataclass(frozen=True)
class Piece:
    """One row group.

    Attributes:
        file: full path.
        group: position of the row group in it.
        rows: how many it has.
        partition: what the names of its folders say of its rows.
    """

    file: str
    group: int
    rows: int
    partition: Partition = ()

    def __str__(self) -> str:
        return f"{self.file}, row group {self.group + 1}"


@dataclass(frozen=True, kw_only=True)
class ParquetFolder:
    """Where the rows are; nothing of them is read yet.

    Attributes:
        name: short name, from which sweeps and models get theirs.
        origin: the folder, as messages call it.
        pieces: row groups, by the names of their files.
        columns: names of all columns.
        notes: what the user should know about how they are found.
    """

    name: str
    origin: str
    pieces: tuple[Piece, ...]
    columns: tuple[str, ...]
    notes: tuple[Note, ...] = ()

    def read(self, number: int, columns: Iterable[str] | None = None, nested: Iterable[Nested] = ()) -> pd.DataFrame:
        """The rows of a piece as plain cells, see `orchestrator.data.normalise`.

        Args:
            number: of the piece.
            columns: all if left out, else these.
            nested: columns that are expanded; `columns` has the names of what they become.

        Raises:
            DataError: the file cannot be read.
            InvalidValueError: a cell cannot be expanded as the others.
        """
        piece = self.pieces[number]
        sources = {name: each.column for each in nested for name in each.names}
        chosen = self.columns if columns is None else columns
        wanted = list(dict.fromkeys(sources.get(name, name) for name in chosen))
        return expand(self._table(piece, wanted), nested)

    def _table(self, piece: Piece, wanted: list[str]) -> pd.DataFrame:
        try:
            with pq.ParquetFile(piece.file) as file:
                labels = _labels(file.schema_arrow)
                # a column that is in the names of folders is not in the file
                known = [labels[name] for name in wanted if name in labels]
                table = _encoded(file, file.read_row_group(piece.group, columns=known))
        except (pa.ArrowException, OSError, IndexError) as error:
            raise DataError(f"{piece}: cannot be read ({_first_line(error)})") from None
        named = dict(piece.partition)
        absent = [name for name in wanted if name not in named and labels.get(name) not in table.column_names]
        if absent:
            raise DataError(f"{piece.file}: changed while it was used: there is no column '{absent[0]}' any more")
        return frame_of(
            (name, partition_column(named[name], piece.rows) if name in named else table.column(labels[name]))
            for name in wanted
        )


@dataclass(frozen=True, kw_only=True)
class ParquetRows:
    """The rows of one file, of which never more than a few are in memory.

    Attributes:
        path: of the file.
        columns: names of all columns.
        index: what the index of a data frame was called that was written there.
        rows: how many there are.
    """

    path: Path
    columns: tuple[str, ...]
    index: tuple[str, ...]
    rows: int

    @classmethod
    def open(cls, path: Path) -> ParquetRows:
        """Reads the footer.

        Raises:
            DataError: it cannot be read as Parquet, or two columns have one name.
        """
        try:
            with pq.ParquetFile(path) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
            names = _names(schema)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read as Parquet ({_first_line(error)})") from None
        _check_names(path, names)
        return cls(path=path, columns=tuple(names), index=_index_of(schema), rows=rows)

    def blocks(self, size: int) -> Iterator[pd.DataFrame]:
        """All rows in their order as plain cells, at most `size` at a time; one block without rows if there are none.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            with pq.ParquetFile(self.path) as file:
                schema = file.schema_arrow
                labels = _labels(schema)
                batches = file.iter_batches(size, columns=list(labels.values())) if self.rows else []
                tables = (pa.Table.from_batches([batch]) for batch in batches)
                for table in tables if self.rows else [schema.empty_table()]:
                    plain = _encoded(file, table)
                    yield frame_of((name, plain.column(label)) for name, label in labels.items())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{self.path}: cannot be read as Parquet ({_first_line(error)})") from None


def is_parquet(path: Path) -> bool:
    """Whether a file is in Parquet, by its name or by how it begins."""
    if path.name.lower().endswith(PARQUET_SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_parquet(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """All rows of one file as plain cells, and what the index of a data frame was called that was written there.

    Raises:
        UsageError: there is no such file.
        DataError: it cannot be read as Parquet, or two columns have one name.
    """
    if not path.exists():
        raise UsageError(no_such_file(path))
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, not a file")
    try:
        with pq.ParquetFile(path) as file:
            table = _encoded(file, file.read())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({_first_line(error)})") from None
    names = _names(table.schema)
    _check_names(path, names)
    columns = ((name, table.column(label)) for name, label in _labels(table.schema).items())
    return frame_of(columns), _index_of(table.schema)


def _encoded(file: pq.ParquetFile, table: pa.Table) -> pa.Table:
    """The table with dictionaries of numbers as they were written: arrow notes them, but does not read them."""
    written = (file.metadata.metadata or {}).get(b"ARROW:schema", b"")
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(written)))
    except (binascii.Error, pa.ArrowException, OSError):
        return table
    for at, name in enumerate(table.column_names):
        place = schema.get_field_index(name)
        column = table.column(at)
        if place >= 0 and pa.types.is_dictionary(schema.field(place).type) and not pa.types.is_dictionary(column.type):
            table = table.set_column(at, name, column.dictionary_encode())
    return table


def _index_of(schema: pa.Schema) -> tuple[str, ...]:
    """What pandas has written as the index of a frame, if that had a name."""
    found = (schema.pandas_metadata or {}).get("index_columns", [])
    return tuple(name for name in found if isinstance(name, str) and not name.startswith("__index_level_"))


def open_parquet_folder(path: str | Path, name: str | None = None) -> ParquetFolder:
    """Finds the Parquet files of a folder and those below it, and reads their footers.

    Args:
        path: of the folder; files and folders whose names start with a dot or an underscore are passed over.
        name: instead of the folder's.

    Raises:
        UsageError: not a folder, or there is no Parquet file in it.
        DataError: a file is damaged, has other columns than the first one, or there are no rows.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"{folder}: is a file, not a folder" if folder.exists() else no_such_file(folder, "folder"))
    found = files_of(folder)
    files = found.files
    if found.kind is not FileKind.PARQUET:
        raise UsageError(f"{folder}: is a folder, but {no_tables(folder)}")
    pieces: list[Piece] = []
    columns: tuple[str, ...] = ()
    footers: dict[Path, pq.FileMetaData] = {}
    for file in files:
        try:
            footer = pq.read_metadata(file)
            names = _names(footer.schema.to_arrow_schema())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read as Parquet ({_first_line(error)})") from None
        _check_names(file, names)
        if not columns:
            columns = tuple(names)
        elif set(names) != set(columns):
            odd = sorted(set(names) ^ set(columns))[0]
            place = "is not in" if odd in names else "is only in"
            raise DataError(f"{file}: other columns than the files before: '{odd}' {place} {files[0].name}")
        footers[file] = footer
    partitions = find_partitions(folder, files, columns)
    for file, footer in footers.items():
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            if rows:
                pieces.append(Piece(str(file.absolute()), group, rows, partitions[file]))
    if not pieces:
        raise DataError(f"{folder}: there are no rows in its {len(files)} Parquet files")
    first = partitions[files[0]]
    return ParquetFolder(
        name=name or made_name(stem_of(folder)),
        origin=str(folder),
        pieces=tuple(pieces),
        columns=(*columns, *(key for key, _ in first)),
        notes=(*found.notes, *partition_note(first)),
    )


def _labels(schema: pa.Schema) -> dict[str, str]:
    """What each column is called in a file, by its name; see `_names`."""
    return dict(zip(_names(schema), _labels_in_order(schema), strict=True))


def _names(schema: pa.Schema) -> list[str]:
    """Of the columns, as those of a data frame would be called."""
    several = len((schema.pandas_metadata or {}).get("column_indexes", [])) > 1
    return [name_of(levels(label) if several else label) for label in _labels_in_order(schema)]


def _labels_in_order(schema: pa.Schema) -> list[str]:
    """Without what pandas has written as the index of a frame, which it does not read as a column either."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in schema.names if name not in index]


def _check_names(file: Path, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{file}: the column name '{repeated[0]}' occurs {names.count(repeated[0])} times; rename one")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
