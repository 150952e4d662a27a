"""The picture of a sweep: its parts put together so that they fit into a terminal."""

from __future__ import annotations

from orchestrator.display import sections
from orchestrator.display.lines import Line, as_ascii, beside, cut, driving_nothing
from orchestrator.display.sections import Machine
from orchestrator.runtime.sweep_model import SweepModel

LEAST_WIDTH = 20
# curve and rungs stand beside each other from this width on
WIDE = 100
RUNGS_WIDTH = 40
CURVE_LINES, LEAST_CURVE = 9, 4
SETTINGS_LINES = 2
# a terminal of fewer lines has no place for curves
LOW = 14


def draw(
    model: SweepModel, now: float, width: int, height: int, *, machine: Machine | None = None, plain: bool = False
) -> list[Line]:
    """The picture, in at most `height` lines of at most `width` cells; what matters least is left out first.

    Args:
        model: what is shown.
        now: seconds since 1970.
        width, height: of the place for it.
        machine: the computers, if they are known.
        plain: ASCII only.
    """
    width = max(LEAST_WIDTH, width)
    top = [
        sections.heading(model, now, width),
        *sections.progress(model, now, width, plain=plain),
        sections.counts(model, width),
        *sections.failures(model, width),
        *sections.usage(model, now, machine, width),
        *sections.best(model, width, SETTINGS_LINES if height >= LOW else 0),
    ]
    left = height - len(top)
    wanted = len(model.running) + 1 if model.running else 0
    table = sections.running(model, width, min(wanted, left))
    middle: list[Line] = []
    if height >= LOW:
        # a few rows of the table are worth as much as the curve
        table = sections.running(model, width, min(wanted, max(left - CURVE_LINES, left // 2)))
        middle = _middle(model, now, width, left - len(table), plain=plain)
    lines = [*top, *middle, *table]
    shown = [cut(driving_nothing(line), width) for line in lines[:height]]
    return [as_ascii(line) for line in shown] if plain else shown


def _middle(model: SweepModel, now: float, width: int, height: int, *, plain: bool) -> list[Line]:
    """Curve and rungs."""
    rungs = sections.rungs(model, min(width, RUNGS_WIDTH), plain=plain)
    if width >= WIDE:
        room = width - RUNGS_WIDTH - 3 if rungs else width
        curve = sections.curve(model, now, room, min(CURVE_LINES, height), plain=plain)
        if not curve:
            return rungs[: max(0, height)]
        return beside(curve, rungs[: len(curve)], room) if rungs else curve
    if height - len(rungs) < LEAST_CURVE:
        return rungs[: max(0, height)]
    curve = sections.curve(model, now, width, min(CURVE_LINES, height - len(rungs)), plain=plain)
    return [*curve, *rungs]
