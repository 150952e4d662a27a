"""SweepModel: what is shown of a sweep. It follows from the journal's events, so that all who read them have it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.journal import Begun, Closed, Ended, Event, Opened, Outlook, Paused, Reported
from orchestrator.journal.folder import Header
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.runtime.remaining import Progress, seconds_left
from orchestrator.sweeps.trial_table import TrialRecord, TrialTable
from orchestrator.tasks import Metric, metric_named
from orchestrator.tracking.tags import WORKERS

# of trials that nobody runs any more
OVER = (TrialStatus.FINISHED, TrialStatus.STOPPED, TrialStatus.FAILED, TrialStatus.INTERRUPTED)
# when nothing happens for so many seconds, no trial is about to start
PAUSE = 3.0


@dataclass(frozen=True, kw_only=True)
class About:
    """What does not change while a sweep runs.

    Attributes:
        id, name: of the sweep.
        metric: what is optimised.
        algorithm, scheduler: by their names; empty if they are not known.
        workers: of a trial, by architecture.
        cpus, gpus: of a worker.
    """

    id: str
    name: str
    metric: Metric
    algorithm: str = ""
    scheduler: str = ""
    workers: Mapping[str, int]
    cpus: int = 1
    gpus: float = 0.0

    @classmethod
    def of(cls, header: Header) -> About:
        """As the sweep's folder has it."""
        config: Mapping[str, Any] = header.config
        resources = config.get("resources") or {}
        return cls(
            id=header.id,
            name=header.name,
            metric=metric_named(header.metric, maximize=header.maximize),
            algorithm=str(config.get("algorithm") or ""),
            scheduler=str(config.get("scheduler") or ""),
            workers=json.loads(header.labels.get(WORKERS) or "{}"),
            cpus=int(resources.get("cpus_per_worker") or 1),
            gpus=float(resources.get("gpus_per_worker") or 0.0),
        )


@dataclass(frozen=True)
class Rung:
    """The trials at an epoch at which they are compared.

    Attributes:
        epoch: after which.
        came: trials that have come so far.
        waiting: of these, those that are paused there.
    """

    epoch: int
    came: int
    waiting: int


