"""Rows into numbers: what is fitted on training rows, kept as JSON, and applied unchanged ever after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.values import category_keys, to_numbers, to_timestamps
from orchestrator.data.schema import Column, ColumnKind, Schema
from orchestrator.errors import InvalidValueError
from orchestrator.inputs import CATEGORICAL, NUMERIC, Inputs, InputSpec

# no training row is farther than sqrt(rows) deviations off; a typing error of 1e300 must not become infinite
MAX_SCALED = 1e4
# names in a sentence
SHOWN = 50
UNKNOWN, MISSING, FIRST_CATEGORY = 0, 1, 2
DATETIME_PARTS = ("days", "year", "month", "day", "day_of_week", "hour", "minute")


@dataclass(frozen=True)
class NumericFeature:
    """One standardised input: `(value or median - mean) / std`, at most 10,000 in size.

    Attributes:
        column: where the value comes from.
        part: for a datetime column which part of the date, else None.
        median: replaces a missing value.
        mean, std: of the training rows after that replacement (population standard deviation).
        indicator: whether a second input says that the value was missing.
    """

    column: str
    part: str | None
    median: float
    mean: float
    std: float
    indicator: bool


@dataclass(frozen=True)
class CategoricalFeature:
    """One embedded input: code 0 for a category that training did not see, 1 for missing, 2.. in table order."""

    column: str
    categories: tuple[str, ...]

    @property
    def cardinality(self) -> int:
        """Number of codes."""
        return len(self.categories) + FIRST_CATEGORY


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns a data frame with the schema's columns into named inputs."""

    numeric: tuple[NumericFeature, ...]
    categorical: tuple[CategoricalFeature, ...]

    @property
    def numeric_width(self) -> int:
        """Columns of the float input, missing-value indicators included."""
        return sum(2 if feature.indicator else 1 for feature in self.numeric)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each categorical input."""
        return tuple(feature.cardinality for feature in self.categorical)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What it makes of rows."""
        return (
            InputSpec(NUMERIC, "float32", (self.numeric_width,)),
            InputSpec(CATEGORICAL, "int64", (len(self.categorical),), self.cardinalities),
        )

    def transform(self, schema: Schema, frame: pd.DataFrame) -> Inputs:
        """Encodes rows; columns may come in any order and there may be more of them.

        Raises:
            InvalidValueError: a required column is missing or a value does not fit its column.
        """
        check_columns(schema, frame.columns)
        kinds = {column.name: column for column in schema.columns}
        numbers = np.empty((len(frame), self.numeric_width), dtype=np.float32)
        position = 0
        raw: dict[str, dict[str | None, NDArray[np.float64]]] = {}
        for feature in self.numeric:
            if feature.column not in raw:
                raw[feature.column] = numeric_values(kinds[feature.column], frame[feature.column])
            values = raw[feature.column][feature.part]
            missing = np.isnan(values)
            filled = np.where(missing, feature.median, values)
            numbers[:, position] = standardise(filled, feature.mean, feature.std)
            position += 1
            if feature.indicator:
                numbers[:, position] = missing
                position += 1
        codes = np.empty((len(frame), len(self.categorical)), dtype=np.int64)
        for index, category in enumerate(self.categorical):
            codes[:, index] = _category_codes(frame[category.column], category.categories)
        return Inputs({NUMERIC: numbers, CATEGORICAL: codes})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> FeatureEncoder:
        """Rebuilds an encoder.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        return cls(
            tuple(NumericFeature(**feature) for feature in content["numeric"]),
            tuple(CategoricalFeature(item["column"], tuple(item["categories"])) for item in content["categorical"]),
        )


def standardise(
    values: NDArray[np.float64], mean: float | NDArray[np.float64], std: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """`(values - mean) / std`, at most 10,000 in size; `values`, `mean` and `std` are broadcast together."""
    with np.errstate(over="ignore"):
        scaled = (values - mean) / std
    # 0.0 and -0.0 are the same number, so that they must be the same input
    return np.clip(scaled, -MAX_SCALED, MAX_SCALED) + 0.0


def check_columns(schema: Schema, names: Sequence[str] | pd.Index) -> None:
    """Raises InvalidValueError when a feature column is missing; other columns do not matter."""
    present = set(names)
    absent = [column.name for column in schema.columns if column.name not in present]
    if absent:
        which = f"column '{absent[0]}' is" if len(absent) == 1 else f"columns {_listed(map(repr, absent))} are"
        needed = _listed(column.name for column in schema.columns)
        raise InvalidValueError(f"the {which} missing; needed: {needed}", absent[0])


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - SHOWN:,} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more


def numeric_values(column: Column, series: pd.Series[Any]) -> dict[str | None, NDArray[np.float64]]:
    """The numbers that a column gives, by part: float64 [rows], NaN where missing."""
    if column.kind is not ColumnKind.DATETIME:
        return {None: to_numbers(series, column.name)}
    stamps = to_timestamps(series, column.name, column.datetime_format or "ISO8601")
    days = (stamps - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    parts: dict[str | None, NDArray[np.float64]] = {"days": np.asarray(days, dtype=np.float64)}
    for part in DATETIME_PARTS[1:]:
        parts[part] = np.asarray(getattr(stamps, part), dtype=np.float64)
    return parts


def fit_features(schema: Schema, frame: pd.DataFrame) -> FeatureEncoder:
    """Fits medians, means, deviations and category tables on the rows given, which must be training rows only."""
    numeric: list[NumericFeature] = []
    categorical: list[CategoricalFeature] = []
    for column in schema.columns:
        series = frame[column.name]
        if column.kind is ColumnKind.CATEGORICAL:
            _, keys = category_keys(series)
            table = tuple(sorted(key for key in keys if key is not None))
            categorical.append(CategoricalFeature(column.name, table))
            continue
        indicator_used = False
        for part, values in numeric_values(column, series).items():
            feature = _fit_numeric(column.name, part, values, indicator=not indicator_used)
            if feature is not None:
                numeric.append(feature)
                indicator_used |= feature.indicator
    return FeatureEncoder(tuple(numeric), tuple(categorical))


def _fit_numeric(
    column: str, part: str | None, values: NDArray[np.float64], *, indicator: bool
) -> NumericFeature | None:
    missing = np.isnan(values)
    if missing.all():
        # only rows outside of the training part have values; the input is then constant
        return NumericFeature(column, part, 0.0, 0.0, 1.0, indicator=False) if part is None else None
    median = float(np.median(values[~missing]))
    filled = np.where(missing, median, values)
    # the scale first: the square of 1e200 would overflow
    scale = float(np.abs(filled).max()) or 1.0
    std = float((filled / scale).std()) * scale
    mean = float((filled / scale).mean()) * scale
    return numeric_feature(column, part, median, mean, std, indicator=bool(missing.any()) and indicator)


def numeric_feature(
    column: str, part: str | None, median: float, mean: float, std: float, *, indicator: bool
) -> NumericFeature | None:
    """A feature of these figures; None for a part of a date that is always the same."""
    if part is not None and std == 0.0 and not indicator:
        return None
    return NumericFeature(column, part, median, mean, std if std > 0 else 1.0, indicator)


def category_table(categories: Sequence[str]) -> dict[str | None, int]:
    """The code of every `category_key` that is not `UNKNOWN`."""
    return {None: MISSING, **{key: code for code, key in enumerate(categories, start=FIRST_CATEGORY)}}


def _category_codes(series: pd.Series[Any], categories: tuple[str, ...]) -> NDArray[np.int64]:
    codes, keys = category_keys(series)
    table = category_table(categories)
    translation = np.array([table.get(key, UNKNOWN) for key in keys], dtype=np.int64)
    return translation[codes] if keys else codes
