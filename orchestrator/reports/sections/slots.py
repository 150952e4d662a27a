"""The time line: which trial ran in which slot, and when a slot was idle."""

from __future__ import annotations

from orchestrator.analysis.history import Span
from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Paragraph, Section, Trace, numbers_of
from orchestrator.reports.story import SweepStory
from orchestrator.units import show_seconds

MOST_SPANS, MOST_ROWS = 1500, 100


def section(story: SweepStory) -> Section | None:
    """None if nothing ran."""
    if not story.lanes:
        return None
    spans = [(lane, span) for lane, found in enumerate(story.lanes) for span in found]
    # short ones would be thinner than a line
    drawn = sorted(spans, key=lambda item: item[1].start - item[1].end)[:MOST_SPANS]
    drawn.sort(key=lambda item: (item[1].start, item[0]))
    kinds: dict[str, list[tuple[int, Span]]] = {}
    for lane, span in drawn:
        kinds.setdefault(story.trials[span.trial].spec.architecture, []).append((lane, span))
    lanes = tuple(f"slot {lane + 1}" for lane in range(len(story.lanes)))
    traces = tuple(
        Trace(
            name=kind,
            x=tuple(round(span.end - span.start, 3) for _, span in found),
            y=tuple(lanes[lane] for lane, _ in found),
            start=tuple(round(span.start, 3) for _, span in found),
            marks=MarkKind.SPANS,
            style=style,
            hints=tuple(f"trial {span.trial}, {kind}: {span.end - span.start:.1f} s" for _, span in found),
        )
        for style, (kind, found) in enumerate(sorted(kinds.items()))
    )
    rows: list[tuple[Cell, ...]] = [
        (lanes[lane], span.trial, round(span.start, 2), round(span.end, 2)) for lane, span in drawn
    ]
    chart = Chart(
        name="slots",
        title="Trials in their slots",
        about="Each bar is a trial while a worker trained it; gaps are idle time.",
        x=Axis("seconds of search"),
        y=Axis("", names=tuple(reversed(lanes))),
        traces=traces,
        table=numbers_of(("slot", "trial", "from, s", "to, s"), rows, MOST_ROWS),
    )
    said = []
    if story.idle_share is not None:
        said.append(
            f"{len(lanes)} slot{'s' * (len(lanes) != 1)} for {show_seconds(story.seconds)} of search; idle for "
            f"{story.idle_share:.0%} of that."
        )
    if len(drawn) < len(spans):
        said.append(f"The {len(drawn):,} longest of {len(spans):,} spans are drawn.")
    return Section(name="slots", title="Time line", paragraphs=(Paragraph(tuple(said)),), charts=(chart,))
