"""Histograms with fixed buckets: cheap to record, exact to merge, good for quantiles within a bucket's width."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

# 13 a decade, so that a bucket is at most 25 % wide; Prometheus' usual 1, 2.5 and 5 are among them
_MANTISSAS = ("1", "1.2", "1.4", "1.7", "2", "2.5", "3", "3.5", "4", "5", "6", "7", "8.5")
_SHORTEST, _LONGEST = 5e-5, 60.0
# upper bounds: for durations in seconds, and for rows and requests of a batch
SECONDS_BOUNDS = tuple(
    bound
    for bound in (float(f"{mantissa}e{power}") for power in range(-5, 2) for mantissa in _MANTISSAS)
    if _SHORTEST <= bound <= _LONGEST
)
SIZE_BOUNDS = tuple(float(2**power) for power in range(17))
MILLIONTHS = 1_000_000


class Histogram:
    """Counts of values by bucket, and their sum.

    Bucket i holds values in (bounds[i - 1], bounds[i]]; one more holds what is above the last bound.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Makes an empty one with ascending positive upper bounds."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def record(self, value: float) -> None:
        """Adds a value, not negative."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts)

    def merge(self, other: Histogram) -> Histogram:
        """Of the values of both, which have the same bounds."""
        merged = Histogram(self.bounds)
        merged.counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        merged.sum = self.sum + other.sum
        return merged

    def quantile(self, q: float) -> float | None:
        """The value below which a share `q` (0 to 1) lies, interpolated linearly within its bucket as Prometheus does.

        Returns:
            None for an empty histogram; the last bound when the value is above it.
        """
        below = list(accumulate(self.counts))
        if not below[-1]:
            return None
        rank = q * below[-1]
        # an empty bucket before the first value has no values to interpolate between
        index = bisect_left(below, max(rank, 1e-9))
        if index >= len(self.bounds):
            return self.bounds[-1]
        lower = self.bounds[index - 1] if index else 0.0
        before = below[index] - self.counts[index]
        return lower + (self.bounds[index] - lower) * (rank - before) / self.counts[index]

    def cumulative(self, bounds: Sequence[float]) -> list[tuple[str, int]]:
        """Prometheus' form: how many values are at most each of `bounds` (some of this one's), and `+Inf`."""
        below = list(accumulate(self.counts))
        return [(str(bound), below[bisect_left(self.bounds, bound)]) for bound in bounds] + [("+Inf", below[-1])]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: counts, and the sum in millionths.

        Whole numbers, because a sum of floats depends on the order: a total that falls by its last bit when replicas
        are merged in another order looks like a restart to Prometheus.
        """
        return {"counts": list(self.counts), "millionths": round(self.sum * MILLIONTHS)}

    @classmethod
    def from_json(cls, content: dict[str, Any] | None, bounds: Sequence[float]) -> Histogram:
        """The inverse of `to_json`; empty for None."""
        histogram = cls(bounds)
        if content is not None:
            histogram.counts = list(content["counts"])
            histogram.sum = content["millionths"] / MILLIONTHS
        return histogram
