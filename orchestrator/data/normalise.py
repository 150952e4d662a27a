"""Columns of any type as plain ones: numbers, texts, truth values or time stamps, the same from files, folders, frames.

Numbers in decimals are read as a CSV file with them would be. Times of day are texts, dates and
periods are time stamps (of their beginning), intervals are texts. Lists and records stay as they are: `nested` makes
columns of them. What is none of these stays, too, and `unusable` says why it cannot be a feature.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.values import Series, is_number_text

LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
BINARIES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
VIEWS = (pa.types.is_string_view,)
LIST_VIEWS = (pa.types.is_list_view, pa.types.is_large_list_view)
PLAIN = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_timestamp,
    pa.types.is_duration,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_null,
)
# values of a dictionary that may look like numbers
CODES = (pa.types.is_integer, pa.types.is_floating, pa.types.is_string, pa.types.is_large_string)
# of cells that are objects of Python
REAL = (int, float, np.integer, np.floating, Decimal, Fraction)
TRUTHS = (bool, np.bool_)
SEQUENCES = (list, tuple, np.ndarray)
# integers with missing values keep all of their digits, and truth values with some stay such
NULLABLE = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def is_any(kind: pa.DataType, checks: Iterable[Any]) -> bool:
    """Whether a type is one of some."""
    return any(check(kind) for check in checks)


def from_arrow(column: pa.ChunkedArray) -> Series:
    """A column as plain cells, or as cells of arrow if it is nested or of no use."""
    column = _decoded(column)
    kind = column.type
    if pa.types.is_dictionary(kind):
        if is_any(kind.value_type, CODES):
            return plain_series(column.unify_dictionaries().to_pandas())
        return from_arrow(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        # a cast to numbers would round otherwise than the text is read
        column = column.cast(pa.string()).cast(pa.float64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms"))
    elif pa.types.is_time(kind):
        column = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    elif is_any(kind, BINARIES):
        column = _texts_of(column)
    elif is_any(kind, VIEWS):
        column = column.cast(pa.large_string())
    if not is_any(column.type, PLAIN):
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    nullable = NULLABLE.get(column.type) if column.null_count else None
    found: Series = column.to_pandas(types_mapper=lambda _kind: nullable) if nullable else column.to_pandas()
    return found


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without what is only a way to write other types."""
    kind = column.type
    if pa.types.is_run_end_encoded(kind):
        column = pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], kind.value_type)
    elif is_any(kind, LIST_VIEWS):
        column = column.cast(pa.large_list(kind.value_field))
    elif isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name in ("pandas.period", "pandas.interval", "arrow.uuid"):
            # pandas writes them as texts, and knows when a period begins
            return _extended(column)
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
    return column if column.type.equals(kind) else _decoded(column)


def _extended(column: pa.ChunkedArray) -> pa.ChunkedArray:
    series = plain_series(column.to_pandas())
    if series.dtype == object:
        series = series.map(str, na_action="ignore")
    array = pa.array(series, from_pandas=True)
    return pa.chunked_array([array]) if isinstance(array, pa.Array) else array


