"""The parts and weights of rows that are read a piece at a time: each piece by itself, the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.rows_wish import FILES, RowsWish, option_of_rows
from orchestrator.columns.values import Series, category_keys
from orchestrator.data.splits.folds import INNER_PARTS
from orchestrator.data.splits.holdout import Holdout
from orchestrator.data.splits.marks import group_key, read_parts, read_weights
from orchestrator.errors import UsageError


def check_streamed(origin: str, wish: RowsWish) -> None:
    """Raises UsageError when rows of a folder cannot be split so."""
    if wish.has_folds:
        raise UsageError(f"{origin}: --folds does not go with a folder; its rows are many enough for one split")
    for field in ("time", *FILES):
        if getattr(wish, field) is not None:
            raise UsageError(
                f"{origin}: {option_of_rows(field)} does not go with a folder, whose rows are read a piece at a time; "
                "write train, validation or test into a column and name it with --split-column"
            )


def piece_parts(origin: str, wish: RowsWish, holdout: Holdout, number: int, frame: pd.DataFrame) -> NDArray[np.int8]:
    """Which part each row of a piece is in: 0 training, 1 validation, 2 test; int8 [rows].

    Raises:
        DataError: the column that says it holds something else.
    """
    if wish.split_column is not None:
        return read_parts(origin, frame[wish.split_column], wish.split_column)
    if wish.group is not None:
        return _of_groups(frame[wish.group], holdout)
    return holdout.of_piece(number, len(frame))


def inner_piece_parts(
    wish: RowsWish, holdout: Holdout, frame: pd.DataFrame, columns: Sequence[str]
) -> NDArray[np.int64]:
    """Parts of rows of which none may say anything about itself: int64 [rows]; see `inner_parts`.

    Rows of a group are in one part. Else it follows from what a row holds: equal rows are in one part, in all pieces.

    Args:
        wish, holdout: see `piece_parts`.
        frame: the rows.
        columns: that make two rows equal.
    """
    if wish.group is not None:
        codes, keys = category_keys(frame[wish.group], group_key)
        return np.array([int(_draw(key, holdout.seed, "inner") * INNER_PARTS) for key in keys], np.int64)[codes]
    hashed = np.zeros(len(frame), np.uint64)
    for name in columns:
        # rotated, so that two columns with the same cells do not take each other away
        hashed = (hashed << np.uint64(7) | hashed >> np.uint64(57)) ^ _hashed(frame[name])
    return (hashed % np.uint64(INNER_PARTS)).astype(np.int64)


def piece_weights(origin: str, wish: RowsWish, frame: pd.DataFrame) -> NDArray[np.float64] | None:
    """What each row of a piece counts, float64 [rows]; None if all count the same.

    Raises:
        DataError: a weight cannot be one.
    """
    return None if wish.weight is None else read_weights(origin, frame[wish.weight], wish.weight)[0]


def _of_groups(series: Series, holdout: Holdout) -> NDArray[np.int8]:
    """The part of a group is drawn by a hash of its name, so that all pieces agree."""
    codes, keys = category_keys(series, group_key)
    return holdout.part_of(np.array([_draw(key, holdout.seed) for key in keys]))[codes]


def _hashed(cells: Series) -> NDArray[np.uint64]:
    """Of each cell, the same in every process."""
    if cells.dtype == object:
        cells = cells.astype(str)
    return np.asarray(pd.util.hash_array(cells.to_numpy()), np.uint64)


def _draw(key: str | None, seed: int, purpose: str = "") -> float:
    """From 0 to before 1."""
    text = f"{seed}{purpose}:{'' if key is None else f'={key}'}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48
