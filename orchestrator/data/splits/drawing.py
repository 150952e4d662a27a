"""Parts of rows that are drawn by something else than chance alone: by groups, by time, beside parts that are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.data.splits.holdout import TEST_SHARE, VALIDATION_SHARE, Holdout, Positions, draw, mixed
from orchestrator.data.splits.marks import TEST, TRAIN, VALIDATION, RowMarks
from orchestrator.errors import DataError

# more groups are spread evenly by chance
MANY_GROUPS = 20_000
# of the rows that are neither given to another part nor drawn before
SHARES = {TEST: TEST_SHARE, VALIDATION: VALIDATION_SHARE}


def split_rows(
    origin: str, holdout: Holdout, strata: NDArray[np.int64] | None, marks: RowMarks, rows: int
) -> Positions:
    """The rows of each part.

    Args:
        origin: what messages call the source.
        holdout: draws what is not decided otherwise.
        strata: see `Holdout.positions`.
        marks: what is known of the rows.
        rows: how many there are.

    Raises:
        DataError: there are too few groups or times.
    """
    if marks.groups is None and marks.times is None and marks.parts is None:
        return holdout.positions(rows, strata)
    parts = np.zeros(rows, np.int8) if marks.parts is None else marks.parts.copy()
    drawn = [part for part in (TEST, VALIDATION) if not (parts == part).any()]
    pool = np.flatnonzero(parts == TRAIN)
    if len(pool) < 1 + 2 * len(drawn):
        count = {0: "is no row", 1: "is only 1 row"}.get(len(pool), f"are only {len(pool)} rows")
        raise DataError(f"{origin}: there {count} to train on, and to draw other parts from; give more")
    if not drawn:
        pass
    elif marks.times is not None:
        _cut(origin, parts, pool, marks.times, drawn)
    elif marks.groups is not None:
        _check_groups(origin, marks.groups[pool], drawn)
        left, shares = 1.0, []
        for part in drawn:
            shares.append(left * SHARES[part])
            left -= shares[-1]
        bins = deal_groups(marks.groups[pool], None if strata is None else strata[pool], [left, *shares], holdout.seed)
        parts[pool] = np.array([TRAIN, *drawn], np.int8)[bins]
    else:
        _draw(parts, pool, strata, drawn, holdout.seed)
    return positions_of(parts)


def positions_of(parts: NDArray[np.int8]) -> Positions:
    """The rows of each part, from the part of each row."""
    return Positions(*(np.flatnonzero(parts == part) for part in (TRAIN, VALIDATION, TEST)))


def parts_of(split: Positions) -> NDArray[np.int8]:
    """The inverse of `positions_of`."""
    parts = np.zeros(len(split.train) + len(split.validation) + len(split.test), np.int8)
    parts[split.validation], parts[split.test] = VALIDATION, TEST
    return parts


def _draw(
    parts: NDArray[np.int8], pool: NDArray[np.int64], strata: NDArray[np.int64] | None, drawn: list[int], seed: int
) -> None:
    for part in drawn:
        pool, taken = draw(pool, strata, SHARES[part], seed)
        parts[taken] = part
    if strata is not None:
        found = [np.sort(pool), *(np.flatnonzero(parts == part) for part in drawn)]
        for part, rows in zip((TRAIN, *drawn), mixed(strata, *found), strict=True):
            parts[rows] = part


def _cut(
    origin: str, parts: NDArray[np.int8], pool: NDArray[np.int64], times: NDArray[np.float64], drawn: list[int]
) -> None:
    """The latest rows are tested on, those before validated on; rows of the same time stay together."""
    for part in drawn:
        values, counts = np.unique(times[pool], return_counts=True)
        if len(values) <= drawn[::-1].index(part) + 1:
            raise DataError(
                f"{origin}: the rows have {len(np.unique(times))} different times (--time), which is too few to train "
                "on the first and test on the last"
            )
        # the first of the last times, so many that they are nearest to the share; something is left for the others
        later = counts[::-1].cumsum()
        most = len(values) - 1 - drawn[::-1].index(part)
        count = 1 + int(np.argmin(np.abs(later[:most] - SHARES[part] * len(pool))))
        last = times[pool] >= values[len(values) - count]
        parts[pool[last]] = part
        pool = pool[~last]


def _check_groups(origin: str, groups: NDArray[np.int64], drawn: list[int]) -> None:
    count = len(np.unique(groups))
    if count <= len(drawn):
        raise DataError(
            f"{origin}: the rows are of {'1 group' if count == 1 else f'{count} groups'} (--group), and at least "
            f"{len(drawn) + 1} are needed: no group may be in two parts"
        )


def deal_groups(
    groups: NDArray[np.int64], strata: NDArray[np.int64] | None, shares: list[float], seed: int
) -> NDArray[np.int64]:
    """Deals whole groups to bins, so that each has about its share of the rows of every stratum, and none is empty.

    Large groups first, each to a bin that it fits into and that lacks most of what the group has.

    Args:
        groups: of the rows, int64 [rows]; at least as many as there are bins.
        strata: of the rows, int64 [rows]; None for none.
        shares: of the rows that each bin should get.
        seed: decides between equal ones.

    Returns:
        The bin of each row, int64 [rows].
    """
    names, codes = np.unique(groups, return_inverse=True)
    kinds = np.zeros(len(groups), np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    width = int(kinds.max()) + 1
    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
    sizes = np.bincount(codes, minlength=len(names))
    found = np.empty(len(names), np.int64)
    if len(names) > MANY_GROUPS:
        ends = (np.cumsum(shares)[:-1] * len(groups)).astype(np.int64)
        found[order] = np.searchsorted(ends, sizes[order].cumsum() - sizes[order], side="right")
    else:
        counts = np.zeros((len(names), width))
        np.add.at(counts, (codes, kinds), 1)
        # a row of a rare stratum weighs as much as all of it does
        weights = counts / np.maximum(1, counts.sum(0))
        lacking = np.repeat(np.array(shares)[:, None], width, axis=1)
        room = np.array(shares) * len(groups)
        for group in order[np.argsort(-sizes[order], kind="stable")]:
            wanted = lacking @ weights[group]
            fits = room >= sizes[group] / 2
            # of those that it fits into the one that lacks the largest part of what it is to get
            bin_ = int(np.argmax(np.where(fits, wanted / shares, -np.inf) if fits.any() else wanted))
            found[group] = bin_
            lacking[bin_] -= weights[group]
            room[bin_] -= sizes[group]
    for empty in np.setdiff1d(np.arange(len(shares)), found):
        giver = int(np.argmax(np.bincount(found, minlength=len(shares))))
        held = np.flatnonzero(found == giver)
        found[held[np.argmin(sizes[held])]] = empty
    return found[codes]
