"""SweepStory: what has happened in a sweep, read once from its folder, in the form in which reports tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from orchestrator.analysis.importance import importance_of
from orchestrator.bundle.content import BundleContent, read_content
from orchestrator.errors import BundleError, StorageError
from orchestrator.evaluation.data_parts import DataParts, read_parts
from orchestrator.evaluation.intervals import bootstrap_interval
from orchestrator.evaluation.kept_answers import KeptAnswers, read_answers
from orchestrator.evaluation.references import Reference, read_references
from orchestrator.evaluation.winner_description import WinnerDescription, read_description
from orchestrator.journal import Begun, Closed, Ended, Event, Lost, Opened, Paused, Reported
from orchestrator.journal.folder import Header
from orchestrator.journal.journal import read_events
from orchestrator.journal.statuses import FINAL, SweepStatus, TrialStatus
from orchestrator.search.space import SearchSpace
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import MODEL_FOLDER, Outcome
from orchestrator.sweeps.trial_table import TrialRecord, TrialTable
from orchestrator.tasks import Metric, metric_named

# with which the reason of a trial begins that its scheduler has stopped
BY_SCHEDULER = "by the scheduler"


@dataclass(frozen=True)
class Curve:
    """The epochs of a trial: their numbers, and the metric on the validation rows after each."""

    epochs: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Improvement:
    """A trial has become better than all before it.

    Attributes:
        seconds: of search until then.
        epochs: of all trials until then.
        trial: its index.
        value: its figure.
    """

    seconds: float
    epochs: int
    trial: int
    value: float


@dataclass(frozen=True)
class Span:
    """A trial was running, from one second of the search to another."""

    trial: int
    start: float
    end: float


@dataclass(kw_only=True)
class SweepStory:
    """What is known of a sweep.

    Attributes:
        header: what it is.
        state: how it stands now.
        metric: what was optimised.
        trials: the state of each.
        curves: by trial.
        improvements: in their order.
        spans: when trials were running, in the order of their ends.
        rungs: by epoch, the trials that paused there or that the scheduler stopped there.
        ends: seconds of search at which sessions ended.
        outcome: how it has ended, None if it has not.
        model: all but the network of its model, None if that is not in the folder.
        answers: of its model to test rows; None in sweeps of before.
        references: models that the winner is compared with.
        description: how sure the winner's figures are, and what decides its answers; None in sweeps of before.
        parts: how validation and test rows are distributed; None in sweeps of before, and where rows stay in files.
        troubles: sentences about what could not be read.
    """

    header: Header
    state: SweepStatus
    metric: Metric
    trials: TrialTable
    curves: dict[int, Curve] = field(default_factory=dict)
    improvements: list[Improvement] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    rungs: dict[int, set[int]] = field(default_factory=dict)
    ends: list[float] = field(default_factory=list)
    outcome: Outcome | None = None
    model: BundleContent | None = None
    answers: KeptAnswers | None = None
    references: tuple[Reference, ...] = ()
    parts: DataParts | None = None
    description: WinnerDescription | None = None
    troubles: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of search, all sessions together."""
        return self.ends[-1] if self.ends else 0.0

    @property
    def epochs(self) -> int:
        """Of all trials."""
        return self.trials.reports

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """All trials that have begun, the best first, those without a value last."""
        return sorted(self.trials.trials.values(), key=self.trials.rank)

    @property
    def best(self) -> TrialRecord | None:
        """The trial that won, or is the best so far; None if none has a value."""
        if self.outcome is not None and self.outcome.best in self.trials.records:
            return self.trials.records[self.outcome.best]
        return self.ranked[0] if self.ranked and self.ranked[0].value is not None else None

    def status_of(self, record: TrialRecord) -> str:
        """Of a trial; what was running when its sweep ended does so no more."""
        if self.state != SweepStatus.RUNNING and record.status not in FINAL:
            return TrialStatus.INTERRUPTED
        return record.status

    @cached_property
    def settings(self) -> dict[int, Mapping[str, Any]]:
        """Of each trial, flat, those of its best epoch."""
        return {record.index: (record.best_spec or record.spec).parameters for record in self.trials.trials.values()}

    @cached_property
    def varying(self) -> frozenset[str]:
        """The settings that are not the same in all trials."""
        found = self.settings.values()
        names = {name for settings in found for name in settings}
        return frozenset(name for name in names if len({str(settings.get(name)) for settings in found}) > 1)

    @cached_property
    def importance(self) -> dict[str, float]:
        """Of settings, see `importance_of`; nothing where it cannot be told."""
        if not self.header.space:
            return {}
        space = SearchSpace.model_validate(self.header.space)
        return importance_of(space, self.ranked, maximize=self.metric.maximize)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Of the winner's metrics on the test rows, those of 95 %; None where there are too few rows."""
        kept, outcome = self.answers, self.outcome
        if outcome is not None and self.description is not None and self.description.intervals:
            return {name: self.description.intervals.get(name) for name in outcome.test}
        if kept is None or outcome is None:
            return {}
        task = kept.target.task
        shares = task.shares(kept.encoder, kept.outputs)
        return {
            name: bootstrap_interval(partial(task.figure, name, kept.encoder), shares, kept.truth, kept.weight)
            for name in outcome.test
        }

    def value_at(self, index: int, epoch: int) -> float | None:
        """The best figure of a trial until the end of an epoch."""
        curve = self.curves.get(index, Curve())
        values = [value for number, value in zip(curve.epochs, curve.values, strict=True) if number <= epoch]
        return (max(values) if self.metric.maximize else min(values)) if values else None

    @cached_property
    def lanes(self) -> list[list[Span]]:
        """Spans in as few slots as they need, each in the first one that is free."""
        lanes: list[list[Span]] = []
        for span in sorted(self.spans, key=lambda span: (span.start, span.trial)):
            free = next((lane for lane in lanes if lane[-1].end <= span.start), None)
            if free is None:
                lanes.append([span])
            else:
                free.append(span)
        return lanes

    @property
    def idle_share(self) -> float | None:
        """The share of the time of all slots in which nothing ran; None if nothing did."""
        if not self.lanes or not self.seconds:
            return None
        busy = sum(span.end - span.start for span in self.spans)
        return max(0.0, 1 - busy / (len(self.lanes) * self.seconds))


