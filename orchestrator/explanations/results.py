"""What an explanation says: typed, as a table, and as JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.features import JsonValue

if TYPE_CHECKING:
    import pandas as pd

# of an original column: lists have several values
Cell = JsonValue | list[JsonValue]


class Explanation(ABC):
    """Why a model answers as it does.

    Attributes:
        method: by which it was found.
    """

    method: ClassVar[str]

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """One flat JSON object for each number that it has; the rows of `to_frame`."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""

    def to_frame(self) -> pd.DataFrame:
        """A tidy table: a row for each number, see the class."""
        import pandas as pd

        return pd.DataFrame(self.records())


@dataclass(frozen=True, kw_only=True)
class ExplainedRows:
    """Rows, and what the model answers to them.

    Attributes:
        columns: original columns.
        labels: of the rows, as the user knows them.
        cells: JSON values of each row, in the order of the columns; of a list or record a list.
        outputs: names of the numbers that are answered, as `predict` calls them.
        scale: `probability`, `log-odds`, or `value` of numbers.
        predictions: float64 [rows, outputs], on that scale.
        shown: which output is shown of each row, int64 [rows].
    """

    columns: tuple[str, ...]
    labels: tuple[Any, ...]
    cells: tuple[tuple[Cell, ...], ...]
    outputs: tuple[str, ...]
    scale: str
    predictions: NDArray[np.float64]
    shown: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def shown_of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of numbers [rows, ..., outputs] those of the outputs that are shown, float64 [rows, ...]."""
        found: NDArray[np.float64] = np.moveaxis(values, -1, 1)[np.arange(len(self)), self.shown]
        return found

    def row_json(self, row: int) -> dict[str, Any]:
        """What a row is, and what is answered to it, as plain JSON."""
        output = int(self.shown[row])
        answer = float(self.predictions[row, output])
        return {"row": self.labels[row], "output": self.outputs[output], "prediction": answer}


@dataclass(frozen=True, kw_only=True)
class ShapExplanation(Explanation):
    """What each column adds to the answer of each row, against the mean answer to the background.

    `to_frame` has a row for each row and column: row, output, prediction, baseline, column, value, contribution. The
    contributions of a row sum to its prediction minus the baseline.

    Attributes:
        rows: that are explained.
        values: of all outputs, float64 [rows, columns, outputs].
        baseline: mean answer to the background, float64 [outputs].
        background: how many rows that are.
        exact: whether all coalitions of columns were asked for, or some were drawn.
    """

    method: ClassVar[str] = "shap"

    rows: ExplainedRows
    values: NDArray[np.float64]
    baseline: NDArray[np.float64]
    background: int
    exact: bool

    @property
    def contributions(self) -> NDArray[np.float64]:
        """Of the outputs that are shown, float64 [rows, columns]."""
        return self.rows.shown_of(self.values)

    @property
    def importance(self) -> dict[str, float]:
        """The mean size of the contributions of each column over the rows, the largest first."""
        sizes = np.abs(self.contributions).mean(axis=0) if len(self.rows) else np.zeros(len(self.rows.columns))
        order = np.argsort(-sizes, kind="stable")
        return {self.rows.columns[place]: float(sizes[place]) for place in order}

    def records(self) -> list[dict[str, Any]]:
        """See `Explanation`."""
        contributions = self.contributions
        return [
            {
                **self.rows.row_json(row),
                "baseline": float(self.baseline[self.rows.shown[row]]),
                "column": column,
                "value": self.rows.cells[row][place],
                "contribution": float(contributions[row, place]),
            }
            for row in range(len(self.rows))
            for place, column in enumerate(self.rows.columns)
        ]

    def to_json(self) -> dict[str, Any]:
        """See `Explanation`; contributions of a row are sorted by their size."""
        contributions = self.contributions
        found = []
        for row in range(len(self.rows)):
            order = np.argsort(-np.abs(contributions[row]), kind="stable")
            parts = [
                {
                    "column": self.rows.columns[place],
                    "value": self.rows.cells[row][place],
                    "contribution": float(contributions[row, place]),
                }
                for place in order
            ]
            baseline = float(self.baseline[self.rows.shown[row]])
            found.append({**self.rows.row_json(row), "baseline": baseline, "contributions": parts})
        return {
            "method": self.method,
            "estimator": "all coalitions" if self.exact else "permutations",
            "scale": self.rows.scale,
            "background_rows": self.background,
            "importance": self.importance,
            "rows": found,
        }


@dataclass(frozen=True, kw_only=True)
class LimeExplanation(Explanation):
    """A linear model around each row.

    `to_frame` has a row for each row and column: row, output, prediction, local_prediction, fidelity, column, value,
    weight, effect.

    Attributes:
        rows: that are explained.
        weights: change of the answer per standard deviation of a number, or of the row's own cell against others of the
            background, for other columns: float64 [rows, columns].
        effects: weight times how far the row is from what was drawn around it, float64 [rows, columns].
        local: what the linear model answers to the row, float64 [rows].
        fidelity: weighted R2 of the linear model around the row, float64 [rows].
        samples: rows that were drawn around each row.
        kernel_width: of the distance, times the square root of the number of columns.
    """

    method: ClassVar[str] = "lime"

    rows: ExplainedRows
    weights: NDArray[np.float64]
    effects: NDArray[np.float64]
    local: NDArray[np.float64]
    fidelity: NDArray[np.float64]
    samples: int
    kernel_width: float

    def _row_json(self, row: int) -> dict[str, Any]:
        figures = {"local_prediction": float(self.local[row]), "fidelity": float(self.fidelity[row])}
        return {**self.rows.row_json(row), **figures}

    def _part_json(self, row: int, place: int) -> dict[str, Any]:
        return {
            "column": self.rows.columns[place],
            "value": self.rows.cells[row][place],
            "weight": float(self.weights[row, place]),
            "effect": float(self.effects[row, place]),
        }

    def records(self) -> list[dict[str, Any]]:
        """See `Explanation`."""
        return [
            {**self._row_json(row), **self._part_json(row, place)}
            for row in range(len(self.rows))
            for place in range(len(self.rows.columns))
        ]

    def to_json(self) -> dict[str, Any]:
        """See `Explanation`; weights of a row are sorted by their size."""
        orders = np.argsort(-np.abs(self.weights), axis=1, kind="stable")
        return {
            "method": self.method,
            "scale": self.rows.scale,
            "samples": self.samples,
            "kernel_width": self.kernel_width,
            "rows": [
                {**self._row_json(row), "weights": [self._part_json(row, int(place)) for place in order]}
                for row, order in enumerate(orders)
            ],
        }


@dataclass(frozen=True, kw_only=True)
class ImportanceExplanation(Explanation):
    """What the metric loses when a column is shuffled, the most important first.

    `to_frame` has a row for each column: column, importance, low, high.

    Attributes:
        metric: its name.
        value: on the rows as they are.
        rows: how many these are.
        columns: original columns, the most important first.
        drops: by how much the metric is worse after each shuffle, float64 [columns, repeats].
        importance: mean of the drops, float64 [columns].
        low, high: 95 % confidence interval of the mean over the repeats, float64 [columns].
    """

    method: ClassVar[str] = "permutation"

    metric: str
    value: float
    rows: int
    columns: tuple[str, ...]
    drops: NDArray[np.float64]
    importance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def records(self) -> list[dict[str, Any]]:
        """See `Explanation`."""
        figures = zip(self.columns, self.importance.tolist(), self.low.tolist(), self.high.tolist(), strict=True)
        return [{"column": column, "importance": mean, "low": low, "high": high} for column, mean, low, high in figures]

    def to_json(self) -> dict[str, Any]:
        """See `Explanation`."""
        return {
            "method": self.method,
            "metric": self.metric,
            "value": self.value,
            "rows": self.rows,
            "repeats": self.drops.shape[1],
            "columns": self.records(),
        }


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """How the answer depends on a column.

    Attributes:
        column: original column.
        values: of it that were tried, as JSON values.
        curves: answers of each row with each of these values, float64 [rows, values, outputs].
    """

    column: str
    values: tuple[Cell, ...]
    curves: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The partial dependence, float64 [values, outputs]."""
        mean: NDArray[np.float64] = self.curves.mean(axis=0)
        return mean


