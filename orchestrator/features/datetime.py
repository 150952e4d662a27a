"""Dates and times."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.patterns import date_pattern
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import DATETIME_FORMATS, Series, to_timestamps
from orchestrator.errors import InvalidValueError
from orchestrator.features._base import FormControl, JsonSchema, JsonValue, Reads, Recognised
from orchestrator.features._numbers import NumberKind, Numbers
from orchestrator.features.column import Column, ColumnKind

DATETIME_PARTS = ("days", "year", "month", "day", "day_of_week", "hour", "minute")
ISO = "ISO8601"
DATE_LIKE = re.compile(r"^\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4})")


class DatetimeKind(NumberKind):
    """Days since 1970, and the parts of the date that are not always the same."""

    kind = ColumnKind.DATETIME
    datatype = "BYTES"
    control = FormControl(Reads.DATE)
    only_texts = True
    follows = frozenset({"date_format", "missing"})
    parts = DATETIME_PARTS

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`: the first format in which all values are dates."""
        if pd.api.types.is_datetime64_any_dtype(raw.series.dtype):
            return Recognised(Column(raw.name, self.kind, ISO))
        if not all(DATE_LIKE.match(key) for key in raw.counts):
            return None
        for candidate in DATETIME_FORMATS:
            try:
                to_timestamps(raw.series, raw.name, candidate)
            except InvalidValueError:
                continue
            return Recognised(Column(raw.name, self.kind, candidate))
        return None

    def parse(self, column: Column, series: Series) -> Numbers:
        """See `FeatureKind`."""
        stamps = to_timestamps(series, column.name, format_of(column))
        days = (stamps - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
        parts: dict[str | None, NDArray[np.float64]] = {"days": np.asarray(days, np.float64)}
        for part in DATETIME_PARTS[1:]:
            parts[part] = np.asarray(getattr(stamps, part), dtype=np.float64)
        return parts

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: in the format of the column, so that it can be given back."""
        stamps = to_timestamps(series, column.name, format_of(column))
        written = "%Y-%m-%dT%H:%M:%S" if format_of(column) == ISO else format_of(column)
        return [None if pd.isna(stamp) else stamp.strftime(written) for stamp in stamps]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        pattern = date_pattern(format_of(column))
        wanted = "ISO 8601" if format_of(column) == ISO else format_of(column)
        described = {"type": ["string", "null"], "description": f"A date as {wanted}."}
        return described | ({"pattern": pattern} if pattern is not None else {})

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        return before.kind is self.kind and format_of(before) == format_of(column)

    def described(self, column: Column) -> str:
        """See `FeatureKind`."""
        return f"datetime ({format_of(column)})"


def format_of(column: Column) -> str:
    """A `strptime` format or `ISO8601`."""
    return column.datetime_format or ISO
