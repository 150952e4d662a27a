"""Explanations as tables for a terminal, with bars made of characters."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from orchestrator.cli.base import echo, print_table
from orchestrator.explanations import (
    DependenceExplanation,
    Explanation,
    ImportanceExplanation,
    LimeExplanation,
    ShapExplanation,
)
from orchestrator.explanations.lime import POOR_FIT
from orchestrator.explanations.model import LOG_ODDS
from orchestrator.explanations.results import Cell
from orchestrator.text_plots import bar
from orchestrator.units import show_number

WIDTH = 24
# rows that are shown one by one, and columns or values of each
MOST_ROWS, MOST_LINES = 10, 15
LONGEST_CELL = 32
LEVELS = "▁▂▃▄▅▆▇█"
NEGATIVE, POSITIVE = "░", "█"


@singledispatch
def show_explanation(explanation: Explanation, total: int | None) -> None:
    """Prints an explanation; `total` are the rows of the data, None if the model's own rows were explained."""
    raise TypeError(f"a {type(explanation).__name__} has no table")


@show_explanation.register
def _(explanation: ShapExplanation, total: int | None) -> None:
    rows, scale = explanation.rows, explanation.rows.scale
    how = "all coalitions of columns" if explanation.exact else "sampled orders of columns"
    echo(f"SHAP values, {scale}, against {explanation.background} background rows ({how})")
    if total is None or len(rows) > MOST_ROWS:
        echo(f"mean size of what each column adds, over {_of(len(rows), total)}:")
        largest = max(explanation.importance.values(), default=0.0)
        lines = [
            [name, show_number(size), bar(size / largest if largest else 0.0, WIDTH)[0]]
            for name, size in list(explanation.importance.items())[:MOST_LINES]
        ]
        print_table(lines, ["column", "adds", ""])
        _say_more(len(explanation.importance))
        if total is not None:
            echo("--rows 1 shows what adds up to the answer to a row")
        return
    values = explanation.contributions
    for row in range(len(rows)):
        about = rows.row_json(row)
        baseline = show_number(float(explanation.baseline[rows.shown[row]]))
        output = _named(about["output"], rows.scale)
        echo(f"row {about['row']}: {output} {show_number(about['prediction'])}, on average {baseline}")
        _show_row(rows.columns, rows.cells[row], values[row], "adds")


@show_explanation.register
def _(explanation: LimeExplanation, total: int | None) -> None:
    rows = explanation.rows
    echo(f"LIME, {rows.scale}: linear models around rows, each of {explanation.samples:,} rows drawn around it")
    for row in range(min(len(rows), MOST_ROWS)):
        about = rows.row_json(row)
        output, fit = _named(about["output"], rows.scale), float(explanation.fidelity[row])
        echo(
            f"row {about['row']}: {output} {show_number(about['prediction'])}, the linear model says "
            f"{show_number(float(explanation.local[row]))}; it fits by R2 {fit:.2f}"
            f"{', so its weights say little' if fit < POOR_FIT else ''}"
        )
        _show_row(rows.columns, rows.cells[row], explanation.weights[row], "weight")
    if len(rows) > MOST_ROWS:
        others = "" if total is None else "--rows shows others, "
        echo(f"the first {MOST_ROWS} of {_of(len(rows), total)}; {others}-o writes all")


@show_explanation.register
def _(explanation: ImportanceExplanation, total: int | None) -> None:
    value = show_number(explanation.value)
    echo(f"{explanation.metric} is {value} on {_of(explanation.rows, total)}; with a column shuffled it is worse by:")
    largest = max(float(explanation.importance.max(initial=0.0)), 0.0)
    lines = [
        [
            item["column"],
            show_number(item["importance"]),
            f"{show_number(item['low'])} to {show_number(item['high'])}",
            bar(item["importance"] / largest if largest else 0.0, WIDTH)[0],
        ]
        for item in explanation.records()[:MOST_LINES]
    ]
    print_table(lines, ["column", "worse by", "95 % interval", ""])
    _say_more(len(explanation.columns))
    echo(f"intervals are over {explanation.drops.shape[1]} shuffles, not over other rows")


