"""The distinct texts of a column, so that a rule about texts looks at each of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.values import Series, arrow_texts, coded_texts, factorize, is_missing


@dataclass(frozen=True)
class DistinctTexts:
    """The cells of a column as texts.

    Attributes:
        texts: in the order in which they come first; no two are the same unless they were of different types.
        codes: the position of each row's text, int64 [rows]; that behind the last for a row without a value.
    """

    texts: pa.Array
    codes: NDArray[np.int64]

    def first_row(self, position: int) -> int:
        """The first row that has a text."""
        return int(np.argmax(self.codes == position))

    @property
    def rows(self) -> NDArray[np.int64]:
        """How many rows have each of the texts: int64 [texts]."""
        return np.bincount(self.codes, minlength=len(self.texts) + 1)[: len(self.texts)]


def text_of_cell(value: object) -> str:
    """A cell that is there, as a text that UTF-8 has; whole numbers without a point."""
    return text_as_is(int(value) if isinstance(value, float) and value.is_integer() else value)


def text_as_is(value: object) -> str:
    """What Python writes for a cell, as a text that UTF-8 has."""
    return str(value).encode("utf-8", "replace").decode()


def distinct_texts(series: Series, write: Callable[[object], str] = text_of_cell) -> DistinctTexts:
    """Of a column of texts, numbers or objects, that are written as texts."""
    if isinstance(series.dtype, pd.StringDtype):
        codes, texts = coded_texts(arrow_texts(series), nulls="mask")
        return DistinctTexts(texts.cast(pa.large_string()), codes)
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        found, uniques = pd.factorize(series)
        written = [write(value) for value in uniques.tolist()]
        return DistinctTexts(pa.array(written, pa.large_string()), np.where(found < 0, len(written), found))
    places, values = factorize(series.to_numpy(dtype=object))
    there = [not is_missing(value) or isinstance(value, str) for value in values]
    written = [write(value) for value, is_there in zip(values, there, strict=True) if is_there]
    codes = np.where(there, np.cumsum(there) - 1, len(written)).astype(np.int64)
    return DistinctTexts(pa.array(written, pa.large_string()), codes[places] if len(values) else places)
