"""What a user reads: named columns of answers, whatever the task. Here is all that turns them into tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import UnansweredError

if TYPE_CHECKING:
    import pandas as pd

Label = str | int | bool
Values = list[Label] | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AnswerColumn:
    """One of the things that are said about each row: a label, a number, or several numbers that belong together.

    Attributes:
        name: of the column, of its key in JSON and of its tensor.
        labels: which there are, in a column of labels; empty for numbers.
        parts: what each of several numbers is about, such as a class; empty for a single one.
        parts_name: what the parts are, such as `classes`.
        part_name: of one number, such as `probability`: in a flat table its column is `probability_<part>`.
        bounds: between which the numbers are; None for any.
    """

    name: str
    labels: tuple[Label, ...] = ()
    parts: tuple[Label | float, ...] = ()
    parts_name: str = ""
    part_name: str = ""
    bounds: tuple[float, float] | None = None

    @property
    def type(self) -> type:
        """Of a value: str, int or bool for labels, float for numbers."""
        return type(self.labels[0]) if self.labels else float

    @cached_property
    def part_keys(self) -> tuple[str, ...]:
        """The parts as keys of a JSON object."""
        return tuple(map(str, self.parts))

    @cached_property
    def flat_names(self) -> tuple[str, ...]:
        """Names of the columns that it has in a flat table."""
        return tuple(f"{self.part_name}_{part}" for part in self.part_keys) if self.parts else (self.name,)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the answers of two models to the same rows are apart.

    Attributes:
        rows: with another label, or with a number that is further away than a tolerance.
        total, largest: of the differences of a row's numbers; of several numbers the largest.
    """

    rows: int
    total: float
    largest: float


@dataclass(frozen=True)
class Predictions:
    """Answers to some rows, in their order.

    Attributes:
        columns: what is said about each row.
        values: by the column's name a list of labels, float64 [rows], or float64 [rows, parts].
    """

    columns: tuple[AnswerColumn, ...]
    values: Mapping[str, Values]

    def __len__(self) -> int:
        return len(self.values[self.columns[0].name])

    def frame(self, index: pd.Index | None = None) -> pd.DataFrame:
        """A flat table: `label` and `probability_<class>`, for instance; one row per row."""
        import pandas as pd

        found: dict[str, Any] = {}
        for column in self.columns:
            values = self.values[column.name]
            if isinstance(values, list):
                found[column.name] = pd.Series(values, index=index)
            else:
                found |= zip(column.flat_names, values.T if column.parts else [values], strict=True)
        return pd.DataFrame(found, index=index)

    def records(self) -> list[dict[str, Any]]:
        """One JSON object per row; several numbers that belong together are an object in it."""
        # row by row from the columns: twice as fast as a dictionary of each row's names and values
        rows: list[dict[str, Any]] = [{} for _ in range(len(self))]
        for column in self.columns:
            cells, keys = self._cells(column), column.part_keys
            if column.parts:
                cells = [dict(zip(keys, cell, strict=True)) for cell in cells]
            for row, cell in zip(rows, cells, strict=True):
                row[column.name] = cell
        return rows

    @property
    def flat_names(self) -> list[str]:
        """The names of the columns of `frame`."""
        return list(chain.from_iterable(column.flat_names for column in self.columns))

    def flat_records(self) -> list[dict[str, Any]]:
        """One JSON object per row with the columns of `frame`, as MLflow's scoring server gives them."""
        names = self.flat_names
        columns = [
            cells if column.parts else [(cell,) for cell in cells]
            for column, cells in ((column, self._cells(column)) for column in self.columns)
        ]
        return [dict(zip(names, chain.from_iterable(row), strict=True)) for row in zip(*columns, strict=True)]

    def check_finite(self) -> None:
        """Raises UnansweredError when a number in the answer to a row is infinite or not a number."""
        finite = np.ones(len(self), bool)
        for values in self.values.values():
            if not isinstance(values, list):
                finite &= np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if not finite.all():
            raise UnansweredError(int(finite.argmin()))

    def _cells(self, column: AnswerColumn) -> list[Any]:
        values = self.values[column.name]
        return values if isinstance(values, list) else values.tolist()


def shapes_differ(answers: Predictions, other: Predictions) -> bool:
    """Whether two models give answers of different forms."""
    one, another = ([_shape(values) for values in found.values.values()] for found in (answers, other))
    return one != another


def _shape(values: Values) -> tuple[int, ...]:
    return (len(values),) if isinstance(values, list) else values.shape
