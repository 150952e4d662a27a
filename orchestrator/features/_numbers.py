"""What the kinds of columns have in common that become standardised numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.notation import NumberCells
from orchestrator.columns.number_notation import NumberNotation
from orchestrator.columns.number_texts import PLACEHOLDERS
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.spread import Bar, number_bars
from orchestrator.columns.summaries import AllNumbers, NumericSummary
from orchestrator.columns.values import Series, number_content, to_numbers
from orchestrator.features._base import FeatureKind, Fitted
from orchestrator.features.column import Column
from orchestrator.features.fitted import NumericFeature
from orchestrator.units import show_number

# that numbers are put into
CLASSES = 100
Numbers = Mapping[str | None, NDArray[np.float64]]


class NumberSummary(Protocol):
    """What is kept of one number that a column gives: `NumericSummary` or `AllNumbers`."""

    def merge(self, other: Self) -> Self:
        """Of the rows of both."""

    @property
    def missing(self) -> int:
        """How many values are not there."""

    @property
    def count(self) -> int:
        """Of the values that are there."""

    def figures(self) -> tuple[float, float, float]:
        """Median, mean and standard deviation, see `NumericSummary`."""


@dataclass(frozen=True)
class NumberSummaries:
    """Of each number that a column gives, by the part of a date that it is."""

    parts: Mapping[str | None, NumberSummary]

    def merge(self, other: NumberSummaries) -> NumberSummaries:
        """Of the rows of both."""
        return NumberSummaries({part: summary.merge(other.parts[part]) for part, summary in self.parts.items()})


class NumberKind(FeatureKind[Numbers, NumberSummaries]):
    """Cells are numbers: float64 [rows], NaN where missing; one array, or for dates one per part (year, month, ...)."""

    parts: Sequence[str | None] = (None,)
    # whether plain cells may be the words for true and false
    has_truth: ClassVar[bool] = False

    def classes(self, parsed: Numbers) -> NDArray[np.int64] | None:
        """See `FeatureKind`: of as many rows each; missing ones are one more."""
        numbers = next(iter(parsed.values()))
        known = numbers[~np.isnan(numbers)]
        if not len(known):
            return None
        edges = np.unique(np.quantile(known, np.linspace(0, 1, CLASSES + 1)[1:-1]))
        return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers)).astype(np.int64)

    def spread(self, parsed: Numbers) -> tuple[Bar, ...]:
        """See `FeatureKind`: of a date, of its days."""
        return number_bars(next(iter(parsed.values())), self.shown)

    def shown(self, number: float) -> str:
        """A number, the first one that a cell gives, as people write it."""
        return show_number(number)

    def parse(self, column: Column, series: Series) -> Numbers:
        """See `FeatureKind`."""
        if isinstance(column.notation, NumberCells):
            return {None: column.notation.numbers(series, column.name)}
        return {None: to_numbers(series, column.name, PLACEHOLDERS, truth=self.has_truth)}

    def parse_raw(self, column: Column, raw: RawColumn) -> Numbers:
        """See `FeatureKind`."""
        plain = self.parts == (None,) and column.notation is None
        if plain and raw.numbers is not None:
            return {None: raw.numbers}
        if isinstance(column.notation, NumberNotation):
            return {None: column.notation.numbers(raw.series, column.name, raw.only_texts)}
        return self.parse(column, raw.series)

    def take(self, parsed: Numbers, rows: NDArray[np.int64]) -> Numbers:
        """See `FeatureKind`."""
        return {part: values[rows] for part, values in parsed.items()}

    def content(self, parsed: Numbers) -> Iterable[bytes]:
        """See `FeatureKind`."""
        return map(number_content, parsed.values())

    def summarise(self, parsed: Numbers, keys: NDArray[np.float64] | None) -> NumberSummaries:
        """See `FeatureKind`."""
        if keys is None:
            return NumberSummaries({part: AllNumbers(values) for part, values in parsed.items()})
        return NumberSummaries({part: NumericSummary.of(values, keys) for part, values in parsed.items()})

    def fit(self, column: Column, summary: NumberSummaries, wish: FeaturesWish) -> Sequence[NumericFeature]:
        """See `FeatureKind`: one for each number that is not always the same part of a date."""
        features: list[NumericFeature] = []
        for part, numbers in summary.parts.items():
            if not numbers.count:
                if part is None:
                    # only rows outside of the training part have values; the input is then constant
                    features.append(
                        NumericFeature(column=column.name, part=None, median=0.0, mean=0.0, std=1.0, indicator=False)
                    )
                continue
            median, mean, std = numbers.figures()
            indicator = numbers.missing > 0 and not any(feature.indicator for feature in features)
            if part is None or std > 0 or indicator:
                std = std if std > 0 else 1.0
                features.append(
                    NumericFeature(
                        column=column.name, part=part, median=median, mean=mean, std=std, indicator=indicator
                    )
                )
        return features

    def makes(self, feature: Fitted) -> bool:
        """See `FeatureKind`."""
        return isinstance(feature, NumericFeature) and feature.part in self.parts
