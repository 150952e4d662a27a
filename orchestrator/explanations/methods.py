"""Explains rows with a model: the four methods behind one function."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.choices import MethodName, names_of
from orchestrator.columns.notes import Note, rows_text, warn
from orchestrator.data.background import BACKGROUND_ROWS
from orchestrator.data.given_rows import Rows, given_rows
from orchestrator.data.raw import json_rows
from orchestrator.data.rows import rows_of
from orchestrator.errors import UsageError, did_you_mean
from orchestrator.explanations.dependence import INTERACTION_COLUMNS, CurveRows, interactions_of
from orchestrator.explanations.importance import REPEATS, shuffled_drops
from orchestrator.explanations.lime import KERNEL_WIDTH, POOR_FIT, SAMPLES, fit_surrogates
from orchestrator.explanations.mixing import MixedRows
from orchestrator.explanations.model import PROBABILITY, ExplainedModel
from orchestrator.explanations.results import (
    Cell,
    ColumnPair,
    Dependence,
    DependenceExplanation,
    ExplainedRows,
    Explanation,
    ImportanceExplanation,
    LimeExplanation,
    ShapExplanation,
)
from orchestrator.explanations.shapley import is_exact, shapley_values
from orchestrator.features import KINDS
from orchestrator.tasks import Metric

METHODS = names_of(MethodName)
# whose curves are drawn
CURVE_ROWS = 100
FEWEST_ROWS = 2


def explain(
    model: ExplainedModel,
    frame: Rows | None = None,
    *,
    method: MethodName = "shap",
    background: Rows | None = None,
    output: str | None = None,
    scale: str = PROBABILITY,
    metric: str | None = None,
    permutations: int | None = None,
    samples: int = SAMPLES,
    kernel_width: float = KERNEL_WIDTH,
    repeats: int = REPEATS,
    columns: Sequence[str] | None = None,
    seed: int = 0,
) -> Explanation:
    """Explains a model, or its answers to some rows; see `ModelBundle.explain`, which has the same arguments.

    Raises:
        UsageError: there is no such method, output, scale, column or metric, or no background.
        DataError: the rows lack a column, or a value does not fit its column.
    """
    model.check_scale(scale)
    frame, background = (None if rows is None else given_rows(rows, model.schema.names) for rows in (frame, background))
    if frame is not None and not len(frame):
        raise UsageError("there are no rows to explain; give some")
    if method == "permutation":
        return _importance(model, frame, metric=metric, repeats=repeats, seed=seed)
    if method == "pdp":
        rows = _background(model, background, None) if frame is None else frame
        return _dependence(model, rows, columns=columns, output=output, scale=scale, seed=seed)
    if method not in METHODS:
        raise UsageError(
            f"there is no method '{method}'; there are: {', '.join(METHODS)}{did_you_mean(method, METHODS)}"
        )
    compared = _background(model, background, frame, seed)
    explained = compared if frame is None else frame
    table = _Table.of(model, explained, compared, output, scale)
    if method == "lime":
        found = fit_surrogates(
            table.mixed,
            table.places,
            table.background,
            table.rows.shown,
            samples=samples,
            kernel_width=kernel_width,
            seed=seed,
        )
        _warn_of_poor_fits(found.fidelity)
        return LimeExplanation(
            rows=table.rows,
            weights=found.weights,
            effects=found.effects,
            local=found.local,
            fidelity=found.fidelity,
            samples=samples,
            kernel_width=kernel_width,
        )
    return ShapExplanation(
        rows=table.rows,
        values=shapley_values(table.mixed, table.places, table.background, permutations=permutations, seed=seed),
        baseline=table.mixed.answers[table.background].mean(axis=0),
        background=len(table.background),
        exact=is_exact(len(table.rows.columns), permutations),
    )


class _Table:
    """Rows and their background in one table.

    Attributes:
        mixed: of both.
        places, background: where they are in it.
        rows: the explained ones, for people.
    """

    def __init__(self, mixed: MixedRows, rows: ExplainedRows) -> None:
        self.mixed, self.rows = mixed, rows
        self.places = np.arange(len(rows))
        self.background = np.arange(len(rows), len(mixed))

    @classmethod
    def of(
        cls, model: ExplainedModel, frame: pd.DataFrame, background: pd.DataFrame, output: str | None, scale: str
    ) -> _Table:
        """Raises UsageError, DataError: see `explain`."""
        # each by itself, so that an error names a row of the user's
        plain, compared = rows_of(model.schema, frame), rows_of(model.schema, background)
        answers = model.predictions(model.encoder.transform(model.schema, plain))
        both = [*json_rows(model.schema, plain), *json_rows(model.schema, compared)]
        names = [column.name for column in model.schema.columns]
        cells = {name: pd.Series([row[name] for row in both], dtype=object) for name in names}
        mixed = MixedRows(model, pd.DataFrame(cells), scale)
        rows = ExplainedRows(
            columns=mixed.names,
            labels=tuple(map(_plain_label, frame.index)),
            cells=cells_of(model, plain),
            outputs=model.outputs,
            scale=model.scale_of(scale),
            predictions=mixed.answers[: len(plain)],
            shown=model.shown(answers, output),
        )
        return cls(mixed, rows)


def _background(
    model: ExplainedModel, given: pd.DataFrame | None, frame: pd.DataFrame | None, seed: int = 0
) -> pd.DataFrame:
    """The rows that others are compared with: those that are given, the model's own, or else some of the data's.

    Raises:
        UsageError: there are none.
    """
    if given is None and model.background is not None:
        return model.background.frame()
    rows = given if given is not None else frame
    if rows is None:
        raise UsageError(
            "the model keeps no training rows to compare others with (it is older, or was trained with "
            "--no-background): give DATA"
        )
    if given is None and len(rows) < FEWEST_ROWS:
        raise UsageError(
            "the model keeps no training rows to compare a row with (it is older, or was trained with "
            "--no-background): give more rows, or a background of your own (--background FILE)"
        )
    if not len(rows):
        raise UsageError("the background has no rows; give some")
    if len(rows) <= BACKGROUND_ROWS:
        return rows
    drawn = np.random.default_rng(seed).choice(len(rows), BACKGROUND_ROWS, replace=False)
    return rows.iloc[np.sort(drawn)]


def _importance(
    model: ExplainedModel, frame: pd.DataFrame | None, *, metric: str | None, repeats: int, seed: int
) -> ImportanceExplanation:
    target, task = model.schema.target, model.schema.target.task
    if frame is None or target.name not in frame.columns:
        raise UsageError(
            f"the permutation method measures a metric, so it needs DATA with the target column '{target.name}'"
        )
    if repeats < FEWEST_ROWS:
        raise UsageError(f"repeats must be {FEWEST_ROWS} or more, so that there is an interval, but is {repeats}")
    chosen = task.find_metric(metric or model.metric)
    labels = target.plain(frame[target.name])
    known = labels.notna().to_numpy()
    try:
        wanted = task.encode(model.target_encoder, labels[known].reset_index(drop=True))
    except KeyError as error:
        raise UsageError(
            f"the target column '{target.name}' has {error}, a class that the model does not know; leave such rows out"
        ) from None
    mixed = MixedRows(model, frame[known].reset_index(drop=True))
    return importance_of(model, mixed, wanted, metric=chosen, repeats=repeats, seed=seed)


def importance_of(
    model: ExplainedModel,
    mixed: MixedRows,
    target: NDArray[Any],
    weight: NDArray[np.float64] | None = None,
    *,
    metric: Metric,
    repeats: int,
    seed: int,
    seconds: float = math.inf,
    limit: float = math.inf,
) -> ImportanceExplanation:
    """Permutation importance on rows whose encoded targets are known.

    Args:
        model: that answers them.
        mixed: the rows.
        target: encoded, [rows].
        weight: what each row counts, [rows]; None if all count the same.
        metric: that loses.
        repeats, seed, seconds, limit: see `shuffled_drops`.

    Raises:
        UsageError: these rows have no such figure, or there was no time for it.
    """
    task = model.schema.target.task

    def measure(places: NDArray[np.int64]) -> float:
        outputs = mixed.outputs(places)
        value = task.measure(metric.name, model.target_encoder, outputs, target, weight).get(metric.name)
        if value is None:
            raise UsageError(
                f"{metric.name} cannot be measured: {task.unmeasured_in(target, metric.name)}; give more rows"
            )
        return value

    found = shuffled_drops(
        mixed, measure, maximize=metric.maximize, repeats=repeats, seed=seed, seconds=seconds, limit=limit
    )
    order = np.argsort(-found.mean, kind="stable")
    low, high = found.interval()
    return ImportanceExplanation(
        metric=metric.name,
        value=found.value,
        rows=len(mixed),
        columns=tuple(mixed.names[place] for place in order),
        drops=found.drops[order],
        importance=found.mean[order],
        low=low[order],
        high=high[order],
    )


def _dependence(
    model: ExplainedModel,
    frame: pd.DataFrame,
    *,
    columns: Sequence[str] | None,
    output: str | None,
    scale: str,
    seed: int,
) -> DependenceExplanation:
    wanted = _with_curves(model, columns)
    plain = rows_of(model.schema, frame)
    if len(plain) < FEWEST_ROWS:
        raise UsageError("the pdp method needs two rows at least; give more, or leave DATA out")
    if len(plain) > CURVE_ROWS:
        drawn = np.random.default_rng(seed).choice(len(plain), CURVE_ROWS, replace=False)
        plain = plain.iloc[np.sort(drawn)].reset_index(drop=True)
    table = CurveRows.of(model, plain)
    mixed = MixedRows(model, table.frame, scale)
    answers = model.predictions(model.encoder.transform(model.schema, plain))
    # of several classes the one that is answered most often
    shown = int(np.bincount(model.shown(answers, output)).argmax())
    cells = cells_of(model, table.frame)
    curves = [table.curves(mixed, name) for name in wanted]
    spreads = [float(item.curves[..., shown].mean(axis=0).std()) for item in curves]
    order = sorted(range(len(curves)), key=lambda place: -spreads[place])
    strongest = [curves[place].column for place in order[:INTERACTION_COLUMNS]]
    pairs = interactions_of(mixed, strongest, table.rows, shown)
    return DependenceExplanation(
        output=model.outputs[shown],
        outputs=model.outputs,
        scale=model.scale_of(scale),
        rows=len(plain),
        columns=tuple(
            Dependence(
                column=wanted[place],
                values=tuple(cells[row][curves[place].column] for row in curves[place].places),
                curves=curves[place].curves,
            )
            for place in order
        ),
        interactions=tuple(
            ColumnPair((mixed.names[pair.columns[0]], mixed.names[pair.columns[1]]), pair.share, pair.size)
            for pair in pairs
        ),
    )


def _with_curves(model: ExplainedModel, columns: Sequence[str] | None) -> list[str]:
    """The columns whose curves are drawn: those that are named, or else all whose curves say something."""
    without = curveless(model)
    for name in columns or ():
        if name not in model.columns:
            raise UsageError(f"the model has no column '{name}'{did_you_mean(name, model.columns)}")
    if columns is None:
        wanted, doubtful = [name for name in model.columns if name not in without], without
        if not wanted:
            raise UsageError("the model has free texts only, and curves over them say little; use shap or permutation")
    else:
        wanted, doubtful = list(columns), tuple(name for name in columns if name in without)
    done = "its curve is left out" if columns is None else "its curve says little"
    instead = "the methods shap and permutation say what it adds"
    warn(Note(column=name, why="has free texts, which have no order", done=done, option=instead) for name in doubtful)
    return wanted


def curveless(model: ExplainedModel) -> tuple[str, ...]:
    """The columns whose curves say nothing, such as those of free texts."""
    return tuple(column.name for column in model.schema.columns if not KINDS[column.kind].has_curves)


def _warn_of_poor_fits(fidelity: NDArray[np.float64]) -> None:
    """Says how many rows a linear model does not imitate."""
    poor = int((fidelity < POOR_FIT).sum())
    if poor:
        of = "the row" if len(fidelity) == 1 else f"{poor:,} of {rows_text(len(fidelity))}"
        why = f"the model around {of} is far from linear (R2 below {POOR_FIT})"
        warn([Note(why=why, done="the weights there say little", option="the values of method shap always add up")])


def cells_of(model: ExplainedModel, rows: pd.DataFrame) -> tuple[tuple[Cell, ...], ...]:
    """The values of some rows by original column: one, or a list of those that a list or record has."""
    found: list[tuple[Cell, ...]] = []
    for row in json_rows(model.schema, rows):
        found.append(
            tuple(
                row[parts[0]] if parts == (name,) else [row[part] for part in parts]
                for name, parts in model.columns.items()
            )
        )
    return tuple(found)


def _plain_label(label: Hashable) -> Any:  # noqa: ANN401
    """The label of a row as JSON has it."""
    plain = label.item() if isinstance(label, np.generic) else label
    return plain if isinstance(plain, str | int | float | bool) else str(plain)
