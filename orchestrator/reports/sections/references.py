"""Reference models beside the winner, on the same test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.evaluation.references import LIMIT, Reference
from orchestrator.reports.content import Axis, Cell, Chart, MarkKind, Paragraph, ReportTable, Section, Trace
from orchestrator.reports.story import SweepStory
from orchestrator.tasks import Metric
from orchestrator.units import show_apart, show_number

WINNER = "the winner"
# seconds that are told
SHORTEST = 0.1


def section(story: SweepStory) -> Section | None:
    """None where there are none."""
    outcome, found = story.outcome, story.references
    if outcome is None or not found:
        return None
    metric = story.metric.name
    others = [name for name in outcome.test if name != metric]
    headers = (
        "model",
        metric,
        "95 % interval",
        "winner better by",
        "95 % interval of that",
        *others,
        "fitted in",
        "note",
    )
    rows: list[tuple[Cell, ...]] = [
        (
            WINNER,
            outcome.test.get(metric),
            interval_text(story.intervals.get(metric)),
            None,
            "",
            *(outcome.test[name] for name in others),
            "",
            "",
        )
    ]
    rows += [_row(item, metric, others) for item in found]
    measured = [item for item in found if metric in item.test]
    names = (WINNER, *(item.name for item in measured))
    values = (outcome.test.get(metric), *(item.test[metric] for item in measured))
    better = "larger" if story.metric.maximize else "smaller"
    chart = Chart(
        name="references",
        title=f"{metric} on the test rows",
        about=f"The winner and the references; {better} is better.",
        x=Axis(metric),
        y=Axis("", names=tuple(reversed(names))),
        traces=(
            Trace(name=WINNER, x=values[:1], y=names[:1], marks=MarkKind.BARS),
            Trace(name="references", x=values[1:], y=names[1:], marks=MarkKind.BARS, style=1),
        ),
        table=ReportTable(("model", metric), tuple(zip(names, values, strict=True))),
    )
    said = (
        "Not candidates, but what any model should be compared with: fitted once, with scikit-learn's default "
        "settings, on the same training rows as the networks have them, and measured on the same test rows. Their "
        f"time is {LIMIT}.",
        *verdicts(story),
    )
    return Section(
        name="references",
        title="Beside reference models",
        paragraphs=(Paragraph(said),),
        tables=(ReportTable(headers, tuple(rows)),),
        charts=(chart,) if len(measured) > 1 else (),
    )


def verdicts(story: SweepStory) -> tuple[str, ...]:
    """Whether the winner is better than the best reference, and what is missing beside it; none without references."""
    metric, outcome = story.metric, story.outcome
    found = [item for item in story.references if metric.name in item.test]
    mine = None if outcome is None else outcome.test.get(metric.name)
    if not found or mine is None:
        return ()
    best = sorted(found, key=lambda item: -item.test[metric.name] if metric.maximize else item.test[metric.name])[0]
    one, other = show_apart(mine, best.test[metric.name])
    which = f"{'The best reference' if len(found) > 1 else 'The only reference'}, {best.name}"
    if best.is_stopped:
        which = f"{which} ({best.about}, for want of time),"
    plain = f"{which}{'' if best.is_stopped else ','} has {metric.name} {other} on the test rows, the winner {one}"
    return (*_verdict(plain, best, metric, mine), *_missing(story.references, best))


def _verdict(plain: str, best: Reference, metric: Metric, mine: float) -> Iterator[str]:
    # to be better than one that says little is to be said with that
    than = " than that one was by then" if best.is_stopped else ""
    than = " than always the same answer" if best.is_constant else than
    if best.ahead is None:
        better = mine != best.test[metric.name] and metric.better(mine, best.test[metric.name])
        yield f"{plain}."
        yield (
            f"The winner is {'' if better else 'not '}better{than} on these rows; how much of that is chance was not "
            "computed, as time was short."
        )
        return
    _, low, high = best.ahead
    between = f"95 % interval of what it is better by: {show_number(low)} to {show_number(high)}"
    if low > 0:
        yield f"{plain}: the winner is better{than} ({between})."
    elif high < 0:
        yield f"{plain}: the winner is worse ({between}). Use that model, or search longer."
    else:
        yield f"{plain}: these test rows do not show which is better ({between})."


def _missing(references: Sequence[Reference], best: Reference) -> Iterator[str]:
    """What other references might have shown, had they been fitted to their end."""
    reasons: dict[str, list[str]] = {}
    for item in references:
        if item.why_left_out:
            reasons.setdefault(item.why_left_out, []).append(item.name)
    for reason, names in reasons.items():
        yield f"Left out: {' and '.join(names)}; {reason}."
    for item in references:
        if item.is_stopped and item is not best:
            yield f"With more time {item.name} may be better: it was {item.about}."


def interval_text(interval: tuple[float, float] | None) -> str:
    """An interval in a table."""
    return "" if interval is None else f"{show_number(interval[0])} to {show_number(interval[1])}"


def _row(item: Reference, metric: str, others: list[str]) -> tuple[Cell, ...]:
    return (
        item.name,
        item.test.get(metric),
        interval_text(item.interval),
        None if item.ahead is None else item.ahead[0],
        interval_text(None if item.ahead is None else item.ahead[1:]),
        *(item.test.get(name) for name in others),
        _seconds(item.seconds) if item.test else "",
        item.about,
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= SHORTEST else f"under {SHORTEST} s"
