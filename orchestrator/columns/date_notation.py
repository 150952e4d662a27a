"""Columns of dates: those in a plain format, and those of which a `DateNotation` says how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.date_padded import ISO, MISSING, padded_moments
from orchestrator.columns.date_serials import read_serials
from orchestrator.columns.date_texts import ANY_YEAR, DateOrder, read_texts
from orchestrator.columns.date_words import no_dates
from orchestrator.columns.digit_layouts import normalised, without_points
from orchestrator.columns.distinct import DistinctTexts, distinct_texts, text_as_is
from orchestrator.columns.notation import Notation
from orchestrator.columns.number_texts import PLACEHOLDERS
from orchestrator.columns.values import (
    MISSING_STRINGS,
    TRUTH_STRINGS,
    Series,
    is_number_text,
    shorten,
    to_numbers,
)
from orchestrator.errors import InvalidValueError

RELATIVE_DATES = ("now", "today")
DATETIME_FORMATS = (
    ISO,
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%Y/%m/%d %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
)
# microseconds
EPOCHS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
COMPACT_CHARACTERS = frozenset("%YmdHMS")
# of the years 1 to 9999
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800_000_000, 253_402_300_799_999_999


@dataclass(frozen=True)
class Stamps:
    """Dates of rows, as few as there are distinct ones.

    Attributes:
        utc: moments, in UTC; NaT where missing.
        local: the same as they are written, where that is another time.
        codes: the position of each row in them, int64 [rows]; None if there is one for each row.
    """

    utc: pd.DatetimeIndex
    local: pd.DatetimeIndex
    codes: NDArray[np.int64] | None = None

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of the distinct dates, as values of rows."""
        return values if self.codes is None else values[self.codes]


