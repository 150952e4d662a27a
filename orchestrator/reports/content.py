"""What a report is made of: words, tables, and charts as plain data. How they look is the renderers' matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# of the page, in the folder of a sweep and in its run in MLflow
REPORT_FILE = "report.html"
Cell = str | int | float | bool | None
# a trace of this style is there for comparison, and is drawn grey
QUIET = -1


class MarkKind(StrEnum):
    """How a trace is drawn."""

    LINE = "line"
    # a line that stays where it is until the next point
    STEP = "step"
    POINTS = "points"
    # one bar to the right for each name in `y`
    BARS = "bars"
    # the same from `start` on, `x` long
    SPANS = "spans"
    # a cell for each pair of names, with its number in it
    GRID = "grid"


@dataclass(frozen=True)
class ReportTable:
    """Numbers and names in rows.

    Attributes:
        headers: of the columns.
        rows: each with as many cells.
        caption: what it shows, if its place does not say so.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One of the things that a chart shows.

    Attributes:
        name: in the legend.
        x, y: of its points. None interrupts a line.
        marks: how it is drawn.
        style: number of its colour, symbol and pattern; `QUIET` for none.
        start: where each bar begins, of `SPANS`.
        values: of a `GRID`, a row for each of `y`.
        hints: what is said about each point, if its numbers are not enough.
    """

    name: str
    x: tuple[Cell, ...]
    y: tuple[Cell, ...]
    marks: MarkKind = MarkKind.LINE
    style: int = 0
    start: tuple[float, ...] = ()
    values: tuple[tuple[float, ...], ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Axis:
    """An axis of a chart.

    Attributes:
        title: what it shows, with its unit.
        log: whether it is logarithmic.
        names: what stands there instead of numbers, from the first to the last.
    """

    title: str
    log: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart with its numbers.

    Attributes:
        name: of its files, unique in a report.
        title: what it shows.
        about: how to read it, in a sentence; for those, too, who do not see it.
        x, y: its axes.
        traces: what it shows, the last one on top.
        table: its numbers; of many some, as its caption says.
    """

    name: str
    title: str
    about: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    table: ReportTable


@dataclass(frozen=True)
class Paragraph:
    """Sentences about one thing; what is between backticks is a command or a name."""

    sentences: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report.

    Attributes:
        name: of its place in the page, unique in a report.
        title: its heading.
        paragraphs: what there is to say.
        tables: shown as such.
        charts: each shown with its table.
    """

    name: str
    title: str
    paragraphs: tuple[Paragraph, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is told about a sweep.

    Attributes:
        title: of the page.
        sweep: its id.
        made: when, seconds since 1970.
        sections: from what one wants to know first to the details.
        troubles: sentences about what could not be told.
    """

    title: str
    sweep: str
    made: float
    sections: tuple[Section, ...]
    troubles: tuple[str, ...] = field(default=())

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Of all sections."""
        return tuple(chart for section in self.sections for chart in section.charts)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is infinite or no number is null there."""
        content: dict[str, Any] = plain(asdict(self))
        return content


def plain(value: Any) -> Any:  # noqa: ANN401
    """JSON without numbers that it does not have."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def thinned(count: int, most: int) -> list[int]:
    """At most so many of the places 0 to count - 1, evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})


def numbers_of(headers: Sequence[str], rows: Sequence[tuple[Cell, ...]], most: int) -> ReportTable:
    """The table of a chart: at most so many of its rows, evenly spaced, which its caption says."""
    places = thinned(len(rows), most)
    caption = f"{len(places):,} of {len(rows):,} rows, evenly spaced" if len(places) < len(rows) else ""
    return ReportTable(tuple(headers), tuple(rows[place] for place in places), caption)
