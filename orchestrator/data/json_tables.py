"""Tables in JSON: a row in each line, a list of rows, or columns by name; cells are read as those of a data frame."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from orchestrator.columns.names import name_of
from orchestrator.columns.values import Series
from orchestrator.data.csv.decoding import to_utf8
from orchestrator.data.csv.files import read_bytes
from orchestrator.data.csv.foreign import looks_like_json
from orchestrator.data.folders import JSON_SUFFIXES
from orchestrator.data.normalise import from_arrow
from orchestrator.errors import DataError

HEAD = 4096
# what pandas and programs that send tables call their parts
SPLIT = {"columns", "data"}


def is_json(path: Path) -> bool:
    """Whether a file is a table in JSON, by its name or, if that says CSV, by how it begins."""
    names = path.name.lower().split(".")
    if f".{names[-1]}" in JSON_SUFFIXES or (len(names) > 2 and f".{names[-2]}" in JSON_SUFFIXES):  # noqa: PLR2004
        return True
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return looks_like_json(head.removeprefix(codecs.BOM_UTF8))


def read_json(path: Path) -> pd.DataFrame:
    """Reads a table in JSON, compressed or not.

    Raises:
        UsageError: there is no such file.
        DataError: it is not JSON, or no table; the line is named.
    """
    origin = str(path)
    text, _ = to_utf8(origin, read_bytes(path))
    if not text.strip():
        raise DataError(f"{origin}: the file is empty")
    try:
        content = _loaded(text)
    except (ValueError, RecursionError):
        return _of_rows(origin, _lines(origin, text))
    if isinstance(content, list):
        return _of_rows(origin, enumerate(content, 1), "row")
    return _of_object(origin, content)


def _lines(origin: str, text: bytes) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split(b"\n"), 1):
        if line.strip():
            try:
                yield number, _loaded(line)
            except ValueError as error:
                reason = str(error).partition(":")[0].lower()
                raise DataError(f"{origin}: line {number} is not JSON ({reason})") from None


def _loaded(line: bytes) -> Any:  # noqa: ANN401
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN, and numbers with more digits than 64 bits hold
        return json.loads(line)


def _of_rows(origin: str, rows: Iterable[tuple[int, Any]], unit: str = "line") -> pd.DataFrame:
    """A table of objects; a name that a row does not have is a missing value there."""
    columns: dict[str, list[Any]] = {}
    for before, (number, row) in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f'{origin}: {unit} {number} is no object with the names of columns, such as {{"x": 1}}')
        for name, cell in row.items():
            if name not in columns:
                columns[name] = [None] * before
            columns[name].append(cell)
        if len(row) < len(columns):
            for cells in columns.values():
                if len(cells) == before:
                    cells.append(None)
    return _frame(columns)


def _of_object(origin: str, content: Any) -> pd.DataFrame:  # noqa: ANN401
    if not isinstance(content, dict):
        raise DataError(f"{origin}: is no table: give a list of rows, or a row in each line")
    data = content.get("data")
    if content.keys() >= SPLIT and isinstance(data, list) and isinstance(content["columns"], list):
        names = list(map(name_of, content["columns"]))
        if any(not isinstance(row, list) or len(row) != len(names) for row in data) or len(set(names)) < len(names):
            raise DataError(f"{origin}: `data` must be a list of rows with as many cells as there are `columns`")
        return _frame({name: [row[place] for row in data] for place, name in enumerate(names)})
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        # how pandas writes a table with a schema, and how many services answer
        return _of_rows(origin, enumerate(data, 1), "row").drop(columns="index", errors="ignore")
    if content and all(isinstance(cells, list) for cells in content.values()):
        lengths = {len(cells) for cells in content.values()}
        if len(lengths) == 1:
            return _frame(content)
        raise DataError(f"{origin}: the columns have different lengths ({min(lengths)} to {max(lengths)})")
    if content and all(isinstance(cells, dict) for cells in content.values()):
        rows = dict.fromkeys(key for cells in content.values() for key in cells)
        return _frame({name: [cells.get(row) for row in rows] for name, cells in content.items()})
    if content and not any(isinstance(cell, dict | list) for cell in content.values()):
        return _of_rows(origin, [(1, content)])
    raise DataError(f"{origin}: is no table: give a list of rows, or a row in each line")


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    named = [_series(cells).rename(name) for name, cells in columns.items()]
    return pd.concat(named, axis=1) if named else pd.DataFrame()


def _series(cells: list[Any]) -> Series:
    try:
        return from_arrow(pa.chunked_array([pa.array(cells)]))
    except (pa.ArrowException, OverflowError):
        # of several types
        return pd.Series(cells, dtype=object)
