"""Columns of times of the day and of durations: which of both they are, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.clock_texts import Seconds, read_durations, read_times
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.distinct import DistinctTexts, distinct_texts
from orchestrator.columns.notation import Notation
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import MISSING_STRINGS, Series, is_number_text, shorten
from orchestrator.errors import InvalidValueError

FIRST_TEXTS = 50
# hours of times of the day are seldom all in the early morning, those of durations are
SHORT_HOURS = 6
# a few texts of a number and a letter, such as 2d and 3d, are names of something
NUMEROUS = 10
PADDED, UNPADDED = r"^[0-9]{2}:[0-9]{2}:[0-9]{2}", r"^[0-9]:[0-9]{2}"


@dataclass(frozen=True)
class DurationNotation(Notation):
    """How the durations of a column are written.

    Attributes:
        short: what is first in 12:30, "h" for hours or "m" for minutes.
    """

    short: str = "h"

    def __post_init__(self) -> None:
        if self.short not in ("h", "m"):
            raise ValueError("a form of durations is not known")

    def to_json(self) -> dict[str, Any]:
        """See `Notation`."""
        return {"short": self.short}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Notation`."""
        return cls(content["short"])

    def plain(self, series: Series) -> Series:
        """See `Notation`: seconds."""
        return pd.Series(duration_seconds(series, str(series.name), self.short), index=series.index)


def duration_seconds(series: Series, column: str, short: str) -> Seconds:
    """Seconds of a column of durations, float64 [rows], NaN where missing; numbers are seconds.

    Raises:
        InvalidValueError: a cell is no duration.
    """
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return np.asarray(series.dt.total_seconds(), np.float64)
    return _read(series, column, lambda texts: read_durations(texts, short)[0], "a duration such as 1:23:45 or PT1H30M")


def time_seconds(series: Series, column: str) -> Seconds:
    """Seconds since midnight of a column of times of the day, float64 [rows], NaN where missing.

    Raises:
        InvalidValueError: a cell is no time of the day.
    """
    return _read(series, column, read_times, "a time of the day such as 14:30 or 2:30 PM")


def _read(series: Series, column: str, read: Callable[[pa.Array], Seconds], wanted: str) -> Seconds:
    distinct = distinct_texts(series)
    texts = normalised(distinct.texts)
    seconds = read(texts)
    bad = np.flatnonzero(np.isnan(seconds) & ~_absent(texts))
    if len(bad):
        row = distinct.first_row(int(bad[0]))
        value = shorten(series.iloc[row])
        raise InvalidValueError(f"row {row + 1}, column '{column}': {value} is not {wanted}", column, row)
    return np.append(seconds, np.nan)[distinct.codes]


def _absent(texts: pa.Array) -> NDArray[np.bool_]:
    words = pa.array(sorted(MISSING_STRINGS), pa.string())
    return np.asarray(pc.is_in(texts, value_set=words).to_numpy(zero_copy_only=False), bool)


@dataclass(frozen=True)
class FoundClock:
    """What a column of times is.

    Attributes:
        is_duration: or else it is one of times of the day.
        short: see `DurationNotation`.
        notes: what the user should know.
    """

    is_duration: bool
    short: str = "h"
    notes: tuple[Note, ...] = ()


def find_clock(raw: RawColumn) -> FoundClock | None:
    """Whether a column has times of the day, or durations; None if it has neither."""
    if pd.api.types.is_timedelta64_dtype(raw.series.dtype):
        return FoundClock(is_duration=True)
    if pd.api.types.is_numeric_dtype(raw.series.dtype) or pd.api.types.is_datetime64_any_dtype(raw.series.dtype):
        return None
    first = _there(distinct_texts(raw.series.iloc[:1000]))[:FIRST_TEXTS]
    if not len(first) or all(map(is_number_text, first.to_pylist())) or not _reads_all(first):
        return None
    distinct = distinct_texts(raw.series)
    texts = _there(distinct)
    is_time = not np.isnan(read_times(texts)).any()
    # meaning of 12:30 matters only where longer ones are beside it
    lengths, shapes = read_durations(texts, "h")
    short = "m" if shapes.keys() & {"clock", "days"} and "short" in shapes else "h"
    is_duration = "number" not in shapes and not np.isnan(read_durations(texts, short)[0]).any()
    if is_duration and not is_time:
        return _spoken(raw.name, distinct, texts, short) if shapes.keys() == {"spoken"} else FoundClock(True, short)
    if not is_time:
        return None
    if is_duration and "short" not in shapes and _look_short(texts, lengths):
        return FoundClock(True, short, (_doubt(raw, "duration", "time-of-day", "time of the day"),))
    unpadded = is_duration and pc.all(pc.match_substring_regex(texts, UNPADDED)).as_py()
    notes = (_doubt(raw, "time of the day", "duration", "duration"),) if unpadded else ()
    return FoundClock(False, notes=notes)


def _there(distinct: DistinctTexts) -> pa.Array:
    texts = normalised(distinct.texts)
    return texts.filter(pa.array(~_absent(texts)))


def _reads_all(texts: pa.Array) -> bool:
    return not np.isnan(read_times(texts)).any() or not np.isnan(read_durations(texts, "m")[0]).all()


def _spoken(name: str, distinct: DistinctTexts, texts: pa.Array, short: str) -> FoundClock | None:
    """Whether numbers with units are durations: one letter can mean much, as in seats, sizes and credits."""
    if pc.any(pc.match_substring_regex(texts, "[a-z]{3}|[a-z].*[a-z]")).as_py():
        return FoundClock(True, short)
    if len(texts) < NUMEROUS or pc.any(pc.match_substring_regex(distinct.texts, "[A-Z]")).as_py():
        return None
    note = Note(
        column=name,
        why=f"has numbers with one letter, such as '{texts[0].as_py()}'",
        done="read as durations",
        option=f"--categorical '{name}' reads them as categories",
    )
    return FoundClock(True, short, (note,))


def _look_short(texts: pa.Array, lengths: Seconds) -> bool:
    """Whether times with seconds are all of a few hours."""
    return bool(lengths.max() < SHORT_HOURS * 3600)


def _doubt(raw: RawColumn, taken: str, option: str, other: str) -> Note:
    shown = str(raw.series.dropna().iloc[0]).strip()
    return Note(
        column=raw.name,
        why=f"has times such as '{shown}' that can be a time of the day or a duration",
        done=f"read as {taken}",
        option=f"--{option} '{raw.name}' reads it as {other}",
    )
