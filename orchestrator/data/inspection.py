"""What is found in a data set before anything is trained: its columns as they would be read, and what is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import MISSING_STRINGS, Series, is_missing
from orchestrator.columns.wish import IGNORE, NO_WISH, ColumnWish
from orchestrator.data.dataset import DataOptions
from orchestrator.data.guessing import RawColumns, guess_columns, guess_target
from orchestrator.data.opening import is_streamed, whole_table
from orchestrator.data.parquet import open_parquet_folder
from orchestrator.data.profile import sample_table
from orchestrator.data.settling import settle
from orchestrator.data.sources import Table, check_csv_wish
from orchestrator.features import KINDS, Column
from orchestrator.features.date_differences import date_pairs, difference_notes
from orchestrator.tasks import Target

LEFT_OUT = "left out"
SHOWN_VALUES = 3
VALUE_WIDTH = 30


@dataclass(frozen=True, kw_only=True)
class InspectedColumn:
    """A column as it is found in a data set.

    Attributes:
        name: as in the header.
        kind: how it would be read; `left out` if it would not be, `target` if it is predicted.
        written: how its cells are written, if not plainly.
        missing, distinct: how many rows have no value, and how many values there are.
        examples: some of them.
    """

    name: str
    kind: str
    written: str
    missing: int
    distinct: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is found in a data set.

    Attributes:
        origin: what messages call the source.
        rows: that were looked at.
        sampled: whether there are more, in a folder.
        columns: all of them.
        target: what would be predicted, None if it was not said.
        notes: what is guessed.
        wishes: that say the same, to be changed and given back.
    """

    origin: str
    rows: int
    sampled: bool
    columns: tuple[InspectedColumn, ...]
    target: Target | None
    notes: tuple[Note, ...]
    wishes: Mapping[str, ColumnWish]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "source": self.origin,
            "rows": self.rows,
            "sampled": self.sampled,
            "columns": [asdict(column) for column in self.columns],
            "target": None if self.target is None else self.target.to_json(),
            "notes": [note.to_json() for note in self.notes],
        }


def inspect_data(source: str, options: DataOptions) -> Inspection:
    """Reads a source, a sample of it if it is a folder, and says what its columns are; nothing is encoded.

    Args:
        source: see `open_dataset`.
        options: how to read it; without a target all columns are features.

    Raises:
        UsageError, DataError: see `open_dataset`.
    """
    sampled = is_streamed(source)
    if sampled:
        check_csv_wish(source, options.csv)
        table = sample_table(open_parquet_folder(Path(source)), options)
    else:
        table = whole_table(source, options)
    options.features.check()
    table, options = settle(table, options)
    raw, found = RawColumns.of(table, options), None
    if options.target is not None:
        found = guess_target(table, raw, options, sampled=sampled)
    shared: list[Note] = []

    def look(column: Column, cells: RawColumn) -> None:
        shared.extend(KINDS[column.kind].raw_notes(column, cells, options.features))

    guess = guess_columns(raw, found, options, look)
    target = None if found is None else found.target
    apart = difference_notes(date_pairs(guess.columns), options.features, options.said_kinds)
    columns = {column.name: column for column in guess.columns}
    return Inspection(
        origin=table.origin,
        rows=len(table.frame),
        sampled=sampled,
        columns=_inspected(table, columns, target),
        target=target,
        notes=(*table.notes, *(() if found is None else found.notes), *guess.notes, *shared, *apart),
        wishes=_wishes(table, columns, target, options),
    )


def written_as(column: Column) -> str:
    """How the cells of a column are written, in a few words; empty if plainly."""
    words = "" if column.notation is None else _words(column.notation)
    return ", ".join(filter(None, (column.datetime_format, words)))


def _words(notation: Notation) -> str:
    said = {name: value for name, value in notation.to_json().items() if value not in (None, "", [], {}, False)}
    return "; ".join(f"{name} {_shown(value)}" for name, value in said.items())


def _shown(value: Any) -> str:  # noqa: ANN401
    return " ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _wishes(
    table: Table, columns: Mapping[str, Column], target: Target | None, options: DataOptions
) -> dict[str, ColumnWish]:
    said = options.wishes
    found = {}
    for name in map(str, table.frame.columns):
        wish = said.get(name, NO_WISH)
        if name in columns:
            # how it is written is found again
            wish = replace(wish, kind=columns[name].kind.value)
        elif target is None or name != target.name:
            wish = ColumnWish(kind=IGNORE)
        if wish != NO_WISH:
            found[name] = wish
    return found


def _inspected(table: Table, columns: Mapping[str, Column], target: Target | None) -> tuple[InspectedColumn, ...]:
    return tuple(_column(table.frame[name], str(name), columns, target) for name in table.frame.columns)


def _column(series: Series, name: str, columns: Mapping[str, Column], target: Target | None) -> InspectedColumn:
    column = columns.get(name)
    notation = column.notation if column is not None else None
    if target is not None and name == target.name:
        kind, notation = "target", target.notation
        written = "" if notation is None else _words(notation)
    else:
        kind = LEFT_OUT if column is None else column.kind.value
        written = "" if column is None else written_as(column)
    known, values = _values(series) if notation is None else _values_of(series, notation)
    return InspectedColumn(
        name=name,
        kind=kind,
        written=written,
        missing=len(series) - known,
        distinct=len(values),
        examples=tuple(_short(value) for value in values[:SHOWN_VALUES].to_pylist()),
    )


def _values_of(series: Series, notation: Notation) -> tuple[int, pa.Array]:
    """The same as `_values`, of cells that are written in a notation: one of each value as it is written."""
    plain = notation.plain(series)
    known = plain.notna()
    return int(known.sum()), pa.array(series[known & ~plain.duplicated()].astype(str), pa.string(), from_pandas=True)


def _values(series: Series) -> tuple[int, pa.Array]:
    """How many cells have a value, and the distinct values in the order of their first occurrence."""
    try:
        cells = pa.array(series, from_pandas=True)
        if isinstance(cells, pa.ChunkedArray):
            cells = cells.combine_chunks()
        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        distinct = pc.unique(cells.drop_null())
    except (pa.ArrowException, TypeError):
        # what is of several types, or of one that cannot be compared
        cells = pa.array([None if is_missing(value) else str(value) for value in series.tolist()])
        distinct = pc.unique(cells.drop_null())
    if pa.types.is_string(distinct.type) or pa.types.is_large_string(distinct.type):
        words = pa.array(sorted(MISSING_STRINGS), distinct.type)
        missing = distinct.filter(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(distinct)), value_set=words))
        known = len(cells) - cells.null_count - pc.sum(pc.is_in(cells, value_set=missing)).as_py()
        return known, distinct.filter(pc.invert(pc.is_in(distinct, value_set=missing)))
    return len(cells) - cells.null_count, distinct


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= VALUE_WIDTH else f"{text[: VALUE_WIDTH - 3]}..."
