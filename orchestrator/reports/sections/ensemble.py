"""The ensemble: who is in it, with which weight, and what each adds."""

from __future__ import annotations

from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Paragraph, ReportTable, Section, Trace
from orchestrator.reports.story import SweepStory
from orchestrator.units import show_number


def section(story: SweepStory) -> Section | None:
    """None where no ensemble was looked for."""
    ensemble = None if story.outcome is None else story.outcome.ensemble
    if ensemble is None:
        return None
    metric, members = story.metric.name, ensemble["members"]
    rows: list[tuple[Cell, ...]] = [
        (
            member["trial"],
            member["architecture"],
            member["weight"],
            member["validation"],
            member["adds"],
            member["epoch"],
        )
        for member in members
    ]
    headers = ("trial", "architecture", "weight", f"{metric} alone", "adds", "epoch")
    single, judged = ensemble["single"], ensemble["judged"]
    verdict = "The winner is an ensemble" if ensemble["accepted"] else "An ensemble was not taken"
    sentences = [
        f"{verdict}: {ensemble['reason']}.",
        f"Greedy selection among the best {ensemble['candidates']} trials has found {len(members)}; together they have "
        f"{metric} {show_number(ensemble['validation'])} on the validation rows, the best trial alone, "
        f"{single['trial']}, has {show_number(single['validation'])}.",
    ]
    # where that decided, the reason has it already
    if judged is not None and single["judged"] is not None and f"({metric} " not in ensemble["reason"]:
        sentences.append(
            f"On validation rows that did not choose: {show_number(judged)} against {show_number(single['judged'])}."
        )
    if any(row[4] is not None and float(str(row[4])) < 0 for row in rows):
        sentences.append("Where `adds` is negative, the others would be as good or better without that trial.")
    names = tuple(f"trial {row[0]}, {row[1]}" for row in rows)
    weights = Trace(name="weight", x=tuple(row[2] for row in rows), y=names, marks=MarkKind.BARS)
    chart = Chart(
        name="ensemble",
        title="Weights of the members",
        about="How much each member counts; together 1. What each adds is in the table.",
        x=Axis("weight"),
        y=Axis("", names=tuple(reversed(names))),
        traces=(weights,),
        table=ReportTable(headers, tuple(rows)),
    )
    return Section(
        name="ensemble",
        title="Ensemble",
        paragraphs=(Paragraph(tuple(sentences)),),
        tables=(ReportTable(headers, tuple(rows)),),
        charts=(chart,) if len(rows) > 1 else (),
    )
