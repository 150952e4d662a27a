"""Encoded rows of a column in bins, to see later whether other rows look like them: one class for each input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.features.fitted import FIRST_CATEGORY, MISSING, UNKNOWN
from orchestrator.inputs import CATEGORICAL, NUMERIC, Inputs

FREQUENT_CATEGORIES = 20
# name of an input, a column in it, and another one or a number of codes
Place = tuple[str, int, int | None]


@dataclass(frozen=True)
class NumericBins:
    """Intervals of a numeric, boolean or datetime column: of the first number that the encoder makes of it.

    Attributes:
        place: column of the float input.
        missing: column of the float input that says that the value was missing, or None.
        edges: upper ends, included, of all intervals but the last; ascending, in standard deviations from the mean.
        counts: training rows in each interval and then, if there is such an input, those with a missing value.
    """

    place: int
    missing: int | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        intervals = len(self.counts) - (self.missing is not None)
        ascending = all(map(math.isfinite, self.edges)) and all(low < high for low, high in pairwise(self.edges))
        if intervals != len(self.edges) + 1 or not ascending or min(self.counts) < 0:
            raise ValueError("edges must ascend, and there must be one more interval than edges, with its rows")

    @property
    def inputs(self) -> Place:
        """Which of the network's inputs it is about."""
        return NUMERIC, self.place, self.missing

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `read_bins` makes the same of it."""
        return {"kind": NUMERIC, **asdict(self)}

    @classmethod
    def of(cls, numeric: NDArray[Any], place: int, missing: int | None) -> NumericBins:
        """Deciles of encoded rows, float32 [rows, numeric_width], as edges, and the rows between them."""
        edges = _edges(numeric[:, place] if missing is None else numeric[numeric[:, missing] == 0, place])
        return cls(place, missing, tuple(edges.tolist()), tuple(_count(numeric, place, missing, edges).tolist()))

    def count(self, inputs: Inputs) -> NDArray[np.int64]:
        """Encoded rows in each bin: int64 [bins]."""
        return _count(inputs[NUMERIC], self.place, self.missing, np.array(self.edges, dtype=np.float32))


@dataclass(frozen=True)
class CategoryBins:
    """The most frequent categories of a column.

    Attributes:
        place: column of the code input.
        cardinality: number of codes.
        codes: up to 20, the most frequent one first.
        counts: training rows of each of them, and then of all other categories, of unknown ones and of missing values.
    """

    place: int
    cardinality: int
    codes: tuple[int, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        known = set(range(FIRST_CATEGORY, self.cardinality))
        distinct = len(known & set(self.codes)) == len(self.codes)
        if len(self.counts) != len(self.codes) + 3 or not distinct or min(self.counts) < 0:
            raise ValueError("each code must be that of a category, with its rows")

    @property
    def inputs(self) -> Place:
        """Which of the network's inputs it is about."""
        return CATEGORICAL, self.place, self.cardinality

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `read_bins` makes the same of it."""
        return {"kind": CATEGORICAL, **asdict(self)}

    @classmethod
    def of(cls, categorical: NDArray[Any], place: int, cardinality: int) -> CategoryBins:
        """The most frequent categories of encoded rows, int64 [rows, categorical features], and their rows."""
        totals = np.bincount(categorical[:, place], minlength=cardinality)
        order = FIRST_CATEGORY + np.argsort(-totals[FIRST_CATEGORY:], kind="stable")
        frequent, others = order[:FREQUENT_CATEGORIES], order[FREQUENT_CATEGORIES:]
        counts = [*totals[frequent].tolist(), int(totals[others].sum()), int(totals[UNKNOWN]), int(totals[MISSING])]
        return cls(place, cardinality, tuple(frequent.tolist()), tuple(counts))

    def count(self, inputs: Inputs) -> NDArray[np.int64]:
        """Encoded rows in each bin: int64 [bins]."""
        return np.bincount(self._bin_of_code[inputs[CATEGORICAL][:, self.place]], minlength=len(self.counts))

    @cached_property
    def _bin_of_code(self) -> NDArray[np.int64]:
        others, unknown, missing = range(len(self.codes), len(self.counts))
        bins = np.full(self.cardinality, others, dtype=np.int64)
        bins[list(self.codes)] = np.arange(len(self.codes))
        bins[[UNKNOWN, MISSING]] = unknown, missing
        return bins


Bins = NumericBins | CategoryBins


def bins_of(inputs: Inputs, place: Place) -> Bins:
    """The bins of a column of encoded rows."""
    name, at, other = place
    if name == CATEGORICAL and other is not None:
        return CategoryBins.of(inputs[CATEGORICAL], at, other)
    return NumericBins.of(inputs[NUMERIC], at, other)


def read_bins(item: Mapping[str, Any]) -> Bins:
    """The inverse of `to_json`.

    Raises:
        KeyError, TypeError, ValueError: the content was not written by it.
    """
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
    kind = values.pop("kind")
    if kind not in (NUMERIC, CATEGORICAL):
        raise ValueError(f"unknown kind of column: {kind!r}")
    return NumericBins(**values) if kind == NUMERIC else CategoryBins(**values)


def _edges(known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Up to 9 edges between the deciles of some values, float32 [rows]."""
    if not len(known):
        return np.empty(0, dtype=np.float32)
    ordered = np.sort(known)
    deciles = ordered[(np.arange(1, 10) * len(ordered) + 9) // 10 - 1]
    values, times = np.unique(deciles, return_counts=True)
    # a value that fills several deciles, as 0 often does, must not share its bin with all that is below it
    first = np.searchsorted(ordered, values[times > 1])
    edges: NDArray[np.float32] = np.unique(np.concatenate([values, ordered[first[first > 0] - 1]]))
    edges = edges[edges < ordered[-1]]
    if not len(edges):
        # all are equal: so that other values are seen at all
        return np.array([np.nextafter(ordered[0], np.float32(-np.inf)), ordered[0]], dtype=np.float32)
    return edges


def _count(
    numeric: NDArray[np.float32], place: int, missing: int | None, edges: NDArray[np.float32]
) -> NDArray[np.int64]:
    bins = np.searchsorted(edges, numeric[:, place], side="left")
    if missing is None:
        return np.bincount(bins, minlength=len(edges) + 1)
    return np.bincount(np.where(numeric[:, missing] != 0, len(edges) + 1, bins), minlength=len(edges) + 2)
