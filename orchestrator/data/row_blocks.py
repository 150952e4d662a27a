"""Rows to answer, some at a time: a Parquet file is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.notes import Note
from orchestrator.data.folders import PARQUET_SUFFIXES
from orchestrator.data.parquet import ParquetRows, is_parquet
from orchestrator.data.sources import Source, Table, check_csv_wish, check_source, kind_note, load_rows


@dataclass(frozen=True, kw_only=True)
class RowBlocks:
    """The rows of a table, in blocks.

    Attributes:
        origin: what messages call the table.
        columns: names of its columns.
        rows: how many there are.
        notes: what the user should know about how it is read.
        blocks: gives the rows in their order; their index says where they stand. A table without rows has one block.
        is_file: whether they are of a file or a folder.
    """

    origin: str
    columns: tuple[str, ...]
    rows: int
    notes: tuple[Note, ...]
    blocks: Callable[[], Iterator[pd.DataFrame]]
    is_file: bool = False


def open_rows(source: Source, known: Iterable[str], csv: CsvWish = PLAIN_CSV, *, size: int) -> RowBlocks:
    """Opens rows to answer; what is no Parquet file is read at once, for how it is written is found out of all of it.

    Args:
        source, known, csv: see `load_rows`.
        size: rows of a block, at most.

    Raises:
        UsageError, DataError: see `load_rows`; of a Parquet file's rows later, when they are read.
    """
    check_source(source)
    path = Path(source) if isinstance(source, str | Path) else None
    if path is None or not path.is_file() or not is_parquet(path):
        table = load_rows(source, known, csv)
        return RowBlocks(
            origin=table.origin,
            columns=tuple(map(str, table.frame.columns)),
            rows=len(table.frame),
            notes=table.notes,
            blocks=lambda: _split(table, size),
            is_file=path is not None,
        )
    check_csv_wish(str(path), csv)
    file = ParquetRows.open(path)
    return RowBlocks(
        origin=str(path),
        columns=file.columns,
        rows=file.rows,
        notes=(*kind_note(path, PARQUET_SUFFIXES, "Parquet"), *load_rows(_no_rows(file), ()).notes),
        blocks=lambda: _placed(load_rows(frame, ()).frame for frame in file.blocks(size)),
        is_file=True,
    )


def _no_rows(file: ParquetRows) -> pd.DataFrame:
    """With what was the index of a data frame, which is told."""
    return pd.DataFrame(index=pd.MultiIndex.from_arrays([[]] * len(file.index), names=file.index) if file.index else [])


def _split(table: Table, size: int) -> Iterator[pd.DataFrame]:
    for start in range(0, max(len(table.frame), 1), size):
        yield table.frame.iloc[start : start + size]


def _placed(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    start = 0
    for frame in frames:
        yield frame.set_axis(pd.RangeIndex(start, start + len(frame)))
        start += len(frame)
