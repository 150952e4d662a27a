"""Whether 01/03/2021 is the first of March: what a column, its neighbours and its rows say about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.codes import words_of
from orchestrator.columns.date_centuries import last_year_of
from orchestrator.columns.date_texts import UNPADDED, DateOrder, WrittenMoments, written_as
from orchestrator.columns.date_words import DATE_NAMES
from orchestrator.columns.distinct import distinct_texts
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series

# texts that say which of two numbers is the day
NUMBERS = r"^\s*(?P<first>[0-9]{1,2})(?P<between>[-/.])(?P<second>[0-9]{1,2})[-/.](?:[0-9]{4}|[0-9]{2})(?:[ T,].*)?$"
YEAR_FIRST = r"^\s*[0-9]{4}[-/.](?P<first>[0-9]{1,2})[-/.](?P<second>[0-9]{1,2})\s*$"
FEW_MOMENTS, LAST_MONTH, LATE_DAY, LAST_DAY = 3, 12, 25, 31
PLAIN = {DateOrder.DAY: "%d/%m/%Y", DateOrder.MONTH: "%m/%d/%Y", DateOrder.YEAR: "%y/%m/%d"}


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Dates of a column that can be read in several ways.

    Attributes:
        raw: the column.
        codes: position of each row in the distinct texts: int64 [rows].
        places: positions of the texts in doubt among these.
        texts: they, normalised.
        moments: what they are in each order that there can be, local microseconds: int64 [texts in doubt].
        plain: what all texts are without an order.
        serial: which of them are numbers of days that Excel counts: bool [texts].
        days: these, in microseconds since 1970.
        short: the orders in which some texts have years of two digits.
    """

    raw: RawColumn
    codes: NDArray[np.int64]
    places: NDArray[np.int64]
    texts: pa.Array
    moments: Mapping[DateOrder, NDArray[np.int64]]
    plain: WrittenMoments
    serial: NDArray[np.bool_]
    days: NDArray[np.int64]
    short: frozenset[DateOrder]

    @property
    def candidates(self) -> tuple[DateOrder, ...]:
        """The orders that there can be."""
        return tuple(self.moments)

    def settled(self, order: DateOrder | None) -> tuple[NDArray[np.int64], NDArray[np.bool_], bool]:
        """With an order, the local time of all texts, which of them are dates, and whether some are counted days."""
        local, read = np.where(self.serial, self.days, self.plain.local), self.plain.read | self.serial
        if order is not None:
            local[self.places] = self.moments[order]
            read[self.places] = True
        return local, read, bool(self.serial.any())


def order_of_format(wanted: str) -> DateOrder | None:
    """What a `strptime` format has first."""
    firsts = {"d": DateOrder.DAY, "m": DateOrder.MONTH, "y": DateOrder.YEAR}
    directives = [part for part in re.findall("%-?(.)", wanted) if part in "dmyY"]
    return firsts.get(directives[0]) if directives else None


def settle(doubt: Doubt) -> tuple[DateOrder, tuple[Note, ...]]:
    """The order that is taken, with a note if there is another that would do."""
    candidates = doubt.candidates
    if len(candidates) == 1:
        return candidates[0], ()
    if DateOrder.DAY in candidates and pc.all(pc.match_substring(doubt.texts, ".")).as_py():
        # dots are written where the day is first
        candidates = tuple(order for order in candidates if order is not DateOrder.MONTH)
        if len(candidates) == 1:
            return candidates[0], ()
    order, reason = _chosen(doubt, candidates)
    if not reason:
        return order, ()
    others = [other for other in candidates if other is not order]
    shown = str(doubt.raw.series.iloc[int(np.argmax(doubt.codes == doubt.places[0]))]).strip()
    firsts = " or ".join(f"the {candidate} first" for candidate in candidates)
    option = ", ".join(_format_option(shown, other) for other in others)
    note = Note(
        column=doubt.raw.name,
        why=f"has dates that can be read with {firsts}, such as '{shown}'",
        done=f"read with the {order} first, {reason}",
        option=f"--date-format '{doubt.raw.name}={option}' reads them otherwise",
    )
    return order, (note,)


