"""Lists of one length and records as columns: what is expanded is found once, kept in the schema, done ever after."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.notes import Note
from orchestrator.columns.values import Series
from orchestrator.data.normalise import BINARIES, LISTS, SEQUENCES, from_arrow, is_any
from orchestrator.errors import InvalidValueError

# that are made of one
MOST_COLUMNS = 2048
MOST_DEPTH = 16
UNNAMED = f"no more than {MOST_COLUMNS:,} columns with names that are free can be made"
NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_duration)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the cells of a column are made of: a plain value, so many of one shape, or fields by name.

    Attributes:
        length: of the lists; None if they are no lists.
        item: shape of what is in the lists.
        fields: of the records, by name.
    """

    length: int | None = None
    item: Shape | None = None
    fields: tuple[tuple[str, Shape], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing is to be expanded."""
        return self.item is None and not self.fields

    @property
    def width(self) -> int:
        """How many columns one of this shape becomes."""
        if self.item is not None:
            return (self.length or 0) * self.item.width
        return sum(shape.width for _, shape in self.fields) if self.fields else 1

    @property
    def depth(self) -> int:
        """How deep lists are nested in each other."""
        return 0 if self.item is None else 1 + self.item.depth

    @property
    def parts(self) -> Iterator[tuple[str, Shape]]:
        """What cells consist of, by name."""
        if self.item is not None:
            yield from ((str(at), self.item) for at in range(self.length or 0))
        yield from self.fields

    def names(self, name: str) -> Iterator[str]:
        """The columns that one of this shape becomes."""
        if self.is_plain:
            yield name
        for part, shape in self.parts:
            yield from shape.names(f"{name}.{part}")

    def to_json(self) -> Any:  # noqa: ANN401
        """Plain JSON, the inverse of `from_json`."""
        if self.item is not None:
            return {"length": self.length, "item": self.item.to_json()}
        return {"fields": {name: shape.to_json() for name, shape in self.fields}} if self.fields else None

    @classmethod
    def from_json(cls, content: Any, depth: int = 0) -> Shape:  # noqa: ANN401
        """Rebuilds a shape.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        if content is None:
            return PLAIN_SHAPE
        if depth > MOST_DEPTH:
            raise ValueError("what is nested is nested too deeply")
        if "fields" in content:
            fields = {str(name): cls.from_json(shape, depth + 1) for name, shape in dict(content["fields"]).items()}
            return cls(fields=tuple(fields.items()))
        length = content["length"]
        if type(length) is not int or not 0 < length <= MOST_COLUMNS:
            raise ValueError(f"the length of a list must be 1 to {MOST_COLUMNS}")
        return cls(length=length, item=cls.from_json(content["item"], depth + 1))


PLAIN_SHAPE = Shape()


@dataclass(frozen=True)
class Nested:
    """A column of lists or records that becomes several."""

    column: str
    shape: Shape

    @property
    def names(self) -> list[str]:
        """The columns that it becomes."""
        return list(self.shape.names(self.column))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return {"column": self.column, "shape": self.shape.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Nested:
        """Rebuilds it.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        shape = Shape.from_json(content["shape"])
        if shape.is_plain or shape.width > MOST_COLUMNS:
            raise ValueError(f"a column that is nested becomes 1 to {MOST_COLUMNS} others")
        return cls(str(content["column"]), shape)


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether nothing but numbers is in values of this type, however deep."""
    if is_any(kind, LISTS):
        return holds_numbers(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(holds_numbers(kind.field(at).type) for at in range(kind.num_fields))
    return is_any(kind, NUMBERS)


def find_nested(frame: pd.DataFrame, kept: Collection[str]) -> tuple[Nested, ...]:
    """The columns of plain cells that can be expanded.

    Args:
        frame: see `plain_frame`.
        kept: columns that stay as they are.
    """
    present = set(frame.columns)
    found = []
    for name, dtype in frame.dtypes.items():
        if not isinstance(dtype, pd.ArrowDtype) or name in kept:
            continue
        nested = Nested(str(name), _shape_of(_array(frame[name])))
        fits = not nested.shape.is_plain and nested.shape.width <= MOST_COLUMNS
        names = nested.names if fits else []
        if names and len(set(names)) == len(names) and not present & set(names):
            found.append(nested)
            present |= set(names)
    return tuple(found)


def notes_of(nested: Iterable[Nested]) -> tuple[Note, ...]:
    """What the user should know about columns that are expanded."""
    notes = []
    for each in nested:
        names = each.names
        what = f"lists of {each.shape.length}" if each.shape.item is not None else "records"
        done = f"read as the column '{names[0]}'" if len(names) == 1 else f"read as the columns {_listed(names)}"
        notes.append(
            Note(column=each.column, why=f"holds {what}", done=done, option=f"--ignore '{each.column}' leaves them out")
        )
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    if len(names) > 4:  # noqa: PLR2004
        return f"'{names[0]}' to '{names[-1]}'"
    return ", ".join(f"'{name}'" for name in names)


def _shape_of(array: pa.ChunkedArray) -> Shape:
    kind = array.type
    if pa.types.is_struct(kind):
        names = [kind.field(at).name for at in range(kind.num_fields)]
        if len(set(names)) < len(names):
            return PLAIN_SHAPE
        return Shape(fields=tuple((name, _shape_of(pc.struct_field(array, [name]))) for name in names))
    if not is_any(kind, LISTS) or not holds_numbers(kind.value_type):
        return PLAIN_SHAPE
    lengths = pc.min_max(pc.list_value_length(array))
    length = lengths["max"].as_py()
    if not length or lengths["min"].as_py() != length or length > MOST_COLUMNS:
        return PLAIN_SHAPE
    item = _shape_of(pc.list_flatten(array))
    # a list of lists that differ is no list of numbers
    return PLAIN_SHAPE if item.is_plain and not is_any(kind.value_type, NUMBERS) else Shape(length=length, item=item)


def expand(frame: pd.DataFrame, nested: Iterable[Nested]) -> pd.DataFrame:
    """A frame in which columns are expanded; those that are not there, or are there expanded already, do not matter.

    Args:
        frame: see `plain_frame`.
        nested: what to expand.

    Raises:
        InvalidValueError: a list is of another length, or a cell is neither list nor record.
    """
    wanted = {each.column: each for each in nested if each.column in frame.columns}
    wanted = {name: each for name, each in wanted.items() if not set(each.names) <= set(frame.columns)}
    if not wanted:
        return frame
    columns: list[Series] = []
    for name in frame.columns:
        series = frame[name]
        if name not in wanted:
            columns.append(series)
            continue
        if not isinstance(series.dtype, pd.ArrowDtype) and series.notna().any():
            what = "a list" if wanted[name].shape.item is not None else "a record"
            row = int(series.notna().to_numpy().argmax())
            raise InvalidValueError(f"row {row + 1}, column '{name}': {series.iloc[row]!r} is not {what}", name, row)
        for part, array in _parts(name, _array(series), wanted[name].shape, name):
            columns.append(from_arrow(array).set_axis(frame.index).rename(part))
    return pd.concat(columns, axis=1)


def _array(series: Series) -> pa.ChunkedArray:
    array = pa.array(series, from_pandas=True)
    return pa.chunked_array([array]) if isinstance(array, pa.Array) else array


def _parts(name: str, array: pa.ChunkedArray, shape: Shape, column: str) -> Iterator[tuple[str, pa.ChunkedArray]]:
    if shape.is_plain:
        yield name, array
    elif pa.types.is_null(array.type):
        yield from ((part, array) for part in shape.names(name))
    elif shape.item is not None:
        _check_lengths(array, shape.length or 0, column)
        # of lists without a row arrow would take no element
        values = array.combine_chunks()
        for part, inner in shape.parts:
            found = pc.list_element(values, int(part)) if len(values) else pa.array([], array.type.value_type)
            chunks = found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])
            yield from _parts(f"{name}.{part}", chunks, inner, column)
    elif not pa.types.is_struct(array.type):
        raise InvalidValueError(f"column '{column}' must hold records, but is of the type {array.type}", column)
    else:
        known = {array.type.field(at).name for at in range(array.type.num_fields)}
        for part, inner in shape.parts:
            if part in known:
                yield from _parts(f"{name}.{part}", pc.struct_field(array, [part]), inner, column)


def _check_lengths(array: pa.ChunkedArray, length: int, column: str) -> None:
    if not is_any(array.type, LISTS):
        raise InvalidValueError(f"column '{column}' must hold lists, but is of the type {array.type}", column)
    lengths = pc.list_value_length(array)
    other = pc.fill_null(pc.not_equal(lengths, length), fill_value=False)
    row = pc.index(other, value=True).as_py()
    if row >= 0:
        seen = lengths[row].as_py()
        raise InvalidValueError(
            f"row {row + 1}, column '{column}': a list of {seen} instead of {length}",
            column,
            row,
        )


def expand_cells(nested: Nested, cells: Sequence[Any]) -> dict[str, list[Any]]:
    """What `expand` makes of a column whose cells are values of JSON: the columns by name.

    A field that no record has is no column.

    Raises:
        InvalidValueError: a list is of another length, or a cell is neither list nor record.
    """
    found: dict[str, list[Any]] = {}
    _collect(nested.column, nested.shape, cells, nested.column, found)
    return found


def _collect(name: str, shape: Shape, cells: Sequence[Any], column: str, found: dict[str, list[Any]]) -> None:
    if shape.is_plain:
        found[name] = list(cells)
        return
    wanted, what = (list, "a list") if shape.item is not None else (dict, "a record")
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        if not isinstance(cell, wanted):
            raise InvalidValueError(f"row {row + 1}, column '{column}': {cell!r} is not {what}", column, row)
        if shape.item is not None and len(cell) != shape.length:
            raise InvalidValueError(
                f"row {row + 1}, column '{column}': a list of {len(cell)} instead of {shape.length}", column, row
            )
    if shape.item is not None:
        for part, inner in shape.parts:
            items = [None if cell is None else cell[int(part)] for cell in cells]
            _collect(f"{name}.{part}", inner, items, column, found)
        return
    records = [cell for cell in cells if cell is not None]
    for part, inner in shape.parts:
        if not records or any(part in record for record in records):
            items = [None if cell is None else cell.get(part) for cell in cells]
            _collect(f"{name}.{part}", inner, items, column, found)


def unusable(series: Series) -> str | None:
    """Why a column that is not plain cannot be a feature, as the part of a sentence behind its name; None if it can."""
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return _unusable_arrow(series, dtype.pyarrow_dtype)
    if dtype.kind == "c":
        return "holds complex numbers"
    if pd.api.types.is_object_dtype(dtype):
        kinds = set(map(type, series.array))
        if any(issubclass(kind, (*SEQUENCES, dict, set, frozenset)) for kind in kinds):
            return "holds lists or records that are not alike"
        if any(issubclass(kind, bytes) for kind in kinds):
            return "holds bytes that are no texts"
        if any(issubclass(kind, complex) for kind in kinds):
            return "holds complex numbers"
    return None


def unpredictable(name: str, series: Series) -> str | None:
    """Why a column that is not plain cannot be the target, as `unusable` says it, with the way out; None if it can."""
    reason = unusable(series)
    if reason is None:
        return None
    if isinstance(series.dtype, pd.ArrowDtype):
        nested = Nested(name, _shape_of(_array(series)))
        if not nested.shape.is_plain and nested.shape.width <= MOST_COLUMNS:
            what = f"lists of {nested.shape.length}" if nested.shape.item is not None else "records"
            first, *others = nested.names
            ignored = f", and leave the others out with --ignore '{others[0]}'" if others else ""
            return f"holds {what}, but one value is predicted; choose a part with --target '{first}'{ignored}"
    return f"{reason}, which cannot be predicted; make a column with one number or label in each row"


def _unusable_arrow(series: Series, kind: pa.DataType) -> str | None:
    if is_any(kind, LISTS):
        return _unusable_lists(series, kind)
    if pa.types.is_struct(kind):
        return "holds records without a field" if not kind.num_fields else f"holds records, of which {UNNAMED}"
    if pa.types.is_map(kind):
        return "holds maps, of which each row has keys of its own"
    if is_any(kind, BINARIES):
        return "holds bytes that are no texts"
    return f"is of the type {kind}"


def _unusable_lists(series: Series, kind: pa.DataType) -> str | None:
    if not holds_numbers(kind.value_type):
        return f"holds lists of {_named(kind.value_type)}"
    lengths = pc.min_max(pc.list_value_length(pa.array(series)))
    least, most = lengths["min"].as_py(), lengths["max"].as_py()
    if least != most:
        return f"holds lists of different lengths ({least} to {most})"
    if not most:
        return "holds empty lists"
    if most > MOST_COLUMNS:
        return f"holds lists of {most:,} numbers, which is more than the {MOST_COLUMNS:,} that become columns"
    return f"holds lists, of which {UNNAMED}"


def _named(kind: pa.DataType) -> str:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "texts"
    if pa.types.is_struct(kind):
        return "records"
    return "lists" if is_any(kind, LISTS) else f"the type {kind}"
