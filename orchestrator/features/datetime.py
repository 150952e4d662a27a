"""Dates and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.date_inference import find_dates, follow_format
from orchestrator.columns.date_notation import DateNotation, Stamps, plain_stamps
from orchestrator.columns.date_orders import strange_order
from orchestrator.columns.date_padded import ISO
from orchestrator.columns.date_yearless import day_and_month, day_of_year
from orchestrator.columns.distinct import DistinctTexts
from orchestrator.columns.notes import Note
from orchestrator.columns.patterns import date_pattern
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features._base import FormControl, JsonSchema, JsonValue, Reads, Recognised
from orchestrator.features._numbers import NumberKind, Numbers
from orchestrator.features.column import Column, ColumnKind

# of the time as it is written, but for the days, which count from 1970 on in UTC
PLAIN_PARTS = ("days", "year", "month", "day", "day_of_week", "hour", "minute")
# places on a circle, so that midnight is near 23:59 and December near January
CYCLES = {"time_of_day": 86_400, "day_of_week": 7, "day_of_year": 366}
CYCLIC_PARTS = tuple(f"{cycle}_{side}" for cycle in CYCLES for side in ("sin", "cos"))
DATETIME_PARTS = PLAIN_PARTS + CYCLIC_PARTS


class DatetimeKind(NumberKind):
    """Days since 1970, and the parts of the date that are not always the same."""

    kind = ColumnKind.DATETIME
    datatype = "BYTES"
    control = FormControl(Reads.DATE)
    only_texts = True
    follows = frozenset({"date_format", "missing", "values"})
    notation = DateNotation
    parts = DATETIME_PARTS

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`: all values are dates, but for a few that are said."""
        if raw.wish.date_format is not None:
            return self.obey(raw)
        found = find_dates(raw)
        if found is None or found.refusal:
            return None
        return Recognised(Column(raw.name, self.kind, found.datetime_format, found.notation), found.notes)

    def obey(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`."""
        if raw.wish.date_format is not None:
            found = follow_format(raw, raw.wish.date_format)
        else:
            dates = find_dates(raw, wished=True)
            if dates is None or dates.refusal:
                raise DataError(self._refusal(raw, "" if dates is None else dates.refusal))
            found = dates
        return Recognised(Column(raw.name, self.kind, found.datetime_format, found.notation), found.notes)

    def _refusal(self, raw: RawColumn, why: str) -> str:
        hint = ""
        if not why:
            why, hint = "no cell is a date", f" (--date-format '{raw.name}=FORMAT' says how they are written)"
            try:
                DateNotation(formats=("dates are written",)).stamps(raw.series, raw.name)
            except InvalidValueError as error:
                why = str(error)
        return f"{raw.origin}: the column '{raw.name}' cannot be read as dates: {why}{hint}"

    def regrets(self, raw: RawColumn) -> tuple[Note, ...]:
        """See `FeatureKind`."""
        note = day_and_month(raw) or day_of_year(raw) or strange_order(raw)
        if note is not None:
            return (note,)
        found = find_dates(raw)
        if found is None or not found.refusal:
            return ()
        return (
            Note(
                column=raw.name,
                why="is not read as dates, although it has many",
                done=found.refusal,
                option=f"--date '{raw.name}' reads dates, and takes what is none as missing",
            ),
        )

    def parse(self, column: Column, series: Series) -> Numbers:
        """See `FeatureKind`."""
        return self._parts(column, stamps_of(column, series))

    def parse_raw(self, column: Column, raw: RawColumn) -> Numbers:
        """See `FeatureKind`."""
        return self._parts(column, stamps_of(column, raw.series, raw.only_texts))

    def _parts(self, column: Column, stamps: Stamps) -> Numbers:
        days = (stamps.utc - pd.Timestamp("1970-01-01", tz=stamps.utc.tz)) / pd.Timedelta(days=1)
        found: dict[str, NDArray[np.float64]] = {"days": np.asarray(days, np.float64)}
        for part in PLAIN_PARTS[1:]:
            found[part] = np.asarray(getattr(stamps.local, part), dtype=np.float64)
        if isinstance(column.notation, DateNotation) and column.notation.yearless:
            # a day of every year has no weekday
            found["day_of_week"] *= 0
        seconds = found["hour"] * 3600 + found["minute"] * 60 + np.asarray(stamps.local.second, np.float64)
        places = {
            "time_of_day": seconds,
            "day_of_week": found["day_of_week"],
            "day_of_year": np.asarray(stamps.local.day_of_year, np.float64) - 1,
        }
        for cycle, place in places.items():
            missing = np.isnan(place)
            at = np.where(missing, 0, place).astype(np.int64)
            for side, values in circle(cycle).items():
                found[f"{cycle}_{side}"] = np.where(missing, np.nan, values[at])
        return {part: stamps.spread(values) for part, values in found.items()}

    def content(self, parsed: Numbers) -> Iterable[bytes]:
        """See `FeatureKind`: what the other parts follow from."""
        return super().content({part: parsed[part] for part in PLAIN_PARTS})

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: in the format of the column, so that it can be given back."""
        stamps = stamps_of(column, series)
        if isinstance(column.notation, DateNotation):
            values = column.notation.written(stamps)
        else:
            written = "%Y-%m-%dT%H:%M:%S" if format_of(column) == ISO else format_of(column)
            values = [None if pd.isna(stamp) else stamp.strftime(written) for stamp in stamps.utc]
        return list(values) if stamps.codes is None else [values[code] for code in stamps.codes]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        wanted = "ISO 8601" if format_of(column) == ISO else format_of(column)
        if isinstance(column.notation, DateNotation):
            types = ["string", "null"] if self.fits_only_texts(column) else ["string", "number", "null"]
            return {"type": types, "description": f"A date as {wanted}."}
        pattern = date_pattern(wanted if wanted != "ISO 8601" else ISO)
        described = {"type": ["string", "null"], "description": f"A date as {wanted}."}
        return described | ({"pattern": pattern} if pattern is not None else {})

    def fits_only_texts(self, column: Column) -> bool:
        """See `FeatureKind`: but for numbers that count from 1970 on, and for 20240131."""
        notation = column.notation
        return not (isinstance(notation, DateNotation) and notation.takes_numbers)

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        if before.kind is not self.kind:
            return False
        if isinstance(column.notation, DateNotation) and isinstance(before.notation, DateNotation):
            return column.notation.reads_all_of(before.notation)
        return before.notation == column.notation and format_of(before) == format_of(column)

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "its cells are dates"

    def shown(self, number: float) -> str:
        """See `NumberKind`."""
        return f"{pd.Timestamp(0) + pd.Timedelta(days=number):%Y-%m-%d}"

    def described(self, column: Column) -> str:
        """See `FeatureKind`."""
        return f"datetime ({format_of(column)})"


def stamps_of(column: Column, series: Series, distinct: DistinctTexts | None = None) -> Stamps:
    """The dates of a column.

    Args:
        column: how they are read.
        series: its cells.
        distinct: its texts, if it has nothing else and they are known.

    Raises:
        InvalidValueError: a value does not fit the column.
    """
    if isinstance(column.notation, DateNotation):
        return column.notation.stamps(series, column.name, distinct)
    return plain_stamps(series, column.name, format_of(column), distinct)


def format_of(column: Column) -> str:
    """A `strptime` format or `ISO8601`, or several of them in a sentence."""
    if isinstance(column.notation, DateNotation):
        return column.notation.shown
    return column.datetime_format or ISO


@cache
def circle(cycle: str) -> Mapping[str, NDArray[np.float64]]:
    """Sine and cosine of all places of a cycle, by side: float64 [places]."""
    angles = 2 * np.pi * np.arange(CYCLES[cycle]) / CYCLES[cycle]
    return {"sin": np.sin(angles), "cos": np.cos(angles)}
