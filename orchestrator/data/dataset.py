"""A data set ready for training: schema, encoder and the three parts as arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.values import category_key, category_keys, to_numbers, to_timestamps
from orchestrator.data.encoder import (
    FeatureEncoder,
    TargetEncoder,
    encode_target,
    fit_features,
    fit_target,
    numeric_values,
)
from orchestrator.data.inference import infer_schema
from orchestrator.data.schema import Column, ColumnKind, Schema, Task
from orchestrator.data.sources import Table
from orchestrator.data.splits import MIN_ROWS, SPLIT_SEED, split_rows
from orchestrator.errors import DataError

JsonValue = str | int | float | bool | None
EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Examples:
    """Encoded rows.

    Attributes:
        numeric: float32 [rows, numeric width], standardised.
        categorical: int64 [rows, categorical features], codes.
        target: int64 [rows] class numbers, or float32 [rows] standardised values.
    """

    numeric: NDArray[np.float32]
    categorical: NDArray[np.int64]
    target: NDArray[np.int64] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.target)

    def between(self, start: int, stop: int) -> Examples:
        """Consecutive rows, without a copy."""
        return Examples(self.numeric[start:stop], self.categorical[start:stop], self.target[start:stop])

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """The rows of all parts, one after another."""
        return cls(
            np.concatenate([part.numeric for part in parts]),
            np.concatenate([part.categorical for part in parts]),
            np.concatenate([part.target for part in parts]),
        )


@dataclass(frozen=True)
class Dataset:
    """Everything a trial needs of the data.

    Attributes:
        name, origin: see `Table`.
        digest: SHA-256 over the raw rows, the target and the split: two results can be compared if it is equal.
        schema, encoder, target_encoder: see there; fitted on the training part only.
        train, validation, test: encoded parts. `test` is empty where it must not be looked at (`without_test`).
        example: a few raw training rows as JSON objects, as an input example.
        notes: what the user should know about the data.
    """

    name: str
    origin: str
    digest: str
    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    train: Examples
    validation: Examples
    test: Examples
    example: tuple[dict[str, JsonValue], ...]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[int, int, int]:
        """Rows for training, validation and test."""
        return len(self.train), len(self.validation), len(self.test)

    def without_test(self) -> Dataset:
        """The same data set with an empty test part, as it is given to trials."""
        return replace(self, test=self.test.between(0, 0))


def prepare_dataset(
    table: Table,
    target: str | None = None,
    *,
    task: Task | None = None,
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
    split_seed: int = SPLIT_SEED,
) -> Dataset:
    """Infers the schema, splits the rows, fits the encoder on the training part and encodes all parts.

    Args:
        table: raw rows.
        target: column to predict; may be left out for scikit-learn's data sets.
        task: binary, multiclass or regression instead of what is inferred.
        categorical: columns to read as categories whatever they look like.
        ignore: columns to leave out.
        split_seed: of the split.

    Raises:
        UsageError, DataError: see `infer_schema`; also when fewer than 10 rows have a target.
    """
    schema, known, notes = infer_schema(table, target, task=task, categorical=categorical, ignore=ignore)
    rows = table.frame[known].reset_index(drop=True)
    if len(rows) < MIN_ROWS:
        count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
        raise DataError(f"{table.origin}: only {count} with a target; at least {MIN_ROWS} are needed to train and test")
    classes = _class_numbers(schema, rows)
    split = split_rows(len(rows), classes, split_seed)
    notes += _rare_class_notes(schema, classes)
    training_rows = rows.iloc[split.train]
    encoder = fit_features(schema, training_rows)
    target_encoder = fit_target(schema, training_rows[schema.target.name])

    def encode(positions: NDArray[np.int64]) -> Examples:
        part = rows.iloc[positions]
        numeric, codes = encoder.transform(schema, part)
        return Examples(numeric, codes, encode_target(schema, target_encoder, part[schema.target.name]))

    return Dataset(
        table.name,
        table.origin,
        _digest(schema, rows, split_seed),
        schema,
        encoder,
        target_encoder,
        encode(split.train),
        encode(split.validation),
        encode(split.test),
        json_rows(schema, training_rows.head(EXAMPLE_ROWS)),
        notes,
    )


def json_rows(schema: Schema, frame: pd.DataFrame) -> tuple[dict[str, JsonValue], ...]:
    """The feature columns of some rows as JSON objects: numbers, texts, true or false, ISO 8601 dates, null."""
    columns = {column.name: _json_values(column, frame[column.name]) for column in schema.columns}
    return tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _json_values(column: Column, series: pd.Series[Any]) -> list[JsonValue]:
    if column.kind is ColumnKind.CATEGORICAL:
        return [category_key(value) for value in series]
    if column.kind is ColumnKind.DATETIME:
        stamps = to_timestamps(series, column.name, column.datetime_format or "ISO8601")
        # in the format of the column, so that it can be given back
        written = "%Y-%m-%dT%H:%M:%S" if column.datetime_format in (None, "ISO8601") else column.datetime_format
        return [None if pd.isna(stamp) else stamp.strftime(str(written)) for stamp in stamps]
    numbers = to_numbers(series, column.name)
    if column.kind is ColumnKind.BOOLEAN:
        return [None if np.isnan(number) else bool(number) for number in numbers]
    return [None if np.isnan(number) else int(number) if number.is_integer() else number for number in numbers.tolist()]


def _class_numbers(schema: Schema, rows: pd.DataFrame) -> NDArray[np.int64] | None:
    if not schema.target.task.is_classification:
        return None
    encoded = encode_target(schema, TargetEncoder(), rows[schema.target.name])
    return encoded.astype(np.int64)


def _rare_class_notes(schema: Schema, classes: NDArray[np.int64] | None) -> tuple[str, ...]:
    if classes is None:
        return ()
    counts = np.bincount(classes, minlength=len(schema.target.classes))
    rare = [str(label) for label, count in zip(schema.target.classes, counts, strict=True) if count < 3]  # noqa: PLR2004
    if not rare:
        return ()
    listed = ", ".join(rare[:5])
    return (f"fewer than 3 rows for class {listed}: such rows are used for training only",)


def _digest(schema: Schema, rows: pd.DataFrame, split_seed: int) -> str:
    """SHA-256 of what decides a result: the values, the target and the split, not how the file was written."""
    state = hashlib.sha256()
    state.update(json.dumps([schema.to_json(), split_seed], sort_keys=True).encode())
    hash_rows(state, schema, rows)
    return state.hexdigest()


def hash_rows(state: hashlib._Hash, schema: Schema, rows: pd.DataFrame) -> None:
    """Adds the values of all columns of the schema, and of the target, in their order."""
    for column in schema.columns:
        if column.kind is ColumnKind.CATEGORICAL:
            _hash_categories(state, rows[column.name])
        else:
            for values in numeric_values(column, rows[column.name]).values():
                state.update(np.nan_to_num(values, nan=np.inf).astype("<f8").tobytes())
    if schema.target.task.is_classification:
        _hash_categories(state, rows[schema.target.name])
    else:
        state.update(to_numbers(rows[schema.target.name], schema.target.name).astype("<f8").tobytes())


def _hash_categories(state: hashlib._Hash, series: pd.Series[Any]) -> None:
    codes, keys = category_keys(series)
    state.update(json.dumps(keys).encode())
    state.update(codes.astype("<i8").tobytes())
