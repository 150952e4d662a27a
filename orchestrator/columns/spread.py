"""How the values of a column are spread: counted categories, or numbers in classes of equal width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.values import Series

# rows that are looked at, evenly spaced
MOST_ROWS = 100_000
MOST_BARS = 12
VALUE_WIDTH = 30


@dataclass(frozen=True)
class Bar:
    """Some values of a column.

    Attributes:
        label: a category, or from which number to which one.
        rows: that have them.
    """

    label: str
    rows: int


def some_rows(series: Series) -> Series:
    """So few rows that a look at each is quick."""
    return series.iloc[:: max(1, -(-len(series) // MOST_ROWS))]


def counted_bars(counts: Mapping[str, int], most: int = MOST_BARS) -> tuple[Bar, ...]:
    """The most frequent values, and the others together."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    bars = [Bar(short_value(key), rows) for key, rows in ordered[:most]]
    rest = ordered[most:]
    return tuple(bars if not rest else [*bars, Bar(f"{len(rest):,} others", sum(rows for _, rows in rest))])


def number_bars(numbers: NDArray[np.float64], show: Callable[[float], str]) -> tuple[Bar, ...]:
    """Of float64 [rows], NaN where missing: a few different numbers each alone, more in classes of equal width."""
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return ()
    distinct, rows = np.unique(known, return_counts=True)
    if len(distinct) <= MOST_BARS:
        return _bars(map(show, distinct.tolist()), rows.tolist())
    # the range of float64's largest numbers is none of them
    counts, edges = np.histogram(known / 2, bins=MOST_BARS)
    shown = [show(edge * 2) for edge in edges.tolist()]
    return _bars((f"{low} to {high}" for low, high in pairwise(shown)), counts.tolist())


def short_value(value: object) -> str:
    """A value in a table or a chart."""
    text = str(value)
    return text if len(text) <= VALUE_WIDTH else f"{text[: VALUE_WIDTH - 3]}..."


def _bars(labels: Iterable[str], rows: Iterable[int]) -> tuple[Bar, ...]:
    return tuple(Bar(label, count) for label, count in zip(labels, rows, strict=True))
