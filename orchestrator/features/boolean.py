"""True and false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.patterns import TRUTH_PATTERN
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.truth_notation import TruthNotation, find_truth
from orchestrator.columns.values import TRUTH_STRINGS, Series
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features._base import FormControl, JsonSchema, JsonValue, Reads, Recognised
from orchestrator.features._numbers import NumberKind
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.numeric import NUMBERS, number_schema

# numbers beside the words
BITS = frozenset({"0", "1", "0.0", "1.0"})


class BooleanKind(NumberKind):
    """True is 1 and false is 0, also as texts; other numbers are taken as they are."""

    kind = ColumnKind.BOOLEAN
    datatype = "BOOL"
    control = FormControl(Reads.TRUTH, choices=("true", "false"))
    has_truth = True
    notation = TruthNotation
    follows = frozenset({"missing", "values"})

    def recognise(self, raw: RawColumn) -> Recognised | None:
        """See `FeatureKind`."""
        if pd.api.types.is_bool_dtype(raw.series.dtype):
            return Recognised(Column(raw.name, self.kind))
        if pd.api.types.is_numeric_dtype(raw.series.dtype) or not raw.is_among(TRUTH_STRINGS | BITS):
            return None
        has_words = any(key not in BITS for key in raw.counts)
        return Recognised(Column(raw.name, self.kind)) if has_words else None

    def obey(self, raw: RawColumn) -> Recognised:
        """See `FeatureKind`: words of many languages are known, and a mark with empty cells beside it."""
        plain = self.recognise(raw) is not None or raw.number_error is None
        if plain and not raw.wish.missing and not raw.wish.values:
            return Recognised(Column(raw.name, self.kind))
        try:
            truth = find_truth(raw)
            truth.numbers(raw.series, raw.name)
        except InvalidValueError as error:
            raise DataError(f"{raw.origin}: the column '{raw.name}' cannot be read as {self.kind}: {error}") from None
        column = Column(raw.name, self.kind, notation=truth)
        return Recognised(column, (_blank_note(raw, truth),) if truth.blank else ())

    def json_values(self, column: Column, series: Series) -> list[JsonValue]:
        """See `FeatureKind`."""
        return [None if np.isnan(number) else bool(number) for number in self.parse(column, series)[None]]

    def json_schema(self, column: Column, categories: Sequence[str]) -> JsonSchema:
        """See `FeatureKind`."""
        if isinstance(column.notation, TruthNotation):
            true, false = (", ".join(words) for words in (column.notation.true, column.notation.false))
            words = f"true is written as {true}, and false as {false or 'an empty cell'}"
            return number_schema(f"True or false, or 1 or 0; in the data {words}", column.notation.pattern)
        return number_schema("True or false, or 1 or 0", TRUTH_PATTERN)

    def accepts(self, column: Column, before: Column) -> bool:
        """See `FeatureKind`."""
        was = before.notation
        if isinstance(column.notation, TruthNotation):
            return before.kind is self.kind and isinstance(was, TruthNotation | None) and column.notation.accepts(was)
        return before.kind in NUMBERS and was is None

    def reason(self, column: Column) -> str:
        """See `FeatureKind`."""
        return "all its values are words for true and false"

    def shown(self, number: float) -> str:
        """See `NumberKind`."""
        return str(bool(number)).lower() if number in (0, 1) else super().shown(number)


def _blank_note(raw: RawColumn, truth: TruthNotation) -> Note:
    """About a column of marks, where it is a guess what is meant by none."""
    empty = int((~raw.known).sum())
    return Note(
        column=raw.name,
        why=f"has {' and '.join(map(repr, truth.true))} in {rows_text(raw.rows)} and no value in {rows_text(empty)}",
        done="an empty cell is read as false",
        option=f"--categorical '{raw.name}' reads it as a missing value",
    )
