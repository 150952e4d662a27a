"""Tensors of the Open Inference Protocol v2: what a column or an output is in JSON and in binary data.

Binary tensors: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np

from orchestrator.data.columnar import Cell
from orchestrator.errors import InvalidRequestError
from orchestrator.tasks.predictions import Label, Values

INTEGERS = {
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
FLOATS = {f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)}
# any byte but zero is true; NumPy's own bool would keep the byte
FIXED_SIZE = {"BOOL": np.dtype("u1"), **INTEGERS, **FLOATS}
DATATYPES = (*FIXED_SIZE, "BYTES")
_JSON_TYPES: dict[str, frozenset[type]] = {
    "BOOL": frozenset({bool, NoneType}),
    "BYTES": frozenset({str, NoneType}),
    # JSON Schema and JavaScript know no difference between 1 and 1.0
    **dict.fromkeys((*INTEGERS, *FLOATS), frozenset({int, float, NoneType})),
}
_LENGTH = struct.Struct("<I")


def label_datatype(classes: Sequence[Label]) -> str:
    """BOOL or INT64 where all labels are of that type, else BYTES."""
    if all(isinstance(label, bool) for label in classes):
        return "BOOL"
    bounds = np.iinfo(np.int64)
    if all(type(label) is int and bounds.min <= label <= bounds.max for label in classes):
        return "INT64"
    return "BYTES"


def from_json(name: str, datatype: str, data: object, rows: int) -> list[Cell]:
    """The values of a tensor of shape [rows] or [rows, 1] that is a list in JSON, flat or nested.

    Raises:
        InvalidRequestError: it is no such list, or a value is neither of the datatype nor null.
    """
    if not isinstance(data, list) or len(data) != rows:
        found = f"{len(data)} values" if isinstance(data, list) else "no list of values"
        raise InvalidRequestError(f"input '{name}': `data` has {found} for {rows} rows", None, name)
    cells = data
    if list in set(map(type, cells)):
        cells = [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in cells]
    # the types of all cells at once, the rows one by one only when something is wrong
    types = set(map(type, cells))
    if not types <= _JSON_TYPES[datatype]:
        row = next(row for row, cell in enumerate(cells) if type(cell) not in _JSON_TYPES[datatype])
        raise _misfit(name, row, datatype)
    if datatype not in INTEGERS:
        return _checked(name, cells, types)
    bounds = np.iinfo(INTEGERS[datatype])
    known = [cell for cell in cells if cell is not None]
    if float not in types and (not known or (bounds.min <= min(known) and max(known) <= bounds.max)):
        return cells
    for row, cell in enumerate(cells):
        if cell is not None and not (bounds.min <= cell <= bounds.max and cell == int(cell)):
            raise _misfit(name, row, datatype)
    return [None if cell is None else int(cell) for cell in cells]


def _checked(name: str, cells: list[Cell], types: set[type]) -> list[Cell]:
    """The cells, if floats are finite and texts are Unicode: JSON can write 1e999 and half of a UTF-16 pair."""
    if float in types:
        for row, cell in enumerate(cells):
            if isinstance(cell, float) and not math.isfinite(cell):
                raise InvalidRequestError(f"row {row + 1}, column '{name}': the number is too large", row, name)
    if str in types and not is_unicode("".join([cell for cell in cells if isinstance(cell, str)])):
        row = next(row for row, cell in enumerate(cells) if isinstance(cell, str) and not is_unicode(cell))
        raise InvalidRequestError(f"row {row + 1}, column '{name}': the text is not valid Unicode", row, name)
    return cells


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no half of a UTF-16 pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _misfit(name: str, row: int, datatype: str) -> InvalidRequestError:
    return InvalidRequestError(f"row {row + 1}, column '{name}': the value is not {datatype} or null", row, name)


def from_binary(name: str, datatype: str, binary: memoryview, rows: int) -> list[Cell]:
    """The values of a tensor of shape [rows] or [rows, 1] that is binary data; NaN is a missing value.

    Raises:
        InvalidRequestError: the data has another length, an infinite number, or a text that is not UTF-8.
    """
    return _texts(name, binary, rows) if datatype == "BYTES" else _numbers(name, datatype, binary, rows)


def _numbers(name: str, datatype: str, binary: memoryview, rows: int) -> list[Cell]:
    dtype = FIXED_SIZE[datatype]
    if len(binary) != rows * dtype.itemsize:
        raise InvalidRequestError(
            f"input '{name}' has {len(binary)} bytes for {rows} rows of {datatype}; needed: {rows * dtype.itemsize}",
            None,
            name,
        )
    numbers = np.frombuffer(binary, dtype)
    if datatype == "BOOL":
        return (numbers != 0).tolist()  # type: ignore[no-any-return]
    cells: list[Cell] = numbers.tolist()
    if datatype in FLOATS and not np.isfinite(numbers).all():
        infinite = np.isinf(numbers)
        if infinite.any():
            row = int(infinite.argmax())
            raise InvalidRequestError(f"row {row + 1}, column '{name}': the number is infinite", row, name)
        return [None if cell != cell else cell for cell in cells]  # noqa: PLR0124
    return cells


def _texts(name: str, binary: memoryview, rows: int) -> list[Cell]:
    """Each text is its length in bytes (uint32, little-endian) and UTF-8."""
    cells: list[Cell] = []
    position, end = 0, len(binary)
    for row in range(rows):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(binary, position)[0] if start <= end else end + 1
        if position > end:
            raise InvalidRequestError(f"input '{name}': its binary data ends in row {row + 1} of {rows}", row, name)
        try:
            cells.append(str(binary[start:position], "utf-8"))
        except UnicodeDecodeError:
            raise InvalidRequestError(f"row {row + 1}, column '{name}': the text is not UTF-8", row, name) from None
    if position < end:
        raise InvalidRequestError(f"input '{name}': its binary data has more than {rows} texts", None, name)
    return cells


def to_data(datatype: str, tensor: Values) -> list[Any]:
    """An output as the flat list of JSON, row after row."""
    if isinstance(tensor, np.ndarray):
        return tensor.ravel().tolist()
    return [str(label) for label in tensor] if datatype == "BYTES" else list(tensor)


def to_binary(datatype: str, tensor: Values) -> bytes:
    """An output as binary data."""
    if datatype != "BYTES":
        return np.asarray(tensor, dtype=FIXED_SIZE[datatype]).tobytes()
    texts = [str(label).encode() for label in tensor]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
