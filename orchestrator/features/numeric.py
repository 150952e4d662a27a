"""Numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.columns.month_numbers import month_notes
from orchestrator.columns.number_notation import NumberNotation
from orchestrator.columns.number_notes import number_notes
from orchestrator.columns.patterns import NUMBER_PATTERN
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series
from orchestrator.errors import DataError
from orchestrator.features._base import FormControl, JsonSchema, JsonValue, Reads, Recognised
from orchestrator.features._numbers import NumberKind
from orchestrator.features.column import Column, ColumnKind

# both are read as numbers, the words for true and false only in the second
NUMBERS = frozenset({ColumnKind.NUMERIC, ColumnKind.BOOLEAN})


class NumericKind(NumberKind):
    """Numbers, also as texts."""

    kind = ColumnKind.NUMERIC
    datatype = "FP64"
    control = FormControl(Reads.NUMBER)
    follows = frozenset({"decimal", "missing"})
    notation = NumberNotation

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`."""
        reading = raw.number_reading
        if reading is not None and reading.notation is not None:
            column = Column(raw.name, self.kind, notation=reading.notation)
            return Recognised(column, (*number_notes(raw.name, reading), *month_notes(raw)))
        if raw.is_endless:
            raise DataError(f"{raw.origin}: {raw.number_error}; or leave the column out with --ignore '{raw.name}'")
        return Recognised(Column(raw.name, self.kind), month_notes(raw)) if raw.number_error is None else None

    def obey(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`: all that is no number counts as missing, if there are not too many different words."""
        found = self.recognise(raw)
        if found is not None:
            return found
        reading = raw.number_reading
        reason = reading.refusal if reading is not None and reading.refusal else str(raw.number_error)
        raise DataError(f"{raw.origin}: the column '{raw.name}' cannot be read as {self.kind}: {reason}")

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`: whole numbers without a point."""
        numbers = self.parse(column, series)[None].tolist()
        return [None if np.isnan(number) else int(number) if number.is_integer() else number for number in numbers]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`; without bounds.

        The server refuses what is infinite in float64, but a bound that says so is one that a float cannot step over,
        and a lower one would forbid what is answered.
        """
        if isinstance(column.notation, NumberNotation):
            what = (
                f"A number; a text is read as in the data that the model has learned from ({column.notation.example})"
            )
            return number_schema(what, column.notation.pattern)
        return number_schema("A number")

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        was = before.notation
        if before.kind is not self.kind or not isinstance(was, NumberNotation | None):
            return False
        return column.notation.accepts(was) if isinstance(column.notation, NumberNotation) else was is None

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "all its values are numbers" if column.notation is None else "its cells are numbers in one notation"

    def described(self, column: Column) -> str:
        """See `FeatureKind`."""
        if isinstance(column.notation, NumberNotation):
            return f"{self.kind} (such as {column.notation.example})"
        return str(self.kind)


def number_schema(what: str, pattern: str = NUMBER_PATTERN) -> JsonSchema:
    """JSON Schema of numbers, also as texts."""
    return {
        "type": ["number", "boolean", "string", "null"],
        "pattern": pattern,
        "description": f"{what}; as text, too.",
    }
