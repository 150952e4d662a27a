"""Rows into named inputs: what is fitted on training rows, kept as JSON, and applied unchanged ever after."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.features_wish import NONE, USUAL_FEATURES, FeaturesWish
from orchestrator.columns.notes import Note
from orchestrator.columns.values import Series
from orchestrator.data.normalise import TRUTHS
from orchestrator.data.parsed import ParsedRows
from orchestrator.data.rows import rows_of
from orchestrator.data.schema import Schema
from orchestrator.features import (
    KINDS,
    CategoricalFeature,
    Column,
    ColumnKind,
    Fitted,
    NumericFeature,
    Summary,
    TargetStatistic,
    TextFeature,
)
from orchestrator.features._numbers import NumberSummary
from orchestrator.features.date_differences import DAYS, Pair, difference_notes, fit_differences
from orchestrator.features.fitted import NumericColumns, places_of
from orchestrator.features.text import encode_texts
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs, InputSpec

# of numbers that are written to inputs at once
BLOCK_CELLS = 2**16
STATISTICS = "statistics"


@dataclass(frozen=True, kw_only=True)
class FeatureEncoder:
    """Turns a data frame with the schema's columns into named inputs.

    Attributes:
        numeric, categorical, text, statistics: what was fitted.
        refuses_truth: whether true and false contradict numbers other than 0 and 1; models of before take them.
    """

    numeric: tuple[NumericFeature, ...]
    categorical: tuple[CategoricalFeature, ...]
    text: tuple[TextFeature, ...] = ()
    statistics: tuple[TargetStatistic, ...] = ()
    refuses_truth: bool = False

    @property
    def numeric_width(self) -> int:
        """Columns of the input `numeric`, missing-value indicators and target statistics included."""
        return sum(feature.width for feature in self.numeric) + sum(item.width for item in self.statistics)

    @property
    def statistic_places(self) -> tuple[int, ...]:
        """The column of `categorical` that each target statistic is about."""
        places = {feature.column: place for place, feature in enumerate(self.categorical)}
        return tuple(places[item.column] for item in self.statistics)

    @cached_property
    def dates_apart(self) -> frozenset[str]:
        """The columns of which days between two are an input."""
        pairs = [(item.column, item.since) for item in self.numeric if item.since is not None]
        return frozenset(name for pair in pairs for name in pair)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each column of `categorical`."""
        return tuple(feature.cardinality for feature in self.categorical)

    @property
    def many_valued(self) -> frozenset[str]:
        """The columns that say more than yes or no: of these, networks make several numbers each."""
        numbers = {item.column for item in self.numeric if not item.is_truth}
        categories, texts = ({item.column for item in items} for items in (self.categorical, self.text))
        return frozenset(numbers | categories | texts)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What it makes of rows."""
        # of texts, only if there are some: 0 is no token
        tokens = [
            InputSpec(name=TEXT, dtype="int64", shape=(None,), codes=(1 + item.buckets,)) for item in self.text[:1]
        ]
        return (
            InputSpec(name=NUMERIC, dtype="float32", shape=(self.numeric_width,), two_values=self._two_values),
            InputSpec(name=CATEGORICAL, dtype="int64", shape=(len(self.categorical),), codes=self.cardinalities),
            *tokens,
        )

    @property
    def _two_values(self) -> tuple[int, ...]:
        """Columns of the input `numeric` that are 0 or 1, standardised or not."""
        found: list[int] = []
        for item, place in zip(self.numeric, places_of(self.numeric).tolist(), strict=True):
            found += [place] * item.is_truth + [place + 1] * item.indicator
        return tuple(found)

    def transform(self, schema: Schema, frame: pd.DataFrame) -> Inputs:
        """Encodes rows; columns may come in any order and there may be more of them.

        Raises:
            InvalidValueError: a required column is missing or a value does not fit its column.
        """
        frame = rows_of(schema, frame)
        columns = {column.name: column for column in schema.columns}
        # a column that gives no feature may hold anything
        return self.encode(lambda name: self.parse(columns[name], frame[name]), len(frame))

    @cached_property
    def truths(self) -> frozenset[str]:
        """Those of the columns of numbers for which true and false are 1 and 0: they had nothing else."""
        return frozenset(item.column for item in self.numeric if not self.refuses_truth or item.is_truth)

    def parse(self, column: Column, cells: Series) -> Any:  # noqa: ANN401
        """Cells of a column, see `FeatureKind.parse`; among numbers, true and false are what `as_number` makes of them.

        Raises:
            InvalidValueError: a value does not fit its column.
        """
        is_truth = cells.dtype in (bool, object) or cells.dtype == pd.BooleanDtype()
        if column.kind is ColumnKind.NUMERIC and is_truth:
            cells = cells.map(self.as_number(column.name)).astype(object)
        return KINDS[column.kind].parse(column, cells)

    def as_number(self, column: str) -> Callable[[Any], Any]:
        """What makes a cell of a column of numbers from JSON or a data frame one that could stand in a file."""
        return _bit if column in self.truths else _word

    def encode(self, parse: Callable[[str], Any], rows: int) -> Inputs:
        """Encodes rows that are parsed a column at a time.

        Args:
            parse: gives the cells of a column, see `FeatureKind.parse`.
            rows: how many there are.
        """
        # all features of a column follow each other
        parsed = lru_cache(maxsize=1)(parse)
        days: dict[str, NDArray[np.float64]] = {}

        def days_of(column: str) -> NDArray[np.float64]:
            if column not in days:
                days[column] = parsed(column)[DAYS]
            return days[column]

        def values_of(feature: NumericFeature) -> NDArray[np.float64]:
            if feature.since is not None:
                return days_of(feature.column) - days_of(feature.since)
            values: NDArray[np.float64] = parsed(feature.column)[feature.part]
            if feature.column in self.dates_apart:
                days_of(feature.column)
            return values

        numbers = np.empty((rows, self.numeric_width), dtype=np.float32)
        places = places_of(self.numeric)
        # of few rows, many columns at once
        several = max(1, BLOCK_CELLS // max(rows, 1))
        for at in range(0, len(self.numeric), several):
            features = self.numeric[at : at + several]
            values = np.stack([values_of(feature) for feature in features])
            NumericColumns(features, places[at : at + several]).write(values, numbers)
        codes = np.empty((rows, len(self.categorical)), dtype=np.int64)
        for index, category in enumerate(self.categorical):
            found = parsed(category.column)
            codes[:, index] = category.encode(found.keys)[found.codes]
        self.write_statistics(codes, numbers)
        arrays: dict[str, NDArray[Any]] = {NUMERIC: numbers, CATEGORICAL: codes}
        if self.text:
            arrays[TEXT] = encode_texts(self.text, [parsed(item.column) for item in self.text])
        return Inputs(arrays)

    def write_statistics(self, codes: NDArray[np.int64], numbers: NDArray[np.float32]) -> None:
        """Puts target statistics into encoded rows.

        Args:
            codes: the input `categorical` of the rows.
            numbers: their input `numeric`, which is written to.
        """
        end = self.numeric_width
        for statistic, place in reversed(list(zip(self.statistics, self.statistic_places, strict=True))):
            numbers[:, end - statistic.width : end] = statistic.encode(codes[:, place])
            end -= statistic.width

    def to_json(self) -> dict[str, Any]:
        """Plain JSON of what was fitted, the inverse of `from_json`."""
        plain = asdict(self)
        del plain["refuses_truth"]
        # what says nothing is not written, as before there was such a thing
        plain[CATEGORICAL] = [_without(item, "shared") for item in plain[CATEGORICAL]]
        plain[NUMERIC] = [_without(item, "since") for item in plain[NUMERIC]]
        plain[TEXT] = [_without(item, "words_only") for item in plain[TEXT]]
        return {name: features for name, features in plain.items() if features or name not in (TEXT, STATISTICS)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> FeatureEncoder:
        """Rebuilds an encoder.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        return cls(
            numeric=tuple(NumericFeature(**feature) for feature in content["numeric"]),
            categorical=tuple(
                CategoricalFeature(item["column"], tuple(item["categories"]), item.get("shared", 0))
                for item in content["categorical"]
            ),
            text=tuple(TextFeature(**feature) for feature in content.get(TEXT, ())),
            statistics=tuple(_statistic(item) for item in content.get(STATISTICS, ())),
        )


