"""Encoded rows: what a network gets and what it should answer, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """Encoded rows.

    Attributes:
        numeric: float32 [rows, numeric width], standardised.
        categorical: int64 [rows, categorical features], codes.
        target: int64 [rows] class numbers, or float32 [rows] standardised values.
    """

    numeric: NDArray[np.float32]
    categorical: NDArray[np.int64]
    target: NDArray[np.int64] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.target)

    def between(self, start: int, stop: int) -> Examples:
        """Consecutive rows, without a copy."""
        return Examples(self.numeric[start:stop], self.categorical[start:stop], self.target[start:stop])

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """The rows of all parts, one after another; of a single part without a copy."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.numeric for part in parts]),
            np.concatenate([part.categorical for part in parts]),
            np.concatenate([part.target for part in parts]),
        )
