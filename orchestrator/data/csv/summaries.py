"""Rows that sum up others, or say something about the file: between the rows and below them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.values import is_number_text
from orchestrator.data.csv.sums import BLANKS, is_sum_line, plain_number
from orchestrator.data.csv.totals import (
    MANY_VALUES,
    STEMS,
    TOTAL_WORDS,
    is_footer,
    is_number_like,
    is_statistic,
    is_subtotal,
    is_total,
    mentions_total,
)

# where labels of lines between rows are looked for
LABEL_COLUMNS = 3
# of which each is looked at
MOST_CANDIDATES = 20_000
# of the rows: more than that are no totals unless their numbers are sums
FEW = 0.05
MOST_SHARE = 0.5
# lines below the rows
DEEPEST_TAIL = 20
# lines with sums and means that may stand above another one
MOST_SUM_LINES = 3
TOLERANCE = 1e-4
Places = NDArray[np.int64]
NOWHERE: Places = np.empty(0, np.int64)
ANY_LABEL = (
    "(?i)(?:"
    + "|".join(
        sorted((word.replace(".", r"\.").replace("+", r"\+") for word in TOTAL_WORDS | STEMS), key=len, reverse=True)
    )
    + ")"
)


def find_summaries(table: pa.Table, gone: Places) -> tuple[Places, Places]:
    """The rows of totals and counts, and those that only say something about the file.

    Args:
        table: texts.
        gone: rows that are none for other reasons.
    """
    tail = _tail(table, gone)
    candidates = np.union1d(_labelled(table), tail)
    candidates = np.setdiff1d(candidates, gone)
    if not len(candidates):
        return NOWHERE, NOWHERE
    finder = _Finder(table, gone, candidates)
    return finder.find(set(tail.tolist()))


def _labelled(table: pa.Table) -> Places:
    """Rows with a label of totals in one of the first columns."""
    found = [NOWHERE]
    for column in table.columns[:LABEL_COLUMNS]:
        texts = pc.unique(column)
        texts = texts.filter(pc.match_substring_regex(texts, ANY_LABEL))
        if 0 < len(texts) <= MOST_CANDIDATES:
            labels = [text for text in texts.to_pylist() if is_total(text) or mentions_total(text)]
            labelled = pc.is_in(column, value_set=pa.array(labels, column.type))
            places = np.flatnonzero(labelled.to_numpy(zero_copy_only=False))
            found.append(places if len(places) <= MOST_CANDIDATES else NOWHERE)
    return np.unique(np.concatenate(found))


def _tail(table: pa.Table, gone: Places) -> Places:
    """The last rows that are left."""
    places: list[int] = []
    passed, row = set(gone.tolist()), table.num_rows - 1
    while row > 0 and len(places) < DEEPEST_TAIL:
        if row not in passed:
            places.append(row)
        row -= 1
    return np.array(places, np.int64)


class _Finder:
    """Judges rows by what the others are like."""

    def __init__(self, table: pa.Table, gone: Places, candidates: Places) -> None:
        self._table, self._gone, self._places = table, gone, candidates
        texts = table.take(pa.array(candidates)).to_pylist()
        self._cells = {
            int(place): [str(cell).strip(BLANKS) for cell in row.values()]
            for place, row in zip(candidates, texts, strict=True)
        }
        self._filled: dict[int, bool] = {}
        self._parsed: dict[int, NDArray[np.float64] | None] = {}
        self._single: dict[int, str | None] = {}
        # labels alone say who is left to compare with
        self._labels = {place: label for place, cells in self._cells.items() if (label := _label(cells)) is not None}

    def find(self, tail: set[int]) -> tuple[Places, Places]:
        """The rows of totals and of footers; the latter are only in the tail."""
        totals: list[int] = []
        footers: list[int] = []
        for place in sorted(tail, reverse=True):
            if (place in self._labels and self._sums_up(place, last=True)) or self._is_sum_line(place):
                totals.append(place)
            elif self._is_footer(place):
                footers.append(place)
            else:
                break
        if not self._kept.any():
            return NOWHERE, NOWHERE
        inner = [place for place in self._labels if place not in totals]
        between = [place for place in inner if self._sums_up(place, last=False)]
        few = len(between) <= FEW * self._table.num_rows
        if not few:
            summing = [place for place in between if self._is_group_sum(place)]
            between = between if 2 * len(summing) >= len(between) else summing
        if len(between) > MOST_SHARE * self._table.num_rows:
            between = []
        return np.array(sorted([*totals, *between]), np.int64), np.array(sorted(footers), np.int64)

    @cached_property
    def _kept(self) -> NDArray[np.bool_]:
        keep = np.ones(self._table.num_rows, bool)
        keep[self._gone] = False
        keep[list(self._labels)] = False
        # lines at the end that have one cell only may be footers
        keep[[place for place, cells in self._cells.items() if not any(cells[1:])]] = False
        return keep

    def _others(self, column: int) -> pa.ChunkedArray:
        return self._table.column(column).filter(pa.array(self._kept))

    def _never_empty(self, column: int) -> bool:
        if column not in self._filled:
            cells = self._others(column)
            self._filled[column] = not pc.any(pc.equal(_trimmed(cells), "")).as_py()
        return self._filled[column]

    def _numbers(self, column: int) -> NDArray[np.float64] | None:
        """Of all rows, NaN where there is none; None if the others hold texts."""
        if column not in self._parsed:
            self._parsed[column] = _numbers(self._table.column(column), self._kept)
        return self._parsed[column]

    def _only(self, column: int) -> str | None:
        """The value of a column that has no other."""
        if column not in self._single:
            found = pc.unique(self._others(column).slice(0, MANY_VALUES))
            self._single[column] = str(found[0].as_py()).strip() if len(found) == 1 else None
        return self._single[column]

    def _sums_up(self, place: int, *, last: bool) -> bool:
        """Whether a row with such a label is none of the rows.

        Args:
            place: of the row.
            last: whether no row follows.
        """
        if not self._kept.any():
            return False
        cells, label = self._cells[place], self._labels[place]
        exact = is_total(cells[label])
        if not exact and not last and is_statistic(cells[label]):
            return False
        rest = [(column, cell) for column, cell in enumerate(cells) if cell and column != label]
        hollow = any(not cell and self._never_empty(column) for column, cell in enumerate(cells))
        if not rest:
            return hollow and (exact or last)
        texts = [cell for column, cell in rest if not is_number_like(cell) and cell != self._only(column)]
        above = exact and self._numbers(label) is not None
        if last and exact:
            return hollow or above or any(self._is_total_of(column, cell) for column, cell in rest)
        if texts:
            return False
        return hollow or above or is_subtotal(cells[label]) or self._is_group_sum(place)

    def _is_total_of(self, column: int, cell: str) -> bool:
        """Whether a number is the sum or the mean of all others."""
        numbers, total = self._numbers(column), plain_number(cell)
        return numbers is not None and total is not None and _is_sum(total, numbers[self._kept])

    def _is_group_sum(self, place: int) -> bool:
        """Whether all its numbers are sums, means or counts of the rows before: all, or back to the last such row."""
        earlier = [other for other in self._labels if other < place]
        start = max(earlier, default=-1) + 1
        checked = 0
        for column, cell in enumerate(self._cells[place]):
            total = plain_number(cell) if column != self._labels[place] and cell else None
            if total is None:
                continue
            numbers = self._numbers(column)
            if numbers is None:
                return False
            near, before = (numbers[begin:place][self._kept[begin:place]] for begin in (start, 0))
            if not any(_is_sum(total, rows) or total == len(rows) for rows in (near, before)):
                return False
            checked += 1
        return checked > 0

    def _is_sum_line(self, place: int) -> bool:
        """Whether it sums up the rows above it, or those above other such lines."""
        before = np.flatnonzero(self._kept[:place])
        for lines in range(MOST_SUM_LINES):
            above = np.zeros(self._table.num_rows, bool)
            above[before[: len(before) - lines]] = True
            if is_sum_line(self._table, place, self._cells[place], above, self._numbers):
                return True
        return False

    def _is_footer(self, place: int) -> bool:
        cells = self._cells[place]
        if len(cells) < 2 or not cells[0] or any(cells[1:]):  # noqa: PLR2004
            return False
        if not any(self._never_empty(column) for column in range(1, len(cells))) or not self._kept.any():
            return False
        values = {str(value) for value in self._others(0).slice(0, MANY_VALUES).to_pylist()} - {cells[0]}
        return is_footer(cells[0], values, apart=place - 1 in set(self._gone.tolist()))


def _label(cells: Sequence[str]) -> int | None:
    """Where the label of totals is: before it there are only numbers and nothing."""
    for place, cell in enumerate(cells):
        if is_number_text(cell):
            # as most are
            continue
        if is_total(cell) or is_statistic(cell) or mentions_total(cell):
            return place
        if cell and not is_number_like(cell):
            return None
    return None


def _is_sum(total: float, numbers: NDArray[np.float64]) -> bool:
    """Whether it is the sum or the mean of at least two numbers, as it may have been rounded."""
    known = numbers[np.isfinite(numbers)]
    if len(known) < 2:  # noqa: PLR2004
        return False
    return any(abs(total - wanted) <= TOLERANCE * max(abs(wanted), 1.0) for wanted in (known.sum(), known.mean()))


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim(column, characters=BLANKS)


def _numbers(column: pa.ChunkedArray, kept: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The numbers of the rows that are kept, written plainly or with a decimal comma."""
    mask = pa.array(kept)
    trimmed = _trimmed(column)
    for marks in ((), (".", ","), (",",)):
        texts = trimmed
        if len(marks) > 1:
            texts = pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
        elif marks:
            texts = pc.replace_substring(texts, ",", "")
        known = pc.and_(mask, pc.not_equal(texts, ""))
        try:
            numbers = pc.if_else(known, texts, None).cast(pa.float64())
        except pa.ArrowInvalid:
            continue
        return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    return None
