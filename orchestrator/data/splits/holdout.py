"""The usual split: parts of rows that are drawn at random, with equal shares of all strata."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
SPLIT_SEED = 42
MIN_ROWS = 10


@dataclass(frozen=True)
class Positions:
    """Row positions (int64) of the three parts; every row is in exactly one of them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Holdout:
    """20 % test, then 20 % of the rest for validation.

    Attributes:
        seed: of all draws.
    """

    seed: int = SPLIT_SEED

    def positions(self, rows: int, strata: NDArray[np.int64] | None) -> Positions:
        """The split of rows in memory, with equal shares of all strata if there are some.

        The test part is the one of `sklearn.model_selection.train_test_split(..., test_size=0.2, random_state=42,
        stratify=y)`, so that figures can be compared with what users measured elsewhere. Strata with fewer than three
        rows cannot be in all parts and stay in the training part. If a part would have rows of one stratum only, it
        gets one of each other stratum that has three.

        Args:
            rows: number of rows, at least `MIN_ROWS`.
            strata: groups of rows, int64 [rows]; None for none.
        """
        everything = np.arange(rows, dtype=np.int64)
        rare = np.zeros(rows, dtype=bool) if strata is None else np.bincount(strata)[strata] < 3  # noqa: PLR2004
        if rare.all():
            rare = np.zeros(rows, dtype=bool)
        common = everything[~rare]
        rest, test = draw(common, strata, TEST_SHARE, self.seed)
        train, validation = draw(rest, strata, VALIDATION_SHARE, self.seed)
        train = np.concatenate([train, everything[rare]])
        if strata is not None:
            train, validation, test = mixed(strata, train, validation, test)
        return Positions(np.sort(train), np.sort(validation), np.sort(test))

    def of_piece(self, number: int, rows: int) -> NDArray[np.int8]:
        """Which part each row of a piece of a folder is in: 0 training, 1 validation, 2 test; int8 [rows].

        Drawn by the number of the piece and the seed alone: every process and every pass finds the same.
        """
        return self.part_of(np.random.default_rng([self.seed, number]).random(rows))

    def part_of(self, drawn: NDArray[np.float64]) -> NDArray[np.int8]:
        """The parts that numbers from 0 to 1 fall into: int8, of the same length."""
        validation = TEST_SHARE + (1 - TEST_SHARE) * VALIDATION_SHARE
        return np.where(drawn < TEST_SHARE, 2, np.where(drawn < validation, 1, 0)).astype(np.int8)


HOLDOUT = Holdout()


def mixed(strata: NDArray[np.int64], *parts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Parts of which none has rows of one stratum only, if others have rows enough: nothing could be measured there."""
    mixed = list(parts)
    counts = np.bincount(strata)
    for at, part in enumerate(parts):
        if len(np.unique(strata[part])) > 1:
            continue
        for stratum in np.flatnonzero(counts >= len(parts)):
            held = [np.flatnonzero(strata[other] == stratum) for other in mixed]
            giver = int(np.argmax([len(rows) for rows in held]))
            if len(held[at]) or len(held[giver]) < 2:  # noqa: PLR2004
                continue
            row = held[giver][0]
            mixed[at] = np.append(mixed[at], mixed[giver][row])
            mixed[giver] = np.delete(mixed[giver], row)
    return mixed


def draw(
    positions: NDArray[np.int64], strata: NDArray[np.int64] | None, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some rows without those that are drawn, and these; strata are those of all rows of the table."""
    labels = None
    if strata is not None:
        labels = strata[positions]
        counts = np.bincount(labels)
        counts = counts[counts > 0]
        # too few rows to have every stratum on both sides: chance decides instead of an error
        if counts.min() < 2 or round(share * len(positions)) < len(counts):  # noqa: PLR2004
            labels = None
    kept, drawn = lots(len(positions) if labels is None else labels, share, np.random.RandomState(seed))
    return positions[kept], positions[drawn]


def lots(
    rows: int | NDArray[np.int64], share: float, random: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows are kept and which are drawn, of each stratum as equal a share as whole rows allow.

    The same rows, in the same order, as scikit-learn's `train_test_split` gives, which a test compares. To import that
    takes as long as to import torch, and a split should not follow its version.

    Args:
        rows: how many there are, or the stratum of each, int64 [rows].
        share: to draw, rounded up to a row.
        random: of all lots.

    Returns:
        Numbers of rows, int64.
    """
    count = rows if isinstance(rows, int) else len(rows)
    wanted = ceil(share * count)
    if isinstance(rows, int):
        order = random.permutation(count)
        return order[wanted:], order[:wanted]
    _, strata, sizes = np.unique(rows, return_inverse=True, return_counts=True)
    keeps = _apportioned(sizes, count - wanted, random)
    draws = _apportioned(sizes - keeps, wanted, random)
    kept, drawn = [], []
    for stratum, (keep, take) in enumerate(zip(keeps, draws, strict=True)):
        order = random.permutation(sizes[stratum])
        members = np.flatnonzero(strata == stratum)[order]
        kept.append(members[:keep])
        drawn.append(members[keep : keep + take])
    return random.permutation(np.concatenate(kept)), random.permutation(np.concatenate(drawn))


def _apportioned(sizes: NDArray[np.int64], seats: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """Seats for groups by the largest remainder (Hamilton's method); lots among equal remainders: int64 [groups]."""
    exact = sizes / sizes.sum() * seats
    found = np.floor(exact)
    rest = exact - found
    for remainder in np.unique(rest)[::-1]:
        left = int(seats - found.sum())
        if left <= 0:
            break
        equal = np.flatnonzero(rest == remainder)
        found[random.choice(equal, size=min(left, len(equal)), replace=False)] += 1
    seated: NDArray[np.int64] = found.astype(np.int64)
    return seated
