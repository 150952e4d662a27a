"""Charts as Plotly's JSON. Colours are the page's matter, which has a light and a dark theme."""

from __future__ import annotations

import html
import math
import re
from typing import Any

from orchestrator.reports.content import QUIET, Axis, Chart, MarkKind, Trace, plain
from orchestrator.units import show_number

# beside its colour each style has a symbol, a dash and a pattern, so that no colour has to be told from another
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", "\\", ".", "+")
HEIGHT, ROW_HEIGHT, LINE_HEIGHT, AROUND = 380, 20, 15, 110
# lines of so few points have their points marked
MARKED = 40
POINT_SIZE, QUIET_OPACITY = 8, 0.5
# longer names are broken: where a bracket or a value begins, else between words, and within one only if it is longer
WIDE, MOST_LINES = 24, 3
BEFORE_MORE, BETWEEN_WORDS, WITHIN_WORD = map(
    re.compile, (r"(?<= )(?=\(|= )", r"(?<= )(?=\S)", r"(?<=[._])(?=[^\W\d])")
)
MOST_CELL_TEXTS = 400
# between whole numbers that are so far apart Plotly puts whole numbers by itself
FEW_TICKS = 10
# powers of ten on a logarithmic axis from which nothing between them has a number
FEW_DECADES = 2


def plotly_json(chart: Chart) -> dict[str, Any]:
    """Data and layout of a chart; colours, and the theme of the axes, are added in the page."""
    names = chart.y.names
    lines = max((_broken(name).count("<br>") + 1 for name in names), default=0)
    height = AROUND + (ROW_HEIGHT + LINE_HEIGHT * lines) * len(names) if names else HEIGHT
    layout: dict[str, Any] = {
        "height": height,
        "xaxis": _axis(chart.x) | _whole_ticks(chart) | _log_ticks(chart),
        "yaxis": _axis(chart.y),
        "showlegend": len(chart.traces) > 1,
        "barmode": "stack",
    }
    if any(trace.marks == MarkKind.SPANS for trace in chart.traces):
        layout["barmode"] = "overlay"
    found: dict[str, Any] = plain({"data": [_trace(trace) for trace in chart.traces], "layout": layout})
    return found


def _whole_ticks(chart: Chart) -> dict[str, Any]:
    """Where few whole numbers stand along a chart, such as epochs, Plotly would put halves of them there, too."""
    drawn = [value for trace in chart.traces if trace.marks != MarkKind.SPANS for value in trace.x if value is not None]
    numbers = [value for value in drawn if isinstance(value, int) and not isinstance(value, bool)]
    if chart.y.names or chart.x.log or not numbers or len(numbers) < len(drawn):
        return {}
    return {"dtick": 1} if max(numbers) - min(numbers) <= FEW_TICKS else {}


def _log_ticks(chart: Chart) -> dict[str, Any]:
    """Numbers along a logarithmic axis as people write them; Plotly writes a lonely 2 for 0.002."""
    drawn = [value for trace in chart.traces for value in trace.x if isinstance(value, int | float) and value > 0]
    if not chart.x.log or not drawn:
        return {}
    first, last = math.floor(math.log10(min(drawn))), math.ceil(math.log10(max(drawn)))
    few = math.log10(max(drawn) / min(drawn)) < FEW_DECADES
    ticks = [digit * 10.0**power for power in range(first, last + 1) for digit in ((1, 2, 5) if few else (1,))]
    return {"tickmode": "array", "tickvals": ticks, "ticktext": list(map(show_number, ticks))}


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": _text(axis.title)}, "automargin": True, "zeroline": False}
    if axis.names:
        places = list(map(_text, axis.names))
        broken = [_broken(name) for name in axis.names]
        found |= {"type": "category", "categoryorder": "array", "categoryarray": places}
        found |= {"tickmode": "array", "tickvals": places, "ticktext": broken, "range": [-0.6, len(places) - 0.4]}
    elif axis.log:
        found["type"] = "log"
    return found


def _trace(trace: Trace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": _text(trace.name),
        "x": [_text(value) for value in trace.x],
        "y": [_text(value) for value in trace.y],
        "meta": {"style": trace.style, "marks": trace.marks.value},
    }
    if trace.hints:
        found |= {"hovertext": [_text(hint) for hint in trace.hints], "hoverinfo": "text"}
    style = max(0, trace.style)
    match trace.marks:
        case MarkKind.LINE | MarkKind.STEP:
            marked = len(trace.x) <= MARKED and trace.style != QUIET
            found |= {"type": "scatter", "mode": "lines+markers" if marked else "lines"}
            found["line"] = {"dash": DASHES[style % len(DASHES)], "width": 1 if trace.style == QUIET else 2}
            found["line"] |= {"shape": "hv"} if trace.marks == MarkKind.STEP else {}
            found["marker"] = {"symbol": SYMBOLS[style % len(SYMBOLS)]}
            found["connectgaps"] = False
            found["opacity"] = QUIET_OPACITY if trace.style == QUIET else 1
        case MarkKind.POINTS:
            found |= {"type": "scatter", "mode": "markers"}
            found["marker"] = {"symbol": SYMBOLS[style % len(SYMBOLS)], "size": POINT_SIZE, "opacity": 0.75}
        case MarkKind.BARS | MarkKind.SPANS:
            found |= {"type": "bar", "orientation": "h", "width": 0.7}
            found["marker"] = {
                "pattern": {"shape": PATTERNS[style % len(PATTERNS)], "fillmode": "overlay", "solidity": 0.2}
            }
            if trace.marks == MarkKind.SPANS:
                found["base"] = list(trace.start)
        case MarkKind.GRID:
            cells = sum(map(len, trace.values))
            # in the order of the axis, from below: Plotly would write the texts of other rows into the cells
            found["y"] = found["y"][::-1]
            found |= {"type": "heatmap", "z": [list(row) for row in reversed(trace.values)], "xgap": 1, "ygap": 1}
            found |= {"texttemplate": "%{z:,}"} if cells <= MOST_CELL_TEXTS else {}
            found["showscale"] = cells > MOST_CELL_TEXTS
    return found


def _text(value: object) -> object:
    """Plotly reads tags in texts, which names in data are not."""
    return html.escape(value, quote=False) if isinstance(value, str) else value


def _broken(name: str) -> str:
    parts = [name]
    for breaks in (BEFORE_MORE, BETWEEN_WORDS, WITHIN_WORD):
        parts = [piece for part in parts for piece in (breaks.split(part) if len(part.rstrip()) > WIDE else [part])]
    lines: list[str] = []
    for part in parts:
        if lines and len((lines[-1] + part).rstrip()) <= WIDE:
            lines[-1] += part
        else:
            lines.append(part)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1].rstrip()}…"]
    return "<br>".join(html.escape(line.rstrip(), quote=False) for line in lines)
