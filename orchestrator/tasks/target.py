"""The column that is predicted: what one pass over many rows keeps of it, and what is known of it then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.columns.notation import Notation
from orchestrator.columns.summaries import Moments
from orchestrator.columns.values import Series

if TYPE_CHECKING:
    from orchestrator.tasks._base import Task
    from orchestrator.tasks.predictions import Label


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


@dataclass(frozen=True)
class TargetEncoder:
    """What is fitted on training rows: mean and standard deviation of numbers; for classes there is nothing to fit."""

    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True)
class TargetSummary:
    """What one pass over rows keeps of their target; merging gives the same in any order, up to rounding.

    Attributes:
        labels: rows by key, over all rows; none for numbers.
        moments: of numbers, over training rows.
    """

    labels: Mapping[str, int] = field(default_factory=dict)
    moments: Moments = field(default_factory=Moments)

    def merge(self, other: TargetSummary) -> TargetSummary:
        """Of the rows of both."""
        return TargetSummary(Counter(self.labels) + Counter(other.labels), self.moments.merge(other.moments))
