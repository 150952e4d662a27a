"""A table with the rows of the files that a user gives to validate and test on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.columns.code_notation import filled_key, same_digits
from orchestrator.columns.names import same_names
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.rows_wish import FRAME, RowsWish
from orchestrator.columns.values import category_key
from orchestrator.columns.wish import DECIMAL_MARKS
from orchestrator.data.normalise import plain_frame, stacked
from orchestrator.data.sources import Table, load_table
from orchestrator.data.splits.marks import TEST, VALIDATION
from orchestrator.errors import DataError, UsageError

MARK_NAMES = {",": "comma", ".": "point"}
PARTS = {"validation": VALIDATION, "test": TEST}


def without_frames(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Arguments of which data frames to validate and test on are only named as such; and these frames, by part."""
    frames = {part: given[part] for part in PARTS if isinstance(given[part], pd.DataFrame)}
    return {**given, **dict.fromkeys(frames, FRAME)}, frames


def join_files(table: Table, wish: RowsWish, ignored: Collection[str] = ()) -> Table:
    """The rows of the table, then those of the files, or frames, of the wish; one and the same table without them.

    Args:
        table: with the rows to train on.
        wish: that names the files.
        ignored: columns that the files need not have.

    Raises:
        UsageError: a file is missing, or a folder.
        DataError: it cannot be read, or lacks a column.
    """
    others = {part: _load(part, path, table.others) for part, path in wish.files.items()}
    if not others:
        return table
    names = [str(name) for name in table.frame.columns]
    frames, parts = [table.frame], [np.zeros(len(table.frame), np.int8)]
    for part, other in others.items():
        rows = _as(names, table.origin, other, part, ignored)
        frames.append(_written_alike(rows, table, f"--{part} {other.origin}", ignored))
        parts.append(np.full(len(other.frame), PARTS[part], np.int8))
    return replace(table, frame=plain_frame(stacked(frames)), parts=np.concatenate(parts))


def _written_alike(frame: pd.DataFrame, table: Table, origin: str, ignored: Collection[str]) -> pd.DataFrame:
    """The rows of a file with the codes that lost their zeros as those of the table.

    Raises:
        DataError: numbers of the file have another decimal mark.
    """
    frame = frame.copy(deep=False)
    for name, series in table.frame.items():
        if name in ignored or not (isinstance(series.dtype, pd.StringDtype) or series.dtype == object):
            continue
        raw, other = RawColumn(table.origin, series), RawColumn(origin, frame[name])
        digits = same_digits(raw.counts) if raw.may_lead_with_zero else 0
        if digits:
            codes, cells = other.distinct
            keys = [None if (key := category_key(cell)) is None else filled_key(key, digits) for cell in cells]
            frame[name] = pd.Series(np.array(keys, object)[codes], index=frame.index, name=name)
        elif {raw.decimal, other.decimal} == set(DECIMAL_MARKS):
            mine, its = (MARK_NAMES[str(column.decimal)] for column in (raw, other))
            raise DataError(
                f"{origin}: the numbers of the column '{name}' have a decimal {its}, but those of {table.origin} have "
                f"a decimal {mine}; write both alike"
            )
    return frame


def _load(part: str, path: str, frames: Mapping[str, pd.DataFrame]) -> Table:
    if part in frames:
        return load_table(frames[part])
    if path == FRAME and not Path(path).exists():
        raise UsageError(f"the {part} rows were a data frame; give them again from Python: {part}=frame")
    return load_table(path)


def _as(names: Sequence[str], origin: str, other: Table, part: str, ignored: Collection[str]) -> pd.DataFrame:
    """The columns of a file by the names that they have in the table; further ones do not matter."""
    present = [str(name) for name in other.frame.columns]
    same = same_names(names, present)
    absent = [name for name in names if name not in same and name not in ignored]
    if absent:
        which = f"column '{absent[0]}'" if len(absent) == 1 else f"columns {', '.join(map(repr, absent[:5]))}"
        raise DataError(f"--{part} {other.origin}: lacks the {which} of {origin}; its columns must be the same")
    known = {same[name]: name for name in names if name in same}
    return other.frame[list(known)].rename(columns=known).reindex(columns=list(names))
