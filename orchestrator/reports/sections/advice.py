"""What to do next, from what a sweep has shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.reports.story import SweepStory
from orchestrator.search.parameters import FloatParameter, IntParameter
from orchestrator.search.space import SearchSpace
from orchestrator.units import parse_duration, show_number

# the best came in the last part of the search, or a large part brought nothing
LATE, QUIET = 0.8, 0.5
# of too few trials none of it means anything
LEAST_TRIALS = 8
FAILED_SHARE, IDLE_SHARE, LEAST_SECONDS = 0.1, 0.3, 60
# of a range, counted from its end
EDGE = 0.02
SHOWN = 3
# with which the reason of a trial begins that a time budget has stopped; how much more time is advised
BY_TIME, MORE_TIME, MINUTE = "by the time budget", 4, 60


def advice(story: SweepStory) -> Iterator[str]:
    """Sentences, the most urgent first."""
    sweep = story.header.id
    if story.state in (SweepStatus.INTERRUPTED, SweepStatus.KILLED, SweepStatus.FAILED):
        yield f"The sweep has not come to its end; go on with `orchestrator resume {sweep}`."
    yield from _failures(story)
    yield from _search(story)
    yield from _epochs(story)
    yield from _edges(story)
    yield from _idle(story)
    outcome = story.outcome
    if outcome is not None and outcome.model is not None:
        uri = story.model_uri
        yield f"Use the model: `orchestrator deploy {uri}`, or `orchestrator predict {uri} NEW_ROWS.csv`."
    elif outcome is not None and outcome.register:
        yield f"The model is not registered, because MLflow did not answer: `orchestrator sync {sweep}`."


def _failures(story: SweepStory) -> Iterator[str]:
    records = story.trials.values()
    failed = [record for record in records if record.status == TrialStatus.FAILED]
    if len(failed) <= FAILED_SHARE * len(records):
        return
    reason, count = Counter(record.reason for record in failed).most_common(1)[0]
    yield f"{len(failed)} of {len(records)} trials failed, {count} of them with: {reason}. Mend that first."


def _search(story: SweepStory) -> Iterator[str]:
    yield from _few_trials(story)
    if len(story.trials) < LEAST_TRIALS or not story.improvements or not story.seconds:
        return
    last = story.improvements[-1]
    share = last.seconds / story.seconds
    if share > LATE:
        yield (
            f"The best figure came in the last {max(1, round(100 * (1 - share)))} % of the time, so more may be found: "
            f"`orchestrator resume {story.header.id} --trials +{len(story.trials)}`."
        )
    elif share < QUIET:
        yield (
            f"The last {round(100 * (1 - share))} % of the time brought no better trial: more of the same is unlikely "
            "to help. More rows, better columns or another search space (`orchestrator spaces`) may."
        )


def _few_trials(story: SweepStory) -> Iterator[str]:
    """Where the time was over before a search can have learned anything."""
    budget = story.header.config.get("time_budget")
    cut = [record for record in story.trials.values() if record.reason.startswith(BY_TIME)]
    if budget and cut and len(story.trials) < LEAST_TRIALS and story.state == SweepStatus.FINISHED:
        count = len(story.trials)
        which = f"{len(cut)} of them" if len(cut) < count else "it" if count == 1 else "all of them"
        minutes = max(1, round(MORE_TIME * parse_duration(budget).total_seconds() / MINUTE))
        yield (
            f"Only {count} trial{'s' * (count != 1)} fitted into the time, and {which} had epochs left. "
            f"More time: `orchestrator resume {story.header.id} --time-budget {minutes}m` goes on where this has ended."
        )


def _epochs(story: SweepStory) -> Iterator[str]:
    best = story.best
    if best is None or best.report is None:
        return
    spec = best.best_spec or best.spec
    if best.report.best_epoch == spec.epochs and best.epochs == spec.epochs and spec.schedule == "constant":
        yield f"The best trial was still improving in its last epoch, {spec.epochs}; try `--epochs {2 * spec.epochs}`."


def _edges(story: SweepStory) -> Iterator[str]:
    """Settings of the best trial that lie at the end of their range."""
    best = story.best
    # the first trials are at an end because that is where they begin
    if best is None or not story.header.space or len(story.trials) < LEAST_TRIALS:
        return
    spec = best.best_spec or best.spec
    space = SearchSpace.model_validate(story.header.space)
    if spec.architecture not in space.architectures:
        return
    settings = story.settings[best.index]
    found = [
        f"{name} {show_number(settings[name])} (of {show_number(entry.low)} to {show_number(entry.high)})"
        for name, (_, entry) in space.entries(spec.architecture).items()
        if isinstance(entry, FloatParameter | IntParameter) and name in settings and _is_at_end(entry, settings[name])
    ]
    if found:
        yield (
            f"Settings of the best trial at an end of their range: {', '.join(found[:SHOWN])}; a wider one may be "
            "better."
        )


def _is_at_end(entry: FloatParameter | IntParameter, value: float) -> bool:
    margin = 0.0 if entry.log else EDGE * (entry.high - entry.low)
    ends = {entry.low: value <= entry.low + margin, entry.high: value >= entry.high - margin}
    # where nothing is smaller, such as no dropout, or larger
    return entry.low < entry.high and any(reached for end, reached in ends.items() if end not in (0, 1))


def _idle(story: SweepStory) -> Iterator[str]:
    share = story.idle_share
    if share is not None and share > IDLE_SHARE and story.seconds > LEAST_SECONDS:
        yield (
            f"Slots were idle for {share:.0%} of the search (see the time line); more trials, or a scheduler that "
            "waits less, would use them."
        )