class SweepModel:
    """The state of a sweep as it is shown. Times are seconds since 1970, as the events have them.

    Attributes:
        about: what does not change.
        table: what has happened to its trials.
        counts: trials in each status.
        running: records of the trials that run now, by index.
        outlook: what the present session expects, None if its journal does not say.
        steps: (seconds of the search, value) whenever there was a better trial.
        status: running, or how the last session has ended; None before the first.
        reason: why it has ended so.
        failures: trials that have failed, by reason.
        last: time of the last event.
    """

    def __init__(self, about: About, events: Iterable[Event] = ()) -> None:
        """Args:
        about: what does not change.
        events: what has happened so far, in order.
        """
        self.about, self.table = about, TrialTable(about.metric)
        self.counts: Counter[TrialStatus] = Counter()
        self.running: dict[int, TrialRecord] = {}
        self.outlook: Outlook | None = None
        self.steps: list[tuple[float, float]] = []
        self.status: SweepStatus | None = None
        self.reason = ""
        self.failures: Counter[str] = Counter()
        self.last = 0.0
        self._spent = self._busy = 0.0
        # of the present session's first trial: before, nothing can run
        self._begun: float | None = None
        self._came: dict[int, set[int]] = {}
        self._waiting: dict[int, int] = {}
        self._epochs = self._trials_over = self._epochs_over = 0
        self._epoch_seconds = 0.0
        for event in events:
            self.apply(event)

    # the past

    def apply(self, event: Event) -> None:
        """Takes an event in."""
        if isinstance(event, Opened):
            # a session that was killed ended with its last event
            self._end_session()
        self._pass_time(event.at)
        match event:
            case Opened():
                self._open(event)
            case Closed():
                self.table.apply(event)
                self.status, self.reason = event.status, event.reason
                self._end_session()
            case _:
                self._apply_to_trial(event)

    def _open(self, event: Opened) -> None:
        self.table.apply(event)
        self.status, self.reason, self.outlook = SweepStatus.RUNNING, "", event.outlook
        self._came = {rung: self._came.get(rung, set()) for rung in event.outlook.rungs} if event.outlook else {}
        self.running.clear()
        self.counts = Counter(record.status for record in self.table.records.values())

    def _apply_to_trial(self, event: Any) -> None:  # noqa: ANN401
        before = self.table.records.get(event.index)
        status = None if before is None else before.status
        epochs = 0 if before is None else before.epochs
        self.table.apply(event)
        record = self.table.records[event.index]
        if status != record.status:
            if status is not None:
                self.counts[status] -= 1
            self.counts[record.status] += 1
            self._waiting.pop(event.index, None)
        if record.status == TrialStatus.RUNNING:
            self.running[event.index] = record
        else:
            self.running.pop(event.index, None)
        match event:
            case Begun():
                self._begun = event.at if self._begun is None else self._begun
            case Reported():
                self._report(record, event, epochs)
            case Paused():
                self._waiting[event.index] = record.epochs
            case Ended() if event.status != TrialStatus.INTERRUPTED:
                self._trials_over += 1
                self._epochs_over += record.epochs
                if event.status == TrialStatus.FAILED:
                    self.failures[event.reason] += 1

    def _report(self, record: TrialRecord, event: Reported, epochs: int) -> None:
        # one that goes on from its last checkpoint may come by an epoch again
        self._epochs += max(0, record.epochs - epochs)
        self._epoch_seconds += event.report.seconds
        if record.epochs in self._came:
            self._came[record.epochs].add(event.index)
        value = record.value
        # weights of a better one may not have been kept
        before = self.steps[-1][1] if self.steps else self.about.metric.worst
        if self.table.best is record and value is not None and self.about.metric.better(value, before):
            self.steps.append((self.elapsed(event.at), value))

    def _pass_time(self, at: float) -> None:
        if self._begun is not None:
            self._busy += len(self.running) * max(0.0, at - self.last)
        self.last = max(self.last, at)

    def _end_session(self) -> None:
        self._spent = self.elapsed(self.last)
        self._begun = None

    # what is shown

    @property
    def wanted(self) -> int | None:
        """How many trials there shall be, None if that is open."""
        return self.table.wanted

    @property
    def over(self) -> int:
        """Trials that nobody runs any more."""
        return sum(self.counts[status] for status in OVER)

    @property
    def is_open(self) -> bool:
        """Whether a driver has it, as far as the journal tells."""
        return self.status == SweepStatus.RUNNING

    def search_is_over(self, now: float) -> bool:
        """Whether all trials are through, so that the winner is what is worked at."""
        left = sum(self.counts[status] for status in (TrialStatus.RUNNING, TrialStatus.WAITING, TrialStatus.PAUSED))
        # with a time budget there may be fewer than wanted; between two trials there is a moment without any
        return self.is_open and self.over > 0 and left == 0 and (self.over == self.wanted or now > self.last + PAUSE)

    def elapsed(self, now: float) -> float:
        """Seconds of all sessions, each from its first trial's start, until `now`."""
        return self._spent + (0.0 if self._begun is None else max(0.0, now - self._begun))

    def budget_left(self, now: float) -> float | None:
        """Seconds of the time budget that are left, None without one."""
        if self.outlook is None or self.outlook.time_budget is None:
            return None
        return max(0.0, self.outlook.time_budget - self.elapsed(now))

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the search is over, about; None if nobody can tell yet."""
        left = None
        if self.outlook is not None and self.wanted is not None:
            left = seconds_left(
                self.outlook,
                Progress(
                    trials=self.wanted,
                    drawn=len(self.table.records),
                    over=self._trials_over,
                    epochs_over=self._epochs_over,
                    running=tuple(record.epochs for record in self.running.values()),
                    epochs=self._epochs,
                    seconds=self._epoch_seconds,
                    pauses=self.counts[TrialStatus.PAUSED] > 0,
                ),
            )
        budget = self.budget_left(now)
        known = [seconds for seconds in (left, budget) if seconds is not None]
        return min(known, default=None)

    def busy_share(self, now: float) -> float | None:
        """Of the slots' time since the first trial of a session, the share in which a trial ran; None before."""
        seconds = self.elapsed(now)
        if self.outlook is None or seconds <= 0:
            return None
        busy = self._busy
        if self._begun is not None:
            busy += len(self.running) * max(0.0, now - self.last)
        return min(1.0, busy / (seconds * self.outlook.slots))

    def cores(self) -> tuple[int, float]:
        """CPU cores and GPUs that the running trials have asked for."""
        workers = sum(self.about.workers.get(record.spec.architecture, 1) for record in self.running.values())
        return workers * self.about.cpus, workers * self.about.gpus

    def rungs(self) -> list[Rung]:
        """The epochs at which trials are compared, in order."""
        waiting = Counter(self._waiting.values())
        return [Rung(epoch, len(came), waiting[epoch]) for epoch, came in sorted(self._came.items())]