def may_be_versions(doubt: Doubt, order: DateOrder | None, read: NDArray[np.bool_]) -> bool:
    """Whether texts such as 3.10.23 may be numbers of versions: nothing about them or beside them says dates.

    Args:
        doubt: what was settled.
        order: so.
        read: which texts are dates then.
    """
    if order is None or not is_unpadded(doubt):
        return False
    days = doubt.moments[order].view("M8[us]").astype("M8[D]")
    numbers = (days - days.astype("M8[M]").astype("M8[D]")).astype(np.int64) + 1
    spread = len(np.unique(numbers)) >= FEW_MOMENTS and numbers.max() >= LATE_DAY
    return not read.all() or {DateOrder.DAY, DateOrder.MONTH} <= set(doubt.candidates) or not spread


def is_unpadded(doubt: Doubt) -> bool:
    """Whether there are texts such as 3.10.23, and nothing beside the numbers says that they are dates."""
    if not pc.any(pc.match_substring_regex(doubt.texts, UNPADDED)).as_py():
        return False
    # times behind them, years of four digits, and slashes are not those of versions
    surely = doubt.plain.read.any() or pc.any(pc.match_substring_regex(doubt.texts, "[0-9]{4}|[:/]")).as_py()
    is_named = not DATE_NAMES.isdisjoint(words_of(doubt.raw.name)) or last_year_of(doubt.raw.name) is not None
    return not surely and not is_named


def unpadded_note(doubt: Doubt) -> tuple[Note, ...]:
    """About such texts that were read as dates."""
    if doubt.raw.wish.kind is not None or not is_unpadded(doubt):
        return ()
    shown = str(doubt.raw.series.iloc[int(np.argmax(doubt.codes == doubt.places[0]))]).strip()
    why = f"has texts such as '{shown}', which can be dates or numbers of versions"
    option = f"--categorical '{doubt.raw.name}' keeps categories"
    return (Note(column=doubt.raw.name, why=why, done="read as dates, since all of them are some", option=option),)


def _format_option(text: str, order: DateOrder) -> str:
    return written_as(" ".join(text.split()), order) or PLAIN[order]


def _chosen(doubt: Doubt, candidates: tuple[DateOrder, ...]) -> tuple[DateOrder, str]:
    """The likeliest order, and why; nothing if it is beyond doubt."""
    days = {order: doubt.moments[order].view("M8[us]").astype("M8[D]") for order in candidates}
    if DateOrder.YEAR in candidates:
        # a column spans fewer years than a month has days
        years = {order: len(np.unique(values.astype("M8[Y]"))) for order, values in days.items()}
        fewest = min(candidates, key=lambda order: (years[order], order is DateOrder.YEAR))
        if fewest is DateOrder.YEAR:
            return fewest, "because so they are of the fewest years"
        if len(candidates) == 2:  # noqa: PLR2004
            return fewest, "" if 2 * years[fewest] <= years[DateOrder.YEAR] else "because so they are of fewer years"
        candidates = tuple(order for order in candidates if order is not DateOrder.YEAR)
    votes = _votes(doubt, candidates)
    if len(votes) == 1:
        return votes.pop(), "as in other columns of the file"
    # figures of months are dated the first, those of years the first of January
    regular = [order for order in candidates if _are_firsts(days[order])]
    if len(regular) == 1:
        return regular[0], "because so each of them is the first of a month"
    ordered = [order for order in candidates if _ascend(doubt, order)]
    if len(ordered) == 1:
        return ordered[0], "because so the rows are in order"
    return DateOrder.MONTH if DateOrder.MONTH in candidates else candidates[0], "as nothing speaks against it"


def _are_firsts(days: NDArray[np.datetime64]) -> bool:
    months = days.astype("M8[M]")
    return bool((months.astype("M8[D]") == days).all()) and len(np.unique(months)) > 1


