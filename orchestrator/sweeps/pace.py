"""What a time budget has room for: folds, epochs and architectures."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.data.splits.folds import AUTO_ROWS
from orchestrator.search import SearchSpace

# `--folds auto` is meant for budgets between these: folds are worth more than the epochs and trials that they cost
LITTLE, MUCH = timedelta(minutes=3), timedelta(minutes=10)
# an hour has room for six times the rows; more folds of larger tables are not worth their time
MOST_TIMES = 6.0
# of all cores' time the start points may take so much, and the last of them ends after so much of the time
START_SHARE, LAST_SHARE = 0.6, 0.8
# networks that learn for less than half as long are worse than fewer architectures (docs/quality.md has figures)
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Pace:
    """What fits.

    Attributes:
        epochs: of a trial at most.
        left_out: architectures, none of which would come to an end.
    """

    epochs: int
    left_out: tuple[str, ...] = ()


def fold_rows(budget: timedelta | None) -> int:
    """Rows that an epoch of all folds may train on, for `--folds auto`."""
    if budget is None:
        return AUTO_ROWS
    return round(AUTO_ROWS * min(1.0, budget / LITTLE) * max(1.0, min(MOST_TIMES, budget / MUCH)))


def fitted(space: SearchSpace, rows: int, seconds: float, slots: int) -> Pace:
    """How many epochs, at most those of the space, let the start points come to their end within a time budget.

    Where not even `LEAST_SHARE` of them fit, the slowest architecture is left out, and so on; one stays.

    Args:
        space: which says how long architectures take, see `SearchSpace.milliseconds_per_row`.
        rows: that an epoch trains on, of all folds.
        seconds: of the budget.
        slots: trials at once.
    """
    costs = {name: rows * space.milliseconds_per_row.get(name, 0.0) / 1000.0 for name in space.architectures}
    counts = _start_points(space)
    left_out: list[str] = []
    while True:
        each = [cost for name, cost in costs.items() for _ in range(counts[name])]
        if not any(each):
            return Pace(space.epochs, tuple(left_out))
        room = min(START_SHARE * seconds * slots / sum(each), LAST_SHARE * seconds / _last_end(each, slots))
        if room >= LEAST_SHARE * space.epochs or len(costs) == 1:
            return Pace(max(1, min(space.epochs, int(room))), tuple(left_out))
        slowest = max(costs, key=lambda name: costs[name])
        del costs[slowest]
        left_out.append(slowest)


def _last_end(costs: Iterable[float], slots: int) -> float:
    """When the last of some trials ends that start one after the other, the quickest first, each in the first slot that
    is free."""
    ordered = sorted(costs)
    free = ordered[:slots]
    heapq.heapify(free)
    for cost in ordered[slots:]:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def _start_points(space: SearchSpace) -> Mapping[str, int]:
    """Of each architecture; one at least, which is drawn."""
    named = [point.get("architecture") for point in space.start_points]
    return {name: max(1, named.count(name)) for name in space.architectures}
