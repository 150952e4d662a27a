"""`/invocations`, MLflow's scoring protocol: from its four forms of a body to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.columns.names import name_of
from orchestrator.data.columnar import Columns
from orchestrator.data.nested import Nested
from orchestrator.data.rows import find_sources
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidRequestError
from orchestrator.serving.http.bodies import (
    Parsed,
    all_cells,
    are_cells,
    cell,
    check_count,
    gather,
    missing,
    parse_rows,
)


def parse_invocation(schema: Schema, content: object, max_rows: int | None = None) -> Parsed:
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
        return _from_lists(schema, _default_names(schema, data), data, max_rows)
    return parse_rows(schema, data, max_rows)


def _from_split(schema: Schema, data: object, max_rows: int | None) -> Parsed:
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise InvalidRequestError("dataframe_split must be an object with `columns` and `data`")
    names = data.get("columns", _default_names(schema, data["data"]))
    if not isinstance(names, list) or not all(map(_is_label, names)):
        raise InvalidRequestError("dataframe_split: `columns` must be a list of names")
    # numbers, and lists of the levels of a name, are how pandas writes what is no text
    names = [name if isinstance(name, str) else name_of(name) for name in names]
    if len(set(names)) != len(names):
        raise InvalidRequestError("dataframe_split: `columns` has a name twice")
    return _from_lists(schema, names, data["data"], max_rows)


def _is_label(name: object) -> bool:
    levels = name if isinstance(name, list) and len(name) > 1 else [name]
    return all(isinstance(level, str | int | float) for level in levels)


def _default_names(schema: Schema, rows: Sequence[Any]) -> list[str]:
    """Of columns that are not named: the schema's, or those of the training data if there are lists and records."""
    names = [column.name for column in schema.columns]
    if not schema.nested or not any(
        isinstance(cell, list | dict) for row in rows if isinstance(row, list) for cell in row
    ):
        return names
    sources = {name: each.column for each in schema.nested for name in each.names}
    return list(dict.fromkeys(sources.get(name, name) for name in names))


def _from_lists(schema: Schema, names: Sequence[str], rows: list[Any], max_rows: int | None) -> Parsed:
    check_count(len(rows), max_rows)
    position = {name: index for index, name in enumerate(names)}
    sources = find_sources(schema, names)
    if sources.nested:
        _check_lists(names, rows)
        return gather(schema, sources, lambda name: [row[position[name]] for row in rows]), len(rows), sources.notes
    for column in schema.columns:
        if column.name not in sources.plain:
            raise missing("the column", column.name, names, schema)
    wanted = {column.name: position[sources.plain[column.name]] for column in schema.columns}
    if all(isinstance(values, list) and len(values) == len(names) for values in rows):
        columns: Columns = {name: [values[index] for values in rows] for name, index in wanted.items()}
        if are_cells(all_cells(columns)):
            return columns, len(rows), sources.notes
    columns = {name: [] for name in wanted}
    for row, values in enumerate(rows):
        _check_list(names, row, values)
        for name, index in wanted.items():
            columns[name].append(cell(values[index], row, name))
    return columns, len(rows), sources.notes


def _check_lists(names: Sequence[str], rows: Sequence[Any]) -> None:
    for row, values in enumerate(rows):
        _check_list(names, row, values)


def _check_list(names: Sequence[str], row: int, values: Any) -> None:  # noqa: ANN401
    if not isinstance(values, list) or len(values) != len(names):
        count = f"{len(values)} values" if isinstance(values, list) else "no list of values"
        raise InvalidRequestError(f"row {row + 1} has {count} for {len(names)} columns", row)


def _from_columns(schema: Schema, key: str, data: dict[str, Any], max_rows: int | None) -> Parsed:
    sources = find_sources(schema, list(data))
    nested = {source: each for each, source in sources.nested}
    counts: set[int] = set()

    def cells_of(name: str) -> list[Any]:
        cells = _column(data[name], nested.get(name))
        check_count(len(cells), max_rows)
        counts.add(len(cells))
        return cells

    columns = gather(schema, sources, cells_of)
    if len(counts) > 1:
        raise InvalidRequestError(f"{key}: the columns have different lengths")
    return columns, max(counts, default=0), sources.notes


def _column(values: Any, nested: Nested | None) -> list[Any]:  # noqa: ANN401
    """The cells of a column: a list of them, or the cell of a single row."""
    if not isinstance(values, list):
        return [values]
    if nested is not None:
        return [values] if values and _depth(values) == nested.shape.depth else values
    return [_unwrap(value) for value in values] if list in map(type, values) else values


def _depth(value: object) -> int:
    """How deep lists are nested in each other."""
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _unwrap(value: object) -> object:
    """TF Serving clients send a column as [[1], [2]]."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
