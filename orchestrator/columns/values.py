"""Turns one raw column into numbers, category keys or time stamps, the same way in training and at prediction time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.number_texts import lowered, plain_text
from orchestrator.errors import InvalidValueError

if TYPE_CHECKING:
    Series = pd.Series[Any]
else:
    Series = pd.Series

MISSING_STRINGS = frozenset(
    {
        "",
        "#n/a",
        "#n/a n/a",
        "#na",
        "-nan",
        "<na>",
        "?",
        "n/a",
        "na",
        "nan",
        "null",
        "none",
        "nat",
        "-1.#ind",
        "1.#qnan",
    }
)
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
TRUTH_WORDS = frozenset({"true", "false"})
TRUE_STRINGS = frozenset({"true", "t"})
FALSE_STRINGS = frozenset({"false", "f"})
TRUTH_STRINGS = TRUE_STRINGS | FALSE_STRINGS


class Key(str):
    """A text that is the key of a category already, whatever word it is: "NA" is no missing value then."""

    __slots__ = ()


def is_missing(value: object) -> bool:
    """Whether a single value stands for "not known": None, NaN, NaT, or a string such as "NA" or "?"."""
    # most cells are plain texts
    if type(value) is str:
        return value.strip().lower() in MISSING_STRINGS
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return isinstance(value, str) and not isinstance(value, Key) and value.strip().lower() in MISSING_STRINGS


def is_number_text(text: str) -> bool:
    """Whether Python reads the text as a number, but for 80_000: no spreadsheet writes it."""
    if "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def category_key(value: object) -> str | None:
    """The text under which a value is looked up in a category table; None for a missing value.

    3, 3.0 and "3" have the same key, and True and "TRUE", so that a column of codes survives a round trip through CSV,
    JSON or a missing value (which turns integers into floats in pandas).
    """
    if type(value) is str:
        # most cells are, and the way below is long
        text = value.strip()
        small = text.lower()
        return None if small in MISSING_STRINGS else small if small in TRUTH_WORDS else text
    if is_missing(value):
        return None
    if isinstance(value, Key):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    text = str(value).strip()
    return text.lower() if text.lower() in TRUTH_WORDS else text


def category_keys(
    series: Series, key: Callable[[object], str | None] | None = None
) -> tuple[NDArray[np.int64], list[str | None]]:
    """Factorises a column.

    Args:
        series: its cells.
        key: what a cell is looked up by, `category_key` if left out.

    Returns:
        codes: int64 [rows], position in `keys`.
        keys: the distinct keys, None standing for missing.
    """
    return keys_of(*distinct_cells(series), key)


def keys_of(
    codes: NDArray[np.int64], cells: Sequence[object], key: Callable[[object], str | None] | None = None
) -> tuple[NDArray[np.int64], list[str | None]]:
    """The same as `category_keys` of what `distinct_cells` gave."""
    keys = list(map(key or category_key, cells))
    distinct = list(dict.fromkeys(keys))
    position = {key: index for index, key in enumerate(distinct)}
    translation = np.array([position[key] for key in keys], dtype=np.int64)
    return translation[codes] if keys else codes, distinct


def distinct_cells(series: Series) -> tuple[NDArray[np.int64], list[object]]:
    """Positions of the cells among the distinct ones (int64 [rows]), and these, in the order of their first rows."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, used = pd.factorize(series.cat.codes.to_numpy())
        known = series.cat.categories.astype(object)
        return codes.astype(np.int64), [None if code < 0 else known[code] for code in used.tolist()]
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype):
        codes, index = pd.factorize(series, use_na_sentinel=False)
        return codes.astype(np.int64), list(pd.Index(index).astype(object))
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return distinct_cells(Series(seconds_of(series)))
    texts = texts_in(series)
    if texts is None:
        return factorize(series.to_numpy(dtype=object))
    codes, known = coded_texts(texts, nulls="encode")
    return codes, known.to_pylist()


def texts_in(series: Series) -> pa.Array | pa.ChunkedArray | None:
    """The cells of a column of texts, null where missing; None if some are no texts, or none that UTF-8 has."""
    try:
        if isinstance(series.dtype, pd.StringDtype):
            return arrow_texts(series)
        return pa.array(series.to_numpy(dtype=object), pa.string(), from_pandas=True)
    except (pa.ArrowException, UnicodeError):
        return None


def arrow_texts(series: Series) -> pa.Array | pa.ChunkedArray:
    """The cells of a column of the type of texts, null where missing."""
    # a series itself is first asked for attributes that it has not, which takes longer than a short column
    return pa.array(series.array, from_pandas=True)


def coded_texts(
    texts: pa.Array | pa.ChunkedArray, nulls: Literal["encode", "mask"]
) -> tuple[NDArray[np.int64], pa.Array]:
    """The distinct ones of some texts, in the order in which they come first, and the position of each in them.

    Args:
        texts: null where missing.
        nulls: whether null is one of them, or has the position behind the last.
    """
    coded = texts.dictionary_encode(nulls)
    chunks = coded.chunks if isinstance(coded, pa.ChunkedArray) else [coded]
    # all chunks have the same dictionary
    known = chunks[0].dictionary if chunks else pa.array([], texts.type)
    codes = [pc.fill_null(chunk.indices, len(known)).to_numpy() for chunk in chunks]
    return np.concatenate([np.empty(0, np.int32), *codes]).astype(np.int64), known


