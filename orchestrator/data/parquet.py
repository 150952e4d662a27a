"""A folder of Parquet files: more rows than memory holds, read one row group at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DataError, UsageError

SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class Piece:
    """One row group.

    Attributes:
        file: full path.
        group: position of the row group in it.
        rows: how many it has.
    """

    file: str
    group: int
    rows: int

    def __str__(self) -> str:
        return f"{self.file}, row group {self.group + 1}"


@dataclass(frozen=True)
class ParquetFolder:
    """Where the rows are; nothing of them is read yet.

    Attributes:
        name: short name, from which sweeps and models get theirs.
        origin: the folder, as messages call it.
        pieces: row groups, by the names of their files.
        columns: names of all columns.
    """

    name: str
    origin: str
    pieces: tuple[Piece, ...]
    columns: tuple[str, ...]

    def read(self, number: int, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """The rows of a piece, all columns or some.

        Raises:
            DataError: the file cannot be read, or a column is of a type that is neither number, text nor date.
        """
        piece = self.pieces[number]
        wanted = list(self.columns if columns is None else columns)
        try:
            with pq.ParquetFile(piece.file) as file:
                table = file.read_row_group(piece.group, columns=wanted)
        except (pa.ArrowException, OSError, IndexError) as error:
            raise DataError(f"{piece}: cannot be read ({_first_line(error)})") from None
        absent = [name for name in wanted if name not in table.column_names]
        if absent:
            raise DataError(f"{piece.file}: changed while it was used: there is no column '{absent[0]}' any more")
        arrays = [_plain(piece, name, table.column(name)) for name in wanted]
        frame: pd.DataFrame = pa.table(arrays, names=wanted).to_pandas()
        return frame


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
        raise UsageError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    files = sorted(file for file in folder.rglob("*") if _is_parquet(file, folder))
    if not files:
        raise UsageError(f"{folder}: there is no .parquet file in this folder")
    pieces: list[Piece] = []
    columns: tuple[str, ...] = ()
    for file in files:
        try:
            footer = pq.read_metadata(file)
            names = _column_names(footer.schema.to_arrow_schema())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read as Parquet ({_first_line(error)})") from None
        _check_names(file, names)
        if not columns:
            columns = tuple(names)
        elif set(names) != set(columns):
            odd = sorted(set(names) ^ set(columns))[0]
            place = "is not in" if odd in names else "is only in"
            raise DataError(f"{file}: other columns than the files before: '{odd}' {place} {files[0].name}")
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            if rows:
                pieces.append(Piece(str(file.absolute()), group, rows))
    if not pieces:
        raise DataError(f"{folder}: there are no rows in its {len(files)} Parquet files")
    return ParquetFolder(name or folder.resolve().name, str(folder), tuple(pieces), columns)


def _is_parquet(file: Path, folder: Path) -> bool:
    """Whether it is a file that is meant to be read; Spark gives its folders such names, too."""
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()


def _column_names(schema: pa.Schema) -> list[str]:
    """Without what pandas has written as the index of a frame, which it does not read as a column either."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in schema.names if name not in index]


def _check_names(file: Path, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{file}: the column name '{repeated[0]}' occurs {names.count(repeated[0])} times; rename one")


def _plain(piece: Piece, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as numbers, texts, truth values or time stamps."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms"))
    known = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_timestamp,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_null,
    )
    if not any(is_kind(kind) for is_kind in known):
        raise DataError(
            f"{piece.file}: column '{name}' is of the type {kind}, which is not supported; leave it out with "
            f"--ignore '{name}'"
        )
    return column


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
