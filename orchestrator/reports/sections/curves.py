"""Learning curves: the metric on the validation rows after each epoch, of the best trials beside others."""

from __future__ import annotations

from orchestrator.reports.content import QUIET, Axis, Cell, Chart, Paragraph, Section, Trace, numbers_of, thinned
from orchestrator.reports.story import SweepStory

NAMED, OTHERS = 6, 40
MOST_EPOCHS, MOST_ROWS = 100, 200


def section(story: SweepStory) -> Section | None:
    """None where no trial has two epochs."""
    records = [record for record in story.ranked if record.index in story.curves]
    if not any(len(story.curves[record.index].epochs) > 1 for record in records):
        return None
    named = records[:NAMED]
    rest = records[NAMED:]
    others = [rest[place] for place in thinned(len(rest), OTHERS)] if len(rest) > 1 else rest
    traces = []
    rows: list[tuple[Cell, ...]] = []
    x: list[Cell] = []
    y: list[Cell] = []
    hints: list[str] = []
    for record in others:
        epochs, values = _points(story, record.index)
        x += [*epochs, None]
        y += [*values, None]
        hints += [f"trial {record.index}"] * (len(epochs) + 1)
    if others:
        traces.append(Trace(name="others", x=tuple(x), y=tuple(y), style=QUIET, hints=tuple(hints)))
    for place, record in enumerate(named):
        epochs, values = _points(story, record.index)
        name = f"trial {record.index}, {record.spec.architecture}"
        traces.append(Trace(name=name, x=tuple(epochs), y=tuple(values), style=place))
        rows += [(record.index, epoch, value) for epoch, value in zip(epochs, values, strict=True)]
    # the best one is drawn last
    traces = [*traces[: len(traces) - len(named)], *reversed(traces[len(traces) - len(named) :])]
    metric = story.metric.name
    chart = Chart(
        name="learning-curves",
        title=f"Validation {metric} after each epoch",
        about=f"The best {len(named)} trials in colours{f', and {len(others)} others in grey' if others else ''}.",
        x=Axis("epoch"),
        y=Axis(metric),
        traces=tuple(traces),
        table=numbers_of(("trial", "epoch", metric), rows, MOST_ROWS),
    )
    said: tuple[Paragraph, ...] = ()
    if len(others) < len(rest):
        sentence = (
            f"Of {len(records):,} trials {len(named) + len(others)} are drawn: the best {len(named)}, and others "
            "evenly from the second best to the worst."
        )
        said = (Paragraph((sentence,)),)
    return Section(name="curves", title="Learning curves", paragraphs=said, charts=(chart,))


def _points(story: SweepStory, index: int) -> tuple[list[Cell], list[Cell]]:
    curve = story.curves[index]
    places = thinned(len(curve.epochs), MOST_EPOCHS)
    return [curve.epochs[place] for place in places], [curve.values[place] for place in places]
