"""What was fitted on training rows of a column, and how arrays of its values become columns of a named input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# no training row is farther than sqrt(rows) deviations off; a typing error of 1e300 must not become infinite
MAX_SCALED = 1e4
UNKNOWN, MISSING, FIRST_CATEGORY = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class NumericFeature:
    """One standardised input: `(value or median - mean) / std`, at most 10,000 in size.

    Attributes:
        column: where the value comes from.
        part: for a datetime column which part of the date, else None.
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

    @property
    def width(self) -> int:
        """Columns of the input."""
        return 2 if self.indicator else 1


@dataclass(frozen=True)
class CategoricalFeature:
    """One embedded input: code 0 for a category that training did not see, 1 for missing, 2.. in table order."""

    column: str
    categories: tuple[str, ...]

    @property
    def cardinality(self) -> int:
        """Number of codes."""
        return len(self.categories) + FIRST_CATEGORY

    def encode(self, keys: Sequence[str | None]) -> NDArray[np.int64]:
        """Codes of some category keys, int64 [keys]."""
        table = category_table(self.categories)
        return np.array([table.get(key, UNKNOWN) for key in keys], dtype=np.int64)


@dataclass(frozen=True)
class TextFeature:
    """A text of which tokens are hashed: see `orchestrator.features.text`.

    Attributes:
        column: where the text comes from.
        buckets: rows of the table of tokens.
    """

    column: str
    buckets: int


def category_table(categories: Sequence[str]) -> dict[str | None, int]:
    """The code of every `category_key` that is not `UNKNOWN`."""
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