def count_keys(codes: NDArray[np.int64], keys: list[str | None]) -> dict[str, int]:
    """How many rows have each key of `category_keys`; missing values are not counted."""
    counts = np.bincount(codes, minlength=len(keys))
    return {key: int(count) for key, count in zip(keys, counts, strict=True) if key is not None}


def count_numbers(counts: Mapping[str, int]) -> int:
    """How many rows have a number, from what `count_keys` gave."""
    return sum(count for key, count in counts.items() if is_number_text(key))


def category_content(codes: NDArray[np.int64], keys: Sequence[str | None]) -> bytes:
    """The values of a column of categories, as `category_keys` gives them, for a digest."""
    return json.dumps(keys).encode() + codes.astype("<i8").tobytes()


def number_content(numbers: NDArray[np.float64]) -> bytes:
    """The values of a column of numbers (float64 [rows], NaN where missing), for a digest."""
    return np.nan_to_num(numbers, nan=np.inf).astype("<f8").tobytes()


def factorize(values: NDArray[np.object_]) -> tuple[NDArray[np.int64], list[object]]:
    """Position of each value among the distinct ones, int64 [rows], and these."""
    # pd.factorize would merge True with 1 and fail on unhashable values such as JSON lists
    seen: dict[Hashable, int] = {}
    uniques: list[object] = []
    codes = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        key: Hashable = (type(value), value) if isinstance(value, Hashable) else repr(value)
        code = seen.setdefault(key, len(uniques))
        if code == len(uniques):
            uniques.append(value)
        codes[row] = code
    return codes, uniques


NO_WORDS: frozenset[str] = frozenset()


def to_numbers(
    series: Series, column: str, words: frozenset[str] = NO_WORDS, *, truth: bool = False
) -> NDArray[np.float64]:
    """float64 [rows], NaN where missing.

    Args:
        series: the cells.
        column: its name.
        words: that stand for a missing number, too.
        truth: whether the words for true and false are 1 and 0. Among numbers, T is a trace of rain, and F a grade.

    Raises:
        InvalidValueError: for text that is not a number, and for infinities.
    """
    if (fast := _text_to_numbers(series)) is not None:
        numbers = fast
    elif pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    elif pd.api.types.is_datetime64_any_dtype(series.dtype):
        raise InvalidValueError(f"column '{column}' must hold numbers, but holds dates", column)
    elif pd.api.types.is_timedelta64_dtype(series.dtype):
        # models of before have them as seconds
        numbers = seconds_of(series)
    else:
        codes, uniques = distinct_cells(series)
        parsed = np.array([parse_number(value, words, truth=truth) for value in uniques], dtype=object)
        bad = [position for position, value in enumerate(parsed) if value is None]
        if bad:
            row = int(np.flatnonzero(np.isin(codes, bad))[0])
            value = shorten(uniques[codes[row]])
            raise InvalidValueError(f"row {row + 1}, column '{column}': {value} is not a number", column, row)
        numbers = parsed.astype(np.float64)[codes] if len(uniques) else np.empty(0)
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0])
        raise InvalidValueError(
            f"row {row + 1}, column '{column}': the value is infinite; leave it empty if it is not known", column, row
        )
    return numbers


def seconds_of(series: Series) -> NDArray[np.float64]:
    """A column of the type of durations in seconds, NaN where missing."""
    cells = series.to_numpy()
    # one division: pandas rounds otherwise
    seconds = cells.view(np.int64) / PER_SECOND[np.datetime_data(cells.dtype)[0]]
    return np.where(np.isnat(cells), np.nan, seconds)


def _text_to_numbers(series: Series) -> NDArray[np.float64] | None:
    """The same as `parse_number` on each row of a text column, or None when that has to decide."""
    if not isinstance(series.dtype, pd.StringDtype):
        return None
    cells = arrow_texts(series)
    try:
        # most columns of numbers have nothing else
        return _as_floats(cells.cast(pa.float64()))
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(cells)
    missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(sorted(MISSING_STRINGS), text.type))
    try:
        return _as_floats(pc.if_else(missing, None, text).cast(pa.float64()))
    except pa.ArrowInvalid:
        return None


def _as_floats(numbers: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    # what arrow gives without a copy cannot be written to
    return np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def parse_number(value: object, words: frozenset[str] = NO_WORDS, *, truth: bool = False) -> float | None:
    """A float, NaN for missing, which some words stand for, too, or None when the value is not a number.

    Args:
        value: a cell.
        words: that stand for a missing number.
        truth: whether the words for true and false are 1 and 0.
    """
    if is_missing(value):
        return math.nan
    if isinstance(value, str):
        text = value.strip().lower()
        if truth and text in TRUTH_STRINGS:
            return float(text in TRUE_STRINGS)
        # float() also takes "1_000", which no spreadsheet means
        if "_" in text or text in words or lowered(plain_text(text)) in words:
            return math.nan if lowered(plain_text(text)) in words else None
        value = text
    elif not isinstance(value, bool | np.bool_ | int | float | np.number | Decimal):
        return None
    try:
        return float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


def shorten(value: object) -> str:
    """A value in a sentence."""
    value = value.item() if isinstance(value, np.number) else value
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004
