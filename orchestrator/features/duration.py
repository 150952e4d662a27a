"""How long something takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.columns.clock_notation import DurationNotation, duration_seconds, find_clock
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series
from orchestrator.features._base import JsonSchema, JsonValue, Recognised
from orchestrator.features._numbers import NumberKind, Numbers
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.time_of_day import clock


class DurationKind(NumberKind):
    """Seconds, from texts such as 1:23:45 and PT1H30M."""

    kind = ColumnKind.DURATION
    datatype = "BYTES"
    notation = DurationNotation

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`."""
        found = find_clock(raw)
        if found is None or not found.is_duration:
            return None
        notation = DurationNotation("m") if found.short == "m" else None
        return Recognised(Column(raw.name, self.kind, notation=notation), found.notes)

    def obey(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`."""
        found = find_clock(raw)
        if found is not None and found.is_duration:
            notation = DurationNotation("m") if found.short == "m" else None
            return Recognised(Column(raw.name, self.kind, notation=notation))
        return super().obey(raw)

    def parse(self, column: Column, series: Series) -> Numbers:
        """See `FeatureKind`."""
        return {None: duration_seconds(series, column.name, _short(column))}

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: hours, minutes and seconds."""
        seconds = duration_seconds(series, column.name, _short(column)).tolist()
        return [None if np.isnan(number) else clock(number) for number in seconds]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        described = "A duration such as 1:23:45, 1h 20m or PT1H30M, or a number of seconds."
        return {"type": ["string", "number", "null"], "description": described}

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        return before.kind is self.kind and before.notation == column.notation


def _short(column: Column) -> str:
    return column.notation.short if isinstance(column.notation, DurationNotation) else "h"