@dataclass(frozen=True, kw_only=True)
class DateNotation(Notation):
    """How the dates of a column are written, where that is not one plain format.

    What is written without doubt is read whatever its form: `12-Mar-2021`, `March 12, 2021`, `2021-03-12 2:30 PM`.

    Attributes:
        formats: of the training rows, the usual one first, as of `strptime`; `ISO8601` for dates with offsets.
        order: what stands first among plain numbers; None if there are no such dates.
        epoch: the unit of numbers that count from 1970 on, see `EPOCHS`; None if they do not.
        missing: texts that stand for a missing date, as `normalised` gives them; a date among them does so however
            it is written.
        exact: whether nothing but the (only) format is read.
        yearless: whether the dates are days without a year.
        serials: whether numbers are read, too, as days that Excel counts.
        last_year: that two digits can mean; None for the usual one.
    """

    formats: tuple[str, ...]
    order: DateOrder | None = None
    epoch: str | None = None
    missing: tuple[str, ...] = ()
    exact: bool = False
    yearless: bool = False
    serials: bool = False
    last_year: int | None = None

    def __post_init__(self) -> None:
        if self.epoch not in (None, *EPOCHS) or (self.exact and len(self.formats) != 1):
            raise ValueError("a form of dates is not known")

    def to_json(self) -> dict[str, Any]:
        """See `Notation`."""
        said = {
            "formats": list(self.formats),
            "order": self.order and self.order.value,
            "epoch": self.epoch,
            "missing": list(self.missing),
            "exact": self.exact,
            "yearless": self.yearless,
            "serials": self.serials,
            "last_year": self.last_year,
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Notation`."""
        formats, missing, order = content.get("formats", []), content.get("missing", []), content.get("order")
        flags = {name: content.get(name, False) for name in ("exact", "yearless", "serials")}
        known = {"formats", "order", "epoch", "missing", "last_year", *flags}
        if not all(isinstance(text, str) for text in (*formats, *missing)) or not set(map(type, flags.values())) <= {
            bool
        }:
            raise TypeError("a form of dates must be a text")
        lists = isinstance(formats, list) and isinstance(missing, list)
        if not lists or type(content.get("last_year", 0)) is not int or not content.keys() <= known:
            raise TypeError("a form of dates is not known")
        return cls(
            formats=tuple(formats),
            order=None if order is None else DateOrder(order),
            epoch=content.get("epoch"),
            missing=tuple(missing),
            last_year=content.get("last_year"),
            **flags,
        )

    def plain(self, series: Series) -> Series:
        """See `Notation`: moments in UTC."""
        stamps = self.stamps(series, str(series.name))
        return pd.Series(stamps.utc if stamps.codes is None else stamps.utc[stamps.codes], index=series.index)

    @property
    def shown(self) -> str:
        """In a sentence."""
        return f"{UNITS[self.epoch]} since 1970" if self.epoch else " or ".join(self.formats)

    @property
    def takes_numbers(self) -> bool:
        """Whether numbers are dates, too."""
        return self.epoch is not None or self.serials or any(set(name) <= COMPACT_CHARACTERS for name in self.formats)

    def reads_all_of(self, before: DateNotation) -> bool:
        """Whether all that another notation reads is read so, too."""
        mine, its = ((notation.order, notation.epoch, notation.exact, notation.yearless) for notation in (self, before))
        same = mine == its and self.serials >= before.serials
        same &= (self.last_year is None) == (before.last_year is None)
        formats = not self.exact or self.formats == before.formats
        numbers = self.takes_numbers or not before.takes_numbers
        return same and formats and numbers and set(self.missing) >= set(before.missing)

    def written(self, stamps: Stamps) -> list[str | float | None]:
        """Dates as this notation writes them, so that they can be given back."""
        if self.epoch is not None:
            factor = EPOCHS[self.epoch]
            numbers = [None if moment == MISSING else moment / factor for moment in stamps.utc.asi8.tolist()]
            return [int(number) if number is not None and number.is_integer() else number for number in numbers]
        found: list[str | float | None] = []
        for local, utc in zip(stamps.local, stamps.utc, strict=True):
            found.append(None if pd.isna(local) else self._write(local.tz_localize(None), utc.tz_localize(None)))
        return found

    def _write(self, local: pd.Timestamp, utc: pd.Timestamp) -> str:
        """In the first format that says all of it; else in ISO 8601, which every notation reads."""
        minutes = round((local - utc).total_seconds() / 60)
        zone = timezone(timedelta(minutes=minutes))
        moment = local.to_pydatetime().replace(tzinfo=zone if minutes else UTC)
        for name in self.formats:
            try:
                text = moment.strftime(name)
            except ValueError:
                continue
            texts = pa.array([text])
            wall, there, read = self.read(texts, normalised(texts))
            if read[0] and (wall[0], there[0]) == (_microseconds(local), _microseconds(utc)):
                return text
        text = moment.isoformat() if minutes or ISO in self.formats else local.isoformat()
        return f"--{text[5:]}" if self.yearless else text

    def stamps(self, series: Series, column: str, distinct: DistinctTexts | None = None) -> Stamps:
        """Reads a column, of which the texts may be known already if it has nothing else.

        Raises:
            InvalidValueError: a value is not written so, or there is no such day.
        """
        if pd.api.types.is_datetime64_any_dtype(series.dtype):
            return self._without_masked(typed_stamps(series))
        if self.epoch is not None:
            return self._counted(series, column, self.epoch)
        distinct = distinct or distinct_texts(series)
        cells = without_points(distinct.texts) if self.takes_numbers else distinct.texts
        texts = normalised(cells)
        absent = self.absent(texts)
        local, utc, read = self.read(cells, texts)
        if len(self._masked):
            absent |= read & np.isin(local, self._masked)
        if not (read | absent).all():
            absent |= ~read & no_dates(texts)
        bad = np.flatnonzero(~read & ~absent)
        if len(bad):
            row = distinct.first_row(int(bad[0]))
            sentence = f"{shorten(series.iloc[row])} {self._refusal(texts.slice(int(bad[0]), 1), column)}"
            raise InvalidValueError(f"row {row + 1}, column '{column}': {sentence}", column, row)
        return Stamps(_index(utc, absent, distinct), _index(local, absent, distinct), distinct.codes)

    def absent(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Which of some normalised texts stand for a missing date."""
        words = pa.array(sorted(MISSING_STRINGS | set(self.missing)), pa.string())
        return np.asarray(pc.is_in(texts, value_set=words).to_numpy(zero_copy_only=False), bool)

    def read(self, texts: pa.Array, plain: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Local time and moment in microseconds of texts (given as they are, and normalised), and which are dates."""
        if not self.exact:
            moments = read_texts(plain, self.order, yearless=self.yearless, last_year=self.last_year)
            local, utc, read = moments.local, moments.utc, moments.read
            if self.serials:
                days, serial = read_serials(plain)
                local, utc, read = np.where(serial, days, local), np.where(serial, days, utc), read | serial
            return local, utc, read
        # a year in front has all days that there are
        year, before = (f"{ANY_YEAR} ", "%Y ") if self.yearless else ("", "")
        cells = pd.Series([year + text for text in texts.to_pylist()], dtype=object)
        stamps = _parse_dates(cells, before + self.formats[0]).as_unit("us")
        return stamps.asi8, stamps.asi8, np.asarray(stamps.notna())

    @cached_property
    def _masked(self) -> NDArray[np.int64]:
        """Local moments that stand for a missing date."""
        if not self.missing:
            return np.empty(0, np.int64)
        texts = pa.array(self.missing, pa.string())
        found = read_texts(texts, self.order, yearless=self.yearless, last_year=self.last_year)
        return found.local[found.read]

    def _without_masked(self, stamps: Stamps) -> Stamps:
        if not len(self._masked):
            return stamps
        local, utc = (index.as_unit("us") for index in (stamps.local, stamps.utc))
        there = ~np.isin(local.asi8, self._masked)
        utc, local = (pd.DatetimeIndex(index.where(there)) for index in (utc, local))
        return Stamps(utc, local, stamps.codes)

    def _counted(self, series: Series, column: str, unit: str) -> Stamps:
        """Numbers that count from 1970 on."""
        numbers = to_numbers(series, column, PLACEHOLDERS | set(self.missing), truth=True).copy()
        if not pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
            _refuse_truths(series, column, self.shown)
        counts = [float(word) for word in self.missing if is_number_text(word)]
        if counts:
            numbers[np.isin(numbers, counts)] = np.nan
        moments = np.rint(numbers * EPOCHS[unit])
        bad = np.flatnonzero((moments < FIRST_MOMENT) | (moments > LAST_MOMENT))
        if len(bad):
            row = int(bad[0])
            sentence = f"{shorten(series.iloc[row])} is not a date as {self.shown}: there is no such year"
            raise InvalidValueError(f"row {row + 1}, column '{column}': {sentence}", column, row)
        missing = np.isnan(moments)
        values = np.where(missing, 0, moments).astype(np.int64)
        values[missing] = MISSING
        index = pd.DatetimeIndex(values.view("M8[us]"))
        return Stamps(index, index)

    def _refusal(self, text: pa.Array, column: str) -> str:
        """The rest of a sentence about a text that is not read."""
        said = f"is not a date as {self.shown}"
        for other in (DateOrder.DAY, DateOrder.MONTH):
            if not self.exact and not self.yearless and other is not self.order and read_texts(text, other).read[0]:
                hint = {DateOrder.DAY: "%d/%m/%Y", DateOrder.MONTH: "%m/%d/%Y"}[other]
                return f"{said}{_other_order(self.order, other, column, hint)}"
        return said


def _refuse_truths(series: Series, column: str, shown: str) -> None:
    distinct = distinct_texts(series)
    words = [text.strip().lower() in TRUTH_STRINGS for text in distinct.texts.to_pylist()]
    if any(words):
        row = distinct.first_row(words.index(True))
        value = shorten(series.iloc[row])
        raise InvalidValueError(f"row {row + 1}, column '{column}': {value} is not a date as {shown}", column, row)


def _other_order(order: DateOrder | None, other: DateOrder, column: str, hint: str) -> str:
    first = f"with the {order} first" if order is not None else "never with numbers in doubt"
    return (
        f"; the dates of this column are read {first}, and this is one with the {other} first: write it as the others, "
        f"or train again with --date-format '{column}={hint}'"
    )


def _microseconds(stamp: pd.Timestamp) -> int:
    return int(pd.DatetimeIndex([stamp]).as_unit("us").asi8[0])


def _index(moments: NDArray[np.int64], absent: NDArray[np.bool_], distinct: DistinctTexts) -> pd.DatetimeIndex:
    """With NaT where texts are missing, and one more for the rows that have none."""
    values = np.append(np.where(absent, MISSING, moments), MISSING)
    return pd.DatetimeIndex(values[: len(distinct.texts) + 1].view("M8[us]"))


def typed_stamps(series: Series) -> Stamps:
    """Of a column of time stamps; with a zone, their local time is that of the zone."""
    utc = pd.DatetimeIndex(pd.to_datetime(series, utc=True))
    if not isinstance(series.dtype, pd.DatetimeTZDtype):
        return Stamps(utc, utc)
    return Stamps(utc, pd.DatetimeIndex(series.dt.tz_localize(None)))


def plain_stamps(series: Series, column: str, datetime_format: str, distinct: DistinctTexts | None = None) -> Stamps:
    """Dates of one plain format; those with offsets have the parts that they have in UTC, as ever.

    Args:
        series: the cells.
        column: its name.
        datetime_format: one of `DATETIME_FORMATS`.
        distinct: its texts, if it has nothing else and they are known.

    Raises:
        InvalidValueError: for a value that does not have the column's format.
    """
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        utc = typed_stamps(series).utc
        return Stamps(utc, utc)
    distinct = distinct or distinct_texts(series, text_as_is)
    if (quick := padded_moments(distinct.texts, datetime_format)) is not None:
        index = pd.DatetimeIndex(np.append(quick, MISSING).view("M8[us]"), tz="UTC")
        return Stamps(index, index, distinct.codes)
    cells: Sequence[str] = distinct.texts.to_pylist()
    words = [cell.strip().lower() for cell in cells]
    missing = np.array([word in MISSING_STRINGS for word in words], dtype=bool)
    # pandas knows these words, but an answer must not change with the day on which it is given
    relative = np.array([word in RELATIVE_DATES for word in words], dtype=bool)
    text = pd.Series(cells, dtype=object).where(~(missing | relative), None)
    stamps = _parse_dates(text, datetime_format)
    bad = np.flatnonzero(np.asarray(stamps.isna()) & ~missing)
    bad = bad[~no_dates(normalised(distinct.texts.take(pa.array(bad))))] if len(bad) else bad
    if len(bad):
        row = distinct.first_row(int(bad[0]))
        wanted = "a date such as 2024-01-31 or 2024-01-31T12:00:00" if datetime_format == ISO else datetime_format
        hint = _swapped_hint(cells[int(bad[0])], datetime_format, column)
        value = f"{shorten(series.iloc[row])} is not {wanted}{hint}"
        raise InvalidValueError(f"row {row + 1}, column '{column}': {value}", column, row)
    # behind them one for the rows without a value
    moments = np.append(stamps.asi8, MISSING)
    padded = pd.DatetimeIndex(moments.view(f"M8[{stamps.unit}]"), tz="UTC")
    return Stamps(padded, padded, distinct.codes)


def swapped(datetime_format: str) -> str | None:
    """The format with the day in the place of the month; None if none of them is first."""
    if not datetime_format.startswith(("%d", "%m")) or "%m" not in datetime_format or "%d" not in datetime_format:
        return None
    return datetime_format.replace("%d", "%~").replace("%m", "%d").replace("%~", "%m")


def _swapped_hint(text: str, datetime_format: str, column: str) -> str:
    other = swapped(datetime_format)
    if (
        other is None
        or not text.strip()[:1].isdigit()
        or _parse_dates(pd.Series([text], dtype=object), other).isna()[0]
    ):
        return ""
    order = DateOrder.DAY if datetime_format.startswith("%d") else DateOrder.MONTH
    return _other_order(order, DateOrder.MONTH if order is DateOrder.DAY else DateOrder.DAY, column, other)


def _parse_dates(text: Series, datetime_format: str) -> pd.DatetimeIndex:
    """Each text read as if it were alone, in UTC; NaT where that fails."""
    stamps = pd.DatetimeIndex(pd.to_datetime(text, format=datetime_format, utc=True, errors="coerce"))
    if stamps.unit != "ns":
        return stamps.as_unit("us")
    # one date with nanoseconds, and pandas reads all with nanoseconds, which leaves only the years 1678 to 2261
    moments = stamps.as_unit("us").asi8.copy()
    for row in np.flatnonzero(np.asarray(stamps.isna()) & np.asarray(text.notna())):
        alone = pd.to_datetime([text.iloc[row]], format=datetime_format, utc=True, errors="coerce")
        moments[row] = alone.as_unit("us").asi8[0]
        if alone.isna()[0]:
            break
    return pd.DatetimeIndex(moments.view("M8[us]"), tz="UTC")
