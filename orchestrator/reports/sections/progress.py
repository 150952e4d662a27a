"""How the best figure came about: against time, and against epochs."""

from __future__ import annotations

from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Section, Trace, numbers_of, thinned
from orchestrator.reports.story import SweepStory
from orchestrator.units import show_number

MOST_POINTS, MOST_ROWS = 400, 100


def section(story: SweepStory) -> Section | None:
    """None before the first epoch."""
    if not story.improvements:
        return None
    return Section(name="progress", title="Best so far", charts=(_chart(story, by_time=True), _chart(story)))


def _chart(story: SweepStory, *, by_time: bool = False) -> Chart:
    places = thinned(len(story.improvements), MOST_POINTS)
    steps = [story.improvements[place] for place in places]
    along: list[Cell] = [round(step.seconds, 2) if by_time else step.epochs for step in steps]
    values: list[Cell] = [step.value for step in steps]
    end = round(story.seconds, 2) if by_time else story.epochs
    hints = [f"trial {step.trial}: {show_number(step.value)}" for step in steps]
    what = "seconds of search" if by_time else "epochs of all trials"
    metric = story.metric.name
    line = Trace(
        name="best so far",
        x=(*along, end),
        y=(*values, values[-1]),
        marks=MarkKind.STEP,
        hints=(*hints, f"end: {show_number(steps[-1].value)}"),
    )
    first, last = story.improvements[0], story.improvements[-1]
    rows = [(*pair, step.trial) for *pair, step in zip(along, values, steps, strict=True)]
    return Chart(
        name="best-by-time" if by_time else "best-by-epochs",
        title=f"Best {metric} against {'time' if by_time else 'epochs'}",
        about=(
            f"The best validation {metric} so far: {show_number(first.value)} after the first epoch, "
            f"{show_number(last.value)} after {len(story.improvements)} steps, the last one of trial {last.trial}."
        ),
        x=Axis(what),
        y=Axis(metric),
        traces=(line,),
        table=numbers_of((what, metric, "trial"), rows, MOST_ROWS),
    )
