"""Rows into named inputs: what is fitted on training rows, kept as JSON, and applied unchanged ever after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.data.parsed import ParsedRows
from orchestrator.data.rows import rows_of
from orchestrator.data.schema import Schema
from orchestrator.features import KINDS, CategoricalFeature, Fitted, NumericFeature, Summary, TextFeature
from orchestrator.features.fitted import NumericColumns, places_of
from orchestrator.features.text import encode_texts
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs, InputSpec

# of numbers that are written to inputs at once
BLOCK_CELLS = 2**16


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns a data frame with the schema's columns into named inputs."""

    numeric: tuple[NumericFeature, ...]
    categorical: tuple[CategoricalFeature, ...]
    text: tuple[TextFeature, ...] = ()

    @property
    def numeric_width(self) -> int:
        """Columns of the input `numeric`, missing-value indicators included."""
        return sum(feature.width for feature in self.numeric)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each column of `categorical`."""
        return tuple(feature.cardinality for feature in self.categorical)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What it makes of rows."""
        # of texts, only if there are some: 0 is no token
        tokens = [InputSpec(TEXT, "int64", (None,), (1 + item.buckets,)) for item in self.text[:1]]
        return (
            InputSpec(NUMERIC, "float32", (self.numeric_width,)),
            InputSpec(CATEGORICAL, "int64", (len(self.categorical),), self.cardinalities),
            *tokens,
        )

    def transform(self, schema: Schema, frame: pd.DataFrame) -> Inputs:
        """Encodes rows; columns may come in any order and there may be more of them.

        Raises:
            InvalidValueError: a required column is missing or a value does not fit its column.
        """
        frame = rows_of(schema, frame)
        columns = {column.name: column for column in schema.columns}
        # a column that gives no feature may hold anything
        return self.encode(lambda name: KINDS[columns[name].kind].parse(columns[name], frame[name]), len(frame))

    def encode(self, parse: Callable[[str], Any], rows: int) -> Inputs:
        """Encodes rows that are parsed a column at a time.

        Args:
            parse: gives the cells of a column, see `FeatureKind.parse`.
            rows: how many there are.
        """
        # all features of a column follow each other
        parsed = lru_cache(maxsize=1)(parse)
        numbers = np.empty((rows, self.numeric_width), dtype=np.float32)
        places = places_of(self.numeric)
        # of few rows, many columns at once
        several = max(1, BLOCK_CELLS // max(rows, 1))
        for at in range(0, len(self.numeric), several):
            features = self.numeric[at : at + several]
            values = np.stack([parsed(feature.column)[feature.part] for feature in features])
            NumericColumns(features, places[at : at + several]).write(values, numbers)
        codes = np.empty((rows, len(self.categorical)), dtype=np.int64)
        for index, category in enumerate(self.categorical):
            found = parsed(category.column)
            codes[:, index] = category.encode(found.keys)[found.codes]
        arrays: dict[str, NDArray[Any]] = {NUMERIC: numbers, CATEGORICAL: codes}
        if self.text:
            arrays[TEXT] = encode_texts(self.text, [parsed(item.column) for item in self.text])
        return Inputs(arrays)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return {name: features for name, features in asdict(self).items() if features or name != TEXT}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> FeatureEncoder:
        """Rebuilds an encoder.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        return cls(
            tuple(NumericFeature(**feature) for feature in content["numeric"]),
            tuple(CategoricalFeature(item["column"], tuple(item["categories"])) for item in content["categorical"]),
            tuple(TextFeature(**feature) for feature in content.get(TEXT, ())),
        )


def fit_summaries(schema: Schema, summaries: Mapping[str, Summary]) -> FeatureEncoder:
    """Fits medians, means, deviations and category tables on training rows that were summed up."""
    return _encoder_of(item for each in schema.columns for item in KINDS[each.kind].fit(each, summaries[each.name]))


def fit_rows(rows: ParsedRows) -> FeatureEncoder:
    """`fit_summaries` for rows in memory, which must be training rows only; a column at a time, since it is large."""
    columns = rows.schema.columns
    return _encoder_of(item for each in columns for item in KINDS[each.kind].fit(each, rows.summary(each)))


def fit_features(schema: Schema, frame: pd.DataFrame) -> FeatureEncoder:
    """`fit_rows` for rows of a data frame."""
    return fit_rows(ParsedRows.of(schema, frame))


def _encoder_of(features: Iterable[Fitted]) -> FeatureEncoder:
    fitted = list(features)
    return FeatureEncoder(
        tuple(item for item in fitted if isinstance(item, NumericFeature)),
        tuple(item for item in fitted if isinstance(item, CategoricalFeature)),
        tuple(item for item in fitted if isinstance(item, TextFeature)),
    )
