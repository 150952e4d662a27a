"""Where trials were compared: how many came to each epoch at which others paused or were stopped, and went on."""

from __future__ import annotations

from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Paragraph, ReportTable, Section, Trace
from orchestrator.reports.story import SweepStory

MOST = 12


def section(story: SweepStory) -> Section | None:
    """None where nothing paused or was stopped by the scheduler."""
    if not story.history.rungs:
        return None
    # a scheduler such as median compares at every epoch
    epochs = sorted(sorted(story.history.rungs, key=lambda epoch: -len(story.history.rungs[epoch]))[:MOST])
    records = list(story.trials.values())
    rows: list[tuple[Cell, ...]] = []
    for epoch in epochs:
        came = [record.index for record in records if record.epochs >= epoch]
        on = sum(story.trials[index].epochs > epoch for index in came)
        figures = [value for index in came if (value := story.value_at(index, epoch)) is not None]
        figures.sort(reverse=story.metric.maximize)
        best, middle = (figures[0], figures[len(figures) // 2]) if figures else (None, None)
        rows.append((epoch, len(came), on, len(came) - on, best, middle))
    names = tuple(f"epoch {row[0]}" for row in rows)
    metric = story.metric.name
    headers = ("epoch", "came to it", "went on", "stayed", f"best {metric}", f"median {metric}")
    chart = Chart(
        name="rungs",
        title="Trials at each rung",
        about="For each epoch at which trials were compared, how many went on and how many stayed there.",
        x=Axis("trials"),
        y=Axis("", names=tuple(reversed(names))),
        traces=(
            Trace(name="went on", x=tuple(row[2] for row in rows), y=names, marks=MarkKind.BARS, style=0),
            Trace(name="stayed", x=tuple(row[3] for row in rows), y=names, marks=MarkKind.BARS, style=1),
        ),
        table=ReportTable(headers, tuple(rows)),
    )
    said = "Trials that stayed at a rung were worse than others there; what they would have become is not known."
    more = f"The {MOST} epochs with the most such trials, of {len(story.history.rungs)}."
    sentences = (said, more) if len(story.history.rungs) > MOST else (said,)
    return Section(name="rungs", title="Rungs", paragraphs=(Paragraph(sentences),), charts=(chart,))