@show_explanation.register
def _(explanation: DependenceExplanation, total: int | None) -> None:
    output = _named(explanation.output, explanation.scale)
    echo(f"mean {output} ({explanation.scale}) of {_of(explanation.rows, total)}, if a column were:")
    lines = []
    for item in explanation.columns[:MOST_LINES]:
        mean = explanation.curves_of(item).mean(axis=0)
        span = f"{show_number(float(mean.min()))} to {show_number(float(mean.max()))}"
        lines.append([item.column, _short(item.values[0]), _levels(mean), _short(item.values[-1]), span])
    print_table(lines, ["column", "from", "mean answer", "to", "between"])
    _say_more(len(explanation.columns))
    if len(explanation.columns) == 1:
        item = explanation.columns[0]
        records = explanation.records()
        largest = max(abs(entry["mean"]) for entry in records) or 1.0
        print_table(
            [
                [
                    _short(entry["value"]),
                    show_number(entry["mean"]),
                    f"{show_number(entry['low'])} to {show_number(entry['high'])}",
                    bar(abs(entry["mean"]) / largest, WIDTH)[0],
                ]
                for entry in records
            ],
            [item.column, "mean", "of 80 % of the rows", ""],
        )
    if explanation.interactions:
        echo("columns whose effects do not add up, among the first five (Friedman's H squared):")
        pairs = [
            [" and ".join(pair.columns), f"{pair.share:.1%}", show_number(pair.size)]
            for pair in explanation.interactions[:5]
        ]
        print_table(pairs, ["columns", "of their joint effect", "size"])


def _show_row(columns: tuple[str, ...], cells: tuple[Cell, ...], values: NDArray[np.float64], title: str) -> None:
    order = np.argsort(-np.abs(values), kind="stable")
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    lines = [
        [
            columns[place],
            _short(cells[place]),
            _signed(float(values[place])),
            _two_sided(float(values[place]) / largest),
        ]
        for place in order[:MOST_LINES]
    ]
    if len(order) > MOST_LINES:
        rest = float(values[order[MOST_LINES:]].sum())
        more = len(order) - MOST_LINES
        lines.append([f"{more} other{'s' * (more != 1)}", "", _signed(rest), ""])
    print_table(lines, ["column", "value", title, ""])


def _named(output: str, scale: str) -> str:
    """What a number on a scale is called."""
    return f"log-odds of {output}" if scale == LOG_ODDS else output


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{show_number(value)}"


def _two_sided(share: float) -> str:
    """A bar from the middle: to the left, light, for what is below 0."""
    half = WIDTH // 2
    length = round(min(1.0, abs(share)) * half)
    left, right = (NEGATIVE * length, "") if share < 0 else ("", POSITIVE * length)
    return f"{left:>{half}}│{right:<{half}}"


def _levels(values: NDArray[np.float64]) -> str:
    low, high = float(values.min()), float(values.max())
    if high == low:
        return LEVELS[0] * len(values)
    places = np.round((values - low) / (high - low) * (len(LEVELS) - 1)).astype(int)
    return "".join(LEVELS[place] for place in places)


def _short(cell: Cell) -> str:
    if cell is None:
        return "(missing)"
    text = show_number(cell) if isinstance(cell, float) else str(cell)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _of(count: int, total: int | None) -> str:
    if total is None:
        return f"{count} training rows"
    return f"{count:,} of {total:,} rows" if count < total else f"{count:,} rows"


def _say_more(columns: int) -> None:
    if columns > MOST_LINES:
        more = columns - MOST_LINES
        echo(f"and {more:,} more column{'s' * (more != 1)}; -o or --json has all of them")
