"""Some charts of a report as small PNG pictures, for pages that show no report: the files of a run in MLflow."""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.reports.content import QUIET, Cell, Chart, MarkKind, Report, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg

# the charts that say most, by name; of a report those that it has
PICTURED = (
    "best-by-time",
    "learning-curves",
    "references",
    "confusion",
    "calibration",
    "predicted",
    "residuals",
    "column-importance",
)
# Okabe and Ito (2008), as in the page
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07a00", "#56b4e9")
GREY, INK, LINES = "#8c959f", "#1b1f24", "#e3e7eb"
DASHES, MARKERS = ("-", "--", ":", "-."), "osD^xP"
WIDTH, HEIGHT, NAME_HEIGHT, AROUND, DOTS = 6.4, 4.0, 0.28, 1.3, 100
MARKED, LONGEST, LINE, MOST_CELL_TEXTS, SMALL = 40, 28, 50, 225, 8
# pixels at the side of a picture, and what of it is left for the axes in any case
EDGE, LEAST_SHARE = 5, 0.1


def pictures_of(report: Report) -> dict[str, bytes]:
    """PNG files by name, one for each chart of `PICTURED` that the report has."""
    charts = {chart.name: chart for chart in report.charts}
    return {f"{name}.png": to_png(charts[name]) for name in PICTURED if name in charts}


def to_png(chart: Chart) -> bytes:
    """A chart as a picture with a light ground."""
    # what it says of its folder for fonts is nobody's matter
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = chart.y.names
    height = AROUND + NAME_HEIGHT * len(names) if names else HEIGHT
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS)
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    axes.set_title(_text(chart.title), loc="left", fontsize=11, color=INK)
    axes.set_xlabel(_text(chart.x.title))
    axes.set_ylabel(_text(chart.y.title))
    axes.grid(visible=True, color=LINES)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for trace in chart.traces:
        _draw(axes, trace, chart)
    if chart.x.log:
        axes.set_xscale("log")
    elif all(isinstance(value, int | None) for trace in chart.traces for value in trace.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if names:
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
    if len(chart.traces) > 1:
        axes.legend(fontsize=SMALL, frameon=False)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # signs that its font has not are drawn as boxes
        warnings.simplefilter("ignore")
        _make_room(canvas, axes)
        canvas.print_png(file)  # type: ignore[no-untyped-call]
    return file.getvalue()


def _make_room(canvas: FigureCanvasAgg, axes: Axes) -> None:
    """What is written beside the axes has its place in the picture; Matplotlib's layouts measure it several times."""
    width, height = canvas.get_width_height()
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    inner, outer = axes.get_window_extent(), axes.get_tightbbox(renderer, for_layout_only=True)
    if outer is None:
        return
    left, below = (inner.x0 - outer.x0 + EDGE) / width, (inner.y0 - outer.y0 + EDGE) / height
    right, above = (outer.x1 - inner.x1 + EDGE) / width, (outer.y1 - inner.y1 + EDGE) / height
    axes.set_position((left, below, max(LEAST_SHARE, 1 - left - right), max(LEAST_SHARE, 1 - below - above)))


def _draw(axes: Axes, trace: Trace, chart: Chart) -> None:
    style = max(0, trace.style)
    colour = GREY if trace.style == QUIET else COLOURS[style % len(COLOURS)]
    name = _text(trace.name)
    match trace.marks:
        case MarkKind.GRID:
            _draw_grid(axes, trace)
        case MarkKind.BARS | MarkKind.SPANS:
            places = _places(chart.y.names, trace.y)
            start = list(trace.start) or 0
            axes.barh(places, _numbers(trace.x), left=start, height=0.7, color=colour, label=name)
        case MarkKind.POINTS:
            y = _places(chart.y.names, trace.y) if chart.y.names else _numbers(trace.y)
            axes.scatter(
                _numbers(trace.x), y, s=14, alpha=0.6, c=colour, marker=MARKERS[style % len(MARKERS)], label=name
            )
        case _:
            marked = len(trace.x) <= MARKED and trace.style != QUIET
            axes.plot(
                _numbers(trace.x),
                _numbers(trace.y),
                color=colour,
                label=name,
                linestyle=DASHES[style % len(DASHES)],
                linewidth=0.8 if trace.style == QUIET else 1.8,
                alpha=0.6 if trace.style == QUIET else 1,
                marker=MARKERS[style % len(MARKERS)] if marked else "",
                markersize=4,
                drawstyle="steps-post" if trace.marks == MarkKind.STEP else "default",
            )


def _draw_grid(axes: Axes, trace: Trace) -> None:
    axes.grid(visible=False)
    # the first row is at the top, where the last name of the axis is
    rows = list(reversed(trace.values))
    axes.imshow(rows, cmap="Blues", aspect="auto", origin="lower")
    names = [_short(str(name)) for name in trace.x]
    axes.set_xticks(range(len(names)), names)
    if sum(map(len, names)) > LINE:
        axes.tick_params("x", rotation=90)
    most = max((max(row) for row in rows), default=0)
    if sum(map(len, rows)) <= MOST_CELL_TEXTS:
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                colour = "white" if value > most / 2 else INK
                axes.text(x, y, f"{value:,}", ha="center", va="center", fontsize=SMALL, color=colour)


def _places(names: Sequence[str], found: Sequence[Cell]) -> list[int]:
    known: Mapping[Cell, int] = {name: place for place, name in enumerate(names)}
    return [known[name] for name in found]


def _numbers(values: Sequence[Cell]) -> list[float]:
    return [float(value) if isinstance(value, int | float) else math.nan for value in values]


def _short(name: str) -> str:
    return _text(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")


def _text(text: str) -> str:
    """A dollar is no formula."""
    return text.replace("$", r"\$")
