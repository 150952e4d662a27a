"""What is found in a data set before anything is trained: its columns as they would be read, and what is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.spread import Bar, counted_bars, number_bars, short_value, some_rows
from orchestrator.columns.values import MISSING_STRINGS, Series, category_keys, is_missing
from orchestrator.columns.wish import IGNORE, NO_WISH, ColumnWish
from orchestrator.data.dataset import DataOptions
from orchestrator.data.folders import is_streamed
from orchestrator.data.guessing import FoundTarget, RawColumns, guess_columns, guess_target
from orchestrator.data.opening import whole_table
from orchestrator.data.parquet import open_parquet_folder
from orchestrator.data.profile import sample_table
from orchestrator.data.settling import settle
from orchestrator.data.sources import Table, check_csv_wish
from orchestrator.data.suspicions import Tellers, Twins, empty_note
from orchestrator.features import KINDS, Column
from orchestrator.features.date_differences import date_pairs, difference_notes
from orchestrator.tasks import Target
from orchestrator.units import show_number

LEFT_OUT = "left out"
TARGET = "target"
SHOWN_VALUES, SHOWN_CLASSES = 3, 6
# smaller shares are shown as rows
LEAST_PERCENT = 0.1


@dataclass(frozen=True, kw_only=True)
class InspectedColumn:
    """A column as it is found in a data set.

    Attributes:
        name: as in the header.
        kind: how it would be read; `left out` if it would not be, `target` if it is predicted.
        reason: why.
        written: how its cells are written, if not plainly.
        missing, distinct: how many rows have no value, and how many values there are.
        examples: some of them.
        spread: how many of the rows that were looked at have which values; none if it is left out.
    """

    name: str
    kind: str
    reason: str
    written: str
    missing: int
    distinct: int
    examples: tuple[str, ...]
    spread: tuple[Bar, ...]

    @property
    def why(self) -> str:
        """Why it is read so, and how it is written."""
        return "; ".join(filter(None, (self.reason, self.written and f"written as {self.written}")))


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
        suspicions: columns that deserve a look, of which training says nothing.
        wishes: that say the same, to be changed and given back.
    """

    origin: str
    rows: int
    sampled: bool
    columns: tuple[InspectedColumn, ...]
    target: Target | None
    notes: tuple[Note, ...]
    suspicions: tuple[Note, ...]
    wishes: Mapping[str, ColumnWish]

    @property
    def balance(self) -> str:
        """How often the values of the target occur, in a few words; empty without one."""
        bars = next((column.spread for column in self.columns if column.kind == TARGET), ())
        rows = max(1, sum(bar.rows for bar in bars))
        if self.target is not None and not self.target.classes:
            # the range with the most rows
            bars = tuple(sorted(bars, key=lambda bar: -bar.rows)[:1])
        shown = [f"{bar.label} {_share(bar.rows, rows)}" for bar in bars[:SHOWN_CLASSES]]
        rest = bars[SHOWN_CLASSES:]
        shown += [f"{len(rest):,} more {_share(sum(bar.rows for bar in rest), rows)}"] if rest else []
        return ", ".join(shown)

    def missing(self, column: InspectedColumn) -> str:
        """How many rows have no value there."""
        return f"{column.missing:,} ({_share(column.missing, self.rows)})" if column.missing else "0"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "source": self.origin,
            "rows": self.rows,
            "sampled": self.sampled,
            "columns": [asdict(column) for column in self.columns],
            "target": None if self.target is None else self.target.to_json(),
            "notes": [note.to_json() for note in self.notes],
            "suspicions": [note.to_json() for note in self.suspicions],
        }


def _share(rows: int, of: int) -> str:
    percent = 100 * rows / of
    return f"{percent:.1f} %" if percent >= LEAST_PERCENT else f"{rows:,} rows"


def inspect_data(source: str, options: DataOptions) -> Inspection:
    """Reads a source and says what its columns are; nothing is encoded.

    Args:
        source: see `open_dataset`; of a folder a sample is read.
        options: how to read it; without a target all columns are features.

    Raises:
        UsageError, DataError: see `open_dataset`.
    """
    return inspect_table(table_of(source, options), options, sampled=is_streamed(source))


def table_of(source: str, options: DataOptions) -> Table:
    """The rows of a source, some of them if it is a folder.

    Raises:
        UsageError, DataError: see `open_dataset`.
    """
    if is_streamed(source):
        check_csv_wish(source, options.csv)
        return sample_table(open_parquet_folder(Path(source)), options)
    return whole_table(source, options)


