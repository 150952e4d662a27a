"""Raw rows of a table with a schema: as JSON objects, to show them, and as a digest, to know them again."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.columns.values import category_content, category_key, number_content, to_numbers, to_timestamps
from orchestrator.data.encoder import numeric_values
from orchestrator.data.schema import Column, ColumnKind, Schema

JsonValue = str | int | float | bool | None
EXAMPLE_ROWS = 5


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


def hash_rows(state: hashlib._Hash, schema: Schema, rows: pd.DataFrame) -> None:
    """Adds the values of all columns of the schema, and of the target, in their order."""
    for column in schema.columns:
        if column.kind is ColumnKind.CATEGORICAL:
            state.update(category_content(rows[column.name]))
        else:
            for values in numeric_values(column, rows[column.name]).values():
                state.update(number_content(values))
    state.update(schema.target.task.content_of(rows[schema.target.name]))
