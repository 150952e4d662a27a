"""Columns of times of the day and of durations: how they are written."""

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
from orchestrator.columns.date_words import no_dates
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.distinct import distinct_texts
from orchestrator.columns.notation import Notation
from orchestrator.columns.values import MISSING_STRINGS, Series, seconds_of, shorten
from orchestrator.errors import InvalidValueError


@dataclass(frozen=True)
class DurationNotation(Notation):
    """How the durations of a column are written.

    Attributes:
        short: what is first in 12:30, "h" for hours or "m" for minutes.
        months: whether an m alone means months.
    """

    short: str = "h"
    months: bool = False

    def __post_init__(self) -> None:
        if self.short not in ("h", "m") or not isinstance(self.months, bool):
            raise ValueError("a form of durations is not known")

    def to_json(self) -> dict[str, Any]:
        """See `Notation`."""
        return {"short": self.short} | ({"months": True} if self.months else {})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Notation`."""
        return cls(content["short"], content.get("months", False))

    def plain(self, series: Series) -> Series:
        """See `Notation`: seconds."""
        return pd.Series(duration_seconds(series, str(series.name), self), index=series.index)


PLAIN_DURATIONS = DurationNotation()


def duration_seconds(series: Series, column: str, notation: DurationNotation = PLAIN_DURATIONS) -> Seconds:
    """Seconds of a column of durations, float64 [rows], NaN where missing; numbers are seconds.

    Raises:
        InvalidValueError: a cell is no duration.
    """
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return seconds_of(series)

    def read(texts: pa.Array) -> Seconds:
        return read_durations(texts, notation.short, months=notation.months)[0]

    return _read(series, column, read, "a duration such as 1:23:45 or PT1H30M")


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
    bad = np.flatnonzero(np.isnan(seconds) & ~absent_clocks(texts))
    if len(bad):
        row = distinct.first_row(int(bad[0]))
        value = shorten(series.iloc[row])
        raise InvalidValueError(f"row {row + 1}, column '{column}': {value} is not {wanted}", column, row)
    return np.append(seconds, np.nan)[distinct.codes]


def absent_clocks(texts: pa.Array) -> NDArray[np.bool_]:
    """Which of some normalised texts stand for a missing time or duration."""
    words = pa.array(sorted(MISSING_STRINGS), pa.string())
    return np.asarray(pc.is_in(texts, value_set=words).to_numpy(zero_copy_only=False), bool) | no_dates(texts)
