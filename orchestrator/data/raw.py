"""Raw rows of a table with a schema: as JSON objects, to show them, and as a digest, to know them again."""

from __future__ import annotations

import hashlib

import pandas as pd

from orchestrator.data.schema import Schema
from orchestrator.features import KINDS, JsonValue

EXAMPLE_ROWS = 5


def json_rows(schema: Schema, frame: pd.DataFrame) -> tuple[dict[str, JsonValue], ...]:
    """The feature columns of some rows as JSON objects: numbers, texts, true or false, ISO 8601 dates, null."""
    columns = {column.name: KINDS[column.kind].json_values(column, frame[column.name]) for column in schema.columns}
    return tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def hash_rows(state: hashlib._Hash, schema: Schema, rows: pd.DataFrame) -> None:
    """Adds the values of all columns of the schema, and of the target, in their order."""
    for column in schema.columns:
        kind = KINDS[column.kind]
        state.update(kind.content(kind.parse(column, rows[column.name])))
    state.update(schema.target.task.content_of(schema.target.plain(rows[schema.target.name])))
