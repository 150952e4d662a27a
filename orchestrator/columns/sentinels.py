"""Numbers that stand for a missing value without being called so: -999 among temperatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from orchestrator.columns.raw_column import RawColumn

# 9, 99, 999, ... with either sign; -8, -88, ... and -7, -77, ... of surveys; what programs fill arrays with
_NINES = [10.0**digits - 1 for digits in range(1, 10)]
_OTHERS = [-repeated * (10**digits - 1) / 9 for repeated in (7, 8) for digits in range(1, 5)]
_FILLS = [-32768.0, 32767.0, 65535.0, -(2.0**31), 2.0**31 - 1, -(2.0**63), 1e20, 1e30, -1e30, 9.969209968386869e36]
# 99.9, 999.99, ...; several codes beside each other, such as 97, 98 and 99; round ones below all others
_FRACTIONS = [float(f"{'9' * digits}.{'9' * behind}") for digits in range(2, 6) for behind in range(1, 4)]
_BESIDE = [10.0**digits - step for digits in range(2, 6) for step in (2, 3, 4)]
_SIGNED = [*_NINES, *_FRACTIONS, *_BESIDE]
_ROUND = [-100.0, -200.0, -500.0, -1000.0, -10000.0]
FAR = np.array([*_SIGNED, *(-number for number in _SIGNED), *_OTHERS, *_FILLS, *_ROUND])
# what is larger is no measure
LARGEST = 1e30
NEGATIVE = -1.0
_ALL = frozenset([*FAR.tolist(), NEGATIVE])
# that have such a number, and different other ones
MIN_ROWS, MIN_OTHERS = 3, 5
# times as many rows as the numbers next to it have
OFTEN = 2


def sentinels_of(raw: RawColumn) -> dict[float, int]:
    """`find_sentinels` in a column of numbers, also of such that are not written plainly."""
    reading = raw.number_reading
    if reading is not None and len(reading.numbers):
        return find_sentinels(reading.numbers, reading.cells.counts)
    return {} if raw.numbers is None else find_sentinels(raw.numbers)


def find_sentinels(numbers: NDArray[np.float64], rows: NDArray[np.int64] | None = None) -> dict[float, int]:
    """Numbers that may stand for a missing value, with the rows of each: repeated, and clearly apart from all others.

    Args:
        numbers: float64 [any], NaN where missing.
        rows: of each of them, int64 of the same length; None for one each.
    """
    known = ~np.isnan(numbers)
    numbers = numbers[known]
    # most columns have none at either end
    if not len(numbers):
        return {}
    ends = float(numbers.min()), float(numbers.max())
    if _ALL.isdisjoint(ends) and max(map(abs, ends)) < LARGEST:
        return {}
    values, places = np.unique(numbers, return_inverse=True)
    counts = np.bincount(places, weights=None if rows is None else rows[known]).astype(np.int64)
    of = dict(zip(values.tolist(), counts.tolist(), strict=True))
    far = np.isin(values, FAR) | (np.abs(values) >= LARGEST)
    others = values[~far & (values != NEGATIVE)]
    if len(others) < MIN_OTHERS:
        return {}
    least, most = float(others[0]), float(others[-1])
    apart = [value for value in values[far].tolist() if max(least - value, value - most) >= most - least]
    found = {value: of[value] for value in apart if of[value] >= MIN_ROWS}
    if not found and len(apart) > 1 and sum(of[value] for value in apart) >= MIN_ROWS:
        # several codes, each of them rare
        found = {value: of[value] for value in apart if of[value] > 1}
    beside = max(of.get(near, 0) for near in (0.0, 1.0, least))
    if of.get(NEGATIVE, 0) >= max(MIN_ROWS, OFTEN * beside) and least >= 0:
        found[NEGATIVE] = of[NEGATIVE]
    return found
