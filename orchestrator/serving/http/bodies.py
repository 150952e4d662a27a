"""From request bodies to columns. What does not fit is an `InvalidRequestError` that names row and column."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

import orjson

from orchestrator.data.columnar import Cell, Columns
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidRequestError, InvalidValueError, TooManyRowsError

CELL_TYPES = frozenset({str, int, float, bool, type(None)})
# orjson makes floats of integers that do not fit into 64 bits, which have 19 digits or more
LONG_DIGITS = b"0" * 19
LONG_INTEGER = re.compile(rb"(?<![\d.])\d{19,}(?![\d.eE])")
DIGITS_AS_ZEROS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))


def parse_json(body: bytes) -> Any:  # noqa: ANN401
    """Strict JSON: no NaN and no infinities. Integers keep all of their digits.

    Raises:
        InvalidRequestError: anything else.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        # json says where and why, or reads what orjson does not: 1e999, half of a UTF-16 pair
        return _parse_slowly(body)
    # a search in C first: the expression alone would take longer than orjson
    if LONG_DIGITS in body.translate(DIGITS_AS_ZEROS) and LONG_INTEGER.search(body):
        return _parse_slowly(body)
    return content


def _parse_slowly(body: bytes) -> Any:  # noqa: ANN401
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


def parse_rows(schema: Schema, content: object, max_rows: int | None = None) -> tuple[Columns, int]:
    """`/predict`: a JSON object, or a list of them, by column name.

    Returns:
        The cells of each of the schema's columns, and the number of rows.

    Raises:
        TooManyRowsError: there are more than `max_rows`.
        InvalidRequestError: another form, a missing column, a cell that is a list or an object.
    """
    records = [content] if isinstance(content, dict) else content
    if not isinstance(records, list):
        raise InvalidRequestError("the body must be a JSON object (one row) or a list of objects")
    _check_count(len(records), max_rows)
    names = [column.name for column in schema.columns]
    try:
        columns: Columns = {name: [record[name] for record in records] for name in names}
    except (KeyError, TypeError):
        return _row_by_row(names, records), len(records)
    return columns if _are_cells(_all_cells(columns)) else _row_by_row(names, records), len(records)


def _row_by_row(names: Sequence[str], records: Sequence[object]) -> Columns:
    """As `parse_rows`, looking at one cell after another to find the first that does not fit."""
    columns: Columns = {name: [] for name in names}
    for row, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidRequestError(f"row {row + 1} is not a JSON object", row)
        for name in names:
            if name not in record:
                raise InvalidRequestError(f"row {row + 1}: the column '{name}' is missing", row, name)
            columns[name].append(_cell(record[name], row, name))
    return columns


def parse_invocation(schema: Schema, content: object, max_rows: int | None = None) -> tuple[Columns, int]:
    """`/invocations`: MLflow's protocol, with one of dataframe_split, dataframe_records, instances and inputs.

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
    _check_count(len(rows), max_rows)
    position = {name: index for index, name in enumerate(names)}
    for column in schema.columns:
        if column.name not in position:
            raise InvalidRequestError(f"the column '{column.name}' is missing", None, column.name)
    wanted = {column.name: position[column.name] for column in schema.columns}
    if all(isinstance(values, list) and len(values) == len(names) for values in rows):
        columns: Columns = {name: [values[index] for values in rows] for name, index in wanted.items()}
        if _are_cells(_all_cells(columns)):
            return columns, len(rows)
    columns = {name: [] for name in wanted}
    for row, values in enumerate(rows):
        if not isinstance(values, list) or len(values) != len(names):
            count = f"{len(values)} values" if isinstance(values, list) else "no list of values"
            raise InvalidRequestError(f"row {row + 1} has {count} for {len(names)} columns", row)
        for name, index in wanted.items():
            columns[name].append(_cell(values[index], row, name))
    return columns, len(rows)


def _from_columns(schema: Schema, key: str, data: dict[str, Any], max_rows: int | None) -> tuple[Columns, int]:
    columns: Columns = {}
    for column in schema.columns:
        name = column.name
        if name not in data:
            raise InvalidRequestError(f"the column '{name}' is missing", None, name)
        values = data[name]
        cells = values if isinstance(values, list) else [values]
        _check_count(len(cells), max_rows)
        if list in map(type, cells):
            cells = [_unwrap(value) for value in cells]
        columns[name] = cells if _are_cells(cells) else [_cell(value, row, name) for row, value in enumerate(cells)]
    counts = {len(cells) for cells in columns.values()}
    if len(counts) > 1:
        raise InvalidRequestError(f"{key}: the columns have different lengths")
    return columns, max(counts, default=0)


def _unwrap(value: object) -> object:
    """TF Serving clients send a column as [[1], [2]]."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _check_count(rows: int, max_rows: int | None) -> None:
    if max_rows is not None and rows > max_rows:
        raise TooManyRowsError(
            f"the body has {rows:,} rows, but at most {max_rows:,} are answered at once; send them in several requests"
        )


def _all_cells(columns: Columns) -> list[Cell]:
    return list(chain.from_iterable(columns.values()))


def _are_cells(cells: Sequence[object]) -> bool:
    """Whether `_cell` would take all of them, found with few steps of Python per cell."""
    kinds = set(map(type, cells))
    if not kinds <= CELL_TYPES:
        return False
    if float in kinds and not all(map(math.isfinite, [cell for cell in cells if isinstance(cell, float)])):
        return False
    try:
        "".join([cell for cell in cells if isinstance(cell, str)]).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _cell(value: object, row: int, column: str) -> Cell:
    if isinstance(value, dict | list):
        raise InvalidRequestError(f"row {row + 1}, column '{column}': a list or object cannot be a value", row, column)
    if isinstance(value, float) and not math.isfinite(value):
        # 1e999 is JSON, but no number
        raise InvalidRequestError(f"row {row + 1}, column '{column}': the number is too large", row, column)
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        # JSON can write half of a UTF-16 pair, which is no text and could not be written down
        raise InvalidRequestError(f"row {row + 1}, column '{column}': the text is not valid Unicode", row, column)
    return value  # type: ignore[return-value]


def refusal(error: InvalidRequestError | InvalidValueError) -> dict[str, Any]:
    """The body of a 422 answer."""
    return {"error": {"message": _printable(str(error)), "row": error.row, "column": error.column}}


def _printable(text: str) -> str:
    # a lone surrogate in a request cannot be written back as UTF-8
    return text.encode("utf-8", "replace").decode("utf-8")
