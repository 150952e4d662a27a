"""Times of the day, without a date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.columns.clock_inference import find_clock
from orchestrator.columns.clock_notation import time_seconds
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series
from orchestrator.features._base import JsonSchema, JsonValue, Recognised
from orchestrator.features._numbers import NumberKind, Numbers
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.datetime import circle


class TimeOfDayKind(NumberKind):
    """Seconds since midnight, and their place on a circle."""

    kind = ColumnKind.TIME_OF_DAY
    datatype = "BYTES"
    only_texts = True
    parts = ("seconds", "time_of_day_sin", "time_of_day_cos")

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`."""
        found = find_clock(raw)
        if found is None or found.is_duration or found.refusal:
            return None
        return Recognised(Column(raw.name, self.kind), found.notes)

    def regrets(self, raw: RawColumn) -> tuple[Note, ...]:
        """See `FeatureKind`: of durations, too."""
        found = find_clock(raw)
        if found is None or not found.refusal:
            return ()
        why = "is not read as durations" if found.is_duration else "is not read as times of the day"
        return (Note(column=raw.name, why=why, done=found.refusal, option=found.option),)

    def parse(self, column: Column, series: Series) -> Numbers:
        """See `FeatureKind`."""
        seconds = time_seconds(series, column.name)
        missing = np.isnan(seconds)
        at = np.where(missing, 0, seconds).astype(np.int64) % 86_400
        sides = {side: np.where(missing, np.nan, values[at]) for side, values in circle("time_of_day").items()}
        return {"seconds": seconds, "time_of_day_sin": sides["sin"], "time_of_day_cos": sides["cos"]}

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: hours, minutes and seconds."""
        return [None if np.isnan(number) else clock(number) for number in time_seconds(series, column.name).tolist()]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        return {"type": ["string", "null"], "description": "A time of the day such as 14:30 or 2:30 PM."}

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        return before.kind is self.kind

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "its cells are times of the day"

    def shown(self, number: float) -> str:
        """See `NumberKind`."""
        return clock(number)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, such as 14:30:00, with microseconds if there are some."""
    whole, part = divmod(round(abs(seconds) * 1_000_000), 1_000_000)
    behind = f".{part:06}" if part else ""
    return f"{'-' if seconds < 0 else ''}{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{behind}"
