"""What decides the winner's answers: how much each column matters, and how answers follow the most important ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.evaluation.worst_rows import WorstRow
from orchestrator.explanations.model import VALUE
from orchestrator.explanations.overview import REPEATS, DependenceCurve
from orchestrator.explanations.results import ImportanceExplanation
from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Paragraph, ReportTable, Section, Trace
from orchestrator.reports.sections.references import interval_text
from orchestrator.reports.story import SweepStory
from orchestrator.units import show_number

MOST_BARS, MOST_CURVES, MOST_SAID, MOST_CELLS = 15, 4, 3, 200
# of a value beside its bar
LONGEST = 24


def section(story: SweepStory) -> Section | None:
    """None where nothing was computed, as in sweeps of before."""
    if story.description is None:
        return None
    overview, model = story.description.overview, story.model_uri or "MODEL"
    if overview.importance is None:
        said = (
            f"It was not computed what decides the answers: {overview.why_not}.",
            f"Without a limit of time: `orchestrator explain {model} ROWS.csv --method permutation`.",
        )
        return Section(name="explanation", title="What decides", paragraphs=(Paragraph(said),))
    target = "" if story.model is None else story.model.schema.target.name
    curves = tuple(_curve_chart(number, curve, target) for number, curve in enumerate(overview.curves[:MOST_CURVES]))
    return Section(
        name="explanation",
        title="What decides",
        paragraphs=(Paragraph(_said(overview.importance, model)),),
        charts=(_importance_chart(overview.importance), *curves, *_worst_charts(story.description.worst, target)),
    )


def _said(found: ImportanceExplanation, model: str) -> tuple[str, ...]:
    # what chance may have done is not said to matter
    sure = sum(low > 0 for low in found.low.tolist())
    first = "The answers lean on no single column: shuffling any of them costs no more than chance."
    if sure:
        named = ", ".join(f"`{name}`" for name in found.columns[:MOST_SAID])
        first = f"The answers depend most on {named}; {sure} of {len(found.columns)} columns matter beyond chance."
    shuffles = found.drops.shape[1]
    if sure < len(found.columns) and shuffles < REPEATS:
        first += f" There was time for {shuffles} shuffles only, so others may do so, too."
    return (
        first,
        f"A column matters as much as {found.metric} gets worse when its values are shuffled among {found.rows:,} test "
        f"rows ({show_number(found.value)} as they are).",
        "Columns that say the same share this: each of them matters less than both together.",
        f"Single rows, SHAP values and LIME: `orchestrator explain {model} ROWS.csv --rows 1`.",
    )


def _importance_chart(found: ImportanceExplanation) -> Chart:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, mean, interval_text((low, high)))
        for name, mean, low, high in zip(
            found.columns, found.importance.tolist(), found.low.tolist(), found.high.tolist(), strict=True
        )
    )
    names, means = found.columns[:MOST_BARS], tuple(found.importance.tolist()[:MOST_BARS])
    about = f"How much worse {found.metric} gets when a column is shuffled; longer bars matter more."
    if len(found.columns) > MOST_BARS:
        about += f" The first {MOST_BARS} of {len(found.columns):,} columns; the table has all."
    return Chart(
        name="column-importance",
        title="Importance of columns",
        about=about,
        x=Axis(f"{found.metric} lost"),
        y=Axis("", names=tuple(reversed(names))),
        traces=(Trace(name="importance", x=means, y=names, marks=MarkKind.BARS),),
        table=ReportTable(("column", f"{found.metric} lost", "95 % interval"), rows),
    )


def _worst_charts(worst: tuple[WorstRow, ...], target: str) -> Iterator[Chart]:
    """Why rows were answered so that are furthest from the truth: what each of their columns adds."""
    for number, row in enumerate(worst):
        output = _output(row.output, target)
        where = row.name or (f"a test row ({number + 1})" if row.place is None else f"test row {row.place}")
        known = [
            (_named(name, value), name, None if value is None else _plain(value), adds)
            for name, value, adds in row.columns
        ]
        shown = known[:MOST_BARS]
        answer = f"{show_number(row.answer)} instead of {show_number(row.true)}"
        if row.answer == row.true:
            answer = f"{show_number(row.answer)}, which is right but not sure"
        about = (
            f"Among the worst rows: {answer}. What each column adds (SHAP values) to {output}, from "
            f"{show_number(row.baseline)} for training rows in the mean to {show_number(row.prediction)} for this row."
        )
        if len(known) > MOST_BARS:
            about += f" The first {MOST_BARS} of {len(known):,} columns."
        names = tuple(label for label, _, _, _ in shown)
        yield Chart(
            name=f"worst-{number + 1}",
            title=f"Why {where} was answered so",
            about=about,
            x=Axis(f"added to {output}"),
            y=Axis("", names=tuple(reversed(names))),
            traces=(Trace(name="adds", x=tuple(adds for _, _, _, adds in shown), y=names, marks=MarkKind.BARS),),
            table=ReportTable(
                ("column", "value", "adds"), tuple((name, value, adds) for _, name, value, adds in known[:MOST_CELLS])
            ),
        )


def _named(name: str, value: object) -> str:
    text = "missing" if value is None else show_number(_plain(value))
    return f"{name} = {text if len(text) <= LONGEST else f'{text[:LONGEST]}…'}"


def _output(output: str, target: str) -> str:
    """What is answered; a number is that of the target."""
    return f"the predicted {target}" if output == VALUE and target else output


def _curve_chart(number: int, curve: DependenceCurve, target: str) -> Chart:
    values = tuple("missing" if value is None else _plain(value) for value in curve.values)
    ordered = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    answer = _output(curve.output, target)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (value, mean, interval_text((low, high)))
        for value, mean, low, high in zip(values, curve.mean, curve.low, curve.high, strict=True)
    )
    texts = tuple(map(str, values))
    if ordered:
        parts = (("10 % of rows are below", curve.low), ("10 % of rows are above", curve.high))
        traces = (
            *(Trace(name=name, x=values, y=edge, style=1 + place) for place, (name, edge) in enumerate(parts)),
            Trace(name="mean", x=values, y=curve.mean),
        )
        x, y = Axis(curve.column), Axis(answer)
    else:
        traces = (Trace(name="mean", x=curve.mean, y=texts, marks=MarkKind.BARS),)
        x, y = Axis(answer), Axis("", names=tuple(reversed(texts)))
    return Chart(
        name=f"dependence-{number + 1}",
        title=f"How the answer follows {curve.column}",
        about=f"The mean of {answer} if all rows had this value of the column, everything else as it is.",
        x=x,
        y=y,
        traces=traces,
        table=ReportTable((curve.column, answer, "80 % of the rows"), rows),
    )


def _plain(value: object) -> str | int | float:
    if isinstance(value, bool | list):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, int) else str(value)
