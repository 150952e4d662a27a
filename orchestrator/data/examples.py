"""Encoded rows: what a network gets and what it should answer, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.inputs import Inputs


@dataclass(frozen=True)
class Examples:
    """Encoded rows.

    Attributes:
        inputs: of the network.
        target: int64 [rows] class numbers, or float32 [rows] standardised values.
        weight: what each row counts, float64 [rows]; None if all count the same.
    """

    inputs: Inputs
    target: NDArray[np.int64] | NDArray[np.float32]
    weight: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.target)

    def between(self, start: int, stop: int) -> Examples:
        """Consecutive rows, without a copy."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Examples(self.inputs.between(start, stop), self.target[start:stop], weight)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """The given rows, as a copy."""
        return Examples(self.inputs.take(rows), self.target[rows], None if self.weight is None else self.weight[rows])

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """The rows of all parts, one after another; of a single part without a copy."""
        if len(parts) == 1:
            return parts[0]
        weights = [part.weight for part in parts if part.weight is not None]
        return cls(
            Inputs.joined([part.inputs for part in parts]),
            np.concatenate([part.target for part in parts]),
            np.concatenate(weights) if weights else None,
        )
