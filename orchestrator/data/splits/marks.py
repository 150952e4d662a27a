"""What the columns of a table say about its rows: groups, times, parts and weights as arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.code_notation import whole_key
from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.rows_wish import RowsWish, option_of_rows
from orchestrator.columns.values import Series, category_key, category_keys, shorten, to_numbers
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
    origin: str, frame: pd.DataFrame, wish: RowsWish, raw: RawColumn | None = None
) -> tuple[RowMarks, tuple[Note, ...]]:
    """What the columns that a wish names say.

    Args:
        origin: what messages call the source.
        frame: with these columns.
        wish: that names them.
        raw: the column of times, with what the user says about it.

    Raises:
        DataError: a column cannot be read as what it is to be.
    """
    notes: tuple[Note, ...] = ()
    groups = times = parts = weights = None
    if wish.group is not None:
        groups, missing = read_groups(frame[wish.group])
        if missing:
            notes += (Note(column=wish.group, why=f"is empty in {rows_text(missing)}", done="they are one group"),)
    if wish.time is not None and raw is not None:
        times = read_times(raw)
    if wish.split_column is not None:
        parts = read_parts(origin, frame[wish.split_column], wish.split_column)
    if wish.weight is not None:
        weights = read_weights(origin, frame[wish.weight], wish.weight)
    return RowMarks(groups=groups, times=times, parts=parts, weights=weights), notes


def group_key(cell: object) -> str | None:
    """What a group is known by: 7.0 is 7."""
    key = category_key(cell)
    return None if key is None else whole_key(key)


def read_groups(series: Series) -> tuple[NDArray[np.int64], int]:
    """A number for each group, and how many rows have none, which are one group."""
    codes, keys = category_keys(series, group_key)
    missing = int(np.count_nonzero(codes == keys.index(None))) if None in keys else 0
    return codes, missing


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


def read_weights(origin: str, series: Series, name: str) -> NDArray[np.float64]:
    """What each row counts: float64 [rows], none below 0.

    Raises:
        DataError: a cell is empty, no number, negative or infinite.
    """
    where = f"{origin}: the column '{name}' ({option_of_rows('weight')})"
    try:
        weights = to_numbers(series, name)
    except InvalidValueError as error:
        raise DataError(f"{where}: {error}") from None
    for bad, what in ((np.isnan(weights), "is empty"), (weights < 0, "is negative")):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{where} {what} in row {row + 1}; a weight is a number of at least 0")
    return weights
