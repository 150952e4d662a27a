"""Which networks an ensemble is made of: greedy selection with replacement (Caruana et al. 2004), and whether it pays.

Knows neither networks nor trials: candidates are arrays of what they say about the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import ConfigError
from orchestrator.tasks import Metric

STEPS = 25
DIGITS = 6
JUDGED_PARTS = 5
# fewer rows cannot tell an ensemble from its best member
LEAST_ROWS = 20
# of more rows so many, evenly spaced, decide
MOST_ROWS = 10_000
Shares = NDArray[np.float64]
Fits = Callable[[Set[int]], bool]
Score = Callable[[Shares, NDArray[Any], Shares | None], float | None]


def everything(_places: Set[int]) -> bool:
    """Any candidates may be together."""
    return True


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Rows on which candidates are compared.

    Attributes:
        score: the metric of answers to rows with these targets, see `Task.score`.
        metric: that decides.
        unit: in which its digits count.
        shares: what each candidate says about each row, see `Task.shares`.
        target: encoded, [rows].
        weight: what each row counts, [rows]; None if all count the same.
    """

    score: Score
    metric: Metric
    unit: float
    shares: tuple[Shares, ...]
    target: NDArray[Any]
    weight: Shares | None = None

    @classmethod
    def of(
        cls,
        *,
        score: Score,
        metric: Metric,
        unit: float,
        shares: Callable[[NDArray[np.float32]], Shares],
        outputs: Sequence[NDArray[np.float32]],
        target: NDArray[Any],
        weight: Shares | None = None,
    ) -> Contest:
        """Of networks whose outputs about these rows are known; of many rows `MOST_ROWS`, evenly spaced, decide."""
        rows = np.arange(len(target))
        if len(rows) > MOST_ROWS:
            rows = np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)
        said = tuple(shares(found[rows]) for found in outputs)
        counts = None if weight is None else weight[rows]
        return cls(score=score, metric=metric, unit=unit, shares=said, target=target[rows], weight=counts)

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.target)

    def take(self, rows: NDArray[Any]) -> Contest:
        """On some of the rows."""
        return Contest(
            score=self.score,
            metric=self.metric,
            unit=self.unit,
            shares=tuple(found[rows] for found in self.shares),
            target=self.target[rows],
            weight=None if self.weight is None else self.weight[rows],
        )

    def mixed(self, counts: Sequence[int]) -> Shares:
        """What candidates say together, each counted so often."""
        total = np.zeros_like(self.shares[0])
        for count, found in zip(counts, self.shares, strict=True):
            if count:
                total += count * found
        return total / sum(counts)

    def figure(self, shares: Shares) -> float | None:
        """The metric of such answers, None if these rows do not have it."""
        return self.score(shares, self.target, self.weight)

    def loss(self, shares: Shares) -> float:
        """The metric with 6 digits, smaller is better; infinite if these rows do not have it."""
        return self.rounded(self.figure(shares))

    def rounded(self, value: float | None) -> float:
        """A figure with 6 digits, so that smaller is better."""
        if value is None or not np.isfinite(value):
            return np.inf
        return round((-value if self.metric.maximize else value) / self.unit, DIGITS)


def select(contest: Contest, steps: int = STEPS, fits: Fits = everything) -> tuple[int, ...]:
    """How often each candidate counts.

    Starting with none, the candidate is added that makes the mean best; of equal ones one that is in already, then the
    first. At the end, as many steps are kept as were best, of equally many the fewest.

    Args:
        contest: with one candidate at least.
        steps: at most.
        fits: whether these candidates may be together; each of them may be alone.
    """
    total = np.zeros_like(contest.shares[0])
    counts = [0] * len(contest.shares)
    taken: list[int] = []
    losses: list[float] = []
    for step in range(1, steps + 1):
        inside = {place for place, count in enumerate(counts) if count}
        found = [
            contest.loss((total + shares) / step) if place in inside or fits(inside | {place}) else np.inf
            for place, shares in enumerate(contest.shares)
        ]
        best = min(range(len(found)), key=lambda place: (found[place], counts[place] == 0, place))
        total += contest.shares[best]
        counts[best] += 1
        taken.append(best)
        losses.append(found[best])
    kept = taken[: losses.index(min(losses)) + 1]
    return tuple(kept.count(place) for place in range(len(counts)))


def single_best(contest: Contest) -> int:
    """The candidate that is best alone, of equal ones the first."""
    losses = [contest.loss(shares) for shares in contest.shares]
    return losses.index(min(losses))


def judge(contest: Contest, steps: int = STEPS, fits: Fits = everything) -> tuple[float, float] | None:
    """The figures of ensembles and of best candidates on rows that did not choose them.

    A fifth of the rows after the other is left out; the others choose an ensemble, and the best candidate. What both
    say about the rows that were left out is measured, and the figures of the fifths are averaged: answers of the
    candidates that were best for different fifths may lie apart, so that an order among all of them means nothing.

    Returns:
        Of ensembles, and of best candidates; None if there are too few rows, or no fifth has the metric.
    """
    if contest.rows < LEAST_ROWS:
        return None
    part = _parts(contest.target)
    figures, counts = [], []
    for number in range(JUDGED_PARTS):
        choosing, left = contest.take(part != number), contest.take(part == number)
        try:
            mixed = left.figure(left.mixed(select(choosing, steps, fits)))
            alone = left.figure(left.shares[single_best(choosing)])
        except ConfigError:
            # a user's own metric, which needs more than this fifth has
            continue
        if mixed is not None and alone is not None:
            figures.append((mixed, alone))
            counts.append(left.rows if left.weight is None else float(left.weight.sum()))
    if not sum(counts):
        return None
    ours, its = np.average(figures, axis=0, weights=counts)
    return float(ours), float(its)


def _parts(target: NDArray[Any]) -> NDArray[np.int64]:
    """A part for each row, with equal shares of all classes, or of small and large values."""
    order = np.random.default_rng(0).permutation(len(target))
    order = order[np.argsort(target[order], kind="stable")]
    part = np.empty(len(target), np.int64)
    part[order] = np.arange(len(target)) % JUDGED_PARTS
    return part
