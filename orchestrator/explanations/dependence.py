"""How answers depend on a column, everything else as in the rows: partial dependence, ICE curves, and interactions.

Partial dependence: Friedman 2001, Greedy Function Approximation. Curves of single rows (individual conditional
expectation): Goldstein et al. 2015, Peeking Inside the Black Box. Interactions: the H statistic of Friedman & Popescu
2008, Predictive Learning via Rule Ensembles, equation 44.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.data.rows import rows_of
from orchestrator.explanations.mixing import MixedRows
from orchestrator.explanations.model import ExplainedModel
from orchestrator.features import KINDS

# values of a column that are tried
GRID = 20
# rows that interactions are estimated on, and columns whose pairs are looked at
INTERACTION_ROWS, INTERACTION_COLUMNS = 50, 5


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Answers when a column has one value in all rows.

    Attributes:
        column: its place.
        places: the row of the table from which each value is taken, int64 [grid].
        curves: float64 [rows, grid, outputs]; their mean over the rows is the partial dependence.
    """

    column: int
    places: NDArray[np.int64]
    curves: NDArray[np.float64]


@dataclass(frozen=True)
class Interaction:
    """How much of the joint effect of two columns is none of either alone.

    Attributes:
        columns: their places.
        share: H squared: of the variance of the joint partial dependence; 0 for effects that add up.
        size: standard deviation of what does not add up, in the unit of the answer.
    """

    columns: tuple[int, int]
    share: float
    size: float


@dataclass(frozen=True)
class CurveRows:
    """Rows that curves are drawn for, and below them in the same table rows with the categories of each column.

    Attributes:
        frame: both, as plain cells.
        count: how many of them are those that curves are drawn for.
        categories: by column, how many of the rows below have one of its categories, each another one.
    """

    frame: pd.DataFrame
    count: int
    categories: Mapping[str, int]

    @classmethod
    def of(cls, model: ExplainedModel, frame: pd.DataFrame) -> Self:
        """Adds rows with the categories to some rows.

        Raises:
            InvalidValueError: a column is missing.
        """
        plain = rows_of(model.schema, frame).reset_index(drop=True)
        shown = shown_categories(model, plain)
        longest = max(map(len, shown.values()), default=0)
        below = plain.iloc[np.zeros(longest, np.int64)].astype(object)
        for name, values in shown.items():
            # all columns have as many rows, of which those with few categories need the first ones
            below[name] = [values[place % len(values)] for place in range(longest)]
        counts = {name: len(values) for name, values in shown.items()}
        return cls(pd.concat([plain.astype(object), below], ignore_index=True), len(plain), counts)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The places of those that curves are drawn for."""
        return np.arange(self.count)

    def curves(self, mixed: MixedRows, name: str) -> Curves:
        """The curves over a column; `mixed` is made of `frame`."""
        column, count = mixed.names.index(name), self.categories.get(name)
        grid = grid_of(mixed, column, self.rows) if count is None else self.count + np.arange(count)
        return Curves(column=column, places=grid, curves=_answers(mixed, self.rows, np.array([column]), grid[:, None]))


def shown_categories(model: ExplainedModel, rows: pd.DataFrame) -> dict[str, list[str | None]]:
    """The categories over which curves are drawn, by column: the same ones for whatever rows.

    They are those that have a code of their own, at most 20: the most frequent ones among the model's background, or
    among `rows` if it has none. Missing is one of them if it occurs there.
    """
    known = rows if model.background is None else rows_of(model.schema, model.background.frame())
    encoder = model.encoder
    others = {*(item.column for item in encoder.numeric), *(item.column for item in encoder.text)}
    features = {item.column: item for item in encoder.categorical if item.column not in others}
    shown: dict[str, list[str | None]] = {}
    for column in model.schema.columns:
        feature = features.get(column.name)
        # a list, or a record, becomes several columns, which have one curve
        if feature is None or model.columns.get(column.name) != (column.name,):
            continue
        counts = Counter(KINDS[column.kind].json_values(column, known[column.name]))
        values = [*feature.categories, *([None] if counts[None] else [])]
        shown[column.name] = sorted(values, key=lambda value: -counts[value])[:GRID]
    return {name: values for name, values in shown.items() if values}


def grid_of(mixed: MixedRows, column: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose cells of a column stand for it, int64 [at most 20].

    Of numbers those at evenly spaced ranks among different values, in their order, missing ones last; of other columns
    those with the most frequent cells, the most frequent first. Categories are not found in the rows, see
    `shown_categories`.
    """
    _, first, counts = np.unique(mixed.cells[rows, column], return_index=True, return_counts=True)
    numbers = mixed.numbers_of(column)
    if numbers is None:
        return rows[first[np.argsort(-counts, kind="stable")][:GRID]]
    places = rows[first]
    missing = mixed.missing_in(column)[places]
    known = places[~missing]
    known = known[np.argsort(numbers[known], kind="stable")]
    if len(known) > GRID:
        known = known[np.linspace(0, len(known) - 1, GRID).round().astype(np.int64)]
    return np.concatenate([known, places[missing][:1]])


def interactions_of(
    mixed: MixedRows, columns: list[int], rows: NDArray[np.int64], output: int
) -> tuple[Interaction, ...]:
    """All pairs of some columns, the strongest first, on at most 50 of the rows."""
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), INTERACTION_ROWS)).round().astype(np.int64)]

    def dependence(*chosen: int) -> NDArray[np.float64]:
        """Centred partial dependence on some columns, at the rows' own values: float64 [rows]."""
        values = np.repeat(some[:, None], len(chosen), axis=1)
        found: NDArray[np.float64] = _answers(mixed, some, np.array(chosen), values)[..., output].mean(axis=0)
        centred: NDArray[np.float64] = found - found.mean()
        return centred

    alone = {column: dependence(column) for column in columns}
    found = []
    for one, other in combinations(columns, 2):
        joint = dependence(one, other)
        rest = float(((joint - alone[one] - alone[other]) ** 2).sum())
        whole = float((joint**2).sum())
        share = rest / whole if whole > 0 else 0.0
        found.append(Interaction((one, other), share, float(np.sqrt(rest / len(some)))))
    return tuple(sorted(found, key=lambda item: -item.size))


def _answers(
    mixed: MixedRows, rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Answers to rows in which some columns have the cells of other rows.

    Args:
        mixed: the table.
        rows: places of the rows.
        columns: places of the columns that are changed.
        values: the rows that their cells are taken from, int64 [values, columns].

    Returns:
        float64 [rows, values, outputs].
    """
    places = np.tile(rows[:, None, None], (1, len(values), len(mixed.names)))
    places[:, :, columns] = values[None]
    return mixed.evaluate(places.reshape(-1, len(mixed.names))).reshape(len(rows), len(values), -1)