def _ascend(doubt: Doubt, order: DateOrder) -> bool:
    moments = np.full(int(doubt.codes.max()) + 1, np.iinfo(np.int64).min)
    moments[doubt.places] = doubt.moments[order]
    rows = moments[doubt.codes]
    rows = rows[rows != np.iinfo(np.int64).min]
    steps = np.diff(rows)
    return len(np.unique(rows)) >= FEW_MOMENTS and bool((steps >= 0).all() or (steps <= 0).all())


def _votes(doubt: Doubt, candidates: tuple[DateOrder, ...]) -> set[DateOrder]:
    """What other columns say, first those with the same character between numbers."""
    mine = re.match(NUMBERS, doubt.texts[0].as_py())
    votes: dict[str, set[DateOrder]] = {}
    for other in doubt.raw.beside:
        if other.name != doubt.raw.name:
            found = other.date_order
            if found is not None and found[1] in candidates:
                votes.setdefault(found[0], set()).add(found[1])
    same = votes.get(mine["between"], set()) if mine else set()
    return same or set().union(*votes.values())


def decided(series: Series) -> tuple[str, DateOrder] | None:
    """What stands between the numbers of a column's dates, and what is first, if that is sure."""
    if not isinstance(series.dtype, pd.StringDtype | np.dtype) or pd.api.types.is_numeric_dtype(series.dtype):
        return None
    head = distinct_texts(series.iloc[:20])
    match = next((match for text in head.texts.to_pylist() if (match := re.match(NUMBERS, text))), None)
    if match is None:
        return None
    found = pc.extract_regex(distinct_texts(series).texts.cast(pa.string()), pattern=NUMBERS)
    first, second = (
        np.asarray(pc.fill_null(pc.struct_field(found, name), "0").cast(pa.int64()).to_numpy(zero_copy_only=False))
        for name in ("first", "second")
    )
    over_first, over_second = bool((first > 12).any()), bool((second > 12).any())  # noqa: PLR2004
    if over_first == over_second:
        return None
    return match["between"], DateOrder.DAY if over_first else DateOrder.MONTH


def strange_order(raw: RawColumn) -> Note | None:
    """About dates whose order changes from row to row, or is that of nobody; None if there are no such."""
    for pattern, note in ((NUMBERS, _changing), (YEAR_FIRST, _year_day_month)):
        known = [text for text in raw.first_texts if text.strip()]
        if len(known) < FEW_MOMENTS or sum(re.match(pattern, text) is not None for text in known) < 0.8 * len(known):
            continue
        texts = raw.texts.texts.cast(pa.string())
        texts = texts.filter(pc.match_substring_regex(texts, pattern))
        parts = pc.extract_regex(texts, pattern=pattern)
        first, second = (
            pc.struct_field(parts, name).cast(pa.int64()).to_numpy(zero_copy_only=False) for name in ("first", "second")
        )
        if not len(first) or max(first.max(), second.max()) > LAST_DAY or min(first.min(), second.min()) < 1:
            continue
        return note(raw.name, texts, first > LAST_MONTH, second > LAST_MONTH)
    return None


def _changing(column: str, texts: pa.Array, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Note | None:
    if (first & second).any() or not first.any() or not second.any():
        return None
    day, month = (texts[int(np.flatnonzero(late)[0])].as_py().strip() for late in (first, second))
    return Note(
        column=column,
        why=f"has dates with the day first, such as '{day}', and others with the month first, such as '{month}'",
        done="not read as dates",
        option="write all of them in one order",
    )


def _year_day_month(column: str, texts: pa.Array, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Note | None:
    if second.any() or not first.any():
        return None
    shown = texts[int(np.flatnonzero(first)[0])].as_py().strip()
    between = shown[4]
    return Note(
        column=column,
        why=f"has dates with the day between year and month, such as '{shown}'",
        done="not read as dates",
        option=f"--date-format '{column}=%Y{between}%d{between}%m' reads them",
    )
