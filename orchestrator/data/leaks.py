"""Columns that are a copy of the target: its label under another name, or its number in another unit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import HEAD_ROWS, RawColumn
from orchestrator.columns.values import category_keys, to_numbers
from orchestrator.features import KINDS, Column, ColumnKind
from orchestrator.features.categorical import Categories
from orchestrator.tasks import Target

# fewer rows may agree by chance; of all rows, so many must have a value
MIN_ROWS, MIN_SHARE = 20, 0.5
# of the target's range
TOLERANCE = 1e-6
NUMBERS = frozenset({ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.DURATION})


def find_copies(target: Target, labels: RawColumn) -> Copies | None:
    """What tells of columns whether they give the target away; None if there are too few rows to tell.

    Args:
        target: what is predicted.
        labels: its cells, as the task takes them.
    """
    known = np.flatnonzero(labels.known)
    if len(known) < MIN_ROWS:
        return None
    return (ClassCopies if target.classes else NumberCopies)(labels, known)


class Copies(ABC):
    """Finds copies of one target.

    Attributes:
        says: what one is, as the part of a sentence before the target.
        least: different values of the target that are needed.
    """

    says: ClassVar[str]
    least: ClassVar[int] = 2

    def __init__(self, values: NDArray[np.float64], known: NDArray[np.int64]) -> None:
        self._known, self._values = known, values[known]

    def note(self, column: Column, target: str) -> Note:
        """About a column that is a copy."""
        return Note(
            column=column.name,
            why=f"{self.says} the target '{target}', so it gives the answer away",
            done="read as any other column",
            option=f"--ignore '{column.name}' leaves it out, if nobody knows it before the target",
        )

    def is_copy(self, column: Column, raw: RawColumn) -> bool:
        """Whether a column says in all rows what the target says; the first show of nearly all that they do not."""
        if not self.may_be(column, raw):
            return False
        head = self._known[:HEAD_ROWS]
        if not self._agree(_cells(column, raw, head), self._values[:HEAD_ROWS]):
            return False
        cells = _cells(column, raw, self._known)
        there = ~np.isnan(cells)
        enough = there.sum() >= max(MIN_ROWS, MIN_SHARE * len(cells))
        return bool(enough) and len(np.unique(cells[there])) >= self.least and self._agree(cells, self._values)

    @abstractmethod
    def may_be(self, column: Column, raw: RawColumn) -> bool:
        """Whether a column of this kind may be a copy."""

    @abstractmethod
    def agree(self, cells: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
        """Whether nothing in some rows, none of them missing, shows that they are no copy of the target's values."""

    def _agree(self, cells: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
        there = ~np.isnan(cells)
        return not there.any() or self.agree(cells[there], values[there])


class ClassCopies(Copies):
    """Of a target of classes: each value stands for one class, and each class for one value."""

    says = "has one value for each class of"

    def __init__(self, labels: RawColumn, known: NDArray[np.int64]) -> None:
        codes, keys = category_keys(labels.series)
        super().__init__(codes.astype(np.float64), known)
        self._count = sum(key is not None for key in keys)

    def may_be(self, column: Column, raw: RawColumn) -> bool:
        """See `Copies`."""
        if column.kind is ColumnKind.CATEGORICAL:
            return column.notation is not None or len(raw.counts) <= self._count
        return column.kind in NUMBERS

    def agree(self, cells: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
        """See `Copies`."""
        if (cells[values == values[0]] != cells[0]).any():
            # as of most columns
            return False
        (one, codes), (other, others) = (np.unique(found, return_inverse=True) for found in (cells, values))
        return len(one) == len(other) == len(np.unique(codes * len(other) + others))


class NumberCopies(Copies):
    """Of a target of numbers: the same number, but for a factor and a constant."""

    says = "is the same number, but for a factor and a constant, as"
    least = 3

    def __init__(self, labels: RawColumn, known: NDArray[np.int64]) -> None:
        super().__init__(to_numbers(labels.series, labels.name), known)

    def may_be(self, column: Column, raw: RawColumn) -> bool:
        """See `Copies`."""
        return column.kind in NUMBERS

    def agree(self, cells: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
        """See `Copies`."""
        least, most = int(cells.argmin()), int(cells.argmax())
        width, height = cells[most] - cells[least], values[most] - values[least]
        if width == 0 or height == 0:
            # nothing is to be seen in rows that are all the same
            return bool(width == np.ptp(values) == 0)
        line = values[least] + (cells - cells[least]) * (height / width)
        return bool(np.abs(values - line).max() <= TOLERANCE * abs(height))


def _cells(column: Column, raw: RawColumn, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Some cells of a column as numbers, those of categories in any order: float64 [rows], NaN where missing."""
    if column.kind is ColumnKind.NUMERIC and column.notation is None and raw.numbers is not None:
        return raw.numbers[rows]
    parsed = KINDS[column.kind].parse(column, raw.series.iloc[rows])
    if isinstance(parsed, Categories):
        missing = np.array([key is None for key in parsed.keys], dtype=bool)
        return np.where(missing[parsed.codes], np.nan, parsed.codes.astype(np.float64))
    numbers: NDArray[np.float64] = parsed[None]
    return numbers
