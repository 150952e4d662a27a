"""A report as Markdown: words and tables; a chart is its table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from orchestrator.reports.content import Cell, Chart, Report, ReportTable, Section
from orchestrator.units import show_number

# what Markdown would read as its own
SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\|<>*_"})


def to_markdown(report: Report) -> str:
    """The report as a document in GitHub's Markdown."""
    return "\n".join(_document(report))


def _document(report: Report) -> Iterator[str]:
    made = datetime.fromtimestamp(report.made).astimezone().isoformat(sep=" ", timespec="minutes")
    yield f"# {report.title}\n"
    yield f"`{report.sweep}`, {made}\n"
    for trouble in report.troubles:
        yield f"Note: {plain_words(trouble)}\n"
    for section in report.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}\n"
    for paragraph in section.paragraphs:
        if paragraph.title:
            yield f"**{paragraph.title}**\n"
            yield from (f"- {plain_words(sentence)}" for sentence in paragraph.sentences)
            yield ""
        else:
            yield f"{' '.join(map(plain_words, paragraph.sentences))}\n"
    for table in section.tables:
        yield from table_lines(table)
    for chart in section.charts:
        yield from _chart(chart)


def _chart(chart: Chart) -> Iterator[str]:
    yield f"### {plain_words(chart.title)}\n"
    yield f"{plain_words(chart.about)}\n"
    yield from table_lines(chart.table)


def table_lines(table: ReportTable) -> Iterator[str]:
    """The lines of a table, with its caption before."""
    if table.caption:
        yield f"{plain_words(table.caption.rstrip('.'))}:\n"
    yield f"| {' | '.join(map(_cell, table.headers))} |"
    yield f"|{' --- |' * len(table.headers)}"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in table.rows)
    yield ""


def _cell(value: Cell) -> str:
    return " ".join(show_number(value).split()).translate(SPECIAL)


def plain_words(text: str) -> str:
    """Words as they are, with what is between backticks as code."""
    parts = text.split("`")
    return "`".join(part if place % 2 else part.translate(SPECIAL) for place, part in enumerate(parts))
