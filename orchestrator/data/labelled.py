"""Some raw rows whose targets are known: what a finished model is explained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data.background import Background
from orchestrator.data.examples import Examples
from orchestrator.features import JsonValue

# of a table so many rows, and fewer of one with many columns
LABELLED_ROWS, LABELLED_CELLS = 500, 200_000
# a seed of its own: the draws of splits stay what they are
DRAW = 11


@dataclass(frozen=True)
class LabelledRows:
    """Raw rows with what they should be answered.

    Attributes:
        rows: by column.
        target: encoded, [rows].
        weight: what each row counts, float64 [rows]; None if all count the same.
        places: of the rows in their part, int64 [rows]; None if they are not known.
    """

    rows: Background
    target: NDArray[Any]
    weight: NDArray[np.float64] | None = None
    places: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping[str, JsonValue]],
        examples: Examples,
        places: NDArray[np.int64] | None = None,
    ) -> LabelledRows | None:
        """Of rows as JSON objects and as they are encoded, as many as a `Background` keeps; None if there are none."""
        kept = Background.of(rows)
        if kept is None:
            return None
        known = examples.between(0, len(kept))
        return cls(kept, known.target, known.weight, None if places is None else places[: len(kept)])

    def __len__(self) -> int:
        return len(self.target)


def most_labelled(columns: int) -> int:
    """How many rows are kept of a table with so many columns."""
    return max(1, min(LABELLED_ROWS, LABELLED_CELLS // max(1, columns)))


def draw_labelled(count: int, columns: int, seed: int) -> NDArray[np.int64]:
    """Which of the rows of a part are kept, by chance: their places in it, increasing, int64."""
    most = most_labelled(columns)
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, DRAW]).choice(count, most, replace=False))
