"""Folds: all rows but the test rows are validated on in turn, each fold by a network that has not seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.rows_wish import AUTO
from orchestrator.data.splits.drawing import deal_groups
from orchestrator.data.splits.marks import RowMarks
from orchestrator.errors import DataError

# rows that an epoch of all folds may train on with `auto`, when the sweep has ten minutes or an open end
AUTO_ROWS = 20_000
# of fewer folds each network would miss too many rows
LEAST_AUTO, MOST_AUTO = 3, 5
# classes with fewer rows are only trained on, as without folds
MIN_CLASS_ROWS = 3
# of training rows, for what is averaged of other rows
INNER_PARTS = 5


@dataclass(frozen=True)
class Fold:
    """Places among the rows of `Folded`, each as start and stop.

    Attributes:
        train: what its network learns.
        validation: what it is validated on.
    """

    train: tuple[tuple[int, int], ...]
    validation: tuple[int, int]


@dataclass(frozen=True)
class Folded:
    """Rows in an order in which those of each fold follow each other.

    Attributes:
        order: positions of the rows, int64; those that are never validated on come first.
        folds: two at least.
    """

    order: NDArray[np.int64]
    folds: tuple[Fold, ...]

    @property
    def validated(self) -> NDArray[np.int64]:
        """The rows that are validated on, in their order."""
        return self.order[self.folds[0].validation[0] :]


def number_of_folds(wanted: str | None, rows: int, auto_rows: int = AUTO_ROWS) -> int:
    """How many folds a table gets.

    With `auto` the most, from 3 to 5, of which an epoch of all folds trains on at most `auto_rows` rows: K networks
    train on K - 1 times the rows. One split, if 3 are too many.

    Args:
        wanted: by the user: a number, `auto`, or None for one split.
        rows: to train and to validate on.
        auto_rows: see above.
    """
    if wanted is None:
        return 1
    if wanted != AUTO:
        return int(wanted)
    count = min(MOST_AUTO, auto_rows // max(1, rows) + 1)
    return count if count >= LEAST_AUTO else 1


def fold_rows(
    origin: str,
    count: int,
    rows: NDArray[np.int64],
    *,
    marks: RowMarks,
    strata: NDArray[np.int64] | None,
    equal: NDArray[np.int64] | None,
    seed: int,
) -> tuple[Folded, tuple[Note, ...]]:
    """Deals rows to folds: by groups, in the order of time, or at random with equal shares of all strata.

    Args:
        origin: what messages call the source.
        count: of folds, 2 at least.
        rows: positions of those that are not tested on, int64.
        marks, strata, equal: of all rows of the table; see there.
        seed: of the draw.

    Raises:
        DataError: there are too few groups, times or rows for two folds.
    """
    if marks.times is not None:
        return _in_time(origin, count, rows, marks.times)
    labels = None if strata is None else strata[rows]
    never = np.zeros(len(rows), bool)
    if labels is not None and strata is not None:
        sizes = np.bincount(strata)
        never = sizes[labels] < MIN_CLASS_ROWS
    least = (
        len(rows)
        if labels is None or never.all()
        else int(np.bincount(labels[~never])[np.unique(labels[~never])].min())
    )
    most, why = least, "the rarest class has"
    if marks.groups is not None:
        groups = len(np.unique(marks.groups[rows]))
        most, why = (groups, "there are as groups") if groups < least else (most, why)
    folds = min(count, most)
    if folds < 2:  # noqa: PLR2004
        raise DataError(f"{origin}: {why} only {most}, too few for two folds; leave out --folds")
    if never.all():
        never[:] = False
    if marks.groups is not None:
        at = deal_groups(marks.groups[rows], labels, [1 / folds] * folds, seed)
    else:
        at = _dealt(labels, len(rows), folds, seed)
        if equal is not None:
            _together(at, equal[rows])
    at[never] = -1
    order = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[order], np.arange(folds + 1))
    found = tuple(
        Fold(tuple(part for part in ((0, start), (stop, len(rows))) if part[0] < part[1]), (start, stop))
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    )
    return Folded(rows[order], found), _fewer(count, folds, f"{why} {most}")


def inner_parts(
    rows: NDArray[np.int64],
    *,
    marks: RowMarks,
    strata: NDArray[np.int64] | None,
    equal: NDArray[np.int64] | None,
    seed: int,
) -> NDArray[np.int64]:
    """Parts of training rows of which none may say anything about itself: int64 [rows]; for arguments see `fold_rows`.

    Groups and equal rows are in one part; with times, parts are blocks of time.
    """
    labels = None if strata is None else strata[rows]
    if marks.times is not None:
        _, place = np.unique(marks.times[rows], return_inverse=True)
        return np.asarray(place * INNER_PARTS // (int(place.max()) + 1), np.int64)
    if marks.groups is not None:
        count = min(INNER_PARTS, len(np.unique(marks.groups[rows])))
        return deal_groups(marks.groups[rows], labels, [1 / count] * count, seed)
    found = _dealt(labels, len(rows), INNER_PARTS, seed)
    if equal is not None:
        _together(found, equal[rows])
    return found


def _fewer(wanted: int, found: int, why: str) -> tuple[Note, ...]:
    if found == wanted:
        return ()
    return (Note(why=f"{why}, which is fewer than {wanted} folds", done=f"there are {found} folds"),)


def _dealt(labels: NDArray[np.int64] | None, rows: int, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row: shuffled, then one after another, class by class."""
    order = np.random.default_rng(seed).permutation(rows)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    found = np.empty(rows, np.int64)
    found[order] = np.arange(rows) % folds
    return found


def _together(at: NDArray[np.int64], equal: NDArray[np.int64]) -> None:
    """Equal rows go to the fold of the first of them, unless a fold would have no rows."""
    held = np.flatnonzero(equal >= 0)
    if not len(held):
        return
    _, first, back = np.unique(equal[held], return_index=True, return_inverse=True)
    moved = at.copy()
    moved[held] = at[held[first]][back]
    if len(np.unique(moved)) == len(np.unique(at)):
        at[:] = moved


def _in_time(
    origin: str, count: int, rows: NDArray[np.int64], times: NDArray[np.float64]
) -> tuple[Folded, tuple[Note, ...]]:
    """Expanding windows: rows in the order of time in one block more than there are folds, of which the first is only
    trained on; each further one is validated on by a network that learns all that came before."""
    order = rows[np.argsort(times[rows], kind="stable")]
    values, first = np.unique(times[order], return_index=True)
    folds = min(count, len(values) - 1)
    if folds < 2:  # noqa: PLR2004
        raise DataError(
            f"{origin}: the rows that are not tested on have {len(values)} different times, too few for two folds; "
            "leave out --folds"
        )
    # rows of the same time stay together: the first of a time that is nearest to each equal share
    starts: list[int] = []
    for number in range(1, folds + 1):
        later = first[first > (starts[-1] if starts else 0)]
        later = later[: len(later) - (folds - number)]
        starts.append(int(later[np.argmin(np.abs(later - number * len(order) / (folds + 1)))]))
    stops = [*starts[1:], len(order)]
    found = tuple(Fold(((0, start),), (start, stop)) for start, stop in zip(starts, stops, strict=True))
    return Folded(order, found), _fewer(count, folds, f"there are {len(values)} different times")
