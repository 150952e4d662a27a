"""A page about data that nothing was trained on yet: made of an inspection, shown as reports of sweeps are."""

from __future__ import annotations

import time

from orchestrator.data.inspection import InspectedColumn, Inspection
from orchestrator.reports.content import Axis, Chart, MarkKind, Paragraph, Report, ReportTable, Section, Trace

MOST_CHARTS = 60
NUMBERS = "rows"


def data_report(found: Inspection) -> Report:
    """What is found in a data set: words first, then the target, all columns, and how their values are spread."""
    sections = (_summary(found), _target(found), _columns(found), _values(found))
    return Report(
        title="Data before training",
        sweep=found.origin,
        made=time.time(),
        sections=tuple(section for section in sections if section is not None),
    )


def _summary(found: Inspection) -> Section:
    kinds: dict[str, int] = {}
    for column in found.columns:
        kinds[column.kind] = kinds.get(column.kind, 0) + 1
    rows = f"a sample of {found.rows:,} rows was read" if found.sampled else f"there are {found.rows:,} rows"
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    sentences = [f"Of `{found.origin}` {rows} with {len(found.columns)} columns: {counted}."]
    if found.target is None:
        sentences.append("Nothing is said of a target: `--target COLUMN` names what is to be predicted.")
    paragraphs = [Paragraph(tuple(sentences))]
    suspicious = tuple(f"{note}." for note in found.suspicions)
    if suspicious:
        paragraphs.append(Paragraph(suspicious, "Columns to look at"))
    if found.notes:
        paragraphs.append(Paragraph(tuple(f"{note}." for note in found.notes), "What was guessed"))
    if not found.notes and not suspicious:
        paragraphs.append(Paragraph(("Nothing about the columns is in doubt.",)))
    return Section(name="summary", title="What there is", paragraphs=tuple(paragraphs))


def _target(found: Inspection) -> Section | None:
    if found.target is None:
        return None
    column = next(column for column in found.columns if column.name == found.target.name)
    sentences = (f"`{found.target.name}` is predicted ({found.target.task.title}): {found.balance}.",)
    charts = () if not column.spread else (_chart(column, "target"),)
    return Section(name="target", title="Target", paragraphs=(Paragraph(sentences),), charts=charts)


def _columns(found: Inspection) -> Section:
    rows = tuple(
        (
            column.name,
            column.kind,
            column.why,
            found.missing(column),
            f"{column.distinct:,}",
            ", ".join(column.examples),
        )
        for column in found.columns
    )
    table = ReportTable(("column", "kind", "why", "missing", "distinct", "examples"), rows)
    return Section(name="columns", title="Columns", tables=(table,))


def _values(found: Inspection) -> Section | None:
    shown = [
        column for column in found.columns if column.spread and column.name != (found.target and found.target.name)
    ]
    if not shown:
        return None
    rest = len(shown) - MOST_CHARTS
    more = (
        (Paragraph((f"The first {MOST_CHARTS} columns are shown; {rest:,} more are in the table.",)),)
        if rest > 0
        else ()
    )
    charts = tuple(_chart(column, f"column-{place}") for place, column in enumerate(shown[:MOST_CHARTS]))
    return Section(name="values", title="Values", paragraphs=more, charts=charts)


def _chart(column: InspectedColumn, name: str) -> Chart:
    bars = column.spread
    labels, counts = _told_apart([bar.label for bar in bars]), tuple(bar.rows for bar in bars)
    missing = f"; {column.missing:,} rows have no value" if column.missing else ""
    return Chart(
        name=name,
        title=column.name,
        about=f"{column.kind}, {column.distinct:,} different values{missing}",
        x=Axis(NUMBERS),
        y=Axis("", names=tuple(reversed(labels))),
        traces=(Trace(name=NUMBERS, x=counts, y=labels, marks=MarkKind.BARS),),
        table=ReportTable(("value", NUMBERS), tuple(zip(labels, counts, strict=True))),
    )


def _told_apart(labels: list[str]) -> tuple[str, ...]:
    """The same labels; those that are cut to the same text get a number."""
    seen: dict[str, int] = {}
    told = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(told)
