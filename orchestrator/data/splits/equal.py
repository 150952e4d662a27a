"""Rows that are the same in all columns: found, and kept on one side of a split."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.values import Series, is_missing, is_number_text
from orchestrator.data.splits.drawing import parts_of, positions_of
from orchestrator.data.splits.holdout import Positions
from orchestrator.data.splits.marks import TEST, TRAIN, VALIDATION
from orchestrator.errors import DataError

# share of rows that are the same as others from which they are said to be many
MANY_SHARE = 0.01
# of a given part, from which it is taken for a copy of training rows
COPIED_SHARE = 0.5
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
PART_NAMES = {VALIDATION: "validation", TEST: "test"}


def equal_rows(frame: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each row that is the same in all columns as another one, equal for equal rows; -1 for the others.

    Args:
        frame: of the table.
        rows: positions of those to look at, int64 [rows].
    """
    found = np.full(len(rows), -1, np.int64)
    at, codes = np.arange(len(rows)), np.zeros(len(rows), np.int64)
    for name in frame.columns:
        cells = _codes(frame[name].iloc[rows[at]])
        codes = pd.factorize(codes * (int(cells.max(initial=0)) + 2) + cells)[0]
        # what differs in one column needs no look at the others
        repeated = np.bincount(codes, minlength=1)[codes] > 1
        at, codes = at[repeated], codes[repeated]
        if not len(at):
            return found
    # those that are left are numbered from 0 on
    found[at] = pd.factorize(codes)[0]
    return found


def _codes(series: Series) -> NDArray[np.int64]:
    values: Any = series
    if series.dtype == object and str in (kinds := set(map(type, series.dropna().array))) and len(kinds) > 1:
        # rows of a file beside those of a data frame: "1.50" is 1.5 there
        cells: dict[Any, Any] = {}
        values = series.map(lambda cell: _same(cell, cells))
    try:
        codes = pd.factorize(values)[0]
    except (TypeError, NotImplementedError):
        # lists and the like
        codes = pd.factorize(values.astype(str))[0]
    found: NDArray[np.int64] = codes.astype(np.int64)
    return found


def _same(cell: Any, known: dict[Any, Any]) -> Any:  # noqa: ANN401
    """What is equal for a number, a truth value or a moment and for its text."""
    try:
        if cell not in known:
            known[cell] = _plain(cell)
        return known[cell]
    except TypeError:
        # lists and the like
        return str(cell)


def _plain(cell: Any) -> Any:  # noqa: ANN401
    if is_missing(cell):
        return None
    if isinstance(cell, bool | np.bool_):
        return str(cell).lower()
    if isinstance(cell, date):
        return pd.Timestamp(cell).isoformat()
    if not isinstance(cell, str):
        return float(cell) if isinstance(cell, int | float | np.number) else str(cell)
    text = cell.strip()
    if is_number_text(text):
        return float(text)
    if ISO_DATE.match(text):
        with contextlib.suppress(ValueError):
            return pd.Timestamp(text).isoformat()
    return text.lower() if text.lower() in ("true", "false") else text


def keep_together(
    split: Positions, equal: NDArray[np.int64], strata: NDArray[np.int64] | None
) -> tuple[Positions, tuple[Note, ...]]:
    """The split with equal rows in one part: that of the first of them, which chance has chosen.

    Where nothing would be left of a part, or of all strata but one, the split stays as it is.
    """
    number = int(np.count_nonzero(equal >= 0)) - (int(equal.max(initial=-1)) + 1)
    many = number >= max(2, MANY_SHARE * len(equal))
    why = f"{number:,} of {len(equal):,} rows are the same in all columns as rows before them"
    before = parts_of(split)
    parts = before.copy()
    held = np.flatnonzero(equal >= 0)
    _, first, group = np.unique(equal[held], return_index=True, return_inverse=True)
    parts[held] = before[held[first]][group]
    if (parts == before).all():
        return split, (_note(why, "they are in the same parts already"),) if many else ()
    moved = positions_of(parts)
    if _lost(split, moved, strata):
        return split, (_note(why, "there are too few others, so they are in all parts"),) if many else ()
    return moved, (_note(why, "equal rows stay together in one part"),) if many else ()


def drawn_apart(split: Positions, equal: NDArray[np.int64]) -> tuple[Note, ...]:
    """A note if the test rows, which were given, have many rows that training rows have: folds are then like them."""
    parts = parts_of(split)
    others = set(equal[(parts != TEST) & (equal >= 0)].tolist())
    test = equal[parts == TEST]
    seen = sum(code in others for code in test[test >= 0].tolist())
    if seen < max(2, MANY_SHARE * len(test)):
        return ()
    return (
        Note(
            why=f"{seen:,} of {len(test):,} test rows that were given are the same in all columns as other rows",
            done="folds draw equal rows each by itself, too",
            option="--equal-rows together keeps them in one fold",
        ),
    )


def _note(why: str, done: str) -> Note:
    return Note(why=why, done=done, option="--equal-rows apart draws each by itself")


def _lost(before: Positions, after: Positions, strata: NDArray[np.int64] | None) -> bool:
    for one, other in ((getattr(before, name), getattr(after, name)) for name in ("train", "validation", "test")):
        if not len(other):
            return True
        if strata is not None and len(np.unique(strata[one])) > 1 and len(np.unique(strata[other])) == 1:
            return True
    return False


def overlap_notes(origin: str, split: Positions, equal: NDArray[np.int64]) -> tuple[Note, ...]:
    """About rows of parts that were given which are the same as training rows.

    Raises:
        DataError: a part looks like a copy of training rows.
    """
    parts = parts_of(split)
    training = set(equal[(parts == TRAIN) & (equal >= 0)].tolist())
    notes: tuple[Note, ...] = ()
    for part, name in PART_NAMES.items():
        rows = equal[parts == part]
        seen = sum(code in training for code in rows[rows >= 0].tolist())
        if seen >= COPIED_SHARE * len(rows):
            raise DataError(
                f"{origin}: {seen:,} of {len(rows):,} {name} rows are the same in all columns as training rows, so "
                f"nothing could be learnt from their figures; give other {name} rows"
            )
        if seen:
            why = f"{seen:,} of {len(rows):,} {name} rows are the same in all columns as training rows"
            notes += (Note(why=why, done="they stay where they are; figures about them are too good"),)
    return notes
