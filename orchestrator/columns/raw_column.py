"""A column of a table as it comes, before it is known what it is: a feature's or the target's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.code_notation import Labels, whole_key
from orchestrator.columns.values import (
    MISSING_STRINGS,
    Series,
    category_key,
    category_keys,
    count_keys,
    count_numbers,
    distinct_cells,
    to_numbers,
)
from orchestrator.columns.wish import NO_WISH, ColumnWish
from orchestrator.errors import InvalidValueError

FIRST_ROWS = 50
# that are looked at before all others where a rule must hold for most of them
HEAD_ROWS = 1000


@dataclass(frozen=True, eq=False)
class RawColumn:
    """A column of a table, of which nothing is known yet. What is asked of it is found out once.

    Attributes:
        origin: of the table, with which the sentence of an error begins.
        series: its cells.
        wish: what the user says about it.
    """

    origin: str
    series: Series
    wish: ColumnWish = NO_WISH

    @property
    def name(self) -> str:
        """Of the column."""
        return str(self.series.name)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows have each value, by its `category_key`; missing values are not counted."""
        return count_keys(*self._keys)

    @cached_property
    def head(self) -> dict[str, int]:
        """The same as `counts` for the first rows only: quick, also where every row has a value of its own."""
        return count_keys(*category_keys(self.series.iloc[:HEAD_ROWS]))

    @cached_property
    def missing_words(self) -> dict[str, int]:
        """How many rows have each of the words that stand for a missing value, as they are written."""
        codes, cells = distinct_cells(self.series)
        found: dict[str, int] = {}
        for cell, count in zip(cells, np.bincount(codes, minlength=len(cells)).tolist(), strict=True):
            text = cell.strip() if isinstance(cell, str) else ""
            if text and text.lower() in MISSING_STRINGS:
                found[text] = found.get(text, 0) + count
        return found

    @cached_property
    def rows(self) -> int:
        """That have a value."""
        return sum(self.counts.values())

    @cached_property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return self._first_keys == {None} and not self.counts

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a value: bool [rows]."""
        codes, keys = self._keys
        return np.array([key is not None for key in keys], dtype=bool)[codes]

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value, or none has one."""
        return len(self._first_keys) <= 1 and len(self._keys[1]) == 1

    @cached_property
    def is_numbers(self) -> bool:
        """Whether all values are numbers, also as texts."""
        return count_numbers(self.counts) == self.rows

    @property
    def number_error(self) -> InvalidValueError | None:
        """Why it cannot be read as numbers, None if it can."""
        return self._numbers if isinstance(self._numbers, InvalidValueError) else None

    @property
    def numbers(self) -> NDArray[np.float64] | None:
        """Its cells as numbers, float64 [rows], NaN where missing; None if they are not."""
        return None if isinstance(self._numbers, InvalidValueError) else self._numbers

    def is_among(self, keys: frozenset[str]) -> bool:
        """Whether all of its values are among some keys, in whatever case."""
        few = (key for key in self._first_keys if key is not None)
        return all(key.lower() in keys for key in few) and all(key.lower() in keys for key in self.counts)

    @property
    def has_truth_values(self) -> bool:
        """Whether it is a column of true and false."""
        return pd.api.types.is_bool_dtype(self.series.dtype)

    @cached_property
    def labels(self) -> Labels:
        """How it is written as the labels of a target."""
        return Labels.of_target(self)

    @cached_property
    def label_counts(self) -> dict[str, int]:
        """How many rows have each label, if it is a target: 7.0 is 7."""
        notation = self.labels.notation
        plain = self.counts if notation is None else count_keys(*category_keys(self.series, notation.key))
        found: dict[str, int] = {}
        for key, count in plain.items():
            label = whole_key(key)
            found[label] = found.get(label, 0) + count
        return found

    @cached_property
    def _numbers(self) -> NDArray[np.float64] | InvalidValueError:
        try:
            # of texts, the first few rows show it
            to_numbers(self.series.iloc[:FIRST_ROWS], self.name)
            return to_numbers(self.series, self.name)
        except InvalidValueError as error:
            return error

    @cached_property
    def _first_keys(self) -> set[str | None]:
        # most columns show in a few rows that they are neither empty nor constant
        return set(map(category_key, self.series.iloc[:FIRST_ROWS]))

    @cached_property
    def _keys(self) -> tuple[NDArray[np.int64], list[str | None]]:
        return category_keys(self.series)