def fit_summaries(
    schema: Schema,
    summaries: Mapping[str, Summary],
    differences: Mapping[Pair, NumberSummary],
    wish: FeaturesWish = USUAL_FEATURES,
    said: Container[str] = (),
) -> tuple[FeatureEncoder, tuple[Note, ...]]:
    """Fits medians, means, deviations and category tables on training rows that were summed up.

    Args:
        schema: of the rows.
        summaries: of each column.
        differences: of the days between two columns of dates.
        wish: what the user says about features.
        said: columns of which the user has said what they are.

    Returns:
        The encoder, and what the user should know about it.
    """
    return _fit(schema, lambda column: summaries[column.name], differences, wish, said)


def fit_rows(
    rows: ParsedRows, wish: FeaturesWish = USUAL_FEATURES, said: Container[str] = ()
) -> tuple[FeatureEncoder, tuple[Note, ...]]:
    """`fit_summaries` for rows in memory, which must be training rows only; a column at a time, since it is large."""
    differences = {} if wish.date_differences == NONE else rows.differences()
    return _fit(rows.schema, rows.summary, differences, wish, said)


def fit_features(schema: Schema, frame: pd.DataFrame) -> FeatureEncoder:
    """The encoder of `fit_rows`, for rows of a data frame."""
    return fit_rows(ParsedRows.of(schema, frame))[0]


def _fit(
    schema: Schema,
    summary_of: Callable[[Column], Summary],
    differences: Mapping[Pair, NumberSummary],
    wish: FeaturesWish,
    said: Container[str],
) -> tuple[FeatureEncoder, tuple[Note, ...]]:
    fitted: list[Fitted] = []
    notes: list[Note] = []
    for column in schema.columns:
        kind, summary = KINDS[column.kind], summary_of(column)
        fitted += kind.fit(column, summary, wish)
        notes += kind.fit_notes(column, summary, wish)
    between = fit_differences(differences, wish)
    notes += difference_notes([(str(item.since), item.column) for item in between], wish, said)
    return _encoder_of([*fitted, *between]), tuple(notes)


def _bit(cell: object) -> object:
    return float(cell) if isinstance(cell, TRUTHS) else cell


def _word(cell: object) -> object:
    return str(cell) if isinstance(cell, TRUTHS) else cell


def _statistic(item: Mapping[str, Any]) -> TargetStatistic:
    means = tuple(map(tuple, item["means"]))
    return TargetStatistic(column=item["column"], means=means, mean=tuple(item["mean"]), std=tuple(item["std"]))


def _without(item: dict[str, Any], name: str) -> dict[str, Any]:
    """An entry of an encoder without a field that says nothing."""
    return {key: value for key, value in item.items() if value or key != name}


def _encoder_of(fitted: Sequence[Fitted]) -> FeatureEncoder:
    return FeatureEncoder(
        numeric=tuple(item for item in fitted if isinstance(item, NumericFeature)),
        categorical=tuple(item for item in fitted if isinstance(item, CategoricalFeature)),
        text=tuple(item for item in fitted if isinstance(item, TextFeature)),
        refuses_truth=True,
    )
