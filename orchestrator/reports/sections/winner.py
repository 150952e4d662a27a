"""The winner on the test rows: its figures and how sure they are, and where it is right and wrong."""

from __future__ import annotations

from orchestrator.reports.content import Cell, Paragraph, ReportTable, Section
from orchestrator.reports.sections.labels import label_charts, label_tables
from orchestrator.reports.sections.numbers import number_charts, number_tables
from orchestrator.reports.sections.references import interval_text
from orchestrator.reports.story import SweepStory
from orchestrator.tasks import metric_named
from orchestrator.units import show_bytes, show_latency, show_number


def section(story: SweepStory) -> Section | None:
    """None in sweeps of before, which have kept no answers."""
    kept, outcome = story.answers, story.outcome
    if kept is None or outcome is None or not len(kept.truth):
        return None
    sentences = []
    if len(kept.rows) < kept.total:
        sentences.append(
            f"Charts and intervals are of {len(kept.rows):,} of {kept.total:,} test rows, evenly spaced, whose answers "
            "are kept; the figures themselves are of all."
        )
    sentences += _sentences(story)
    predicts_labels = bool(kept.target.classes)
    charts = label_charts(kept) if predicts_labels else number_charts(kept)
    tables = label_tables(kept) if predicts_labels else number_tables(kept)
    return Section(
        name="winner",
        title="The winner on test rows",
        paragraphs=(Paragraph(tuple(sentences)),) if sentences else (),
        tables=(_figures(story), *tables),
        charts=tuple(charts),
    )


def _sentences(story: SweepStory) -> list[str]:
    found = []
    about = {} if story.model is None else story.model.metrics
    cost = about.get("cost")
    if cost:
        found.append(f"A row takes {show_latency(cost['seconds'])}, and the network has {show_bytes(cost['size'])}.")
    threshold = about.get("threshold")
    if threshold:
        found.append(
            f"The label is `{threshold.get('positive')}` above a probability of {show_number(threshold['threshold'])}: "
            f"{threshold.get('reason', '')}."
        )
    return found


def _figures(story: SweepStory) -> ReportTable:
    outcome = story.outcome
    rows: list[tuple[Cell, ...]] = []
    for name, value in ({} if outcome is None else outcome.test).items():
        better = "larger" if metric_named(name, maximize=story.metric.maximize).maximize else "smaller"
        rows.append((name, value, interval_text(story.intervals.get(name)), better))
    caption = "Intervals of 95 % are of a bootstrap over the rows: what other rows of the same kind may give."
    return ReportTable(("metric", "on test rows", "95 % interval", "better is"), tuple(rows), caption)
