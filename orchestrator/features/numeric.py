"""Numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.columns.patterns import NUMBER_PATTERN
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series, to_numbers
from orchestrator.errors import DataError
from orchestrator.features._base import FormControl, JsonSchema, JsonValue, Reads, Recognised
from orchestrator.features._numbers import NumberKind
from orchestrator.features.column import Column, ColumnKind

# both are read as numbers, true and false among them
NUMBERS = frozenset({ColumnKind.NUMERIC, ColumnKind.BOOLEAN})


class NumericKind(NumberKind):
    """Numbers, also as texts."""

    kind = ColumnKind.NUMERIC
    datatype = "FP64"
    control = FormControl(Reads.NUMBER)
    follows = frozenset({"decimal", "missing"})

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`."""
        if raw.number_error is None:
            return Recognised(Column(raw.name, self.kind))
        if "infinite" in str(raw.number_error):
            raise DataError(f"{raw.origin}: {raw.number_error}")
        return None

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: whole numbers without a point."""
        numbers = to_numbers(series, column.name).tolist()
        return [None if np.isnan(number) else int(number) if number.is_integer() else number for number in numbers]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`; without bounds.

        The server refuses what is infinite in float64, but a bound that says so is one that a float cannot step over,
        and a lower one would forbid what is answered.
        """
        return number_schema("A number")

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        return before.kind in NUMBERS


def number_schema(what: str) -> JsonSchema:
    """JSON Schema of numbers, also as texts."""
    return {
        "type": ["number", "boolean", "string", "null"],
        "pattern": NUMBER_PATTERN,
        "description": f"{what}; as text, too.",
    }