def _texts_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bytes as texts if they all are, else as they are."""
    try:
        if pa.types.is_fixed_size_binary(column.type):
            column = column.cast(pa.binary())
        texts = column.cast(pa.large_string())
    except pa.ArrowInvalid:
        return column
    return column if pc.any(pc.match_substring(texts, "\0")).as_py() else texts


def plain_series(series: Series) -> Series:
    """A column of a data frame as `from_arrow` gives it; what is plain is not touched."""
    found = _plain(series)
    if found is None:
        return series
    found = found.set_axis(series.index)
    found.name = series.name
    return found


def _plain(series: Series) -> Series | None:
    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        return plain_series(pd.Series(np.asarray(series.array)))
    if isinstance(dtype, pd.ArrowDtype):
        return None if _is_nested(dtype) else _through_arrow(series)
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        if _are_codes(categories):
            return None
        cells = pd.api.extensions.take(categories.array, series.cat.codes.to_numpy(), allow_fill=True)
        return plain_series(pd.Series(cells))
    if isinstance(dtype, pd.PeriodDtype):
        return pd.Series(series.dt.to_timestamp())
    if isinstance(dtype, pd.IntervalDtype):
        return series.astype(object).map(str, na_action="ignore").astype("str")
    return _of_objects(series) if pd.api.types.is_object_dtype(dtype) else None


def _are_codes(categories: pd.Index) -> bool:
    """Whether they look like numbers: then the type says that they are none, which what reads categories must see."""
    if pd.api.types.is_numeric_dtype(categories.dtype):
        return not pd.api.types.is_bool_dtype(categories.dtype)
    return any(isinstance(category, str) and is_number_text(category) for category in categories)


def _is_nested(dtype: Any) -> bool:  # noqa: ANN401
    """Whether `from_arrow` would give cells of this type back as they are."""
    if not isinstance(dtype, pd.ArrowDtype):
        return False
    kind = dtype.pyarrow_dtype
    return is_any(kind, LISTS) or pa.types.is_struct(kind) or pa.types.is_map(kind)


def _through_arrow(series: Series) -> Series:
    array = pa.array(series, from_pandas=True)
    return from_arrow(pa.chunked_array([array]) if isinstance(array, pa.Array) else array)


def _of_objects(series: Series) -> Series | None:
    """Cells that are objects of Python, None if they are read as they are."""
    match pd.api.types.infer_dtype(series, skipna=True):
        case "decimal":
            return _decimals(series)
        case "date" | "time" | "timedelta" | "timedelta64" | "bytes":
            return _through_arrow(series)
        case "period":
            return pd.Series(pd.to_datetime(series.map(lambda period: period.start_time, na_action="ignore")))
        case "interval":
            return series.map(str, na_action="ignore").astype("str")
        case "mixed" | "mixed-integer" | "unknown-array":
            return _of_mixed_objects(series)
    return None


def _of_mixed_objects(series: Series) -> Series | None:
    kinds = set(map(type, series.array)) - {type(None), type(pd.NA), type(pd.NaT)}
    if not kinds.isdisjoint((Decimal, Fraction)) and all(issubclass(kind, REAL) for kind in kinds):
        return _decimals(series)
    if kinds - {float} and all(issubclass(kind, (*SEQUENCES, dict, float)) for kind in kinds):
        try:
            return _through_arrow(series)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return None
    return None


def _decimals(series: Series) -> Series:
    def number(cell: Any) -> float:  # noqa: ANN401
        return math.nan if isinstance(cell, Decimal) and cell.is_nan() else float(cell)

    return series.map(number, na_action="ignore").astype(np.float64)


def _is_plain(dtype: Any) -> bool:  # noqa: ANN401
    return isinstance(dtype, pd.StringDtype) or (isinstance(dtype, np.dtype) and dtype.kind in "biufMm")


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns as plain ones; a frame of such is given back as it is."""
    # the types first: a frame may have thousands of columns
    odd = [at for at, dtype in enumerate(frame.dtypes) if not _is_plain(dtype)]
    changed = {at: found for at in odd if (found := _plain(frame.iloc[:, at])) is not None}
    if not changed:
        return frame
    columns = [changed.get(at, frame.iloc[:, at]).set_axis(frame.index) for at in range(frame.shape[1])]
    return pd.concat(columns, axis=1, ignore_index=True).set_axis(frame.columns, axis=1)


def with_truth_as_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of objects in which Python's True and False stand among numbers, as a CSV file would have them: texts."""
    changed = {
        str(name): series.map(str, na_action="ignore").astype("str")
        for name, series in frame.items()
        if _are_both(series)
    }
    return frame.assign(**changed) if changed else frame


def _are_both(series: Series) -> bool:
    """Whether cells are truth values, and others numbers."""
    if series.dtype != object or pd.api.types.infer_dtype(series, skipna=True) not in ("mixed", "mixed-integer"):
        return False
    kinds = set(map(type, series.array[series.notna().to_numpy()]))
    numbers = {kind for kind in kinds if not issubclass(kind, TRUTHS)}
    return numbers < kinds and bool(numbers) and all(issubclass(kind, REAL) for kind in numbers)


def frame_of(columns: Iterable[tuple[str, pa.ChunkedArray]]) -> pd.DataFrame:
    """A data frame of columns of arrow, by name."""
    named = [from_arrow(column).rename(name) for name, column in columns]
    return pd.concat(named, axis=1) if named else pd.DataFrame()


def stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows of frames with the same columns, one after another; each column has the type of its parts."""
    return pd.concat([_stacked([frame[name] for frame in frames]) for name in frames[0].columns], axis=1)


def _stacked(parts: list[Series]) -> Series:
    # a part without a value has no type, and says nothing about that of the column
    empty = [pd.api.types.is_object_dtype(part.dtype) and not part.notna().any() for part in parts]
    known: Any = next((part.dtype for part, none in zip(parts, empty, strict=True) if not none), None)
    if known is not None:
        nullable = {"i": "Int64", "u": "UInt64", "b": "boolean"}.get(known.kind, known)
        known = nullable if isinstance(known, np.dtype) else known
        parts = [part.astype(known) if none else part for part, none in zip(parts, empty, strict=True)]
    if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        codes: Any = [part.array for part in parts]
        return pd.Series(pd.api.types.union_categoricals(codes), name=parts[0].name)
    return pd.concat(parts, ignore_index=True)