def read_story(storage: Storage, header: Header, state: SweepStatus) -> SweepStory:
    """Reads what has happened in a sweep.

    Args:
        storage: its folder.
        header: what it is.
        state: how it stands now.

    Raises:
        StorageError: its journal cannot be read.
    """
    metric = metric_named(header.metric, maximize=header.maximize)
    story = SweepStory(header=header, state=state, metric=metric, trials=TrialTable(metric))
    _Telling(story).tell(read_events(storage))
    try:
        outcome = Outcome.read(storage)
        story.outcome = outcome if outcome is not None and outcome.current else None
    except StorageError as error:
        story.troubles.append(str(error))
    if story.outcome is not None:
        try:
            story.model = _read_model(storage.child(MODEL_FOLDER))
        except (StorageError, BundleError) as error:
            story.troubles.append(f"what the model says of itself cannot be read ({error})")
        for read in (_read_answers, _read_references, _read_parts, _read_description):
            try:
                read(story, storage)
            except StorageError as error:
                story.troubles.append(str(error))
    return story


def _read_answers(story: SweepStory, storage: Storage) -> None:
    story.answers = read_answers(storage)


def _read_references(story: SweepStory, storage: Storage) -> None:
    story.references = read_references(storage)


def _read_parts(story: SweepStory, storage: Storage) -> None:
    story.parts = read_parts(storage)


def _read_description(story: SweepStory, storage: Storage) -> None:
    story.description = read_description(storage)


def _read_model(folder: Storage) -> BundleContent | None:
    names = [name for name in folder.names() if name.endswith((".json", ".md"))]
    if not names:
        return None
    return read_content({name: folder.read(name) for name in names}, Path(folder.path))


class _Telling:
    """Goes through the events of a sweep; the time between sessions is taken out."""

    def __init__(self, story: SweepStory) -> None:
        self._story = story
        self._epochs = 0
        # seconds of search before this session; when its first trial began; when something happened last
        self._before, self._begun, self._last = 0.0, 0.0, 0.0
        self._running: dict[int, float] = {}

    def tell(self, events: Iterable[Event]) -> None:
        """Takes in all events."""
        trials = self._story.trials
        for event in events:
            if isinstance(event, Opened):
                self._close()
            elif isinstance(event, Begun):
                self._begun = self._begun or event.at
                self._running[event.index] = self._clock(event.at)
            # a trial that waits when a session ends is told of as being over, which is not the search's time
            if self._running or not isinstance(event, Closed):
                self._last = event.at
            trials.apply(event)
            if isinstance(event, Reported):
                self._report(event)
            elif isinstance(event, Paused | Ended | Lost):
                self._rest(event)
        self._close()

    def _clock(self, at: float) -> float:
        return self._before + (max(0.0, at - self._begun) if self._begun else 0.0)

    def _report(self, event: Reported) -> None:
        story, report = self._story, event.report
        self._epochs += 1
        curve = story.curves.setdefault(event.index, Curve())
        curve.epochs.append(report.epoch)
        curve.values.append(report.validation.get(story.metric.name, report.best_value))
        best = story.improvements[-1].value if story.improvements else None
        if best is None or story.metric.better(report.best_value, best):
            found = Improvement(self._clock(event.at), self._epochs, event.index, report.best_value)
            story.improvements.append(found)

    def _rest(self, event: Paused | Ended | Lost) -> None:
        start = self._running.pop(event.index, None)
        if start is not None:
            self._story.spans.append(Span(event.index, start, self._clock(event.at)))
        record = self._story.trials.records[event.index]
        # a limit, such as that of time, compares no trials
        compared = isinstance(event, Paused) or (
            isinstance(event, Ended) and event.status == TrialStatus.STOPPED and event.reason.startswith(BY_SCHEDULER)
        )
        if record.epochs and compared:
            self._story.rungs.setdefault(record.epochs, set()).add(event.index)

    def _close(self) -> None:
        """The session is over; what was running then, ran until the last sign of life."""
        end = self._clock(self._last)
        self._story.spans += [Span(index, start, end) for index, start in self._running.items()]
        self._running.clear()
        if self._begun:
            self._story.ends.append(end)
        self._before, self._begun = end, 0.0
