"""The column that is predicted: what one pass over many rows keeps of it, and what is known of it then."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from orchestrator.columns.notation import Notation
from orchestrator.columns.summaries import Moments, Sample
from orchestrator.columns.values import Series

if TYPE_CHECKING:
    from orchestrator.tasks._base import Task
    from orchestrator.tasks.predictions import Label


# of no numbers
NO_BOUNDS = (math.inf, -math.inf)
NO_SAMPLE = Sample(np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes:
        name: of the column.
        task: the kind of prediction, with the classes if it has some.
        notation: how its cells are written, if not plainly.
    """

    name: str
    task: Task
    notation: Notation | None = None

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels in the order of a network's outputs; none where numbers are predicted."""
        return self.task.classes

    def plain(self, series: Series) -> Series:
        """Cells of the column as the task takes them.

        Raises:
            InvalidValueError: a cell is not written as the others.
        """
        return series if self.notation is None else self.notation.plain(series).rename(self.name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, from which `read_target` makes the same."""
        plain = {"name": self.name, "task": self.task.kind, **self.task.to_json()}
        return plain if self.notation is None else plain | {"notation": self.notation.to_json()}


@dataclass(frozen=True, kw_only=True)
class TargetEncoder:
    """What is fitted of a target.

    Attributes:
        mean, std: of numbers, fitted on training rows; classes have none.
        bounds: the smallest and the largest of them, between which answers are held; None for any answers.
        threshold: of two classes, the probability of the second one above which it is the label; fitted on validation
            rows when a model is finished.
        transform: what networks are taught in their place, a name of `TargetTransformName`; outputs are standardised
            numbers in any case.
    """

    mean: float = 0.0
    std: float = 1.0
    bounds: tuple[float, float] | None = None
    threshold: float = 0.5
    transform: str = "none"

    @property
    def standard_bounds(self) -> tuple[float, float] | None:
        """The bounds as networks have them, standardised."""
        if self.bounds is None:
            return None
        low, high = ((bound - self.mean) / self.std for bound in self.bounds)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`; without what encoders of before do not have."""
        plain = {item.name: item.default for item in fields(self) if item.name not in ("mean", "std")}
        content = {name: value for name, value in asdict(self).items() if plain.get(name, ...) != value}
        return content if self.bounds is None else {**content, "bounds": list(self.bounds)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuilds an encoder.

        Raises:
            TypeError: the content was not written by `to_json`.
        """
        bounds = content.get("bounds")
        return cls(**{**content, "bounds": None if bounds is None else tuple(bounds)})


@dataclass(frozen=True)
class TargetSummary:
    """What one pass over rows keeps of their target; merging gives the same in any order, up to rounding.

    Attributes:
        labels: rows by key, over all rows; none for numbers.
        moments: of numbers, over training rows.
        bounds: the smallest and the largest of these.
        sample: of these.
    """

    labels: Mapping[str, int] = field(default_factory=dict)
    moments: Moments = field(default_factory=Moments)
    bounds: tuple[float, float] = NO_BOUNDS
    sample: Sample = field(default=NO_SAMPLE, compare=False)

    def merge(self, other: TargetSummary) -> TargetSummary:
        """Of the rows of both."""
        low, high = min(self.bounds[0], other.bounds[0]), max(self.bounds[1], other.bounds[1])
        return TargetSummary(
            labels=Counter(self.labels) + Counter(other.labels),
            moments=self.moments.merge(other.moments),
            bounds=(low, high),
            sample=self.sample.merge(other.sample),
        )
