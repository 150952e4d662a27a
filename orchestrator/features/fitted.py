"""What was fitted on training rows of a column, and how arrays of its values become columns of a named input."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# no training row is farther than sqrt(rows) deviations off; a typing error of 1e300 must not become infinite
MAX_SCALED = 1e4
HALF = 0.5
UNKNOWN, MISSING, FIRST_CATEGORY = 0, 1, 2
# an odd factor that mixes the bits of a checksum (Knuth's multiplicative hashing)
MIX = 0x9E3779B1


@dataclass(frozen=True, kw_only=True)
class NumericFeature:
    """One standardised input: `(value or median - mean) / std`, at most 10,000 in size.

    Attributes:
        column: where the value comes from.
        part: for a datetime column which part of the date, else None.
        since: for days between two dates the column of the first one.
        median: replaces a missing value.
        mean, std: of the training rows after that replacement (population standard deviation).
        indicator: whether a second input says that the value was missing.
    """

    column: str
    part: str | None
    median: float
    mean: float
    std: float
    indicator: bool
    since: str | None = None

    @property
    def width(self) -> int:
        """Columns of the input."""
        return 2 if self.indicator else 1

    @property
    def is_truth(self) -> bool:
        """Whether the training rows had 0 and 1 and nothing else: only then is the variance mean * (1 - mean)."""
        # the median of as many zeros as ones stands for missing values between them
        between = self.indicator and self.median == self.mean == HALF
        variance = self.mean * (1 - self.mean)
        return (between and self.std <= HALF) or (
            variance > 0 and math.isclose(self.std, math.sqrt(variance), rel_tol=1e-9)
        )


@dataclass(frozen=True)
class CategoricalFeature:
    """One embedded input: code 1 for missing, 2.. in the order of the table, and behind these codes that are shared.

    Attributes:
        column: where the category comes from.
        categories: with codes of their own.
        shared: codes that all other values have together, each one of them by a hash; with 0 they have code 0, which
            training does not see.
    """

    column: str
    categories: tuple[str, ...]
    shared: int = 0

    @property
    def cardinality(self) -> int:
        """Number of codes."""
        return len(self.categories) + FIRST_CATEGORY + self.shared

    def encode(self, keys: Sequence[str | None]) -> NDArray[np.int64]:
        """Codes of some category keys, int64 [keys]."""
        table = category_table(self.categories)
        return np.array([self.code_in(table, key) for key in keys], dtype=np.int64)

    def code_in(self, table: Mapping[str | None, int], key: str | None) -> int:
        """The code of a category key, with the `category_table` of the categories."""
        code = table.get(key)
        return self.other_code(str(key)) if code is None else code

    def other_code(self, key: str) -> int:
        """The code of a key that has none of its own."""
        if not self.shared:
            return UNKNOWN
        return FIRST_CATEGORY + len(self.categories) + (mixed_bits(key) % self.shared if self.shared > 1 else 0)


@dataclass(frozen=True, kw_only=True)
class TargetStatistic:
    """What the target is on average for each code of a categorical column: numbers behind all other ones.

    Attributes:
        column: of categories.
        means: of the training rows, by code: one number, or one for each class.
        mean, std: of each of these numbers over the training rows.
    """

    column: str
    means: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def width(self) -> int:
        """Columns of the input."""
        return len(self.mean)

    def scaled(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised, at most 10,000 in size: float64 [rows, width]."""
        scaled: NDArray[np.float64] = np.clip((means - self.mean) / np.array(self.std), -MAX_SCALED, MAX_SCALED)
        return scaled

    def encode(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The numbers of some codes, int64 [rows]: float64 [rows, width]."""
        return self.scaled(np.array(self.means)[codes])


@dataclass(frozen=True)
class TextFeature:
    """A text of which tokens are hashed: see `orchestrator.features.text`.

    Attributes:
        column: where the text comes from.
        buckets: rows of the table of tokens.
        words_only: whether pairs and pieces of words are no tokens.
    """

    column: str
    buckets: int
    words_only: bool = False


def mixed_bits(text: str) -> int:
    """A hash of a text, 32 bits: the same in all processes and on all machines."""
    mixed = zlib.crc32(text.encode("utf-8", "surrogatepass")) * MIX & 0xFFFFFFFF
    return mixed ^ (mixed >> 15)


def category_table(categories: Sequence[str]) -> dict[str | None, int]:
    """The code of every `category_key` that has its own."""
    return {None: MISSING, **{key: code for code, key in enumerate(categories, start=FIRST_CATEGORY)}}


def places_of(features: Sequence[NumericFeature]) -> NDArray[np.intp]:
    """The first column of each of an encoder's features in the input `numeric`."""
    widths = np.array([item.width for item in features], dtype=np.intp)
    return np.cumsum(widths) - widths


class NumericColumns:
    """Writes some features to their columns of the input `numeric`: standardised numbers, and what is missing."""

    def __init__(self, features: Sequence[NumericFeature], places: NDArray[np.intp]) -> None:
        """Args:
        features: that are written.
        places: the first column of each, see `places_of`.
        """
        self._medians, self._means, self._stds = (
            np.array([getattr(item, figure) for item in features], dtype=np.float64)[:, None]
            for figure in ("median", "mean", "std")
        )
        self._places = places
        self._indicators = np.flatnonzero([item.indicator for item in features])
        self._behind = self._places[self._indicators] + 1

    def write(self, values: NDArray[np.float64], numbers: NDArray[np.float32]) -> None:
        """Puts them into encoded rows.

        Args:
            values: float64 [features, rows], NaN where missing.
            numbers: float32 [rows, width of the input], which is written to.
        """
        missing = np.isnan(values)
        filled = np.where(missing, self._medians, values)
        with np.errstate(over="ignore"):
            scaled = (filled - self._means) / self._stds
        # 0.0 and -0.0 are the same number, so that they must be the same input
        numbers[:, self._places] = (np.clip(scaled, -MAX_SCALED, MAX_SCALED) + 0.0).T
        if len(self._indicators):
            numbers[:, self._behind] = missing[self._indicators].T
