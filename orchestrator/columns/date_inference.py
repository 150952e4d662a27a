"""Finds out whether a column is one of dates, and how they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.date_notation import (
    DATETIME_FORMATS,
    EPOCHS,
    ISO,
    UNITS,
    DateNotation,
    plain_stamps,
)
from orchestrator.columns.date_orders import Doubt, order_of_format, settle
from orchestrator.columns.date_texts import DateOrder, WrittenMoments, read_texts, written_as
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.distinct import DistinctTexts, distinct_texts
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import is_number_text, shorten
from orchestrator.errors import DataError, InvalidValueError

# looked at before all of a column is; this share of them must be dates
FIRST_TEXTS, DATE_SHARE = 50, 0.8
# rows with texts that are not dates, and how many such texts there may be
ODD_SHARE, ODD_TEXTS = 0.05, 20
SHOWN_FORMATS, FORMAT_TEXTS = 4, 200
# numbers that count from 1970 on are dates of these years if there are so many
EPOCH_YEARS, EPOCH_VALUES = ("2000-01-01", "2040-01-01"), 10
COMPACT_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
COMPACT_YEARS, COMPACT_VALUES = (1900, 2100), 3
OFFSET = r":[0-9]{2}([.,][0-9]+)? ?([+-][0-9]{2}(:?[0-9]{2})?)$"
NO_OFFSET = r"[+-]00(:?00)?$"
ISO_LIKE = r"^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"


@dataclass(frozen=True)
class FoundDates:
    """How the dates of a column are written.

    Attributes:
        datetime_format: a plain one, if there is no notation.
        notation: otherwise.
        notes: what the user should know.
    """

    datetime_format: str | None = None
    notation: DateNotation | None = None
    notes: tuple[Note, ...] = ()


LOCAL_ISO = DateNotation(formats=(ISO,))


def find_dates(raw: RawColumn, *, wished: bool = False) -> FoundDates | None:
    """How the dates of a column are written; None if it is not one of dates.

    Args:
        raw: the column.
        wished: whether the user wants it to be one of dates: then numbers are that, however few.
    """
    dtype = raw.series.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        is_utc = not isinstance(dtype, pd.DatetimeTZDtype) or str(dtype.tz) in ("UTC", "Etc/UTC", "GMT", "+00:00")
        return FoundDates(ISO) if is_utc else FoundDates(notation=LOCAL_ISO)
    if pd.api.types.is_bool_dtype(dtype):
        return None
    if pd.api.types.is_numeric_dtype(dtype):
        return _of_numbers(raw, wished=wished)
    first = [text for text in raw.first_texts[:FIRST_TEXTS] if text.strip()]
    if not first:
        return None
    # 03.2024 is a number for Python
    if all(is_number_text(text) for text in first) and not _are_months(first):
        return _of_numbers(raw, wished=wished)
    plain = normalised(pa.array(first))
    reads = max((read_texts(plain, order).read.mean() for order in (None, *DateOrder)), default=0.0)
    return _of_texts(raw, distinct_texts(raw.series)) if reads >= DATE_SHARE else None


def follow_format(raw: RawColumn, wanted: str) -> FoundDates:
    """A column whose dates the user says the format of.

    Raises:
        DataError: the format is none, or a cell does not have it.
    """
    option = f"--date-format '{raw.name}={wanted}'"
    try:
        probe = pd.Timestamp("2013-11-28 21:43:05")
        readable = pd.to_datetime(probe.strftime(wanted), format=wanted)
    except ValueError as error:
        raise DataError(f"{raw.origin}: {option}: this is not a format of strptime ({error})") from None
    if pd.api.types.is_datetime64_any_dtype(raw.series.dtype):
        return find_dates(raw) or FoundDates(ISO)
    order = order_of_format(wanted)
    missing = tuple(normalised(pa.array(raw.wish.missing, pa.string())).to_pylist())
    notation = DateNotation(formats=(wanted,), order=order, missing=missing)
    moments = read_texts(normalised(pa.array([probe.strftime(wanted)])), order)
    if not moments.read[0] or moments.local.view("M8[us]")[0] != readable.to_datetime64():
        notation = DateNotation(formats=(wanted,), missing=missing, exact=True)
    if wanted in DATETIME_FORMATS and not missing:
        try:
            plain_stamps(raw.series, raw.name, wanted)
        except InvalidValueError:
            pass
        else:
            return FoundDates(wanted)
    try:
        notation.stamps(raw.series, raw.name)
    except InvalidValueError as error:
        raise DataError(f"{raw.origin}: {option}: {error}") from None
    return FoundDates(notation=notation)


def _are_months(texts: Sequence[str]) -> bool:
    return all(re.fullmatch(r"\s*(0[1-9]|1[0-2])\.(19|20)[0-9]{2}\s*", text) for text in texts)


def _of_numbers(raw: RawColumn, *, wished: bool) -> FoundDates | None:
    """Whole numbers such as 20240131, and those that count seconds or milliseconds from 1970 on."""
    if raw.numbers is None:
        return None
    first = raw.numbers[:1000]
    first = first[~np.isnan(first)]
    if not len(first) or min(first.min(), 1e8) < COMPACT_YEARS[0] * 10_000:
        # most columns of numbers are seen not to be dates by a few
        return None
    values = np.unique(raw.numbers[~np.isnan(raw.numbers)])
    option = f"--numeric '{raw.name}' keeps the numbers"
    compact = _compact_format(values, COMPACT_VALUES if not wished else 1)
    if compact is not None:
        why = f"has whole numbers that are all dates as {compact}, such as {values[0]:.0f}"
        note = Note(column=raw.name, why=why, done="read as dates", option=option)
        return FoundDates(notation=DateNotation(formats=(compact,)), notes=(note,) if not wished else ())
    for unit, factor in EPOCHS.items():
        low, high = (pd.Timestamp(year).value / 1000 / factor for year in EPOCH_YEARS)
        if values[0] < low or values[-1] > high or not (wished or _are_moments(values, factor)):
            continue
        moment = pd.Timestamp(int(values[0] * factor), unit="us")
        why = f"has numbers that count {UNITS[unit]} since 1970 ({values[0]:.0f} is {moment:%Y-%m-%d %H:%M} UTC)"
        note = Note(column=raw.name, why=why, done="read as dates", option=option)
        return FoundDates(notation=DateNotation(formats=(), epoch=unit), notes=(note,) if not wished else ())
    return None


def _compact_format(values: NDArray[np.float64], least: int) -> str | None:
    """Of distinct whole numbers that are all dates."""
    if len(values) < least or values[-1] >= 1e14 * 10 or not (values == np.floor(values)).all():
        return None
    digits = len(f"{values[0]:.0f}")
    if digits not in COMPACT_FORMATS or len(f"{values[-1]:.0f}") != digits:
        return None
    read = read_texts(pa.array(values.astype(np.int64)).cast(pa.string()), None)
    years = read.local.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    plausible = read.read.all() and years.min() >= COMPACT_YEARS[0] and years.max() <= COMPACT_YEARS[1]
    return COMPACT_FORMATS[digits] if plausible else None


def _are_moments(values: NDArray[np.float64], factor: float) -> bool:
    """Whether distinct numbers in the range of dates are dates: not counters, nor rounded amounts."""
    if len(values) < EPOCH_VALUES:
        return False
    span = (values[-1] - values[0]) * factor
    is_counter = values[-1] - values[0] < 2 * len(values)
    rounded = (values % 1000 == 0).all() and not (values * factor % (3600 * 1e6) == 0).all() and factor == EPOCHS["s"]
    return span > 3600 * 1e6 and not is_counter and not rounded


def _of_texts(raw: RawColumn, distinct: DistinctTexts) -> FoundDates | None:
    texts = normalised(distinct.texts)
    missing = tuple(normalised(pa.array(raw.wish.missing, pa.string())).to_pylist())
    absent = DateNotation(formats=(), missing=missing).absent(texts)
    there = np.flatnonzero(~absent)
    chosen = DistinctTexts(distinct.texts.take(pa.array(there)), _codes(distinct, there))
    texts = texts.take(pa.array(there))
    if not len(texts):
        return None
    plain = read_texts(texts, None)
    # what pandas reads and what is read here is the same, but for offsets
    if plain.read.all() and not missing and pc.all(pc.match_substring_regex(texts, ISO_LIKE)).as_py():
        found = _iso(raw, texts)
        if found is not None:
            return found
    doubt = _doubt(raw, chosen, texts, plain)
    if doubt is None:
        return None
    order, notes = settle(doubt) if doubt.candidates else (None, ())
    odd = tuple(doubt.odd)
    if odd:
        notes += (_odd_note(raw, chosen, texts, odd),)
    formats = _formats(chosen, order)
    notation = DateNotation(formats=formats, order=order, missing=(*missing, *odd))
    if len(formats) == 1 and formats[0] in DATETIME_FORMATS and not notation.missing:
        try:
            plain_stamps(raw.series, raw.name, formats[0])
        except InvalidValueError:
            pass
        else:
            return FoundDates(formats[0], notes=notes)
    return FoundDates(notation=notation, notes=notes)


def _codes(distinct: DistinctTexts, there: NDArray[np.int64]) -> NDArray[np.int64]:
    places = np.full(len(distinct.texts) + 1, len(there))
    places[there] = np.arange(len(there))
    return places[distinct.codes]


def _iso(raw: RawColumn, texts: pa.Array) -> FoundDates | None:
    """Dates in ISO 8601; those with other offsets than none keep the time that is written."""
    offsets = texts.filter(pc.match_substring_regex(texts, OFFSET))
    if not pc.all(pc.match_substring_regex(offsets, NO_OFFSET), min_count=0).as_py():
        return FoundDates(notation=LOCAL_ISO)
    try:
        plain_stamps(raw.series, raw.name, ISO)
    except InvalidValueError:
        return None
    return FoundDates(ISO)


def _doubt(raw: RawColumn, chosen: DistinctTexts, texts: pa.Array, plain: WrittenMoments) -> Doubt | None:
    """What is left open when all is read that is sure; None if it is not a column of dates."""
    left = np.flatnonzero(~plain.read)
    readings = {order: read_texts(texts.take(pa.array(left)), order) for order in DateOrder} if len(left) else {}
    best = max((reading.read.sum() for reading in readings.values()), default=0)
    odd = np.flatnonzero(~plain.read)
    if readings:
        first = next(order for order, reading in readings.items() if reading.read.sum() == best)
        odd = left[~readings[first].read]
    rows = chosen.rows
    if len(odd) > ODD_TEXTS or rows[odd].sum() > ODD_SHARE * rows.sum():
        return None
    candidates = tuple(order for order, reading in readings.items() if best and reading.read.sum() == best)
    same = [order for order in candidates if set(left[~readings[order].read]) == set(odd)]
    kept = ~np.isin(left, odd)
    return Doubt(
        raw=raw,
        codes=chosen.codes,
        places=left[kept],
        texts=texts.take(pa.array(left[kept])),
        moments={order: readings[order].local[kept] for order in same},
        odd=[text.as_py() for text in texts.take(pa.array(odd))],
    )


def _odd_note(raw: RawColumn, chosen: DistinctTexts, texts: pa.Array, odd: Sequence[str]) -> Note:
    places = np.flatnonzero(np.asarray(pc.is_in(texts, value_set=pa.array(odd)).to_numpy(zero_copy_only=False), bool))
    rows = int(chosen.rows[places].sum())
    shown = ", ".join(shorten(chosen.texts[int(place)].as_py()) for place in places[:3])
    count = "1 row" if rows == 1 else f"{rows} rows"
    return Note(
        column=raw.name,
        why=f"has dates, and in {count} texts that are none ({shown}{', ...' if len(places) > 3 else ''})",  # noqa: PLR2004
        done="they are missing values",
        option=f"--categorical '{raw.name}' keeps all of it as categories",
    )


def _formats(chosen: DistinctTexts, order: DateOrder | None) -> tuple[str, ...]:
    """The formats of some of the texts, the most frequent one first."""
    places = np.unique(np.linspace(0, len(chosen.texts) - 1, FORMAT_TEXTS).round().astype(np.int64))
    rows = chosen.rows
    counts: Counter[str] = Counter()
    for place in places:
        written = written_as(" ".join(chosen.texts[int(place)].as_py().split()), order)
        if written is not None:
            counts[written] += int(rows[place])
    # May is a full name, too
    for full in [name for name in counts if "%B" in name]:
        counts[full] += counts.pop(full.replace("%B", "%b"), 0)
    return tuple(name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_FORMATS])
