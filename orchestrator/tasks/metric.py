"""A figure of merit, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        name: as in scikit-learn where that has it.
        maximize: whether larger is better.
        in_target_unit: whether it grows with the unit of the target, as an error in dollars does.
        centre: which single number about what may happen to a row is best by it: `mean`, `middle` (its median), or
            `log` (the mean of its logarithm); empty for answers that are more than one number.
    """

    name: str
    maximize: bool
    in_target_unit: bool = field(default=False, compare=False)
    centre: str = field(default="mean", compare=False)

    @property
    def worst(self) -> float:
        """What every real value beats."""
        return -math.inf if self.maximize else math.inf

    @property
    def mode(self) -> str:
        """`max` or `min`, as Tune calls it."""
        return "max" if self.maximize else "min"

    def better(self, value: float, other: float) -> bool:
        """Whether `value` is strictly better than `other`."""
        return value > other if self.maximize else value < other


def by_name(*metrics: Metric) -> dict[str, Metric]:
    """The metrics of a task, in the order in which they are shown."""
    return {metric.name: metric for metric in metrics}
