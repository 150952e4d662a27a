"""Finds out whether a column is one of dates, and how they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.date_centuries import calendar_notes, century_notes, last_year_of
from orchestrator.columns.date_gaps import Gaps, are_gaps, are_words, extremes_of, gaps_note, gaps_of
from orchestrator.columns.date_notation import (
    DATETIME_FORMATS,
    DateNotation,
    plain_stamps,
    typed_stamps,
)
from orchestrator.columns.date_numbers import dates_of_numbers
from orchestrator.columns.date_orders import Doubt, may_be_versions, order_of_format, settle, unpadded_note
from orchestrator.columns.date_padded import ISO
from orchestrator.columns.date_serials import read_serials
from orchestrator.columns.date_texts import (
    ANY_YEAR,
    FISCAL,
    DateOrder,
    WrittenMoments,
    read_texts,
    written_as,
)
from orchestrator.columns.date_yearless import find_yearless
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.distinct import DistinctTexts
from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import is_number_text
from orchestrator.errors import DataError, InvalidValueError

# looked at before all of a column is; this share of them must be dates
FIRST_TEXTS, DATE_SHARE = 50, 0.8
SHOWN_FORMATS, FORMAT_TEXTS = 4, 200
# numbers of days that Excel counts stand beside so many dates at least
SERIAL_SHARE = 0.1
OFFSET = r":[0-9]{2}([.,][0-9]+)? ?([+-][0-9]{2}(:?[0-9]{2})?)$"
NO_OFFSET = r"[+-]00(:?00)?$"
ISO_FORMS = {86_400_000_000: "%Y-%m-%d", 1_000_000: "%Y-%m-%dT%H:%M:%S"}
ISO_LIKE = r"^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"


@dataclass(frozen=True)
class FoundDates:
    """How the dates of a column are written.

    Attributes:
        datetime_format: a plain one, if there is no notation.
        notation: otherwise.
        notes: what the user should know.
        refusal: why it is no column of dates although it has many; empty if it is one.
    """

    datetime_format: str | None = None
    notation: DateNotation | None = None
    notes: tuple[Note, ...] = ()
    refusal: str = ""


LOCAL_ISO = DateNotation(formats=(ISO,))


def find_dates(raw: RawColumn, *, wished: bool = False) -> FoundDates | None:
    """How the dates of a column are written; None if it is not one of dates.

    Args:
        raw: the column.
        wished: whether the user wants it to be one of dates: then numbers are that, however few, and what is no date
            is missing.
    """
    dtype = raw.series.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _of_stamps(raw)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return None
    if pd.api.types.is_numeric_dtype(dtype):
        return _of_numbers(raw, wished=wished)
    first = [text for text in raw.first_texts[:FIRST_TEXTS] if text.strip()]
    if not wished and are_words(first):
        return None
    are_numbers = _are_numbers(first)
    if not are_numbers:
        first = _first_texts(raw)
        are_numbers = _are_numbers(first)
    if are_numbers:
        return _of_numbers(raw, wished=wished)
    if not first:
        return None
    if not wished and not _read_most(normalised(pa.array(first))):
        return None
    return _of_texts(raw, raw.texts, wished=wished)


def _read_most(texts: pa.Array) -> bool:
    """Whether most of some normalised texts are dates in one of the ways."""
    serial = read_serials(texts)[1]
    if any((read_texts(texts, order).read | serial).mean() >= DATE_SHARE for order in (None, *DateOrder)):
        return True
    return bool(read_texts(texts, None, yearless=True).read.mean() >= DATE_SHARE)


def _first_texts(raw: RawColumn) -> list[str]:
    """Some of the texts that may be dates."""
    for all_rows in (False, True):
        texts = raw.texts.texts if all_rows else pa.array(raw.first_texts, pa.large_string())
        plain = normalised(texts)
        there = ~DateNotation(formats=()).absent(plain) & ~are_gaps(plain)
        if there.any():
            found: list[str] = texts.filter(pa.array(there))[:FIRST_TEXTS].to_pylist()
            return found
    return []


def _of_stamps(raw: RawColumn) -> FoundDates:
    """Of a column of time stamps."""
    dtype = raw.series.dtype
    is_utc = not isinstance(dtype, pd.DatetimeTZDtype) or str(dtype.tz) in ("UTC", "Etc/UTC", "GMT", "+00:00")
    stamps = typed_stamps(raw.series)
    known, rows = np.unique(stamps.local.as_unit("us").asi8[np.asarray(stamps.local.notna())], return_counts=True)
    missing, notes = extremes_of(raw.name, known, rows, _said(raw))
    notes += calendar_notes(raw.name, known)
    missing = (*_wished_missing(raw), *missing)
    if is_utc and not missing:
        return FoundDates(ISO, notes=notes)
    formats = (_plain_form(known),) if is_utc else LOCAL_ISO.formats
    return FoundDates(notation=DateNotation(formats=formats, missing=missing), notes=notes)


def _said(raw: RawColumn) -> tuple[str, ...]:
    """Dates that the user says what to make of."""
    return (*raw.wish.values, *raw.wish.missing)


def _plain_form(moments: NDArray[np.int64]) -> str:
    """The shortest form of ISO 8601 that says moments in microseconds."""
    return next((form for unit, form in ISO_FORMS.items() if not (moments % unit).any()), "%Y-%m-%dT%H:%M:%S.%f")


def _of_numbers(raw: RawColumn, *, wished: bool) -> FoundDates | None:
    found = dates_of_numbers(raw, wished=wished)
    return None if found is None else FoundDates(notation=found[0], notes=found[1])


def _wished_missing(raw: RawColumn) -> tuple[str, ...]:
    return tuple(normalised(pa.array(raw.wish.missing, pa.string())).to_pylist())


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
        return _of_stamps(raw)
    notation = DateNotation(formats=(wanted,), order=order_of_format(wanted), yearless=_has_no_year(wanted))
    written = pa.array([probe.strftime(wanted)])
    local, _, read = notation.read(written, normalised(written))
    expected = readable.replace(year=ANY_YEAR) if notation.yearless else readable
    if not read[0] or local.view("M8[us]")[0] != expected.to_datetime64():
        notation = replace(notation, order=None, exact=True)
    distinct = raw.texts
    gaps = _gaps_of_format(distinct, replace(notation, missing=_wished_missing(raw)))
    notation = replace(notation, missing=(*_wished_missing(raw), *gaps.learned))
    notes = gaps_note(raw.name, gaps.rows)
    if wanted in DATETIME_FORMATS and not notation.missing:
        try:
            plain_stamps(raw.series, raw.name, wanted)
        except InvalidValueError:
            pass
        else:
            return FoundDates(wanted, notes=notes)
    try:
        stamps = notation.stamps(raw.series, raw.name)
    except InvalidValueError as error:
        raise DataError(f"{raw.origin}: {option}: {error}") from None
    if not stamps.local.notna().any():
        raise DataError(f"{raw.origin}: {option}: no cell of the column '{raw.name}' is written so")
    return FoundDates(notation=notation, notes=notes)


def _has_no_year(wanted: str) -> bool:
    """Whether a format says the day and the month, but no year."""
    said = set(re.findall("%-?(.)", wanted))
    return not said & set("YyGcxDsF") and "d" in said and bool(said & set("mbBh"))


def _gaps_of_format(distinct: DistinctTexts, notation: DateNotation) -> Gaps:
    """Cells without a digit that are no dates: words for a missing one."""
    texts = normalised(distinct.texts)
    gap = ~notation.absent(texts) & ~notation.read(distinct.texts, texts)[2]
    digits = np.asarray(pc.match_substring_regex(texts, "[0-9]").to_numpy(zero_copy_only=False), bool)
    gap &= are_gaps(texts) | ~digits
    chosen = pa.array(gap)
    rows = distinct.rows[gap]
    return gaps_of(distinct.texts.filter(chosen), texts.filter(chosen), rows, int(distinct.rows.sum()), wished=True)


def _are_numbers(texts: Sequence[str]) -> bool:
    """Whether there are some, and all are numbers. 03.2024 is a number for Python."""
    return bool(texts) and all(map(is_number_text, texts)) and not _are_months(texts)


def _are_months(texts: Sequence[str]) -> bool:
    return all(re.fullmatch(r"\s*(0[1-9]|1[0-2])\.(19|20)[0-9]{2}\s*", text) for text in texts)


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """Distinct texts of a column.

    Attributes:
        cells: they, and the rows that have them.
        plain: they, normalised.
    """

    cells: DistinctTexts
    plain: pa.Array

    def chosen(self, mask: NDArray[np.bool_]) -> _Texts:
        """Some of them."""
        if mask.all():
            return self
        there = np.flatnonzero(mask)
        places = np.full(len(self.plain) + 1, len(there))
        places[there] = np.arange(len(there))
        some = pa.array(there)
        cells = DistinctTexts(self.cells.texts.take(some), places[self.cells.codes])
        return _Texts(cells=cells, plain=self.plain.take(some))

    def without(self, others: _Texts) -> _Texts:
        """Those that are not among some of them."""
        found = pc.is_in(self.plain, value_set=others.plain)
        return self.chosen(~np.asarray(found.to_numpy(zero_copy_only=False), bool))


def _of_texts(raw: RawColumn, distinct: DistinctTexts, *, wished: bool) -> FoundDates | None:
    missing = _wished_missing(raw)
    every = _Texts(cells=distinct, plain=normalised(distinct.texts))
    known = every.chosen(~DateNotation(formats=(), missing=missing).absent(every.plain))
    last_year = last_year_of(raw.name)
    plain = read_texts(known.plain, None, last_year=last_year)
    texts, total = known, int(known.cells.rows.sum())
    if not plain.read.all():
        texts = known.chosen(plain.read | ~are_gaps(known.plain))
        plain = read_texts(texts.plain, None, last_year=last_year)
    yearless = find_yearless(raw, texts.plain, plain) if len(texts.plain) else None
    doubt, has_short = None, plain.has_short
    if yearless is not None and yearless.are_days:
        has_short = False
        read, order, serials, notes = np.ones(len(texts.plain), bool), None, False, yearless.notes
        local = read_texts(texts.plain, None, yearless=True).local
    else:
        doubt = _doubt(raw, texts, plain)
        order, notes = settle(doubt) if doubt.candidates else (None, ())
        notes = (*(yearless.notes if yearless is not None else ()), *notes, *unpadded_note(doubt))
        local, read, serials = doubt.settled(order)
        has_short |= order in doubt.short
        notes += _fiscal_note(raw.name, texts, plain) + _serial_note(raw.name, texts, doubt.serial)
    dated = texts.chosen(read)
    if not read.any() or (wished is False and read.mean() < 1 - DATE_SHARE):
        return None
    if not wished and doubt is not None and may_be_versions(doubt, order, read):
        return FoundDates(refusal=f"texts such as '{dated.cells.texts[0].as_py().strip()}' can be numbers of versions")
    none = known.chosen(~read) if texts is known else known.without(dated)
    gaps = gaps_of(none.cells.texts, none.plain, none.cells.rows, total, wished=wished)
    if gaps.refusal:
        return FoundDates(refusal=gaps.refusal) if gaps.is_told or wished else None
    ends, far = extremes_of(raw.name, local[read], dated.cells.rows, _said(raw))
    notes = (*notes, *gaps_note(raw.name, gaps.rows), *far)
    days = yearless is not None and yearless.are_days
    if has_short:
        notes += century_notes(raw.name, dated.cells.texts, dated.plain, dated.cells.rows, order)
    notes += calendar_notes(raw.name, local[read])
    missing = (*missing, *gaps.learned, *ends)
    if plain.read.all() and not days:
        found = _iso(raw, texts.plain, missing, _plain_form(local) if missing else ISO)
        if found is not None:
            return replace(found, notes=notes)
    formats = _formats(dated.cells, order, yearless=days)
    if len(formats) == 1 and formats[0] in DATETIME_FORMATS and not missing and not serials:
        try:
            plain_stamps(raw.series, raw.name, formats[0], raw.only_texts)
        except InvalidValueError:
            pass
        else:
            return FoundDates(formats[0], notes=notes)
    notation = DateNotation(
        formats=formats,
        order=order,
        missing=missing,
        yearless=days,
        serials=serials,
        last_year=last_year if has_short else None,
    )
    return FoundDates(notation=notation, notes=notes)


def _iso(raw: RawColumn, texts: pa.Array, missing: tuple[str, ...], form: str) -> FoundDates | None:
    """Dates in ISO 8601; those with other offsets than none keep the time that is written."""
    if not pc.all(pc.match_substring_regex(texts, ISO_LIKE)).as_py():
        return None
    offsets = texts.filter(pc.match_substring_regex(texts, OFFSET))
    has_offsets = not pc.all(pc.match_substring_regex(offsets, NO_OFFSET), min_count=0).as_py()
    if has_offsets or missing:
        return FoundDates(notation=DateNotation(formats=(ISO if has_offsets else form,), missing=missing))
    try:
        plain_stamps(raw.series, raw.name, ISO, raw.only_texts)
    except InvalidValueError:
        return None
    return FoundDates(ISO)


def _doubt(raw: RawColumn, texts: _Texts, plain: WrittenMoments) -> Doubt:
    """What is left open when all is read that is sure."""
    days, serial = read_serials(texts.plain)
    serial &= ~plain.read
    left = np.flatnonzero(~plain.read & ~serial)
    readings = {
        order: read_texts(texts.plain.take(pa.array(left)), order, last_year=last_year_of(raw.name))
        for order in (DateOrder if len(left) else ())
    }
    best = max((reading.read.sum() for reading in readings.values()), default=0)
    first = next((order for order, reading in readings.items() if reading.read.sum() == best), None)
    kept = readings[first].read if first is not None else np.zeros(len(left), bool)
    candidates = tuple(order for order, reading in readings.items() if best and (reading.read == kept).all())
    dates = int(plain.read.sum()) + int(kept.sum())
    if dates < SERIAL_SHARE * (dates + serial.sum()):
        serial[:] = False
    return Doubt(
        raw=raw,
        codes=texts.cells.codes,
        places=left[kept],
        texts=texts.plain.take(pa.array(left[kept])),
        moments={order: readings[order].local[kept] for order in candidates},
        plain=plain,
        serial=serial,
        days=days,
        short=frozenset(order for order, reading in readings.items() if reading.has_short),
    )


def _serial_note(column: str, texts: _Texts, serial: NDArray[np.bool_]) -> tuple[Note, ...]:
    if not serial.any():
        return ()
    place = int(np.flatnonzero(serial)[0])
    number = texts.plain[place].as_py()
    day = read_serials(texts.plain.slice(place, 1))[0].view("M8[us]")[0].astype("M8[D]")
    rows = int(texts.cells.rows[serial].sum())
    why = f"has numbers such as {number} among its dates, in {rows_text(rows)}"
    option = f"--categorical '{column}' keeps all of it as categories"
    return (Note(column=column, why=why, done=f"read as days that Excel counts, {number} as {day}", option=option),)


def _fiscal_note(column: str, texts: _Texts, plain: WrittenMoments) -> tuple[Note, ...]:
    if not FISCAL & set(plain.names):
        return ()
    shown = texts.cells.texts[0].as_py().strip()
    option = f"--categorical '{column}' keeps categories"
    why = f"has fiscal years, such as '{shown}', which begin in any month"
    return (Note(column=column, why=why, done="read as years that begin in January", option=option),)


def _formats(chosen: DistinctTexts, order: DateOrder | None, *, yearless: bool) -> tuple[str, ...]:
    """The formats of some of the texts, the most frequent one first."""
    places = np.unique(np.linspace(0, len(chosen.texts) - 1, FORMAT_TEXTS).round().astype(np.int64))
    rows = chosen.rows
    counts: Counter[str] = Counter()
    for place in places:
        written = written_as(" ".join(chosen.texts[int(place)].as_py().split()), order, yearless=yearless)
        if written is not None:
            counts[written] += int(rows[place])
    # May is a full name, too
    for full in [name for name in counts if "%B" in name]:
        counts[full] += counts.pop(full.replace("%B", "%b"), 0)
    return tuple(name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_FORMATS])
