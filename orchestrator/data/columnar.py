"""The cells of a request into named inputs: what `FeatureEncoder.transform` gives, without a data frame."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.date_padded import ISO
from orchestrator.columns.notation import NumberCells
from orchestrator.columns.number_texts import PLACEHOLDERS
from orchestrator.columns.values import category_key, is_missing, parse_number
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.data.rows import check_columns
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind
from orchestrator.features.categorical import key_of
from orchestrator.features.date_differences import DAYS, days_between
from orchestrator.features.datetime import circle
from orchestrator.features.fitted import CategoricalFeature, NumericColumns, NumericFeature, category_table, places_of
from orchestrator.features.numeric import NUMBERS
from orchestrator.features.text import encode_texts, text_of
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int | float | bool | None
Columns = dict[str, list[Cell]]
Answer = TypeVar("Answer")

PLAIN_NUMBERS = frozenset({int, float})
# of one column: texts longer than this, or more of them, are read anew each time
MEMORY_CELLS, MEMORY_LENGTH = 4096, 64
EPOCH = datetime(1970, 1, 1)
MICROSECONDS_PER_DAY = 86_400_000_000.0
# what pandas and `datetime.fromisoformat` read alike, without a time zone
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?)?)?")


class _Memory(dict[Cell, Answer]):
    """A function of one cell that remembers its answers while there is room. True is the same key as 1."""

    def __init__(self, function: Callable[[Cell], Answer]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, cell: Cell) -> Answer:
        answer = self._function(cell)
        self.keep(cell, answer)
        return answer

    def keep(self, cell: Cell, answer: Answer) -> None:
        if len(self) < MEMORY_CELLS and (not isinstance(cell, str) or len(cell) <= MEMORY_LENGTH):
            self[cell] = answer


class ColumnarEncoder:
    """`FeatureEncoder.transform` for columns of plain Python values, bit for bit; safe to use from several threads."""

    def __init__(self, schema: Schema, encoder: FeatureEncoder) -> None:
        self._schema = schema
        self._encoder = encoder
        self._names = frozenset(column.name for column in schema.columns)
        self._columns = {column.name: column for column in schema.columns}
        kinds = [self._columns[item.column].kind for item in encoder.numeric]
        numbers = [at for at, kind in enumerate(kinds) if kind in NUMBERS]
        apart = [at for at, item in enumerate(encoder.numeric) if item.since is not None]
        dates: dict[str, list[int]] = {}
        for at, item in enumerate(encoder.numeric):
            if kinds[at] not in NUMBERS and item.since is None:
                dates.setdefault(item.column, []).append(at)
        self._number_columns = [encoder.numeric[at].column for at in numbers]
        self._notations = {
            name: reader for name in self._number_columns if (reader := _reader_of(self._columns[name])) is not None
        }
        self._numeric_columns = frozenset(
            name for name in self._number_columns if self._columns[name].kind is ColumnKind.NUMERIC
        )
        self._dates = [
            _Parts(self._columns[name], [encoder.numeric[at].part for at in places]) for name, places in dates.items()
        ]
        # the order in which values are collected: plain numbers, then the parts of one date after another
        order = [*numbers, *chain.from_iterable(dates.values()), *apart]
        self._features = [encoder.numeric[at] for at in order]
        self._between = _DaysBetween(self._columns, [encoder.numeric[at] for at in apart])
        self._written = NumericColumns(self._features, places_of(encoder.numeric)[order])
        self._width = encoder.numeric_width
        self._parsed: _Memory[float | None] = _Memory(partial(parse_number, words=PLACEHOLDERS))
        self._codes = [
            (item.column, _code_memory(item, key_of(self._columns[item.column]))) for item in encoder.categorical
        ]

    @property
    def no_truth(self) -> frozenset[str]:
        """The columns of numbers of which true and false are none."""
        return self._numeric_columns - self._encoder.truths

    def transform(self, frame: pd.DataFrame) -> Inputs:
        """The same of a data frame, see `FeatureEncoder.transform`."""
        return self._encoder.transform(self._schema, frame)

    def encode(self, columns: Mapping[str, Sequence[Cell]], rows: int) -> Inputs:
        """Encodes rows.

        Args:
            columns: the cells of each of the schema's columns; there may be more columns.
            rows: the length of each of them.

        Raises:
            InvalidValueError: a required column is missing or a value does not fit its column.
        """
        if not self._names <= columns.keys():
            check_columns(self._schema, list(columns))
        numbers, codes = self._encode_numbers(columns, rows), self._encode_categories(columns, rows)
        self._encoder.write_statistics(codes, numbers)
        arrays: dict[str, NDArray[Any]] = {NUMERIC: numbers, CATEGORICAL: codes}
        texts = self._encoder.text
        if texts:
            arrays[TEXT] = encode_texts(texts, [[text_of(cell) for cell in columns[item.column]] for item in texts])
        return Inputs(arrays)

    def _encode_numbers(self, columns: Mapping[str, Sequence[Cell]], rows: int) -> NDArray[np.float32]:
        collected = self._collect(columns)
        if collected is None:
            collected = self._collect_carefully(columns)
        numbers = np.empty((rows, self._width), dtype=np.float32)
        self._written.write(collected.reshape(len(self._features), rows), numbers)
        return numbers

    def _collect(self, columns: Mapping[str, Sequence[Cell]]) -> NDArray[np.float64] | None:
        """float64 [features * rows], NaN where missing; None when a value may have to be refused."""
        given: list[Sequence[Cell]] = [columns[name] for name in self._number_columns]
        for at, name in enumerate(self._number_columns):
            if name in self._numeric_columns and bool in set(map(type, given[at])):
                # True is the same key as 1
                given[at] = list(map(self._encoder.as_number(name), given[at]))
        if self._notations:
            for at, name in enumerate(self._number_columns):
                if name in self._notations:
                    numbers = self._notations[name].read(given[at])
                    if numbers is None:
                        return None
                    given[at] = numbers
        cells: list[Cell] = list(chain.from_iterable(given))
        if not PLAIN_NUMBERS.issuperset(map(type, cells)):
            parsed = self._parsed
            cells = [cell if type(cell) in PLAIN_NUMBERS else parsed[cell] for cell in cells]
            if None in cells:
                return None
        try:
            for reader in self._dates:
                cells.extend(reader.read(columns[reader.name]))
            cells.extend(self._between.read(columns))
            values = np.array(cells, dtype=np.float64)
        except (InvalidValueError, OverflowError):
            return None
        return None if np.isinf(values).any() else values

    def _collect_carefully(self, columns: Mapping[str, Sequence[Cell]]) -> NDArray[np.float64]:
        """As `_collect`, in the order of the features, so that the first value that does not fit is named."""
        pairs = [(item.column, item.since) for item in self._encoder.numeric]
        names = dict.fromkeys(name for pair in pairs for name in pair if name is not None)
        values = {name: _by_pandas(self._encoder.parse, self._columns[name], columns[name]) for name in names}
        return np.concatenate(
            [
                values[item.column][item.part]
                if item.since is None
                else days_between(values[item.since], values[item.column])
                for item in self._features
            ]
        )

    def _encode_categories(self, columns: Mapping[str, Sequence[Cell]], rows: int) -> NDArray[np.int64]:
        codes: list[int] = []
        for name, memory in self._codes:
            cells = columns[name]
            if bool in map(type, cells):
                cells = [category_key(cell) if isinstance(cell, bool) else cell for cell in cells]
            codes.extend(map(memory.__getitem__, cells))
        return np.ascontiguousarray(np.array(codes, dtype=np.int64).reshape(len(self._codes), rows).T)


def _reader_of(column: Column) -> _Notated | None:
    """What reads a column of numbers otherwise than most; None if nothing needs to."""
    if isinstance(column.notation, NumberCells):
        return _Notated(column.notation.read_cell, PLAIN_NUMBERS if column.notation.takes_numbers else frozenset())
    if column.kind is ColumnKind.BOOLEAN:
        return _Notated(partial(parse_number, words=PLACEHOLDERS, truth=True), PLAIN_NUMBERS)
    return None


class _Notated:
    """Reads a column of numbers that are not written plainly."""

    def __init__(self, read: Callable[[Cell], float | None], plain: frozenset[type]) -> None:
        self._memory: _Memory[float | None] = _Memory(read)
        self._plain = plain

    def read(self, cells: Sequence[Cell]) -> list[Cell] | None:
        """Its cells as plain numbers; None when one may have to be refused."""
        plain, memory = self._plain, self._memory
        numbers: list[Cell] = [cell if type(cell) in plain else memory[cell] for cell in cells]
        return None if None in numbers else numbers


class _Parts:
    """Reads a column of dates, times and the like: pandas parses it, but for ISO 8601 and what was seen before."""

    def __init__(self, column: Column, parts: Sequence[str | None]) -> None:
        self.name = column.name
        self._column, self._parts = column, parts
        is_plain = column.kind is ColumnKind.DATETIME and column.notation is None
        is_iso = is_plain and column.datetime_format in (None, ISO)
        self._memory: _Memory[tuple[float, ...] | None] = _Memory(self._read_iso if is_iso else self._read_missing)

    def read(self, cells: Sequence[Cell]) -> Iterable[float]:
        """The parts that are features, one after another: float64 [parts * rows], NaN where missing."""
        memory = self._memory
        # 20240131 is a date, too, but 1 and True would be the same key
        found = [memory[cell] if cell is None or isinstance(cell, str) else None for cell in cells]
        if None not in found:
            return chain.from_iterable(zip(*found, strict=True))
        values = _by_pandas(KINDS[self._column.kind].parse, self._column, cells)
        columns = [values[part].tolist() for part in self._parts]
        for cell, answer in zip(cells, zip(*columns, strict=True), strict=True):
            if isinstance(cell, str):
                memory.keep(cell, answer)
        return chain.from_iterable(columns)

    def _read_missing(self, cell: Cell) -> tuple[float, ...] | None:
        return (math.nan,) * len(self._parts) if is_missing(cell) else None

    def _read_iso(self, cell: Cell) -> tuple[float, ...] | None:
        if not isinstance(cell, str) or not ISO_DATE.fullmatch(cell):
            return self._read_missing(cell)
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            return None
        past = moment - EPOCH
        microseconds = (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
        places = {
            "time_of_day": moment.hour * 3600 + moment.minute * 60 + moment.second,
            "day_of_week": moment.weekday(),
            "day_of_year": moment.timetuple().tm_yday - 1,
        }
        parts: dict[str | None, float] = {
            "days": float(microseconds) / MICROSECONDS_PER_DAY,
            "year": moment.year,
            "month": moment.month,
            "day": moment.day,
            "day_of_week": moment.weekday(),
            "hour": moment.hour,
            "minute": moment.minute,
        }
        for cycle, place in places.items():
            parts |= {f"{cycle}_{side}": float(values[place]) for side, values in circle(cycle).items()}
        return tuple(parts[part] for part in self._parts)


class _DaysBetween:
    """Reads the days between two columns of dates."""

    def __init__(self, columns: Mapping[str, Column], features: Sequence[NumericFeature]) -> None:
        self._pairs = [(str(item.since), item.column) for item in features]
        names = dict.fromkeys(name for pair in self._pairs for name in reversed(pair))
        self._readers = [_Parts(columns[name], [DAYS]) for name in names]

    def read(self, columns: Mapping[str, Sequence[Cell]]) -> list[float]:
        """Of one pair after another: float64 [pairs * rows], NaN where a date is missing."""
        days = {reader.name: list(reader.read(columns[reader.name])) for reader in self._readers}
        return [
            later - earlier
            for first, second in self._pairs
            for earlier, later in zip(days[first], days[second], strict=True)
        ]


def _by_pandas(
    parse: Callable[[Column, Any], dict[str | None, NDArray[np.float64]]], column: Column, cells: Sequence[Cell]
) -> dict[str | None, NDArray[np.float64]]:
    import pandas as pd

    return parse(column, pd.Series(list(cells), dtype=object))


def _code_memory(feature: CategoricalFeature, key: Callable[[object], str | None]) -> _Memory[int]:
    table = category_table(feature.categories)
    memory = _Memory(lambda cell: feature.code_in(table, key(cell)))
    for category in feature.categories:
        # the table's own keys are there whatever requests have filled the memory with
        memory[category] = feature.code_in(table, key(category))
    return memory
