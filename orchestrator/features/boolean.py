"""True and false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import FALSE_STRINGS, TRUE_STRINGS, Series
from orchestrator.features._base import FormControl, JsonSchema, JsonValue, Reads, Recognised
from orchestrator.features._numbers import NumberKind
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.numeric import NUMBERS, number_schema


class BooleanKind(NumberKind):
    """True is 1 and false is 0, also as texts; other numbers are taken as they are."""

    kind = ColumnKind.BOOLEAN
    datatype = "BOOL"
    control = FormControl(Reads.TRUTH, choices=("true", "false"))

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`."""
        if pd.api.types.is_bool_dtype(raw.series.dtype):
            return Recognised(Column(raw.name, self.kind))
        if pd.api.types.is_numeric_dtype(raw.series.dtype) or not raw.is_among(TRUE_STRINGS | FALSE_STRINGS):
            return None
        return Recognised(Column(raw.name, self.kind))

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`."""
        return [None if np.isnan(number) else bool(number) for number in self.parse(column, series)[None]]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        return number_schema("True or false, or 1 or 0")

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        return before.kind in NUMBERS and before.notation is None
