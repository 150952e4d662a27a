"""A sample of the training rows that stays with a model: what explanations compare a row with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.features import JsonValue

if TYPE_CHECKING:
    import pandas as pd

BACKGROUND_ROWS = 100
# of the rows as compact JSON; of very wide ones there are fewer
MOST_BYTES = 4 * 2**20
# a seed of its own: the draws of splits stay what they are
DRAW = 7


@dataclass(frozen=True)
class Background:
    """Raw training rows, by original column.

    Attributes:
        columns: the values of each column as JSON values: numbers, texts, true or false, ISO 8601 dates, null. All
            have the same length.
    """

    columns: Mapping[str, tuple[JsonValue, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, JsonValue]]) -> Background | None:
        """Of rows as JSON objects, as many of the first ones as are not too large together; None if there are none."""
        kept: list[Mapping[str, JsonValue]] = []
        size = 0
        for row in rows:
            size += len(json.dumps(list(row.values())))
            if size > MOST_BYTES:
                break
            kept.append(row)
        return cls({name: tuple(row[name] for row in kept) for name in kept[0]}) if kept else None

    def frame(self) -> pd.DataFrame:
        """The rows as a table that a model answers; cells are the JSON values."""
        import pandas as pd

        return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in self.columns.items()})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return {"columns": {name: list(values) for name, values in self.columns.items()}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Background:
        """Rebuilds a background.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        columns = {str(name): tuple(values) for name, values in dict(content["columns"]).items()}
        if len(set(map(len, columns.values()))) != 1 or not all(columns.values()):
            raise ValueError("its columns have no rows, or not the same number of them")
        return cls(columns)


def draw_background(rows: NDArray[np.int64], strata: NDArray[np.int64] | None, seed: int) -> NDArray[np.int64]:
    """Which rows are kept: 100, or all if there are fewer, by chance; of each class as many as is its share.

    Rows are put in the order of their classes, in random order within a class, and every n-th one is taken, from a
    random start: systematic sampling, with which the number of each class is its share up to one row (Cochran,
    Sampling Techniques, 1977, chapter 8).

    Args:
        rows: positions of the training rows, increasing, int64 [rows].
        strata: class of every row of the table, int64; None where no classes are predicted.
        seed: of the split.

    Returns:
        Some of the positions, increasing: int64 [at most 100].
    """
    if len(rows) <= BACKGROUND_ROWS:
        return rows
    random = np.random.default_rng([seed, DRAW])
    order = random.permutation(rows)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    places = (np.arange(BACKGROUND_ROWS) + random.random()) * len(rows) / BACKGROUND_ROWS
    return np.sort(order[places.astype(np.int64)])