def inspect_table(table: Table, options: DataOptions, *, sampled: bool) -> Inspection:
    """What the columns of a table are.

    Args:
        table: its rows.
        options: how to read it.
        sampled: whether there are more rows.

    Raises:
        UsageError, DataError: see `open_dataset`.
    """
    options.features.check()
    table, options = settle(table, options)
    raw, found = RawColumns.of(table, options), None
    if options.target is not None:
        found = guess_target(table, raw, options, sampled=sampled)
    shared: list[Note] = []
    suspicious: dict[str, Note] = {}
    spreads = {} if found is None else {found.target.name: _target_spread(found)}
    tellers = None if found is None else Tellers(found.target, found.plain)

    def look(column: Column, cells: RawColumn) -> None:
        kind = KINDS[column.kind]
        shared.extend(kind.raw_notes(column, cells, options.features))
        spreads[column.name] = kind.spread(kind.parse(column, some_rows(cells.series)))
        if tellers is not None and (note := tellers.note(column, cells)) is not None:
            suspicious[column.name] = note

    guess = guess_columns(raw, found, options, look)
    target = None if found is None else found.target
    apart = difference_notes(date_pairs(guess.columns), options.features, options.said_kinds)
    about = Found(
        columns={column.name: column for column in guess.columns},
        target=target,
        notes=(*table.notes, *(() if found is None else found.notes), *guess.notes, *shared, *apart),
        spreads=spreads,
        wishes=options.wishes,
    )
    columns, more = _inspected(table, about)
    return Inspection(
        origin=table.origin,
        rows=len(table.frame),
        sampled=sampled,
        columns=columns,
        target=target,
        notes=about.notes,
        suspicions=(*(note for note in suspicious.values() if not about.gives_away(note.column)), *more),
        wishes=_wishes(table, about.columns, target, options),
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found out about the columns of a table.

    Attributes:
        columns: the features, by name.
        target: what is predicted.
        notes: what was guessed.
        spreads: how values are spread, by the name of the column.
        wishes: what the user has said, by the name of the column.
    """

    columns: Mapping[str, Column]
    target: Target | None
    notes: tuple[Note, ...]
    spreads: Mapping[str, tuple[Bar, ...]]
    wishes: Mapping[str, ColumnWish]

    def gives_away(self, name: str | None) -> bool:
        """Whether it was said already that a column is a copy of the target."""
        return any(note.column == name and "the answer away" in note.why for note in self.notes)

    def reason(self, name: str) -> str:
        """Why a column is what it is."""
        if self.target is not None and name == self.target.name:
            return f"is predicted: {self.target.task.title}"
        if self.wishes.get(name, NO_WISH).kind is not None:
            return "as you said"
        if name in self.columns:
            return KINDS[self.columns[name].kind].reason(self.columns[name])
        return "; ".join(note.why for note in self.notes if note.column == name)


def _target_spread(found: FoundTarget) -> tuple[Bar, ...]:
    """Of classes all, in all rows."""
    if not found.target.classes:
        numbers = some_rows(found.labels).to_numpy(np.float64)
        return number_bars(numbers, show_number)
    codes, keys = category_keys(found.labels)
    counts = np.bincount(codes, minlength=len(keys)).tolist()
    return counted_bars(dict(zip(map(str, keys), counts, strict=True)), len(keys))


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


def _inspected(table: Table, found: Found) -> tuple[tuple[InspectedColumn, ...], list[Note]]:
    twins, notes, columns = Twins(), list[Note](), []
    for name in map(str, table.frame.columns):
        item, more = _column(table.frame[name], name, found, twins)
        columns.append(item)
        notes += more
    return tuple(columns), notes


def _column(series: Series, name: str, found: Found, twins: Twins) -> tuple[InspectedColumn, list[Note]]:
    column, target = found.columns.get(name), found.target
    notation = column.notation if column is not None else None
    if target is not None and name == target.name:
        kind, notation = TARGET, target.notation
        written = "" if notation is None else _words(notation)
    else:
        kind = LEFT_OUT if column is None else column.kind.value
        written = "" if column is None else written_as(column)
    cells = _cells(series) if notation is None else _cells_of(series, notation)
    known, values = len(cells) - cells.null_count, cells.dictionary
    notes: list[Note | None] = []
    if column is not None and known:
        rows = np.bincount(cells.indices.drop_null().to_numpy(), minlength=len(values))
        most = int(rows.argmax())
        notes = [empty_note(name, len(series), known, (values[most].as_py(), int(rows[most])))]
        notes.append(twins.note(name, cells, known))
    item = InspectedColumn(
        name=name,
        kind=kind,
        reason=found.reason(name),
        written=written,
        missing=len(series) - known,
        distinct=len(values),
        examples=tuple(short_value(value) for value in values[:SHOWN_VALUES].to_pylist()),
        spread=found.spreads.get(name, ()),
    )
    return item, [note for note in notes if note is not None]


def _cells_of(series: Series, notation: Notation) -> pa.DictionaryArray:
    """The same as `_cells`, of cells that are written in a notation: one of each value as it is written."""
    plain = notation.plain(series)
    codes, _ = pd.factorize(plain)
    first = np.unique(codes, return_index=True)[1][int((codes < 0).any()) :]
    values = pa.array(series.iloc[first].astype(str), pa.string(), from_pandas=True)
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int64(), mask=codes < 0), values)


def _cells(series: Series) -> pa.DictionaryArray:
    """Cells as codes of their distinct values, in the order of their first occurrence; null where missing."""
    try:
        cells = _encoded(pa.array(series, from_pandas=True))
    except (pa.ArrowException, TypeError):
        # what is of several types, or of one that cannot be compared
        cells = _encoded(pa.array([None if is_missing(value) else str(value) for value in series.tolist()]))
    distinct = cells.dictionary
    if not (pa.types.is_string(distinct.type) or pa.types.is_large_string(distinct.type)):
        return cells
    words = pa.array(sorted(MISSING_STRINGS), distinct.type)
    missing = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(distinct)), value_set=words).to_numpy(zero_copy_only=False)
    if not missing.any():
        return cells
    # codes of what is left
    places = np.where(missing, -1, np.cumsum(~missing) - 1)
    codes = cells.indices.fill_null(0).to_numpy()
    gone = cells.indices.is_null().to_numpy(zero_copy_only=False) | (places[codes] < 0)
    return pa.DictionaryArray.from_arrays(pa.array(places[codes], pa.int64(), mask=gone), distinct.filter(~missing))


def _encoded(cells: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    return cells.dictionary_encode()
