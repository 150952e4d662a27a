"""What has happened in a sweep: one record per trial, made of the events of its journal and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.journal import (
    Begun,
    Closed,
    Continued,
    Drawn,
    Ended,
    Event,
    Lost,
    Opened,
    Paused,
    Reported,
    RunningTime,
    SweepTime,
    Yielded,
)
from orchestrator.journal.statuses import FINAL, TrialStatus
from orchestrator.search import Observation
from orchestrator.tasks import Metric
from orchestrator.training import EpochReport, TrialSpec


@dataclass(kw_only=True)
class TrialRecord:
    """One trial.

    Attributes:
        index: number in the sweep, from 0.
        spec: what is trained.
        point: what the search algorithm drew.
        started: when its first attempt began, seconds since 1970; 0 if none has.
        status: waiting, running, paused, finished, stopped (by the scheduler or a limit), failed or interrupted.
        reason: why it did not finish.
        report: of its last epoch, None before the first.
        epochs: how many are over.
        train_seconds: spent inside of the training function.
        attempts: how often a worker has taken it up.
        losses: how often its process was lost.
        kept: the best epoch whose weights are in the storage, 0 if there is none.
        stored: bytes of its files there.
        best_spec: with which its best epoch was trained; another one than `spec` in population based training.
        donor: whose weights it goes on with, None for its own.
        clock: how long it was running.
    """

    index: int
    spec: TrialSpec
    point: Mapping[str, Any] = field(default_factory=dict)
    started: float = 0.0
    status: TrialStatus = TrialStatus.WAITING
    reason: str = ""
    report: EpochReport | None = None
    epochs: int = 0
    train_seconds: float = 0.0
    attempts: int = 0
    losses: int = 0
    kept: int = 0
    stored: int = 0
    best_spec: TrialSpec | None = None
    donor: int | None = None
    clock: RunningTime = field(default_factory=RunningTime)

    @property
    def seconds(self) -> float:
        """While it was running."""
        return self.clock.seconds

    @property
    def value(self) -> float | None:
        """The best validation value, None if there is none."""
        return self.report.best_value if self.report else None

    @property
    def best_is_kept(self) -> bool:
        """Whether the weights of its best epoch are in the storage."""
        return self.report is not None and self.kept == self.report.best_epoch > 0


Listener = Callable[[TrialRecord, "TrialTable"], None]


class TrialTable:
    """All trials of a sweep.

    Attributes:
        metric: decides what is best.
        records: of all trials that were drawn, by index.
        wanted: how many there shall be, None if that is open.
        spent: seconds of all sessions but the present one, each from the start of its first trial.
        time: of search, and in all.
        lost: why weights that were kept cannot be used, by index.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.records: dict[int, TrialRecord] = {}
        self.wanted: int | None = None
        self.spent = 0.0
        self.time = SweepTime()
        self.lost: dict[int, str] = {}
        # the time before a session's first trial is the machine's
        self._begun: float | None = None
        self._last = 0.0
        self._best: TrialRecord | None = None

    def elapsed(self, now: float) -> float:
        """Seconds of all sessions until now (seconds since 1970), each from the start of its first trial."""
        return self.spent + (0.0 if self._begun is None else max(0.0, now - self._begun))

    @property
    def trials(self) -> dict[int, TrialRecord]:
        """Those that a worker has taken up at least once, by index."""
        return {index: record for index, record in self.records.items() if record.attempts}

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best value so far whose weights are kept; of equal ones see `rank`."""
        return self._best

    def rank(self, record: TrialRecord) -> tuple[float, float, int]:
        """Smaller is better: by the value, then by what decides between equal ones, then the first drawn."""
        if record.report is None:
            return (math.inf, math.inf, record.index)
        sign = -1.0 if self.metric.maximize else 1.0
        tie = record.report.best_tie
        return (sign * record.report.best_value, math.inf if tie is None else tie, record.index)

    def ranked(self) -> list[TrialRecord]:
        """The trials whose best weights are kept, the best first."""
        return sorted((record for record in self.records.values() if record.best_is_kept), key=self.rank)

    @property
    def reports(self) -> int:
        """Epochs of all trials."""
        return sum(record.epochs for record in self.records.values())

    def ended(self) -> list[TrialRecord]:
        """The trials that are over, for now or for good."""
        return [trial for trial in self.trials.values() if trial.status in (*FINAL, TrialStatus.INTERRUPTED)]

    def observation(self, event: Reported) -> Observation:
        """An epoch as schedulers see it."""
        sign = 1.0 if self.metric.maximize else -1.0
        report = event.report
        score = report.validation.get(self.metric.name, report.best_value)
        return Observation(event.index, report.epoch, sign * score, sign * report.best_value)

    def apply(self, event: Event) -> None:
        """Takes an event in."""
        running = isinstance(event, Closed) and any(
            record.status == TrialStatus.RUNNING for record in self.records.values()
        )
        self.time.tell(event, running=running)
        match event:
            case Opened():
                # the session before may have had no chance to say that it ended
                self.spent += 0.0 if self._begun is None else max(0.0, self._last - self._begun)
                self._begun, self.wanted = None, event.trials
                for record in self.records.values():
                    if record.status in (TrialStatus.RUNNING, TrialStatus.INTERRUPTED):
                        record.status, record.reason = TrialStatus.WAITING, ""
                        record.clock.leave()
            case Drawn():
                self.records[event.index] = TrialRecord(index=event.index, spec=event.spec, point=event.point)
            case Begun():
                record = self.records[event.index]
                record.started = record.started or event.at
                record.status, record.reason, record.attempts = TrialStatus.RUNNING, "", event.attempt
                self._begun = event.at if self._begun is None else self._begun
                record.clock.start(event.at)
            case Reported():
                self._report(self.records[event.index], event)
            case Paused():
                self._rest(event.index, TrialStatus.PAUSED, "", event.at)
            case Yielded():
                self._rest(event.index, TrialStatus.WAITING, "", event.at)
            case Continued():
                record = self.records[event.index]
                record.status, record.donor, record.spec = TrialStatus.WAITING, event.donor, event.spec or record.spec
            case Lost():
                self.records[event.index].losses += 1
                self._rest(event.index, TrialStatus.WAITING, event.reason, event.at)
            case Ended():
                self._rest(event.index, event.status, event.reason, event.at)
            case Closed():
                pass
        self._last = event.at

    def lose_weights(self, index: int, reason: str) -> None:
        """The weights of a trial turned out to be damaged, or not in the storage any more."""
        self.records[index].kept = 0
        self.lost[index] = reason
        if self._best is self.records[index]:
            self._best = self._best_kept()

    def _best_kept(self) -> TrialRecord | None:
        kept = (record for record in self.records.values() if record.best_is_kept)
        return min(kept, key=self.rank, default=None)

    def _report(self, record: TrialRecord, event: Reported) -> None:
        report = event.report
        record.report, record.epochs = report, report.epoch
        record.train_seconds, record.kept, record.stored = event.train_seconds, event.kept, event.stored
        # what was taken over is its own from now on
        record.donor = None
        record.clock.tick(event.at)
        if report.best_epoch == report.epoch:
            record.best_spec = record.spec
        if self._best is record and not record.best_is_kept:
            self._best = self._best_kept()
        elif record.best_is_kept and (self._best is None or self.rank(record) < self.rank(self._best)):
            self._best = record

    def _rest(self, index: int, status: TrialStatus, reason: str, at: float) -> None:
        record = self.records[index]
        record.status, record.reason = status, reason
        record.clock.stop(at)
