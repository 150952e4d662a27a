"""What one pass over many rows keeps of a column: small, and the same however the rows were divided."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_SIZE = 4096


@dataclass(frozen=True)
class Moments:
    """Count, mean and spread of numbers, merged as in Chan, Golub and LeVeque 1983.

    Attributes:
        count: of the numbers.
        mean: of them.
        scale: their largest size; the spread is in units of it, because the square of 1e200 would overflow.
        spread: sum of squared deviations from the mean, over `scale` squared.
    """

    count: int = 0
    mean: float = 0.0
    scale: float = 0.0
    spread: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Moments:
        """Of some numbers, none of them missing: float64 [any]."""
        if not len(values):
            return cls()
        scale = float(np.abs(values).max())
        if scale == 0:
            return cls(len(values))
        scaled = values / scale
        mean = scaled.mean()
        return cls(len(values), float(mean) * scale, scale, float(np.square(scaled - mean).sum()))

    def merge(self, other: Moments) -> Moments:
        """Of the numbers of both."""
        if not self.count or not other.count:
            return other if not self.count else self
        count = self.count + other.count
        scale = max(self.scale, other.scale)
        if scale == 0:
            return Moments(count)
        distance = other.mean / scale - self.mean / scale
        mean = self.mean / scale + distance * (other.count / count)
        between = distance**2 * self.count * (other.count / count)
        spread = self.spread * (self.scale / scale) ** 2 + other.spread * (other.scale / scale) ** 2 + between
        return Moments(count, mean * scale, scale, spread)

    @property
    def std(self) -> float:
        """Population standard deviation."""
        return math.sqrt(self.spread / self.count) * self.scale if self.count else 0.0


@dataclass(frozen=True)
class Sample:
    """A random sample of bounded size: the values with the smallest of random keys. Merging is exact.

    Attributes:
        keys: float64 [at most SAMPLE_SIZE], sorted.
        values: float64 of the same length.
    """

    keys: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], keys: NDArray[np.float64]) -> Sample:
        """Of values (float64 [any]) with a key in [0, 1) each."""
        order = np.argsort(keys, kind="stable")[:SAMPLE_SIZE]
        return cls(keys[order], values[order])

    def merge(self, other: Sample) -> Sample:
        """Of the values of both."""
        return Sample.of(np.concatenate([self.values, other.values]), np.concatenate([self.keys, other.keys]))

    @property
    def median(self) -> float:
        """Of the sample: exact as long as there are no more values than it holds; 0 if there are none."""
        return float(np.median(self.values)) if len(self.values) else 0.0


@dataclass(frozen=True)
class NumericSummary:
    """One numeric input.

    Attributes:
        moments: of the values that are there.
        missing: how many are not.
        sample: of those that are there, for the median.
    """

    moments: Moments
    missing: int
    sample: Sample

    @classmethod
    def of(cls, values: NDArray[np.float64], keys: NDArray[np.float64]) -> NumericSummary:
        """Of a column: float64 [rows], NaN where missing, with a random key for each row."""
        there = ~np.isnan(values)
        return cls(Moments.of(values[there]), int((~there).sum()), Sample.of(values[there], keys[there]))

    def merge(self, other: NumericSummary) -> NumericSummary:
        """Of the rows of both."""
        return NumericSummary(
            self.moments.merge(other.moments), self.missing + other.missing, self.sample.merge(other.sample)
        )

    def filled(self) -> Moments:
        """Moments with the median in the place of what is missing."""
        median = self.sample.median
        return self.moments.merge(Moments(self.missing, median, abs(median), 0.0))

    @property
    def count(self) -> int:
        """Of the values that are there."""
        return self.moments.count

    def figures(self) -> tuple[float, float, float]:
        """Median; mean and population standard deviation with the median in the place of what is missing."""
        filled = self.filled()
        return self.sample.median, filled.mean, filled.std


@dataclass(frozen=True)
class AllNumbers:
    """One numeric input of which all values are kept: float64 [rows], NaN where missing."""

    values: NDArray[np.float64]

    def merge(self, other: AllNumbers) -> AllNumbers:
        """Of the rows of both."""
        return AllNumbers(np.concatenate([self.values, other.values]))

    @property
    def missing(self) -> int:
        """How many are not there."""
        return int(np.isnan(self.values).sum())

    @property
    def count(self) -> int:
        """Of the values that are there."""
        return len(self.values) - self.missing

    def figures(self) -> tuple[float, float, float]:
        """See `NumericSummary`; exact."""
        missing = np.isnan(self.values)
        median = float(np.median(self.values[~missing]))
        filled = np.where(missing, median, self.values)
        # the scale first: the square of 1e200 would overflow
        scale = float(np.abs(filled).max()) or 1.0
        return median, float((filled / scale).mean()) * scale, float((filled / scale).std()) * scale
