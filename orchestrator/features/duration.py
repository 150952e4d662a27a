"""How long something takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from orchestrator.columns.clock_inference import SHORT_FORMATS, FoundClock, find_clock
from orchestrator.columns.clock_notation import PLAIN_DURATIONS, DurationNotation, duration_seconds
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features._base import JsonSchema, JsonValue, Recognised
from orchestrator.features._numbers import NumberKind, Numbers
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.time_of_day import clock


class DurationKind(NumberKind):
    """Seconds, from texts such as 1:23:45 and PT1H30M."""

    kind = ColumnKind.DURATION
    datatype = "BYTES"
    notation = DurationNotation
    follows = frozenset({"date_format"})

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`; what has the type of durations is a number of seconds, unless the user wants this kind."""
        if pd.api.types.is_timedelta64_dtype(raw.series.dtype):
            return None
        found = find_clock(raw)
        if found is None or not found.is_duration or found.refusal:
            return None
        return self._recognised(raw, found)

    def obey(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`; a format such as %M:%S says what is first."""
        wanted = raw.wish.date_format
        if wanted is not None:
            return self._follow(raw, wanted)
        found = find_clock(raw, wished=True)
        if found is not None and found.is_duration:
            return Recognised(self._recognised(raw, found).column)
        return super().obey(raw)

    def _recognised(self, raw: RawColumn, found: FoundClock) -> Recognised:
        notation = found.notation if found.notation != PLAIN_DURATIONS else None
        return Recognised(Column(raw.name, self.kind, notation=notation), found.notes)

    def _follow(self, raw: RawColumn, wanted: str) -> Recognised:
        if wanted not in SHORT_FORMATS:
            raise DataError(
                f"{raw.origin}: --date-format '{raw.name}={wanted}': durations are written as %H:%M or %M:%S, and all "
                "other forms of them are known"
            )
        column = Column(raw.name, self.kind, notation=DurationNotation(SHORT_FORMATS[wanted]))
        try:
            self.parse(column, raw.series)
        except InvalidValueError as error:
            raise DataError(f"{raw.origin}: --date-format '{raw.name}={wanted}': {error}") from None
        return Recognised(column)

    def parse(self, column: Column, series: Series) -> Numbers:
        """See `FeatureKind`."""
        return {None: duration_seconds(series, column.name, _notation(column))}

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: hours, minutes and seconds."""
        seconds = duration_seconds(series, column.name, _notation(column)).tolist()
        return [None if np.isnan(number) else clock(number) for number in seconds]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        described = "A duration such as 1:23:45, 1h 20m or PT1H30M, or a number of seconds."
        return {"type": ["string", "number", "null"], "description": described}

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        return before.kind is self.kind and before.notation == column.notation

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "its cells are durations"

    def shown(self, number: float) -> str:
        """See `NumberKind`."""
        return clock(number)


def _notation(column: Column) -> DurationNotation:
    return column.notation if isinstance(column.notation, DurationNotation) else PLAIN_DURATIONS