@dataclass(frozen=True)
class ColumnPair:
    """Two columns whose effects do not add up.

    Attributes:
        columns: their names.
        share: H squared (Friedman & Popescu 2008): of the variance of their joint effect what is of neither alone.
        size: standard deviation of that, in the unit of the answer.
    """

    columns: tuple[str, str]
    share: float
    size: float


@dataclass(frozen=True, kw_only=True)
class DependenceExplanation(Explanation):
    """How the answer depends on each column, everything else as in the rows.

    `to_frame` has a row for each column and value: column, output, value, mean, low, high; low and high are deciles of
    the rows' own curves (ICE).

    Attributes:
        output: that is shown.
        outputs: names of all of them.
        scale: `probability`, `log-odds`, or `value` of numbers.
        rows: whose curves these are.
        columns: by how much the answer depends on them, the most first.
        interactions: of the first columns, the strongest first.
    """

    method: ClassVar[str] = "pdp"

    output: str
    outputs: tuple[str, ...]
    scale: str
    rows: int
    columns: tuple[Dependence, ...]
    interactions: tuple[ColumnPair, ...]

    def curves_of(self, dependence: Dependence) -> NDArray[np.float64]:
        """The curves of the output that is shown, float64 [rows, values]."""
        return dependence.curves[:, :, self.outputs.index(self.output)]

    def records(self) -> list[dict[str, Any]]:
        """See `Explanation`."""
        found = []
        for item in self.columns:
            curves = self.curves_of(item)
            low, high = np.quantile(curves, (0.1, 0.9), axis=0)
            figures = zip(item.values, curves.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
            found += [
                {"column": item.column, "output": self.output, "value": value, "mean": mean, "low": least, "high": most}
                for value, mean, least, most in figures
            ]
        return found

    def to_json(self) -> dict[str, Any]:
        """See `Explanation`; with the curves of single rows."""
        return {
            "method": self.method,
            "output": self.output,
            "scale": self.scale,
            "rows": self.rows,
            "columns": [
                {
                    "column": item.column,
                    "values": list(item.values),
                    "mean": self.curves_of(item).mean(axis=0).tolist(),
                    "curves": self.curves_of(item).tolist(),
                }
                for item in self.columns
            ],
            "interactions": [
                {"columns": list(pair.columns), "share": pair.share, "size": pair.size} for pair in self.interactions
            ],
        }
