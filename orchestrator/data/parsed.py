"""The cells of rows as arrays: each column is parsed once, whatever is asked of it then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.summaries import AllNumbers, NumericSummary
from orchestrator.features import KINDS, Column, Summary
from orchestrator.features._numbers import NumberSummary
from orchestrator.features.date_differences import Pair, date_pairs, days_between

if TYPE_CHECKING:
    import hashlib

    import pandas as pd

    from orchestrator.data.encoder import FeatureEncoder
    from orchestrator.data.schema import Schema
    from orchestrator.inputs import Inputs


@dataclass(frozen=True, kw_only=True)
class ParsedRows:
    """Rows of a table with a schema.

    Attributes:
        schema: of the table.
        cells: of each column, see `FeatureKind.parse`.
        total: rows that were parsed.
        chosen: positions of those that this is about, int64 [rows]; None for all.
    """

    schema: Schema
    cells: Mapping[str, Any]
    total: int
    chosen: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, schema: Schema, frame: pd.DataFrame) -> ParsedRows:
        """Parses the rows of a data frame.

        Raises:
            InvalidValueError: a value does not fit its column.
        """
        cells = {column.name: KINDS[column.kind].parse(column, frame[column.name]) for column in schema.columns}
        return cls(schema=schema, cells=cells, total=len(frame))

    def __len__(self) -> int:
        return self.total if self.chosen is None else len(self.chosen)

    def take(self, rows: NDArray[np.int64]) -> ParsedRows:
        """Some of the rows, by their positions among these."""
        return replace(self, chosen=rows if self.chosen is None else self.chosen[rows])

    def cells_of(self, name: str) -> Any:  # noqa: ANN401
        """The cells of a column, see `FeatureKind.parse`."""
        return self._parsed(name)

    def summary(self, column: Column, keys: NDArray[np.float64] | None = None) -> Summary:
        """What is kept of a column; see `FeatureKind.summarise`."""
        kept: Summary = KINDS[column.kind].summarise(self._parsed(column.name), keys)
        return kept

    def differences(self, keys: NDArray[np.float64] | None = None) -> dict[Pair, NumberSummary]:
        """What is kept of the days between columns of dates; see `FeatureKind.summarise`."""
        found: dict[Pair, NumberSummary] = {}
        for first, second in date_pairs(self.schema.columns):
            days = days_between(self._parsed(first), self._parsed(second))
            found[first, second] = AllNumbers(days) if keys is None else NumericSummary.of(days, keys)
        return found

    def add_content(self, state: hashlib._Hash) -> None:
        """Adds the values of all columns, in their order, to a digest."""
        for column in self.schema.columns:
            for piece in KINDS[column.kind].content(self._parsed(column.name)):
                state.update(piece)

    def encode(self, encoder: FeatureEncoder) -> Inputs:
        """See `FeatureEncoder.transform`."""
        return encoder.encode(self._parsed, len(self))

    @cached_property
    def _parsed(self) -> Callable[[str], Any]:
        kinds = {column.name: KINDS[column.kind] for column in self.schema.columns}
        chosen = self.chosen
        if chosen is None:
            return self.cells.__getitem__
        return lambda name: kinds[name].take(self.cells[name], chosen)
