"""`/invocations`, MLflow's scoring protocol: from its four forms of a body to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.data.columnar import Columns
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidRequestError
from orchestrator.serving.http.bodies import all_cells, are_cells, cell, check_count, parse_rows


def parse_invocation(schema: Schema, content: object, max_rows: int | None = None) -> tuple[Columns, int]:
    """A body with one of dataframe_split, dataframe_records, instances and inputs.

    See https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input

    Returns, raises: as `parse_rows`.
    """
    keys = ("dataframe_split", "dataframe_records", "instances", "inputs")
    found = [key for key in keys if key in content] if isinstance(content, dict) else []
    if not isinstance(content, dict) or len(found) != 1:
        raise InvalidRequestError(f"the body must be a JSON object with exactly one of {', '.join(keys)}")
    key, data = found[0], content[found[0]]
    if key == "dataframe_split":
        return _from_split(schema, data, max_rows)
    if key in ("instances", "inputs") and isinstance(data, dict):
        return _from_columns(schema, key, data, max_rows)
    if not isinstance(data, list):
        raise InvalidRequestError(f"{key} must be a list")
    if data and not any(isinstance(row, dict) for row in data):
        return _from_lists(schema, [column.name for column in schema.columns], data, max_rows)
    return parse_rows(schema, data, max_rows)


def _from_split(schema: Schema, data: object, max_rows: int | None) -> tuple[Columns, int]:
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise InvalidRequestError("dataframe_split must be an object with `columns` and `data`")
    names = data.get("columns", [column.name for column in schema.columns])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("dataframe_split: `columns` must be a list of names")
    if len(set(names)) != len(names):
        raise InvalidRequestError("dataframe_split: `columns` has a name twice")
    return _from_lists(schema, names, data["data"], max_rows)


def _from_lists(schema: Schema, names: Sequence[str], rows: list[Any], max_rows: int | None) -> tuple[Columns, int]:
    check_count(len(rows), max_rows)
    position = {name: index for index, name in enumerate(names)}
    for column in schema.columns:
        if column.name not in position:
            raise InvalidRequestError(f"the column '{column.name}' is missing", None, column.name)
    wanted = {column.name: position[column.name] for column in schema.columns}
    if all(isinstance(values, list) and len(values) == len(names) for values in rows):
        columns: Columns = {name: [values[index] for values in rows] for name, index in wanted.items()}
        if are_cells(all_cells(columns)):
            return columns, len(rows)
    columns = {name: [] for name in wanted}
    for row, values in enumerate(rows):
        if not isinstance(values, list) or len(values) != len(names):
            count = f"{len(values)} values" if isinstance(values, list) else "no list of values"
            raise InvalidRequestError(f"row {row + 1} has {count} for {len(names)} columns", row)
        for name, index in wanted.items():
            columns[name].append(cell(values[index], row, name))
    return columns, len(rows)


def _from_columns(schema: Schema, key: str, data: dict[str, Any], max_rows: int | None) -> tuple[Columns, int]:
    columns: Columns = {}
    for column in schema.columns:
        name = column.name
        if name not in data:
            raise InvalidRequestError(f"the column '{name}' is missing", None, name)
        values = data[name]
        cells = values if isinstance(values, list) else [values]
        check_count(len(cells), max_rows)
        if list in map(type, cells):
            cells = [_unwrap(value) for value in cells]
        columns[name] = cells if are_cells(cells) else [cell(value, row, name) for row, value in enumerate(cells)]
    counts = {len(cells) for cells in columns.values()}
    if len(counts) > 1:
        raise InvalidRequestError(f"{key}: the columns have different lengths")
    return columns, max(counts, default=0)


def _unwrap(value: object) -> object:
    """TF Serving clients send a column as [[1], [2]]."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
