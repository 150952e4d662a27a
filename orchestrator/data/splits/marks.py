"""What the columns of a table say about its rows: groups, times, parts and weights as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.code_notation import folded, whole_key
from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.rows_wish import RowsWish, option_of_rows
from orchestrator.columns.values import Series, category_key, category_keys, keys_of, shorten, to_numbers
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind

TRAIN, VALIDATION, TEST = 0, 1, 2
PART_WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
SHOWN = 5
NO_COLUMNS: Mapping[str, RawColumn] = {}
# shares of the rows below which a part of groups is said to be small
LEAST_TRAINED, LEAST_MEASURED = 0.5, 0.05


@dataclass(frozen=True, kw_only=True)
class RowMarks:
    """What is known of each row beside its columns; None where nothing is.

    Attributes:
        groups: int64 [rows], rows with the same number belong together.
        times: float64 [rows], larger ones are later; NaN where a row has none.
        parts: int8 [rows], `TRAIN`, `VALIDATION` or `TEST`.
        weights: float64 [rows].
    """

    groups: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    parts: NDArray[np.int8] | None = None
    weights: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[Any]) -> Self:
        """Of some of the rows."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: None if array is None else array[rows] for name, array in found.items()})


def read_marks(
    origin: str, frame: pd.DataFrame, wish: RowsWish, raw: Mapping[str, RawColumn] = NO_COLUMNS
) -> tuple[RowMarks, tuple[Note, ...]]:
    """What the columns that a wish names say.

    Args:
        origin: what messages call the source.
        frame: with these columns.
        wish: that names them.
        raw: the columns of times and weights, with what the user says about them.

    Raises:
        DataError: a column cannot be read as what it is to be.
    """
    notes: tuple[Note, ...] = ()
    groups = times = parts = weights = None
    if wish.group is not None:
        groups, notes = read_groups(frame[wish.group])
    if wish.time is not None and wish.time in raw:
        times = read_times(raw[wish.time])
    if wish.split_column is not None:
        parts = read_parts(origin, frame[wish.split_column], wish.split_column)
    if wish.weight is not None:
        weights, more = read_weights(origin, frame[wish.weight], wish.weight, raw.get(wish.weight))
        notes += more
    return RowMarks(groups=groups, times=times, parts=parts, weights=weights), notes


def group_key(cell: object) -> str | None:
    """What a group is known by: 7.0 is 7, and all spellings of a name are one."""
    key = category_key(cell)
    return None if key is None else folded(whole_key(key))


def read_groups(series: Series) -> tuple[NDArray[np.int64], tuple[Note, ...]]:
    """A number for each group, and what the user should know."""
    name, notes = str(series.name), []
    codes, spelled = category_keys(series, lambda cell: None if (key := category_key(cell)) is None else whole_key(key))
    groups, keys = keys_of(codes, spelled, group_key)
    if len(keys) < len(spelled):
        first: dict[str | None, str | None] = {}
        shown = next(
            f"{before!r} and {text!r}"
            for text in spelled
            if (before := first.setdefault(group_key(text), text)) != text
        )
        notes.append(Note(column=name, why=f"spells the same in several ways ({shown})", done="each is one group"))
    if None in keys:
        missing = int(np.count_nonzero(groups == keys.index(None)))
        notes.append(Note(column=name, why=f"is empty in {rows_text(missing)}", done="they are one group"))
    return groups, tuple(notes)


def uneven_note(column: str, counts: Sequence[int]) -> tuple[Note, ...]:
    """About parts (train, validation, test) with so many rows, if groups made them far from what they are mostly."""
    rows = sum(counts)
    if counts[0] >= LEAST_TRAINED * rows and min(counts[1:]) >= LEAST_MEASURED * rows:
        return ()
    shares = [f"{100 * count / rows:.0f} %" for count in counts]
    note = Note(
        column=column,
        why="has few or large groups, of which none is in two parts",
        done=f"{shares[0]} of the rows are trained on, {shares[1]} validated and {shares[2]} tested on",
        option="--split-column names a column with other parts",
    )
    return (note,)


def read_times(raw: RawColumn) -> NDArray[np.float64]:
    """Dates as days, or plain numbers: float64 [rows], NaN where missing.

    Raises:
        DataError: it has neither.
    """
    dates, numbers = KINDS[ColumnKind.DATETIME], KINDS[ColumnKind.NUMERIC]
    wished = raw.wish.date_format is not None or raw.wish.kind == ColumnKind.DATETIME
    found = dates.obey(raw) if wished else dates.recognise(raw) or numbers.recognise(raw)
    if found is None or found.column is None:
        cell = next((shorten(cell) for cell in raw.series if category_key(cell) is not None), "nothing")
        raise DataError(
            f"{raw.origin}: the column '{raw.name}' (--time) can be read neither as dates nor as numbers (it holds "
            f"{cell}); --date-format '{raw.name}=FORMAT' says how dates are written"
        )
    return np.asarray(_sorted_by(found.column, raw), np.float64)


def _sorted_by(column: Column, raw: RawColumn) -> NDArray[np.float64]:
    parsed = KINDS[column.kind].parse_raw(column, raw)
    values: NDArray[np.float64] = parsed["days" if column.kind is ColumnKind.DATETIME else None]
    return values


def read_parts(origin: str, series: Series, name: str) -> NDArray[np.int8]:
    """The part of each row: int8 [rows].

    Raises:
        DataError: a cell is empty, or says something else.
    """
    codes, keys = category_keys(series)
    known = [None if key is None else PART_WORDS.get(key.strip().lower()) for key in keys]
    unknown = [str(key) for key, part in zip(keys, known, strict=True) if key is not None and part is None]
    where = f"{origin}: the column '{name}' (--split-column)"
    if unknown:
        shown = ", ".join(map(shorten, unknown[:SHOWN])) + (", ..." if len(unknown) > SHOWN else "")
        raise DataError(f"{where} holds {shown}; its values must be train, validation and test")
    if None in keys:
        row = int(np.flatnonzero(codes == keys.index(None))[0])
        raise DataError(f"{where} is empty in row {row + 1}; say train, validation or test there")
    return np.array([TRAIN if part is None else part for part in known], np.int8)[codes]


def read_weights(
    origin: str, series: Series, name: str, raw: RawColumn | None = None
) -> tuple[NDArray[np.float64], tuple[Note, ...]]:
    """What each row counts: float64 [rows], none below 0; and what was guessed.

    Args:
        origin: what messages call the source.
        series: the cells.
        name: of the column.
        raw: the column as a whole, if it is known: then it may be written in any notation of numbers.

    Raises:
        DataError: a cell is empty, no number, negative or infinite.
    """
    where = f"{origin}: the column '{name}' ({option_of_rows('weight')})"
    notes: tuple[Note, ...] = ()
    numbers, found = KINDS[ColumnKind.NUMERIC], None
    if raw is not None and raw.number_reading is not None and raw.number_reading.notation is not None:
        found = numbers.recognise(raw)
    if raw is not None and found is not None and found.column is not None:
        weights, notes = numbers.parse_raw(found.column, raw)[None], found.notes
    else:
        try:
            weights = to_numbers(series, name)
        except InvalidValueError as error:
            raise DataError(f"{where}: {error}; write plain numbers such as 9.5") from None
    for bad, what in ((np.isnan(weights), "is empty"), (weights < 0, "is negative")):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{where} {what} in row {row + 1}; a weight is a number of at least 0")
    return weights, notes
