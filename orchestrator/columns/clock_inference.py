"""Finds out whether a column has times of the day, or durations, or pairs of numbers that are neither."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.clock_notation import PLAIN_DURATIONS, DurationNotation, absent_clocks
from orchestrator.columns.clock_texts import Seconds, read_durations, read_times
from orchestrator.columns.codes import words_of
from orchestrator.columns.date_gaps import are_words, gaps_note
from orchestrator.columns.date_words import no_dates
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.notes import Note
from orchestrator.columns.number_inference import PLACEHOLDER_SHARE
from orchestrator.columns.ranges import are_clock_ranges
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import is_number_text

FIRST_TEXTS = 50
# hours of times of the day are seldom all in the early morning, those of durations are
SHORT_HOURS, NOON = 6, 12
# a few texts of a number and a letter, such as 2d and 3d, are names of something; with different units they are not
NUMEROUS, SEVERAL = 10, 3
# so many different pairs, with so many second numbers and none in the second half of an hour, are no times
MANY_PAIRS, MANY_SECONDS, HALF_AN_HOUR = 12, 5, 30
UNPADDED, PAIR, HOURS = r"^[0-9]:[0-9]{2}", r"^[-+]?[0-9]+:[0-9]{2}$", r"^[0-9]{1,2}h[0-9]{2}$"
# terms of contracts: in months, and the most of each unit
TERM_MONTHS = frozenset({1, 2, 3, 4, 6, 9, 12, 15, 18, 24, 30, 36, 48, 60, 72, 84, 96, 120, 180, 240, 300, 360})
LONGEST_TERMS = {"D": 31, "W": 52, "M": 360, "Y": 60}
# pandas writes durations so that are all of whole days
# of 3:59.122 only seconds can be
FRACTION = r"^[-+]?[0-9]+:[0-9]{2}[.,][0-9]"
WHOLE_DAYS = "^-?[0-9]+ days$"
TERM_NAMES = frozenset(
    {"term", "terms", "tenor", "tenors", "maturity", "duration", "period", "laufzeit", "plazo", "frist", "horizon"}
)
TERM = r"^\s*[0-9]{1,3} ?[DWMY]\s*$"
FEW_TERMS = 40
OFFSET = r" ?(?:z|[+-][0-9]{2}:?[0-9]{2}|[a-z]{3,4}(?:[+-][0-9]{1,2})?)"
SHORT_FORMATS = {"%H:%M": "h", "%M:%S": "m"}


@dataclass(frozen=True, kw_only=True)
class FoundClock:
    """What a column of times is.

    Attributes:
        is_duration: or else it is one of times of the day.
        notation: of durations.
        notes: what the user should know.
        refusal: why it is none of both although it looks so; empty if it is one.
        option: what reads it all the same.
    """

    is_duration: bool
    notation: DurationNotation = PLAIN_DURATIONS
    notes: tuple[Note, ...] = ()
    refusal: str = ""
    option: str = ""


@dataclass(frozen=True, kw_only=True)
class _Clocks:
    """Distinct texts of a column.

    Attributes:
        name: of the column.
        written, texts: those that are there, as they stand and normalised.
        gaps: the others, with their rows.
        rows: that have a value.
    """

    name: str
    written: pa.Array
    texts: pa.Array
    gaps: Mapping[str, int]
    rows: int

    @property
    def shown(self) -> str:
        """One of them, in a sentence."""
        return str(self.written[0].as_py()).strip()

    def matches(self, pattern: str) -> NDArray[np.bool_]:
        """Which of them match."""
        return np.asarray(pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False), bool)


def find_clock(raw: RawColumn, *, wished: bool = False) -> FoundClock | None:
    """Whether a column has times of the day, or durations; None if it has neither.

    Args:
        raw: the column.
        wished: whether the user says that it has.
    """
    kind = raw.series.dtype
    if pd.api.types.is_timedelta64_dtype(kind):
        return FoundClock(is_duration=True)
    if pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind):
        return None
    some = raw.first_texts[:FIRST_TEXTS]
    if raw.are_first_numbers or (some and are_words(some)):
        return None
    few = _there(pa.array(raw.first_texts[: 2 * FIRST_TEXTS], pa.large_string()))[:FIRST_TEXTS]
    if len(few) and not _reads_all(few):
        return None
    clocks = _clocks(raw)
    if not len(clocks.texts) or all(map(is_number_text, clocks.texts[:FIRST_TEXTS].to_pylist())):
        return None
    found = _found(raw, clocks, wished=wished)
    if found is None or found.refusal:
        return found
    none = sum(clocks.gaps.values())
    if none > PLACEHOLDER_SHARE * clocks.rows and not wished:
        share, example = 100 * none / clocks.rows, next(iter(clocks.gaps))
        limit = f"more than {100 * PLACEHOLDER_SHARE:.0f} % are too many"
        why = f"{share:.0f} % of its cells stand for a missing value, such as '{example}', and {limit}"
        option = f"--{'duration' if found.is_duration else 'time-of-day'} '{raw.name}' takes them as missing"
        return replace(found, refusal=why, option=option)
    return replace(found, notes=(*found.notes, *gaps_note(raw.name, clocks.gaps, "times")))


def _there(texts: pa.Array) -> pa.Array:
    texts = normalised(texts)
    return texts.filter(pa.array(~absent_clocks(texts)))


def _clocks(raw: RawColumn) -> _Clocks:
    distinct = raw.texts
    texts = normalised(distinct.texts)
    absent = absent_clocks(texts)
    there = pa.array(~absent)
    gap = np.flatnonzero(no_dates(texts))
    counts = distinct.rows
    known = int(counts[~absent].sum())
    gaps = {distinct.texts[int(at)].as_py(): int(counts[at]) for at in gap}
    return _Clocks(
        name=raw.name,
        written=distinct.texts.filter(there),
        texts=texts.filter(there),
        gaps=gaps,
        rows=known + sum(gaps.values()),
    )


def _reads_all(texts: pa.Array) -> bool:
    if not np.isnan(read_times(texts)).any():
        return True
    return any(not np.isnan(read_durations(texts, "m", months=months)[0]).all() for months in (False, True))


def _found(raw: RawColumn, clocks: _Clocks, *, wished: bool) -> FoundClock | None:
    terms = _terms(clocks)
    if terms is not None:
        return terms
    texts = clocks.texts
    is_time = not np.isnan(read_times(texts)).any() and not are_clock_ranges(texts)
    # meaning of 12:30 matters only where longer ones are beside it
    lengths, shapes = read_durations(texts, "h")
    minutes = shapes.keys() & {"clock", "days"} or clocks.matches(FRACTION).any()
    short = "m" if minutes and "short" in shapes else "h"
    months = "spoken" in shapes and _has_months(texts)
    notation = DurationNotation(short, months)
    is_duration = "number" not in shapes and not np.isnan(read_durations(texts, short, months=months)[0]).any()
    if not is_time and not is_duration:
        return None
    if clocks.matches(PAIR).all() and not wished:
        return _pairs(clocks, is_time=is_time, is_duration=is_duration)
    if not is_time:
        found = FoundClock(is_duration=True, notation=notation)
        return _with_units(raw, clocks, found, wished=wished) if shapes.keys() == {"spoken"} else found
    if is_duration and _look_short(clocks, shapes, lengths):
        note = _doubt(clocks, "duration", "time-of-day", "time of the day")
        return FoundClock(is_duration=True, notation=notation, notes=(note,))
    unsure = is_duration and (clocks.matches(UNPADDED).all() or clocks.matches(HOURS).all())
    if unsure and not (clocks.matches("^0[0-9]").any() or lengths.max() > NOON * 3600):
        return FoundClock(is_duration=False, notes=(_doubt(clocks, "time of the day", "duration", "duration"),))
    return FoundClock(is_duration=False, notes=_offsets_note(clocks))


def _offsets_note(clocks: _Clocks) -> tuple[Note, ...]:
    """About times with different offsets from UTC, which have no common one without a date."""
    found = pc.struct_field(pc.extract_regex(clocks.texts, rf"(?P<zone>{OFFSET})$"), "zone")
    several = pc.unique(found).to_pylist()
    if len(several) == 1:
        return ()
    shown = ", ".join(f"'{zone.strip()}'" if zone is not None else "none" for zone in several[:3])
    return (
        Note(
            column=clocks.name,
            why=f"has times with different offsets ({shown})",
            done="read as the local times that are written",
            option=f"--categorical '{clocks.name}' reads categories",
        ),
    )


def _look_short(clocks: _Clocks, shapes: Mapping[str, int], lengths: Seconds) -> bool:
    """Whether times with seconds, or with an h and no zero in front, are all of a few hours."""
    if "short" in shapes or lengths.max() >= SHORT_HOURS * 3600:
        return False
    return "hours" not in shapes or not clocks.matches("^0[0-9]").any()


def _has_months(texts: pa.Array) -> bool:
    """Whether an m is a month: years are beside it, and neither hours nor seconds."""
    units = _units(texts)
    return "m" in units and "y" in units and not units & {"h", "s"}


def _units(texts: pa.Array) -> set[str]:
    """First letters of what stands behind the numbers of some texts."""
    found = {word for text in texts[:500].to_pylist() for word in re.findall(r"[0-9] ?([^\W\d_]+)", text)}
    return {"o" if word.startswith("mo") else "x" if word.startswith("ms") else word[0] for word in found}


def _with_units(raw: RawColumn, clocks: _Clocks, found: FoundClock, *, wished: bool) -> FoundClock | None:
    """Whether numbers with units are durations: one letter can mean much, as in seats, sizes and credits."""
    units = _units(clocks.texts)
    if wished:
        return found
    if clocks.matches(WHOLE_DAYS).all():
        return found
    if len(units) == 1 and not clocks.matches(" ?[0-9].* [0-9]").any():
        reading = raw.number_reading
        if reading is not None and reading.notation is not None:
            # numbers of one unit
            return None
    if clocks.matches("[a-z]{3}|[a-z].*[a-z]").any():
        return found
    capitals = np.asarray(pc.match_substring_regex(clocks.written, "[A-Z]").to_numpy(zero_copy_only=False), bool)
    if len(clocks.texts) < (SEVERAL if len(units) > 1 else NUMEROUS) or capitals.any():
        return None
    note = Note(
        column=clocks.name,
        why=f"has numbers with one letter, such as '{clocks.texts[0].as_py()}'",
        done="read as durations",
        option=f"--categorical '{clocks.name}' reads them as categories",
    )
    return replace(found, notes=(note,))


def _terms(clocks: _Clocks) -> FoundClock | None:
    """Whether 3M, 6M and 1Y are terms in months and years, rather than millions or sizes."""
    if len(clocks.texts) > FEW_TERMS or len(clocks.texts) < 2:  # noqa: PLR2004
        return None
    if not pc.all(pc.match_substring_regex(clocks.written, TERM)).as_py():
        return None
    terms = [(int(re.sub("[^0-9]", "", text)), text.strip()[-1]) for text in clocks.written.to_pylist()]
    units = {unit for _, unit in terms}
    months = {number for number, unit in terms if unit == "M"}
    named = not TERM_NAMES.isdisjoint(words_of(clocks.name))
    if "M" not in units or not months <= TERM_MONTHS or any(number > LONGEST_TERMS[unit] for number, unit in terms):
        return None
    usual = bool(months & {6, 12}) and len(months) > 1
    if not named and (not usual if units == {"M"} else "Y" not in units):
        return None
    option = "numeric" if units == {"M"} else "categorical"
    note = Note(
        column=clocks.name,
        why=f"has terms such as '{clocks.shown}'",
        done="read as durations, an M as a month",
        option=f"--{option} '{clocks.name}' reads {'numbers' if option == 'numeric' else 'categories'}",
    )
    return FoundClock(is_duration=True, notation=DurationNotation("h", True), notes=(note,))


def _pairs(clocks: _Clocks, *, is_time: bool, is_duration: bool) -> FoundClock | None:
    """Two numbers with a colon between: times of the day, lengths, or scores and ratios."""
    parts = pc.extract_regex(clocks.texts, pattern=r"^[-+]?(?P<first>[0-9]+):(?P<second>[0-9]{2})$")
    first, second = (
        pc.struct_field(parts, name).cast(pa.int64()).to_numpy(zero_copy_only=False) for name in ("first", "second")
    )
    option = (
        f"--time-of-day '{clocks.name}' reads times of the day"
        if is_time
        else f"--duration '{clocks.name}' reads durations"
    )
    # scores and ratios have no zero in front of a second number, and no sign
    padded = bool((second < 10).any() or clocks.matches("^[-+]").any())  # noqa: PLR2004
    different = len(np.unique(second))
    many = len(first) >= MANY_PAIRS and different >= MANY_SECONDS
    early = second.max() < HALF_AN_HOUR and (many or (not padded and different >= SEVERAL))
    if early or not (padded or is_time):
        refusal = f"pairs of numbers such as '{clocks.shown}' look like scores or ratios"
        return FoundClock(is_duration=not is_time, refusal=refusal, option=option)
    # few times of the day are round ones
    odd = is_time and len(first) < MANY_PAIRS and second.max() < HALF_AN_HOUR and bool((second % 5).any())
    if not padded or odd:
        return FoundClock(is_duration=False, notes=(_pairs_note(clocks),))
    if not is_time:
        note = Note(
            column=clocks.name,
            why=f"has lengths such as '{clocks.shown}', which can be hours and minutes or minutes and seconds",
            done="read as hours and minutes",
            option=f"--duration '{clocks.name}' with --date-format '{clocks.name}=%M:%S' reads minutes and seconds",
        )
        return FoundClock(is_duration=True, notes=(note,))
    unpadded = is_duration and clocks.matches(UNPADDED).all()
    notes = (_doubt(clocks, "time of the day", "duration", "duration"),) if unpadded else ()
    return FoundClock(is_duration=False, notes=notes)


def _pairs_note(clocks: _Clocks) -> Note:
    return Note(
        column=clocks.name,
        why=f"has pairs of numbers such as '{clocks.shown}', which can be times of the day, lengths, scores or ratios",
        done="read as times of the day",
        option=f"--categorical '{clocks.name}' reads categories, --duration '{clocks.name}' durations",
    )


def _doubt(clocks: _Clocks, taken: str, option: str, other: str) -> Note:
    return Note(
        column=clocks.name,
        why=f"has times such as '{clocks.shown}' that can be a time of the day or a duration",
        done=f"read as {taken}",
        option=f"--{option} '{clocks.name}' reads it as {other}",
    )
