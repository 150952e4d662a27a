"""What happened in a sweep, trial by trial and epoch by epoch: read from its journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.journal import FINAL, Begun, Continued, Ended, Event, Opened, Reported, SweepStatus, TrialStatus
from orchestrator.journal.folder import Header, KnownSweep, find_sweep
from orchestrator.journal.journal import read_events
from orchestrator.storage import Storage
from orchestrator.sweeps.trial_table import TrialRecord, TrialTable
from orchestrator.tasks import Metric, metric_named
from orchestrator.training import EpochReport

ENDED_BEFORE = "the sweep ended before"


@dataclass(frozen=True)
class RecordedEpoch:
    """An epoch of a trial, and when it was over.

    Attributes:
        at: seconds since 1970.
        elapsed: seconds that the sweep had run by then: from its first trial on, without the time between sessions.
        report: what the trial said.
    """

    at: float
    elapsed: float
    report: EpochReport


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
        elapsed: seconds that it has run, as in `RecordedEpoch`.
    """

    header: Header
    storage: Storage
    state: SweepStatus
    metric: Metric
    trials: tuple[TrialHistory, ...]
    ranking: tuple[int, ...]
    elapsed: float

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
        return next((trial for trial in self.trials if trial.index == index), None)

    def best_so_far(self, metric: Metric | None = None) -> list[tuple[float, float]]:
        """How the best value came about: (elapsed seconds, value) each time that an epoch of a trial was better.

        Args:
            metric: another one than the sweep's; epochs that have not measured it count for nothing.
        """
        metric = metric or self.metric
        epochs = sorted((epoch for trial in self.trials for epoch in trial.epochs), key=lambda epoch: epoch.elapsed)
        steps: list[tuple[float, float]] = []
        best = metric.worst
        for epoch in epochs:
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
    past = _replay(table, read_events(found.storage))
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
        elapsed=past.elapsed,
    )


@dataclass
class _Past:
    """What events say beside the table: epochs of trials by their numbers, ends, who took over, and the seconds run."""

    epochs: dict[int, dict[int, RecordedEpoch]] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    took_over: set[int] = field(default_factory=set)
    elapsed: float = 0.0


def _replay(table: TrialTable, events: Iterable[Event]) -> _Past:
    """Takes the events into the table."""
    past = _Past()
    before, since, last = 0.0, None, 0.0
    for event in events:
        table.apply(event)
        match event:
            case Opened():
                before += 0.0 if since is None else max(0.0, last - since)
                since = None
            case Begun():
                since = event.at if since is None else since
                past.ended.pop(event.index, None)
            case Reported():
                elapsed = before + (0.0 if since is None else max(0.0, event.at - since))
                epochs = past.epochs.setdefault(event.index, {})
                epochs[event.report.epoch] = RecordedEpoch(event.at, elapsed, event.report)
            case Continued() if event.donor is not None or event.spec is not None:
                past.took_over.add(event.index)
            case Ended():
                past.ended[event.index] = event.at
        last = event.at
    past.elapsed = before + (0.0 if since is None else max(0.0, last - since))
    return past
