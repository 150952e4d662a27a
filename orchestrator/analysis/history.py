"""What happened in a sweep, trial by trial and epoch by epoch: read from its journal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from orchestrator.journal import (
    FINAL,
    Begun,
    Closed,
    Continued,
    Ended,
    Event,
    Lost,
    Opened,
    Paused,
    Reported,
    SweepStatus,
    TrialStatus,
    Yielded,
)
from orchestrator.journal.folder import Header, KnownSweep, find_sweep
from orchestrator.journal.journal import read_events
from orchestrator.journal.lock import is_locked
from orchestrator.storage import Storage
from orchestrator.sweeps.trial_table import TrialRecord, TrialTable
from orchestrator.tasks import Metric, metric_named
from orchestrator.training import EpochReport

ENDED_BEFORE = "the sweep ended before"
# with which the reason of a trial begins that its scheduler has stopped
BY_SCHEDULER = "by the scheduler"


@dataclass(frozen=True)
class RecordedEpoch:
    """An epoch of a trial, and when it was over.

    Attributes:
        trial: its index.
        at: seconds since 1970.
        elapsed: seconds of search by then: from the first trial on, without the time between sessions.
        report: what the trial said.
    """

    trial: int
    at: float
    elapsed: float
    report: EpochReport


@dataclass(frozen=True)
class Span:
    """A trial was running, from one second of the search to another."""

    trial: int
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class TrialHistory:
    """One trial.

    Attributes:
        record: as the sweep knows it.
        status: of now; a trial whose driver is gone is interrupted.
        reason: why it did not finish, empty if it did.
        epochs: in order; one that was trained twice, after a crash, as it was the second time.
        ended: when it ended, seconds since 1970; None if it has not.
        took_over: whether it goes on with weights or settings of another one (population based training).
    """

    record: TrialRecord
    status: TrialStatus
    reason: str
    epochs: tuple[RecordedEpoch, ...]
    ended: float | None
    took_over: bool = False

    @property
    def index(self) -> int:
        """In the sweep, from 0."""
        return self.record.index

    @property
    def best(self) -> EpochReport | None:
        """The report of its best epoch, None before the first epoch."""
        if self.record.report is None:
            return None
        wanted = self.record.report.best_epoch
        return next((epoch.report for epoch in self.epochs if epoch.report.epoch == wanted), None)


@dataclass(frozen=True, kw_only=True)
class SweepHistory:
    """A sweep.

    Attributes:
        header: what it is.
        storage: its folder.
        state: how it is now.
        metric: what it optimises.
        trials: those that began, by index.
        ranking: their indices, the best first, those without a value last.
        reports: all epochs in the order in which they came, also those that were trained twice.
        spans: when trials were running, in the order of their ends.
        ends: seconds of search at which sessions ended.
        rungs: by epoch, the trials that paused there or that the scheduler stopped there.
        in_all: seconds of all sessions together, from the start of the driver to its end.
        reason: why its last session has not come to its end, as far as it was written down; empty if it has.
    """

    header: Header
    storage: Storage
    state: SweepStatus
    metric: Metric
    trials: tuple[TrialHistory, ...]
    ranking: tuple[int, ...]
    reports: tuple[RecordedEpoch, ...]
    spans: tuple[Span, ...]
    ends: tuple[float, ...]
    rungs: Mapping[int, frozenset[int]]
    in_all: float
    reason: str = ""

    @property
    def elapsed(self) -> float:
        """Seconds of search, all sessions together: from the start of the first trial to the end of the last one."""
        return self.ends[-1] if self.ends else 0.0

    @property
    def id(self) -> str:
        """By which the sweep is known."""
        return self.header.id

    @property
    def best(self) -> TrialHistory | None:
        """The trial with the best value, None before the first epoch."""
        found = self.trial(self.ranking[0]) if self.ranking else None
        return found if found is not None and found.record.value is not None else None

    def trial(self, index: int) -> TrialHistory | None:
        """The trial of this index, None if there is none or it has not begun."""
        return self._by_index.get(index)

    @cached_property
    def _by_index(self) -> dict[int, TrialHistory]:
        return {trial.index: trial for trial in self.trials}

    def best_so_far(self, metric: Metric | None = None) -> list[tuple[float, float]]:
        """How the best value came about: (elapsed seconds, value) each time that an epoch of a trial was better.

        Args:
            metric: another one than the sweep's; epochs that have not measured it count for nothing.
        """
        metric = metric or self.metric
        steps: list[tuple[float, float]] = []
        best = metric.worst
        for epoch in self.reports:
            value = epoch.report.validation.get(metric.name)
            if value is not None and metric.better(value, best):
                best = value
                steps.append((epoch.elapsed, value))
        return steps


def read_history(selector: str | None = None, base: Storage | None = None) -> SweepHistory:
    """The history of a sweep that this machine knows.

    Args:
        selector: as in `find_sweep`: the sweep's id, its name or its MLflow run; None for the last sweep of all.
        base: where sweeps are, where this machine knows of some if left out.

    Raises:
        NoSuchSweepError: nobody knows of it.
        ExecutionError, StorageError: it, or its journal, is damaged.
    """
    return history_of(find_sweep(selector, base))


def history_of(found: KnownSweep) -> SweepHistory:
    """The history of a sweep that was found.

    Raises:
        StorageError: its journal cannot be read, or is damaged.
    """
    header = found.header
    state, metric = found.state, metric_named(header.metric, maximize=header.maximize)
    table = TrialTable(metric)
    past = _Past(table=table)
    past.tell(read_events(found.storage))
    trials = []
    for index, record in sorted(table.trials.items()):
        status, reason = record.status, record.reason
        if state != SweepStatus.RUNNING and status not in (*FINAL, TrialStatus.INTERRUPTED):
            # paused, or its driver was killed
            status, reason = TrialStatus.INTERRUPTED, ENDED_BEFORE
        trial = TrialHistory(
            record=record,
            status=status,
            reason=reason,
            epochs=tuple(epoch for _, epoch in sorted(past.epochs.get(index, {}).items())),
            ended=past.ended.get(index),
            took_over=index in past.took_over,
        )
        trials.append(trial)
    ranking = tuple(record.index for record in sorted(table.trials.values(), key=table.rank))
    return SweepHistory(
        header=header,
        storage=found.storage,
        state=state,
        metric=metric,
        trials=tuple(trials),
        ranking=ranking,
        reports=tuple(past.reports),
        spans=tuple(past.spans),
        ends=tuple(past.ends),
        rungs={epoch: frozenset(trials) for epoch, trials in past.rungs.items()},
        in_all=table.time.in_all(time.time() if _goes_on(found, table) else None),
        reason=past.reason,
    )


def _goes_on(found: KnownSweep, table: TrialTable) -> bool:
    """Whether a driver is still at work, as one is that writes the report of its end."""
    return table.time.is_open and found.state != SweepStatus.KILLED and is_locked(found.storage)


@dataclass(kw_only=True)
class _Past:
    """What events say beside the table; the time between sessions is taken out."""

    table: TrialTable
    epochs: dict[int, dict[int, RecordedEpoch]] = field(default_factory=dict)
    reports: list[RecordedEpoch] = field(default_factory=list)
    ended: dict[int, float] = field(default_factory=dict)
    took_over: set[int] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    rungs: dict[int, set[int]] = field(default_factory=dict)
    reason: str = ""
    # when trials began that are running, in seconds of search
    _running: dict[int, float] = field(default_factory=dict)

    def tell(self, events: Iterable[Event]) -> None:
        """Takes in all events."""
        for event in events:
            if isinstance(event, Opened):
                self._close()
            self.table.apply(event)
            match event:
                case Opened():
                    self.reason = ""
                case Closed():
                    self.reason = event.reason
                case Begun():
                    self._running[event.index] = self.table.time.search_at(event.at)
                    self.ended.pop(event.index, None)
                case Reported():
                    epoch = RecordedEpoch(event.index, event.at, self.table.time.search_at(event.at), event.report)
                    self.reports.append(epoch)
                    self.epochs.setdefault(event.index, {})[event.report.epoch] = epoch
                case Continued() if event.donor is not None or event.spec is not None:
                    self.took_over.add(event.index)
                case Paused() | Yielded() | Lost():
                    self._rest(event)
                case Ended():
                    self.ended[event.index] = event.at
                    self._rest(event)
        self._close()

    def _rest(self, event: Paused | Yielded | Ended | Lost) -> None:
        start = self._running.pop(event.index, None)
        if start is not None:
            self.spans.append(Span(event.index, start, self.table.time.search_at(event.at)))
        epochs = self.table.records[event.index].epochs
        # a limit, such as that of time, compares no trials
        compared = isinstance(event, Paused) or (
            isinstance(event, Ended) and event.status == TrialStatus.STOPPED and event.reason.startswith(BY_SCHEDULER)
        )
        if epochs and compared:
            self.rungs.setdefault(epochs, set()).add(event.index)

    def _close(self) -> None:
        """The session is over; what was running then, ran until the last sign of life."""
        end = self.table.time.search
        self.spans += [Span(index, start, end) for index, start in self._running.items()]
        self._running.clear()
        if self.table.time.has_begun:
            self.ends.append(end)
