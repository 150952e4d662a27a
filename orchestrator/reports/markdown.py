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
        yield f"Note: {_plain(trouble)}\n"
    for section in report.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}\n"
    for paragraph in section.paragraphs:
        if paragraph.title:
            yield f"**{paragraph.title}**\n"
            yield from (f"- {_plain(sentence)}" for sentence in paragraph.sentences)
            yield ""
        else:
            yield f"{' '.join(map(_plain, paragraph.sentences))}\n"
    for table in section.tables:
        yield from _table(table)
    for chart in section.charts:
        yield from _chart(chart)


def _chart(chart: Chart) -> Iterator[str]:
    yield f"### {_plain(chart.title)}\n"
    yield f"{_plain(chart.about)}\n"
    yield from _table(chart.table)


def _table(table: ReportTable) -> Iterator[str]:
    if table.caption:
        yield f"{_plain(table.caption)}:\n"
    yield f"| {' | '.join(map(_cell, table.headers))} |"
    yield f"|{' --- |' * len(table.headers)}"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in table.rows)
    yield ""


def _cell(value: Cell) -> str:
    return " ".join(show_number(value).split()).translate(SPECIAL)


def _plain(text: str) -> str:
    """Words as they are, with what is between backticks as code."""
    parts = text.split("`")
    return "`".join(part if place % 2 else part.translate(SPECIAL) for place, part in enumerate(parts))
