"""What was asked, what was found, and what to do next, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.plain_text import one_line
from orchestrator.reports.content import Paragraph, Section
from orchestrator.reports.sections.advice import advice
from orchestrator.reports.sections.references import verdicts
from orchestrator.reports.story import SweepStory
from orchestrator.sweeps.finalize import Outcome
from orchestrator.sweeps.resume import GOES_ON
from orchestrator.sweeps.spent import Spent
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.units import (
    counted,
    parse_duration,
    show_bytes,
    show_exactly,
    show_latency,
    show_number,
    show_seconds,
)


def section(story: SweepStory) -> Section:
    """The first part of a report."""
    told = (
        Paragraph(tuple(_asked(story)), "What was asked"),
        Paragraph(tuple(_found(story)), "What was found"),
        Paragraph(tuple(advice(story)), "What to do next"),
    )
    # a title without a sentence is a question
    return Section(name="summary", title="Summary", paragraphs=tuple(part for part in told if part.sentences))


def _asked(story: SweepStory) -> Iterator[str]:
    config, metric = story.header.config, story.metric
    way = "the larger the better" if metric.maximize else "the smaller the better"
    if story.model is None:
        target = config.get("target")
        what = f"Predict `{target}`" if target else "Predict the target"
    else:
        schema = story.model.schema
        count = len(schema.columns)
        what = f"Predict `{schema.target.name}` ({schema.target.task.title}) from {counted(count, 'column')}"
    # a report is sent to others, whom the folders of this machine tell nothing
    data = Path(str(config.get("data", story.header.name))).name
    yield f"{what} of `{data}`, by {metric.name} ({way})."
    rows = {} if story.model is None else story.model.metrics.get("rows", {})
    if rows:
        yield (
            f"Networks are trained on {rows['train']:,} rows, compared on {rows['validation']:,} validation rows, and "
            f"{rows['test']:,} test rows measure the winner at the end."
        )
    limits = []
    if config.get("time_budget"):
        limits.append(f"{show_exactly(parse_duration(config['time_budget']).total_seconds())}")
    if config.get("trials"):
        limits.append(counted(config["trials"], "trial"))
    how = ", ".join(f"{name} `{config[name]}`" for name in ("space", "algorithm", "scheduler") if config.get(name))
    parts = [*([f"{' and '.join(limits)} at most"] if limits else []), *([how] if how else [])]
    if parts:
        yield f"The search had {', with '.join(parts)}."


def _found(story: SweepStory) -> Iterator[str]:
    metric, outcome = story.metric, story.outcome
    records = list(story.trials.values())
    counts: dict[str, int] = {}
    for record in records:
        status = _told_status(story, record)
        counts[status] = counts.get(status, 0) + 1
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items(), key=lambda item: -item[1]))
    if records:
        trials, epochs = counted(len(records), "trial"), counted(story.epochs, "epoch")
        spent = show_seconds(story.seconds) if story.seconds else "no time"
        yield f"{trials} with {epochs} in {spent} of search: {told}."
    yield from _state(story)
    if records and story.history.in_all:
        took = "has taken" if story.state == SweepStatus.RUNNING else "took"
        yield (
            f"In all it {took} {show_seconds(story.history.in_all)}, with reading the data, starting the trials' "
            "processes, and choosing and testing the winner."
        )
    best = story.best
    if best is None or best.report is None:
        yield "No trial has a result yet." if records else "No trial had begun."
        return
    spec = best.best_spec or best.spec
    value = show_number(best.report.best_value)
    yield f"The best trial is {best.index}, {spec.architecture}, with {metric.name} {value} on the validation rows."
    if outcome is None:
        return
    held = Spent.from_json(outcome.spent)
    if held is not None:
        yield f"Trials have held {held}."
    ensemble = outcome.ensemble
    if ensemble is not None and ensemble["accepted"]:
        count = len(ensemble["members"])
        yield (
            f"An ensemble of {count} trials is the winner, with {metric.name} {show_number(outcome.validation)} on the "
            f"validation rows; it is {ensemble['reason']}."
        )
    elif ensemble is not None:
        yield f"It wins alone: {ensemble['reason']}."
    yield _tested(outcome)
    yield from verdicts(story)
    if outcome.doubt:
        yield f"There is a doubt: {outcome.doubt}."
    yield from (f"Passed over: {sentence}." for sentence in outcome.skipped)
    cost = {} if story.model is None else story.model.metrics.get("cost") or {}
    if cost:
        yield f"A row takes {show_latency(cost['seconds'])} with {cost['engine']}; it has {show_bytes(cost['size'])}."
    if outcome.model is not None:
        champion, _, reason = outcome.champion.partition(": ")
        yield f"It is `{outcome.model}`{', the champion' if champion == 'yes' else ', not the champion'}: {reason}."


def _told_status(story: SweepStory, record: TrialRecord) -> str:
    """Of a trial, with who has stopped it."""
    status, (reason, _, _) = story.status_of(record), record.reason.partition(" after ")
    return f"{status} {reason}" if status == TrialStatus.STOPPED and reason.startswith("by ") else status


def _state(story: SweepStory) -> Iterator[str]:
    """Of a sweep that has not finished."""
    # how to go on is said where it is said what to do next
    why = one_line(story.history.reason).partition(f"; {GOES_ON}")[0].rstrip(".")
    reason = f": {why}" if why else ""
    match story.state:
        case SweepStatus.FINISHED:
            return
        case SweepStatus.RUNNING:
            yield "The sweep is still running."
        case SweepStatus.KILLED:
            yield "The process of the sweep has ended without a word: it was killed, or its machine went down."
        case SweepStatus.FAILED:
            yield f"The sweep failed{reason}."
        case _:
            yield f"The sweep was {story.state}{reason}."


def _tested(outcome: Outcome) -> str:
    figures = ", ".join(f"{name} {show_number(value)}" for name, value in outcome.test.items())
    times = "once" if outcome.looks == 1 else f"{outcome.looks} times"
    return f"On the test rows, which this sweep has looked at {times}: {figures}."
