"""What decides the answers of a model, in short: computed once when a sweep ends, in a bounded time, and kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import LabelledRows
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.explanations.dependence import CurveRows
from orchestrator.explanations.importance import FEWEST_REPEATS
from orchestrator.explanations.methods import CURVE_ROWS, cells_of, curveless, importance_of
from orchestrator.explanations.mixing import MixedRows
from orchestrator.explanations.model import PROBABILITY, ExplainedModel
from orchestrator.explanations.results import Cell, ImportanceExplanation

# shuffles of each column; where they take longer fewer of them, then fewer rows, but not fewer than these
REPEATS, LEAST_ROWS = 5, 50
# of the most important columns so many have a curve
CURVE_COLUMNS = 8
# of the time that is for the importance
IMPORTANCE_SHARE = 0.7
# of what is left of that, since nothing takes exactly as long as the time before
SLACK = 0.85


@dataclass(frozen=True, kw_only=True)
class DependenceCurve:
    """How an answer depends on a column, everything else as in some rows.

    Attributes:
        column: original column.
        output: whose answer it is, as `predict` calls it.
        scale: `probability`, or `value` of numbers.
        values: of the column that were tried, as JSON values.
        mean: answer over the rows for each value (partial dependence).
        low, high: deciles of the answers to single rows.
    """

    column: str
    output: str
    scale: str
    values: tuple[Cell, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def records(self) -> list[dict[str, Any]]:
        """A flat JSON object for each value."""
        points = zip(self.values, self.mean, self.low, self.high, strict=True)
        return [
            {"column": self.column, "output": self.output, "value": value, "mean": mean, "low": low, "high": high}
            for value, mean, low, high in points
        ]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What decides the answers of a model.

    Attributes:
        importance: of all columns on test rows; None if it could not be computed.
        curves: of the most important columns.
        seconds: that it took.
        why_not: why there is no importance, as a sentence; empty if there is.
    """

    importance: ImportanceExplanation | None = None
    curves: tuple[DependenceCurve, ...] = ()
    seconds: float = 0.0
    why_not: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        importance = None
        if self.importance is not None:
            importance = {**self.importance.to_json(), "drops": self.importance.drops.tolist()}
        return {
            "importance": importance,
            "curves": [vars(curve) for curve in self.curves],
            "seconds": self.seconds,
            "why_not": self.why_not,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Overview:
        """Rebuilds it.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_json`.
        """
        return cls(
            importance=None if content["importance"] is None else _importance(content["importance"]),
            curves=tuple(map(_curve, content["curves"])),
            seconds=float(content["seconds"]),
            why_not=str(content["why_not"]),
        )


def _curve(content: Mapping[str, Any]) -> DependenceCurve:
    values, mean, low, high = (tuple(content[name]) for name in ("values", "mean", "low", "high"))
    column, output, scale = (str(content[name]) for name in ("column", "output", "scale"))
    return DependenceCurve(column=column, output=output, scale=scale, values=values, mean=mean, low=low, high=high)


def _importance(content: Mapping[str, Any]) -> ImportanceExplanation:
    columns = content["columns"]
    mean, low, high = (
        np.array([column[name] for column in columns], np.float64) for name in ("importance", "low", "high")
    )
    return ImportanceExplanation(
        metric=str(content["metric"]),
        value=float(content["value"]),
        rows=int(content["rows"]),
        columns=tuple(str(column["column"]) for column in columns),
        drops=np.array(content["drops"], np.float64).reshape(len(columns), -1),
        importance=mean,
        low=low,
        high=high,
    )


def overview_of(model: ExplainedModel, rows: LabelledRows | None, *, seconds: float, seed: int = 0) -> Overview:
    """Permutation importance of all columns, and the curves of the most important ones.

    Args:
        model: that is explained.
        rows: that it has not been fitted on, test rows best; None if there are none.
        seconds: that it may take. Fewer shuffles and rows are taken where more would take longer; where even two
            shuffles of 50 rows would, there is no importance.
        seed: of all that is drawn.
    """
    started = time.monotonic()
    if rows is None:
        return Overview(why_not="there are no test rows to measure it on")
    try:
        importance = _measured(model, rows, seconds * IMPORTANCE_SHARE, seed)
        curves = _curves(model, rows, importance.columns[:CURVE_COLUMNS], started + seconds, seed)
    except OrchestratorError as error:
        return Overview(why_not=str(error), seconds=time.monotonic() - started)
    return Overview(importance=importance, curves=curves, seconds=time.monotonic() - started)


def some_of(count: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of some rows, by chance, in their order: tables are often sorted, so the first ones are alike."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


def _measured(model: ExplainedModel, rows: LabelledRows, seconds: float, seed: int) -> ImportanceExplanation:
    """The importance, on as many of the rows as there is time for."""
    end = time.monotonic() + seconds
    frame = rows.rows.frame()
    # of a slow network a few rows tell it, too
    tried = MixedRows(model, frame.iloc[some_of(len(frame), LEAST_ROWS, seed)])
    plain = np.repeat(np.arange(len(tried))[:, None], len(tried.names), axis=1)
    each = 0.0
    # the first time is slower
    for _ in range(2):
        began = time.monotonic()
        tried.outputs(plain)
        each = (time.monotonic() - began) / len(tried)
        if time.monotonic() > end:
            raise UsageError(f"to shuffle {len(tried.names):,} columns takes longer than {seconds:.1f} s")
    mixed = MixedRows(model, frame)
    left = max(0.0, end - time.monotonic())
    # the rows as they are have to be asked, too
    asked = FEWEST_REPEATS * len(mixed.names) + 1
    most = int(SLACK * left / (asked * each)) if each else len(mixed)
    if most < min(LEAST_ROWS, len(mixed)):
        raise UsageError(f"to shuffle {len(mixed.names):,} columns takes longer than {seconds:.1f} s")
    count = min(most, len(mixed))
    target, weight = rows.target, rows.weight
    if count < len(mixed):
        chosen = some_of(len(frame), count, seed)
        target, weight = target[chosen], None if weight is None else weight[chosen]
        mixed = MixedRows(model, frame.iloc[chosen])
    metric = model.schema.target.task.find_metric(model.metric)
    left = max(0.0, end - time.monotonic())
    return importance_of(
        model, mixed, target, weight, metric=metric, repeats=REPEATS, seed=seed, seconds=left, limit=left
    )


def _curves(
    model: ExplainedModel, rows: LabelledRows, columns: Sequence[str], end: float, seed: int
) -> tuple[DependenceCurve, ...]:
    """The curves of some columns, as many as there is time for."""
    frame = rows.rows.frame()
    frame = frame.iloc[some_of(len(frame), CURVE_ROWS, seed)]
    table = CurveRows.of(model, frame)
    mixed, cells = MixedRows(model, table.frame), cells_of(model, table.frame)
    answers = model.predictions(model.encoder.transform(model.schema, frame))
    shown = int(np.bincount(model.shown(answers)).argmax())
    found: list[DependenceCurve] = []
    without = curveless(model)
    for name in columns:
        if name in without:
            continue
        if time.monotonic() > end:
            break
        curves = table.curves(mixed, name)
        drawn = curves.curves[:, :, shown]
        low, high = np.quantile(drawn, (0.1, 0.9), axis=0)
        found.append(
            DependenceCurve(
                column=name,
                output=model.outputs[shown],
                scale=model.scale_of(PROBABILITY),
                values=tuple(cells[row][curves.column] for row in curves.places),
                mean=tuple(drawn.mean(axis=0).tolist()),
                low=tuple(low.tolist()),
                high=tuple(high.tolist()),
            )
        )
    return tuple(found)
