"""Raw rows of a table with a schema: as JSON objects, to show them, and as a digest, to know them again."""

from __future__ import annotations

import hashlib

import pandas as pd

from orchestrator.columns.values import Series
from orchestrator.data.parsed import ParsedRows
from orchestrator.data.schema import Schema
from orchestrator.features import KINDS, JsonValue

EXAMPLE_ROWS = 5


def json_rows(schema: Schema, frame: pd.DataFrame) -> tuple[dict[str, JsonValue], ...]:
    """The feature columns of some rows as JSON objects: numbers, texts, true or false, ISO 8601 dates, null."""
    columns = {column.name: KINDS[column.kind].json_values(column, frame[column.name]) for column in schema.columns}
    return tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def hash_rows(state: hashlib._Hash, rows: ParsedRows, labels: Series) -> None:
    """Adds the values of all columns, and of the target as its task takes it, in their order."""
    rows.add_content(state)
    state.update(rows.schema.target.task.content_of(labels))
