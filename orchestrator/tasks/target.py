"""The column that is predicted: as it comes, as one pass over many rows sums it up, and what is known of it then."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.summaries import Moments
from orchestrator.columns.values import Series, category_keys, count_keys, to_numbers
from orchestrator.errors import InvalidValueError

if TYPE_CHECKING:
    from orchestrator.tasks._base import Task


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Attributes:
        name: of the column.
        task: the kind of prediction, with the classes if it has some.
    """

    name: str
    task: Task

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, from which `read_target` makes the same."""
        return {"name": self.name, "task": self.task.kind, **self.task.to_json()}


@dataclass(frozen=True)
class TargetEncoder:
    """What is fitted on training rows: mean and standard deviation of numbers; for classes there is nothing to fit."""

    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True, eq=False)
class RawTarget:
    """A target column before anything is known of it.

    Attributes:
        origin: of the data, with which the sentence of an error begins.
        series: the cells of all rows.
    """

    origin: str
    series: Series

    @property
    def name(self) -> str:
        """Of the column."""
        return str(self.series.name)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a value: bool [rows]."""
        codes, keys = self._keys
        return np.array([key is not None for key in keys], dtype=bool)[codes]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows have each value, by its `category_key`."""
        return count_keys(*self._keys)

    @property
    def rows(self) -> int:
        """That have a value."""
        return sum(self.counts.values())

    @cached_property
    def number_error(self) -> InvalidValueError | None:
        """Why these are no numbers; None if they are."""
        try:
            to_numbers(self.series, self.name)
        except InvalidValueError as error:
            return error
        return None

    @property
    def has_truth_values(self) -> bool:
        """Whether the column is of true and false."""
        return pd.api.types.is_bool_dtype(self.series.dtype)

    @cached_property
    def _keys(self) -> tuple[NDArray[np.int64], list[str | None]]:
        return category_keys(self.series)


@dataclass(frozen=True)
class TargetSummary:
    """What one pass over rows keeps of their target; merging gives the same in any order, up to rounding.

    Attributes:
        labels: keys that occur, over all rows; none for numbers.
        moments: of numbers, over training rows.
    """

    labels: frozenset[str] = frozenset()
    moments: Moments = field(default_factory=Moments)

    def merge(self, other: TargetSummary) -> TargetSummary:
        """Of the rows of both."""
        return TargetSummary(self.labels | other.labels, self.moments.merge(other.moments))
