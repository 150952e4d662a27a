"""Numbers that are dates: 20240131, those that count from 1970 on, and those that count the days of Excel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.codes import words_of
from orchestrator.columns.date_gaps import gaps_note
from orchestrator.columns.date_notation import EPOCHS, UNITS, DateNotation
from orchestrator.columns.date_serials import SERIALS, read_serials
from orchestrator.columns.date_texts import read_texts
from orchestrator.columns.date_words import DATE_NAMES, no_dates
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.distinct import distinct_texts
from orchestrator.columns.notes import Note
from orchestrator.columns.number_inference import PLACEHOLDER_SHARE
from orchestrator.columns.number_texts import PLACEHOLDERS
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series, to_numbers
from orchestrator.errors import InvalidValueError

# numbers that count from 1970 on are dates of these years if there are so many
EPOCH_YEARS, EPOCH_VALUES = ("2000-01-01", "2040-01-01"), 10
COMPACT_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
COMPACT_YEARS, COMPACT_VALUES = (1900, 2100), 3
# in the place of a date that is not known, or not there yet
NOTHING, ENDLESS = (0.0, -1.0), (99_991_231.0, 29_991_231.0, 99_999_999.0, 99_990_101.0, 19_000_100.0)

Found = tuple[DateNotation, tuple[Note, ...]]


def dates_of_numbers(raw: RawColumn, *, wished: bool) -> Found | None:
    """How numbers are dates, and what the user should know; None if they are none.

    Args:
        raw: the column.
        wished: whether the user says that they are dates.
    """
    numbers = _numbers(raw)
    if numbers is None:
        return None
    first = numbers[:1000]
    first = first[~np.isnan(first) & ~np.isin(first, NOTHING)]
    serial = not DATE_NAMES.isdisjoint(words_of(raw.name))
    if len(first) and min(first.min(), 1e8) < COMPACT_YEARS[0] * 10_000 and not (wished or serial):
        # most columns of numbers are seen not to be dates by a few
        return None
    known = numbers[~np.isnan(numbers)]
    values, counts = np.unique(known, return_counts=True)
    ended = np.isin(values, NOTHING + ENDLESS)
    dates = values[~ended]
    if not len(dates) or counts[ended].sum() > PLACEHOLDER_SHARE * len(known):
        return None
    nothing = {f"{value:.0f}": int(rows) for value, rows in zip(values[ended], counts[ended], strict=True)}
    missing = (*normalised(pa.array(raw.wish.missing, pa.string())).to_pylist(), *nothing)
    found = _compact(raw.name, dates, missing, wished) or _counted(raw.name, dates, missing, wished)
    if found is None and (wished or (serial and len(dates) >= EPOCH_VALUES)):
        found = _serials(raw.name, dates, missing)
    if found is None:
        return None
    words = _words(raw.series)
    if sum(words.values()) > PLACEHOLDER_SHARE * (len(known) + sum(words.values())) and not wished:
        return None
    notation, notes = found
    return notation, (*(notes if not wished else ()), *gaps_note(raw.name, words | nothing))


def _numbers(raw: RawColumn) -> NDArray[np.float64] | None:
    """The cells, also those of a column with words for a missing one."""
    if raw.numbers is not None:
        return raw.numbers
    try:
        return to_numbers(raw.series, raw.name, PLACEHOLDERS)
    except InvalidValueError:
        return None


def _words(series: Series) -> dict[str, int]:
    """Those that stand for a missing date, with the rows of each."""
    if pd.api.types.is_numeric_dtype(series.dtype):
        return {}
    distinct = distinct_texts(series)
    gap = np.flatnonzero(no_dates(normalised(distinct.texts)))
    return {distinct.texts[int(at)].as_py(): int(distinct.rows[at]) for at in gap}


def _compact(column: str, values: NDArray[np.float64], missing: Sequence[str], wished: bool) -> Found | None:
    form = _compact_format(values, COMPACT_VALUES if not wished else 1)
    if form is None:
        return None
    why = f"has whole numbers that are all dates as {form}, such as {values[0]:.0f}"
    note = Note(column=column, why=why, done="read as dates", option=f"--numeric '{column}' keeps the numbers")
    return DateNotation(formats=(form,), missing=tuple(missing)), (note,)


def _counted(column: str, values: NDArray[np.float64], missing: Sequence[str], wished: bool) -> Found | None:
    for unit, factor in EPOCHS.items():
        low, high = (pd.Timestamp(year).value / 1000 / factor for year in EPOCH_YEARS)
        if values[0] < low or values[-1] > high or not (wished or _are_moments(values, factor)):
            continue
        moment = pd.Timestamp(int(values[0] * factor), unit="us")
        why = f"has numbers that count {UNITS[unit]} since 1970 ({values[0]:.0f} is {moment:%Y-%m-%d %H:%M} UTC)"
        note = Note(column=column, why=why, done="read as dates", option=f"--numeric '{column}' keeps the numbers")
        return DateNotation(formats=(), epoch=unit, missing=tuple(missing)), (note,)
    return None


def _serials(column: str, values: NDArray[np.float64], missing: Sequence[str]) -> Found | None:
    """Days that Excel counts: only with a reason beside the numbers."""
    if not (SERIALS[0] <= values[0] and values[-1] <= SERIALS[1]):
        return None
    day = read_serials(pa.array([f"{values[0]:.0f}"]))[0].view("M8[us]")[0].astype("M8[D]")
    why = f"has the name of dates, and numbers that can be days that Excel counts ({values[0]:.0f} is {day})"
    note = Note(column=column, why=why, done="read as dates", option=f"--numeric '{column}' keeps the numbers")
    return DateNotation(formats=("%Y-%m-%d",), missing=tuple(missing), serials=True), (note,)


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
