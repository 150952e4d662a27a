"""From request bodies to columns. What does not fit is an `InvalidRequestError` that names row and column."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NoReturn

import orjson

from orchestrator.columns.names import meant_for
from orchestrator.columns.notes import Note
from orchestrator.data.columnar import Cell, Columns
from orchestrator.data.nested import expand_cells
from orchestrator.data.rows import Sources, find_sources
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidRequestError, InvalidValueError, TooManyRowsError

# cells of the columns, number of rows, and what was guessed
Parsed = tuple[Columns, int, tuple[Note, ...]]
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
        hint = "" if body.lstrip()[:1] in (b"{", b"[", b"") else " (CSV needs the header Content-Type: text/csv)"
        raise InvalidRequestError(
            f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}{hint}"
        ) from None
    except (ValueError, RecursionError):
        # more digits than Python converts, or brackets nested too deeply
        raise InvalidRequestError(
            "the body is not JSON that can be read: too long a number or too deeply nested"
        ) from None


def parse_rows(schema: Schema, content: object, max_rows: int | None = None) -> Parsed:
    """`/predict`: a JSON object, or a list of them, by column name.

    Returns:
        The cells of each of the schema's columns, the number of rows, and notes about names that are written otherwise.

    Raises:
        TooManyRowsError: there are more than `max_rows`.
        InvalidRequestError: another form, a missing column, a cell that is a list or an object.
    """
    records = [content] if isinstance(content, dict) else content
    if not isinstance(records, list):
        raise InvalidRequestError("the body must be a JSON object (one row) or a list of objects")
    check_count(len(records), max_rows)
    names = [column.name for column in schema.columns]
    try:
        columns: Columns = {name: [record[name] for record in records] for name in names}
    except (KeyError, TypeError):
        return _by_other_names(schema, records)
    return columns if are_cells(all_cells(columns)) else _row_by_row(schema, records), len(records), ()


def _by_other_names(schema: Schema, records: Sequence[Any]) -> Parsed:
    """As `parse_rows`, where names are written otherwise, or lists and records become several columns."""
    if not all(isinstance(record, dict) for record in records):
        return _row_by_row(schema, records), len(records), ()
    present = list(dict.fromkeys(chain.from_iterable(records)))

    sources = find_sources(schema, present)
    if not sources.nested and not sources.notes:
        # the first row that lacks a column is named
        return _row_by_row(schema, records), len(records), ()

    def cells_of(name: str) -> list[Any]:
        for row, record in enumerate(records):
            if name not in record:
                raise missing(f"row {row + 1}: the column", name, record, schema, row)
        return [record[name] for record in records]

    return gather(schema, sources, cells_of), len(records), sources.notes


def gather(schema: Schema, sources: Sources, cells_of: Callable[[str], Sequence[Any]]) -> Columns:
    """The cells of each of the schema's columns.

    Args:
        schema: of the model.
        sources: where they come from in a request.
        cells_of: gives the cells of a column of the request, by its name there.

    Raises:
        InvalidRequestError: a column is missing, or a cell does not fit.
    """
    expanded: dict[str, list[Any]] = {}
    for each, source in sources.nested:
        try:
            expanded |= expand_cells(each, cells_of(source))
        except InvalidValueError as error:
            raise InvalidRequestError(str(error), error.row, error.column) from None
    columns: Columns = {}
    for column in schema.columns:
        name = column.name
        if name not in expanded and name not in sources.plain:
            raise missing("the column", name, sources.present, schema)
        cells = expanded[name] if name in expanded else cells_of(sources.plain[name])
        columns[name] = list(cells) if are_cells(cells) else [cell(value, row, name) for row, value in enumerate(cells)]
    return columns


def missing(what: str, name: str, present: Iterable[object], schema: Schema, row: int | None = None) -> Exception:
    """The error of a column that is not among the names that are there."""
    known = {column.name for column in schema.columns} | {each.column for each in schema.nested}
    hint = meant_for(name, present, known)
    return InvalidRequestError(f"{what} '{name}' is missing{hint}", row, name)


def _row_by_row(schema: Schema, records: Sequence[object]) -> Columns:
    """As `parse_rows`, looking at one cell after another to find the first that does not fit."""
    names = [column.name for column in schema.columns]
    columns: Columns = {name: [] for name in names}
    for row, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidRequestError(f"row {row + 1} is not a JSON object", row)
        for name in names:
            if name not in record:
                raise missing(f"row {row + 1}: the column", name, record, schema, row)
            columns[name].append(cell(record[name], row, name))
    return columns


def check_count(rows: int, max_rows: int | None) -> None:
    """Raises TooManyRowsError for more rows than are answered at once; `max_rows` None allows any number."""
    if max_rows is not None and rows > max_rows:
        raise TooManyRowsError(
            f"the body has {rows:,} rows, but at most {max_rows:,} are answered at once; send them in several requests"
        )


def all_cells(columns: Columns) -> list[Cell]:
    """Those of all columns, one column after the other."""
    return list(chain.from_iterable(columns.values()))


def are_cells(cells: Sequence[object]) -> bool:
    """Whether `cell` would take all of them, found with few steps of Python per cell."""
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


def cell(value: object, row: int, column: str) -> Cell:
    """A value of JSON as a cell; raises InvalidRequestError, which names row (zero-based) and column, if it is none."""
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
