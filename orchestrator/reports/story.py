"""SweepStory: what has happened in a sweep, read once from its folder, in the form in which reports tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from orchestrator.analysis.history import Span, SweepHistory, history_of
from orchestrator.analysis.importance import importance_of
from orchestrator.bundle.content import BundleContent, read_content
from orchestrator.errors import BundleError, StorageError
from orchestrator.evaluation.data_parts import DataParts, read_parts
from orchestrator.evaluation.intervals import bootstrap_interval
from orchestrator.evaluation.kept_answers import KeptAnswers, read_answers
from orchestrator.evaluation.references import Reference, read_references
from orchestrator.evaluation.winner_description import WinnerDescription, read_description
from orchestrator.journal.folder import Header, KnownSweep
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.search.space import SearchSpace
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import MODEL_FOLDER, Outcome
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.tasks import Metric


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


@dataclass(kw_only=True)
class SweepStory:
    """What is known of a sweep.

    Attributes:
        history: what happened in it, trial by trial.
        outcome: how it has ended, None if it has not.
        model: all but the network of its model, None if that is not in the folder.
        answers: of its model to test rows; None in sweeps of before.
        references: models that the winner is compared with.
        description: how sure the winner's figures are, and what decides its answers; None in sweeps of before.
        parts: how validation and test rows are distributed; None in sweeps of before, and where rows stay in files.
        troubles: sentences about what could not be read.
    """

    history: SweepHistory
    outcome: Outcome | None = None
    model: BundleContent | None = None
    answers: KeptAnswers | None = None
    references: tuple[Reference, ...] = ()
    parts: DataParts | None = None
    description: WinnerDescription | None = None
    troubles: list[str] = field(default_factory=list)

    @property
    def header(self) -> Header:
        """What the sweep is."""
        return self.history.header

    @property
    def state(self) -> SweepStatus:
        """How it stands now."""
        return self.history.state

    @property
    def metric(self) -> Metric:
        """What was optimised."""
        return self.history.metric

    @property
    def seconds(self) -> float:
        """Of search, all sessions together."""
        return self.history.elapsed

    @property
    def epochs(self) -> int:
        """Of all trials."""
        return sum(record.epochs for record in self.trials.values())

    @cached_property
    def trials(self) -> dict[int, TrialRecord]:
        """All that have begun, by index."""
        return {trial.index: trial.record for trial in self.history.trials}

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """All trials that have begun, the best first, those without a value last."""
        return [self.trials[index] for index in self.history.ranking]

    @cached_property
    def curves(self) -> dict[int, Curve]:
        """Of each trial that has finished an epoch."""
        name = self.metric.name
        return {
            trial.index: Curve(
                [epoch.report.epoch for epoch in trial.epochs],
                [epoch.report.validation.get(name, epoch.report.best_value) for epoch in trial.epochs],
            )
            for trial in self.history.trials
            if trial.epochs
        }

    @cached_property
    def improvements(self) -> list[Improvement]:
        """In their order."""
        found: list[Improvement] = []
        for count, epoch in enumerate(self.history.reports, 1):
            value = epoch.report.best_value
            if not found or self.metric.better(value, found[-1].value):
                found.append(Improvement(epoch.elapsed, count, epoch.trial, value))
        return found

    @property
    def best(self) -> TrialRecord | None:
        """The trial that won, or is the best so far; None if none has a value."""
        if self.outcome is not None and self.outcome.best in self.trials:
            return self.trials[self.outcome.best]
        return self.ranked[0] if self.ranked and self.ranked[0].value is not None else None

    @property
    def model_uri(self) -> str | None:
        """What commands call the model of the sweep; None if it is not registered."""
        if self.outcome is None or self.outcome.model is None:
            return None
        champion = self.outcome.champion.startswith("yes")
        return f"models:/{self.header.name}@champion" if champion else self.outcome.model

    def status_of(self, record: TrialRecord) -> TrialStatus:
        """Of a trial; what was running when its sweep ended does so no more."""
        trial = self.history.trial(record.index)
        return record.status if trial is None else trial.status

    @cached_property
    def settings(self) -> dict[int, Mapping[str, Any]]:
        """Of each trial, flat, those of its best epoch."""
        return {record.index: (record.best_spec or record.spec).parameters for record in self.trials.values()}

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
        for span in sorted(self.history.spans, key=lambda span: (span.start, span.trial)):
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
        busy = sum(span.end - span.start for span in self.history.spans)
        return max(0.0, 1 - busy / (len(self.lanes) * self.seconds))


def read_story(found: KnownSweep) -> SweepStory:
    """Reads what has happened in a sweep.

    Raises:
        StorageError: its journal cannot be read.
    """
    story, storage = SweepStory(history=history_of(found)), found.storage
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
