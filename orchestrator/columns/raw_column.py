"""A column of a table as it comes, before it is known what it is: a feature's or the target's."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.code_notation import ZERO_LED, Labels, whole_key
from orchestrator.columns.distinct import DistinctTexts, distinct_texts
from orchestrator.columns.values import (
    MISSING_STRINGS,
    Series,
    arrow_texts,
    category_key,
    category_keys,
    count_keys,
    count_numbers,
    distinct_cells,
    is_missing,
    is_number_text,
    keys_of,
    to_numbers,
)
from orchestrator.columns.wish import NO_WISH, ColumnWish
from orchestrator.errors import InvalidValueError

if TYPE_CHECKING:
    from orchestrator.columns.date_texts import DateOrder
    from orchestrator.columns.number_inference import NumberReading

FIRST_ROWS, SAMPLE_ROWS = 50, 5000
# that are looked at before all others where a rule must hold for most of them
HEAD_ROWS = 1000
# from all over a column: enough to see a share that counts
SOME_ROWS = 20_000
# a number with a decimal point, whatever the others say
WITH_POINT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.(?:[0-9]{1,2}|[0-9]{4,15})")
# a whole number that may have a point between thousands
GROUPED = re.compile(r"-?[1-9][0-9]{0,2}(?:\.[0-9]{3})?")


class Beside(list["RawColumn | Neighbour"]):
    """The columns of a table, in which one may be replaced by what it says about others."""

    @cached_property
    def decimal_of(self) -> dict[str, str | None]:
        """The decimal mark that each column says that it has."""
        return {each.name: each.decimal for each in self}

    @cached_property
    def decimals(self) -> Counter[str | None]:
        """How many columns have each."""
        return Counter(self.decimal_of.values())


@dataclass(frozen=True, eq=False)
class RawColumn:
    """A column of a table, of which nothing is known yet. What is asked of it is found out once.

    Attributes:
        origin: of the table, with which the sentence of an error begins.
        series: its cells.
        wish: what the user says about it.
        beside: all columns of the table, which may say what this one does not.
    """

    origin: str
    series: Series
    wish: ColumnWish = NO_WISH
    beside: Beside = field(default_factory=Beside)

    @property
    def name(self) -> str:
        """Of the column."""
        return str(self.series.name)

    @cached_property
    def distinct(self) -> tuple[NDArray[np.int64], list[object]]:
        """See `distinct_cells`."""
        return distinct_cells(self.series)

    @cached_property
    def texts(self) -> DistinctTexts:
        """See `distinct_texts`."""
        return distinct_texts(self.series)

    @property
    def only_texts(self) -> DistinctTexts | None:
        """The same, if nothing else is in the column."""
        return self.texts if isinstance(self.series.dtype, pd.StringDtype) else None

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows have each value, by its `category_key`; missing values are not counted."""
        return count_keys(*self._keys)

    @cached_property
    def head(self) -> dict[str, int]:
        """The same as `counts` for the first rows only: quick, also where every row has a value of its own."""
        if len(self.series) <= HEAD_ROWS:
            return self.counts
        return count_keys(*category_keys(self.series.iloc[:HEAD_ROWS]))

    @cached_property
    def missing_words(self) -> dict[str, int]:
        """How many rows have each of the words that stand for a missing value, as they are written."""
        codes, cells = self.distinct
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
        return all(category_key(cell) is None for cell in self.first_cells) and not self.counts

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a value: bool [rows]."""
        codes, keys = self._keys
        return np.array([key is not None for key in keys], dtype=bool)[codes]

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value, or none has one."""
        return self._are_first_alike and len(self._keys[1]) == 1

    @cached_property
    def is_numbers(self) -> bool:
        """Whether all values are numbers, also as texts."""
        return count_numbers(self.counts) == self.rows

    @property
    def number_error(self) -> InvalidValueError | None:
        """Why it cannot be read as numbers, None if it can."""
        return self._numbers if isinstance(self._numbers, InvalidValueError) else None

    @property
    def is_endless(self) -> bool:
        """Whether it is one of numbers, some of which are infinite."""
        return self.number_error is not None and "infinite" in str(self.number_error)

    @property
    def numbers(self) -> NDArray[np.float64] | None:
        """Its cells as numbers, float64 [rows], NaN where missing; None if they are not."""
        return None if isinstance(self._numbers, InvalidValueError) else self._numbers

    @cached_property
    def number_reading(self) -> NumberReading | None:
        """How its numbers are written, or why it is no column of numbers; None if they are written plainly."""
        from orchestrator.columns.number_inference import Cells, read_numbers, with_missing_words

        has_wish = self.wish.decimal is not None or bool(self.wish.missing)
        is_plain = self.numbers is not None and not has_wish
        # 1.234 is read plainly unless other columns have a decimal comma
        if is_plain and not (self.may_have_thousands and self.decimal_elsewhere() == ","):
            return None
        cells = Cells.of(self.series, self.only_texts, written=True)
        if cells is None:
            return with_missing_words(self.series, self.wish) if self.numbers is not None or self.is_endless else None
        if is_plain and not cells.are_grouped:
            return None
        return read_numbers(cells, self.wish, self.decimal_elsewhere)

    @cached_property
    def decimal(self) -> str | None:
        """The decimal mark that its first cells say that it has, None if they do not."""
        from orchestrator.columns.number_inference import Cells, decimal_of

        if self.numbers is not None and any(
            isinstance(cell, str) and WITH_POINT.fullmatch(cell) for cell in self.first_cells
        ):
            return "."
        if self.numbers is not None and isinstance(self.series.dtype, pd.StringDtype):
            some = self._cells_up_to(SAMPLE_ROWS)
            if all(is_missing(cell) or GROUPED.fullmatch(cell) for cell in some):
                # with a point and with a comma, each of them can be read
                return None
        cells = Cells.of(self.series.iloc[:SAMPLE_ROWS])
        return None if cells is None else decimal_of(cells)

    @cached_property
    def date_order(self) -> tuple[str, DateOrder] | None:
        """What stands between the numbers of its dates, and what is first, if that is sure."""
        from orchestrator.columns.date_orders import decided

        return decided(self.series)

    @cached_property
    def years(self) -> frozenset[int]:
        """The years that its first dates have; none if it is not one of dates."""
        from orchestrator.columns.date_yearless import years_of

        return years_of(self.series)

    def decimal_elsewhere(self) -> str | None:
        """The decimal mark of the other columns of the table, None if they have none or several."""
        known = self.beside.decimals
        marks = {mark for mark in (".", ",") if known[mark] > (self.beside.decimal_of.get(self.name) == mark)}
        return marks.pop() if len(marks) == 1 else None

    def is_among(self, keys: frozenset[str]) -> bool:
        """Whether all of its values are among some keys, in whatever case."""
        few = (key for cell in self.first_cells if (key := category_key(cell)) is not None)
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
        plain = self.counts if notation is None else count_keys(*keys_of(*self.distinct, notation.key))
        found: dict[str, int] = {}
        for key, count in plain.items():
            label = whole_key(key)
            found[label] = found.get(label, 0) + count
        return found

    @cached_property
    def first_cells(self) -> list[Any]:
        """A few, as objects of Python: most columns show in them what they are not."""
        return self._cells_up_to(FIRST_ROWS)

    def begins_with(self, *patterns: re.Pattern[str]) -> bool:
        """Whether the first cells that have a value all have one of some forms: quick, since one mostly shows it."""
        keys = (key for cell in self.first_cells if (key := category_key(cell)) is not None)
        return all(any(pattern.fullmatch(key) for pattern in patterns) for key in keys)

    @cached_property
    def first_texts(self) -> list[str]:
        """The distinct texts of the first rows, see `distinct_texts`."""
        if isinstance(self.series.dtype, pd.StringDtype):
            return list(dict.fromkeys(cell for cell in self._cells_up_to(HEAD_ROWS) if isinstance(cell, str)))
        texts: list[str] = distinct_texts(self.series.iloc[:HEAD_ROWS]).texts.to_pylist()
        return texts

    @cached_property
    def are_first_numbers(self) -> bool:
        """Whether the first texts are numbers, as Python writes them."""
        return bool(self.first_texts) and all(map(is_number_text, self.first_texts[:FIRST_ROWS]))

    @cached_property
    def may_lead_with_zero(self) -> bool:
        """Whether some of many rows have a text with a zero before another digit."""
        dtype = self.series.dtype
        if isinstance(dtype, pd.StringDtype):
            some = arrow_texts(self.some_rows)
            return bool(pc.any(pc.match_substring_regex(some, r"^\s*[+-]?0\d")).as_py())
        if not isinstance(dtype, pd.CategoricalDtype) and not pd.api.types.is_object_dtype(dtype):
            return False
        return any(isinstance(cell, str) and ZERO_LED.fullmatch(cell.strip()) for cell in self.some_rows)

    @property
    def some_rows(self) -> Series:
        """Rows from all over a column."""
        step = 1 + len(self.series) // SOME_ROWS
        return self.series if step == 1 else self.series.iloc[::step]

    def _cells_up_to(self, rows: int) -> list[Any]:
        first = self.series.array[:rows]
        if isinstance(first, pd.arrays.ArrowStringArray):
            cells: list[Any] = pa.array(first, from_pandas=True).to_pylist()
            return cells
        return list(first)

    @cached_property
    def _numbers(self) -> NDArray[np.float64] | InvalidValueError:
        try:
            if len(self.series) > HEAD_ROWS:
                # of texts, the first few rows show it
                to_numbers(self.series.iloc[:FIRST_ROWS], self.name)
            return to_numbers(self.series, self.name)
        except InvalidValueError as error:
            # its traceback would hold the whole table
            error.__context__ = None
            return error.with_traceback(None)

    @property
    def may_have_thousands(self) -> bool:
        """Whether the first plain numbers could be whole ones with points between thousands."""
        if pd.api.types.is_numeric_dtype(self.series.dtype):
            return False
        first = (cell.strip() for cell in self.first_cells if isinstance(cell, str))
        if not all(GROUPED.fullmatch(cell) or is_missing(cell) for cell in first):
            return False
        if any(isinstance(cell, str) and "." in cell for cell in self.first_cells):
            return True
        texts = self.only_texts
        return texts is not None and bool(pc.any(pc.match_substring(texts.texts, ".")).as_py())

    @property
    def _are_first_alike(self) -> bool:
        # most columns show in a few rows that they are neither empty nor constant
        keys = map(category_key, self.first_cells)
        one = next(keys, None)
        return all(key == one for key in keys)

    @cached_property
    def _keys(self) -> tuple[NDArray[np.int64], list[str | None]]:
        return keys_of(*self.distinct)


@dataclass(frozen=True)
class Neighbour:
    """What a column says about others, when its cells are not needed any more; see `RawColumn`."""

    name: str
    decimal: str | None
    date_order: tuple[str, DateOrder] | None
    years: frozenset[int]

    @classmethod
    def of(cls, raw: RawColumn) -> Neighbour:
        """Of a column."""
        return cls(raw.name, raw.decimal, raw.date_order, raw.years)
