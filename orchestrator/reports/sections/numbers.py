"""Answers that are numbers, beside the true ones: how far off they are, and where."""

from __future__ import annotations

import numpy as np

from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.misses import Floats, furthest, number_parts
from orchestrator.reports.content import QUIET, Axis, Cell, Chart, MarkKind, ReportTable, Trace, numbers_of, thinned
from orchestrator.reports.sections.row_names import numbering, row_number

MOST_POINTS, MOST_ROWS, WORST, GROUPS, DIGITS = 1000, 100, 10, 5, 6


def number_tables(kept: KeptAnswers) -> list[ReportTable]:
    """Errors in ranges of the target, and the rows with the largest ones."""
    truth, answers = number_parts(kept)
    errors = answers - truth
    order = np.argsort(truth, kind="stable")
    groups: list[tuple[Cell, ...]] = []
    for part in np.array_split(order, GROUPS):
        if len(part):
            low, high = truth[part[0]], truth[part[-1]]
            bias, size = float(errors[part].mean()), float(np.abs(errors[part]).mean())
            groups.append((float(low), float(high), len(part), bias, size))
    worst = furthest(kept, WORST)
    cells = tuple((row_number(kept, row), float(truth[row]), float(answers[row]), float(errors[row])) for row in worst)
    told = f"The rows with the largest errors; {numbering(kept)}"
    return [
        ReportTable(
            ("from", "to", "rows", "mean error", "mean absolute error"), tuple(groups), "Errors by the true value"
        ),
        ReportTable(("row", "true", "predicted", "error"), cells, told),
    ]


def number_charts(kept: KeptAnswers) -> list[Chart]:
    """Predicted against true, and errors against predicted."""
    truth, answers = number_parts(kept)
    places = thinned(len(truth), MOST_POINTS)
    true, said = _rounded(truth[places]), _rounded(answers[places])
    errors = _rounded(answers[places] - truth[places])
    hints = tuple(kept.name_of(place) for place in places)
    low, high = float(min(truth.min(), answers.min())), float(max(truth.max(), answers.max()))
    name = kept.target.name
    return [
        Chart(
            name="predicted",
            title="Predicted against true",
            about=f"A point is a test row; the nearer to the line, the better its {name} is predicted.",
            x=Axis(f"true {name}"),
            y=Axis(f"predicted {name}"),
            traces=(
                Trace(name="equal", x=(low, high), y=(low, high), style=QUIET),
                Trace(name="test rows", x=true, y=said, marks=MarkKind.POINTS, hints=hints),
            ),
            table=numbers_of(("true", "predicted"), list(zip(true, said, strict=True)), MOST_ROWS),
        ),
        Chart(
            name="residuals",
            title="Errors against predicted",
            about="A point is a test row; errors should lie around 0 with the same width everywhere.",
            x=Axis(f"predicted {name}"),
            y=Axis("error (predicted - true)"),
            traces=(
                Trace(name="no error", x=(float(answers.min()), float(answers.max())), y=(0.0, 0.0), style=QUIET),
                Trace(name="test rows", x=said, y=errors, marks=MarkKind.POINTS, hints=hints),
            ),
            table=numbers_of(("predicted", "error"), list(zip(said, errors, strict=True)), MOST_ROWS),
        ),
    ]


def _rounded(values: Floats) -> tuple[Cell, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
