"""Named inputs: what a network gets is one array per name, whose first dimension are the rows.

`numeric` is float32 [rows, width], `categorical` int64 [rows, columns], `text` int64 [rows, tokens]. A network names
the inputs that it wants as arguments of its `forward`; training, bundles, ONNX and the batcher pass them on without
knowing them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMERIC, CATEGORICAL, TEXT = "numeric", "categorical", "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One named input as a network sees it.

    Attributes:
        name: argument of the network's `forward`.
        dtype: `float32` or `int64`.
        shape: of a row; None is a dimension that differs between batches.
        codes: for an input of codes, how many there are: one number per column, or a single one for all.
        two_values: the columns of an input of numbers that say yes or no: their training rows have two values.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    codes: tuple[int, ...] = ()
    two_values: tuple[int, ...] = ()

    def zeros(self, rows: int, length: int = 1) -> NDArray[Any]:
        """Some rows of zeros; `length` is the size of dimensions that differ."""
        return np.zeros((rows, *(length if size is None else size for size in self.shape)), self.dtype)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows of all inputs of a data set, by name, as arrays of equal length."""

    arrays: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def take(self, rows: NDArray[np.int64]) -> Inputs:
        """The given rows, as a copy."""
        return Inputs({name: array[rows] for name, array in self.arrays.items()})

    def between(self, start: int, stop: int, step: int = 1) -> Inputs:
        """Rows from `start` to before `stop`, without a copy."""
        return Inputs({name: array[start:stop:step] for name, array in self.arrays.items()})

    def split(self, size: int) -> Iterator[Inputs]:
        """Consecutive batches of at most `size` rows, without a copy."""
        for start in range(0, len(self), size):
            yield self.between(start, start + size)

    def copy(self) -> Inputs:
        """With memory of its own."""
        return Inputs({name: array.copy() for name, array in self.arrays.items()})

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    @classmethod
    def joined(cls, parts: Sequence[Inputs]) -> Inputs:
        """The rows of all parts, one after another, filled up with zeros to one size; a single part is not copied."""
        if len(parts) == 1:
            return parts[0]
        return cls({name: _concatenated([part.arrays[name] for part in parts]) for name in parts[0].arrays})


def _concatenated(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    sizes = {array.shape[1:] for array in arrays}
    if len(sizes) == 1:
        return np.concatenate(arrays)
    joined = np.zeros((sum(map(len, arrays)), *np.max(list(sizes), axis=0)), arrays[0].dtype)
    start = 0
    for array in arrays:
        rows = slice(start, start + len(array))
        joined[(rows, *map(slice, array.shape[1:]))] = array
        start = rows.stop
    return joined
