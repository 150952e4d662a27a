"""From request bodies to rows. What does not fit is an `InvalidRequestError` that names row and column."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

import pandas as pd

from orchestrator.data import Schema
from orchestrator.errors import InvalidValueError, ServingError

Cell = str | int | float | bool | None


class InvalidRequestError(ServingError):
    """A request that cannot be answered.

    Attributes:
        row: zero-based position of the row, or None.
        column: name of the column, or None.
    """

    def __init__(self, message: str, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row, self.column = row, column


def parse_json(body: bytes) -> Any:  # noqa: ANN401
    """Strict JSON: no NaN and no infinities.

    Raises:
        InvalidRequestError: anything else.
    """

    def refuse(name: str) -> NoReturn:
        raise InvalidRequestError(f"the body holds {name}, which is not JSON; write null for a missing value")

    try:
        text = body.decode("utf-8")
        return json.loads(text, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        ) from None
    except (ValueError, RecursionError):
        # more digits than Python converts, or brackets nested too deeply
        raise InvalidRequestError(
            "the body is not JSON that can be read: too long a number or too deeply nested"
        ) from None


def parse_rows(schema: Schema, content: object) -> pd.DataFrame:
    """`/predict`: a JSON object, or a list of them, by column name.

    Returns:
        The schema's columns, one row per object.

    Raises:
        InvalidRequestError: another form, a missing column, a cell that is a list or an object.
    """
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise InvalidRequestError("the body must be a JSON object (one row) or a list of objects")
    names = [column.name for column in schema.columns]
    columns: dict[str, list[Cell]] = {name: [] for name in names}
    for row, record in enumerate(content):
        if not isinstance(record, dict):
            raise InvalidRequestError(f"row {row + 1} is not a JSON object", row)
        for name in names:
            if name not in record:
                raise InvalidRequestError(f"row {row + 1}: the column '{name}' is missing", row, name)
            columns[name].append(_cell(record[name], row, name))
    return _frame(columns)


def parse_invocation(schema: Schema, content: object) -> pd.DataFrame:
    """`/invocations`: MLflow's protocol, with one of dataframe_split, dataframe_records, instances and inputs.

    See https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input

    Raises:
        InvalidRequestError: as `parse_rows`.
    """
    keys = ("dataframe_split", "dataframe_records", "instances", "inputs")
    found = [key for key in keys if key in content] if isinstance(content, dict) else []
    if not isinstance(content, dict) or len(found) != 1:
        raise InvalidRequestError(f"the body must be a JSON object with exactly one of {', '.join(keys)}")
    key, data = found[0], content[found[0]]
    if key == "dataframe_split":
        return _from_split(schema, data)
    if key in ("instances", "inputs") and isinstance(data, dict):
        return _from_columns(schema, key, data)
    if not isinstance(data, list):
        raise InvalidRequestError(f"{key} must be a list")
    if data and not any(isinstance(row, dict) for row in data):
        return _from_lists(schema, [column.name for column in schema.columns], data)
    return parse_rows(schema, data)


def _from_split(schema: Schema, data: object) -> pd.DataFrame:
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise InvalidRequestError("dataframe_split must be an object with `columns` and `data`")
    names = data.get("columns", [column.name for column in schema.columns])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("dataframe_split: `columns` must be a list of names")
    if len(set(names)) != len(names):
        raise InvalidRequestError("dataframe_split: `columns` has a name twice")
    return _from_lists(schema, names, data["data"])


def _from_lists(schema: Schema, names: Sequence[str], rows: list[Any]) -> pd.DataFrame:
    position = {name: index for index, name in enumerate(names)}
    for column in schema.columns:
        if column.name not in position:
            raise InvalidRequestError(f"the column '{column.name}' is missing", None, column.name)
    columns: dict[str, list[Cell]] = {column.name: [] for column in schema.columns}
    for row, values in enumerate(rows):
        if not isinstance(values, list) or len(values) != len(names):
            found = f"{len(values)} values" if isinstance(values, list) else "no list of values"
            raise InvalidRequestError(f"row {row + 1} has {found} for {len(names)} columns", row)
        for name, cells in columns.items():
            cells.append(_cell(values[position[name]], row, name))
    return _frame(columns)


def _from_columns(schema: Schema, key: str, data: dict[str, Any]) -> pd.DataFrame:
    columns: dict[str, list[Cell]] = {}
    for column in schema.columns:
        name = column.name
        if name not in data:
            raise InvalidRequestError(f"the column '{name}' is missing", None, name)
        values = data[name]
        cells = values if isinstance(values, list) else [values]
        columns[name] = [_cell(_unwrap(value), row, name) for row, value in enumerate(cells)]
    if len({len(cells) for cells in columns.values()}) > 1:
        raise InvalidRequestError(f"{key}: the columns have different lengths")
    return _frame(columns)


def _unwrap(value: object) -> object:
    """TF Serving clients send a column as [[1], [2]]."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _cell(value: object, row: int, column: str) -> Cell:
    if isinstance(value, dict | list):
        raise InvalidRequestError(f"row {row + 1}, column '{column}': a list or object cannot be a value", row, column)
    if isinstance(value, float) and not math.isfinite(value):
        # 1e999 is JSON, but no number
        raise InvalidRequestError(f"row {row + 1}, column '{column}': the number is too large", row, column)
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        # JSON can write half of a UTF-16 pair, which is no text: pandas fails on it
        raise InvalidRequestError(f"row {row + 1}, column '{column}': the text is not valid Unicode", row, column)
    return value  # type: ignore[return-value]


def _frame(columns: dict[str, list[Cell]]) -> pd.DataFrame:
    # object: a column may hold numbers, texts and nulls, and the encoder looks at each value
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})


def refusal(error: InvalidRequestError | InvalidValueError) -> dict[str, Any]:
    """The body of a 422 answer."""
    return {"error": {"message": _printable(str(error)), "row": error.row, "column": error.column}}


def _printable(text: str) -> str:
    # a lone surrogate in a request cannot be written back as UTF-8
    return text.encode("utf-8", "replace").decode("utf-8")
