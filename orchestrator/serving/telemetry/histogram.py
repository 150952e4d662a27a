"""Histograms with fixed buckets: cheap to record, exact to add up, good for quantiles within a bucket's width.

`prometheus_client` has histograms, too, but looks through all buckets with each value, and keeps only what one process
has seen: here a value costs a binary search, and those of many replicas are added up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

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


@dataclass(frozen=True, slots=True)
class Buckets:
    """What a histogram has counted; two with the same bounds can be added and subtracted.

    Bucket i holds values in (bounds[i - 1], bounds[i]]; one more holds what is above the last bound.

    Attributes:
        bounds: ascending positive upper bounds.
        counts: of values by bucket.
        millionths: the values' sum, in millionths. A whole number, because a sum of floats depends on the order: a
            total that falls by its last bit when replicas are merged in another order looks like a restart to
            Prometheus.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    millionths: int

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> Buckets:
        """Without values."""
        return cls(bounds, (0,) * (len(bounds) + 1), 0)

    def __add__(self, other: Buckets) -> Buckets:
        counts = tuple(mine + others for mine, others in zip(self.counts, other.counts, strict=True))
        return Buckets(self.bounds, counts, self.millionths + other.millionths)

    def __sub__(self, other: Buckets) -> Buckets:
        counts = tuple(mine - others for mine, others in zip(self.counts, other.counts, strict=True))
        return Buckets(self.bounds, counts, self.millionths - other.millionths)

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts)

    @property
    def sum(self) -> float:
        """Of the values."""
        return self.millionths / MILLIONTHS

    def quantile(self, q: float) -> float | None:
        """The value below which a share `q` (0 to 1) lies, interpolated linearly within its bucket as Prometheus does.

        Returns:
            None without values; the last bound when the value is above it.
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


class Histogram:
    """Counts values by bucket, see `Buckets`."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Makes an empty one with ascending positive upper bounds."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def record(self, value: float) -> None:
        """Adds a value, not negative."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> Buckets:
        """What was recorded so far."""
        return Buckets(self.bounds, tuple(self.counts), round(self.sum * MILLIONTHS))
