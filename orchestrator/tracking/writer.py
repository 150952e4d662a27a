"""TrialWriter: the events of a sweep as MLflow runs, one child run per trial.

One background thread writes in batches, so that a sweep never waits for the store. What it writes follows from events
alone, with their times: written again, the same event changes nothing (MLflow's stores drop a metric point with the
same key, step, time and value). An epoch that was trained again, bit for bit, has another time: what the store has of a
run that is gone on with is looked up, and not written again. So it goes on after a store that was away, and after the
death of its process or machine.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.errors import TrackingError
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
    TrialStatus,
    Yielded,
)
from orchestrator.tracking import tags
from orchestrator.tracking.lengths import MAX_PARAMETER_LENGTH, in_tags, shortened
from orchestrator.tracking.runs import child_runs, find_child
from orchestrator.tracking.store import explain, is_away, tracked
from orchestrator.tracking.usage import usage_points
from orchestrator.tracking.written import Backlog, StoredRun, WrittenCounts
from orchestrator.training import EpochReport, TrialSpec
from orchestrator.training.usage import Usage

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

FLUSH_SECONDS = 2.0
MAX_METRICS, MAX_PARAMS = 1000, 100
LOSS = "train_loss"
RUN_STATUS = {
    TrialStatus.FINISHED: "FINISHED",
    TrialStatus.STOPPED: "FINISHED",
    TrialStatus.FAILED: "FAILED",
    TrialStatus.INTERRUPTED: "KILLED",
}
# a store that is away is asked again after so long, and twice that, ...
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.5, 5.0


@dataclass(kw_only=True)
class _Run:
    """What is known of a trial's run and not written yet."""

    first: TrialSpec
    spec: TrialSpec
    started: float = 0.0
    run_id: str | None = None
    described: bool = False
    running: bool = False
    pending: list[tuple[float, EpochReport, Usage | None]] = field(default_factory=list)
    best_epoch: int = 0
    best_tie: float | None = None
    clock: RunningTime = field(default_factory=RunningTime)
    train_seconds: float = 0.0
    ended: Ended | None = None
    last: float = 0.0
    compared: bool = False
    reasoned: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to the trial."""
        return self.ended is not None and self.ended.status != TrialStatus.INTERRUPTED

    @property
    def is_dirty(self) -> bool:
        """Whether something has to be written; a trial that no worker has taken up has no run."""
        return self.started > 0 and (bool(self.pending) or not self.described or self.ended is not None)


class TrialWriter:
    """Writes one child run per trial.

    `put` returns at once; `close` waits until everything is written.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        parent_run_id: str | None,
        *,
        dataset_inputs: list[DatasetInput],
        labels: Mapping[str, str] | None = None,
        stored: Mapping[int, StoredRun] | None = None,
        past: Iterable[Event] = (),
    ) -> None:
        """Args:
        client: of the store.
        experiment_id: of the runs.
        parent_run_id: of the sweep; None for a training run of its own.
        dataset_inputs: of every run.
        labels: tags of every run.
        stored: runs of an earlier session, by index.
        past: what happened in earlier sessions; what is missing of it is written, too.
        """
        self._client, self._experiment_id, self._parent = client, experiment_id, parent_run_id
        self._dataset_inputs, self._labels = dataset_inputs, dict(labels or {})
        self._stored = dict(stored or {})
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._runs: dict[int, _Run] = {}
        self._ids: dict[int, str] = {index: run.run_id for index, run in self._stored.items()}
        self._epochs: dict[int, list[int]] = {}
        self._error: Exception | None = None
        self._away: Exception | None = None
        self._retry_at, self._retry_seconds = 0.0, FIRST_RETRY_SECONDS
        self._give_up_at = float("inf")
        self._halted = False
        for event in past:
            self._take_in(event)
        for index, run in list(self._runs.items()):
            if run.is_over and index in self._stored and self._stored[index].complete:
                del self._runs[index]
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    @property
    def away(self) -> str | None:
        """Why the store cannot be reached at the moment, None if it can."""
        away = self._away
        return None if away is None else explain(away, self._client.tracking_uri)

    def put(self, event: Event) -> None:
        """Takes in what happened."""
        self._events.put(event)

    def backlog(self, now: float) -> Backlog:
        """What the store has not got yet, at `now` (seconds since 1970); may be asked from any thread."""
        pending = [list(run.pending) for run in list(self._runs.values())]
        oldest = min((epochs[0][0] for epochs in pending if epochs), default=now)
        return Backlog(self._events.qsize() + sum(map(len, pending)), max(0.0, now - oldest))

    def close(self, patience: float = float("inf")) -> bool:
        """Waits until all is written, or until the store was away for so many seconds.

        Returns:
            Whether it is; not if the store is away.

        Raises:
            TrackingError: something could not be written; what and why.
        """
        if self._thread.is_alive():
            self._give_up_at = time.monotonic() + patience
            self._events.put(None)
            self._thread.join()
        if self._error is not None:
            with tracked(self._client.tracking_uri):
                raise self._error
        return self._away is None

    def count(self) -> WrittenCounts:
        """What is in the store below the parent run: counted there, not remembered.

        Raises:
            TrackingError: the store cannot be used.
        """
        runs = points = 0
        with tracked(self._client.tracking_uri):
            for run in child_runs(self._client, self._experiment_id, self._parent or ""):
                runs += 1
                index = int(run.data.tags[tags.TRIAL_INDEX])
                last = max((item.step for item in run.data.to_proto().metrics if item.key == tags.OBJECTIVE), default=0)
                epochs = self._epochs.get(index, [])
                if index not in self._stored and epochs == list(range(1, last + 1)):
                    # written in one go by one session: its last point came after all others
                    points += last
                else:
                    history = self._client.get_metric_history(run.info.run_id, tags.OBJECTIVE)
                    points += sum(epoch in {point.step for point in history} for epoch in epochs)
        return WrittenCounts(runs, points)

    def _leave_out_stored(self, run: _Run, run_id: str) -> None:
        """Of epochs to write, those that the store has: the same step with the same values, whatever their time."""
        # the objective is the last point of an epoch: if it is there, the others are
        whole = {(point.step, point.value) for point in self._client.get_metric_history(run_id, tags.OBJECTIVE)}
        loss = {(point.step, point.value) for point in self._client.get_metric_history(run_id, LOSS)}
        run.pending = [
            (at, report, usage)
            for at, report, usage in run.pending
            if (report.epoch, report.best_value) not in whole or (report.epoch, report.train_loss) not in loss
        ]
        run.compared = True

    def halt(self) -> None:
        """Writes nothing more, also of what was put in."""
        self._halted = True
        self._events.put(None)
        self._thread.join()

    def run_id(self, index: int) -> str:
        """The run of a trial, after `close`.

        Raises:
            TrackingError: it was not written.
        """
        if index not in self._ids:
            raise TrackingError(f"trial {index} was not written to MLflow")
        return self._ids[index]

    def _work(self) -> None:
        flushed = time.monotonic()
        closing = False
        while True:
            if not closing:
                closing = self._take(max(flushed + FLUSH_SECONDS, self._retry_at) - time.monotonic())
            now = time.monotonic()
            if self._halted:
                return
            if now >= self._retry_at:
                everything = closing or now - flushed >= FLUSH_SECONDS
                self._flush(everything=everything)
                flushed = now if everything else flushed
            if closing and (self._away is None or now >= self._give_up_at):
                return
            if closing:
                time.sleep(max(0.0, min(self._retry_at - now, FIRST_RETRY_SECONDS)))

    def _take(self, timeout: float) -> bool:
        """Takes in the next event, if one comes in time; True at the end."""
        try:
            event = self._events.get(timeout=max(0.0, timeout) if self._runs else None)
        except queue.Empty:
            return False
        if event is None:
            self._leave()
            return True
        self._take_in(event)
        return False

    def _leave(self) -> None:
        """Nobody drives the sweep any more: a trial that is paused, or whose driver was killed, does not run."""
        for index, run in self._runs.items():
            if run.started > 0 and run.ended is None:
                run.ended = Ended(run.last, index, TrialStatus.INTERRUPTED, "the sweep ended before")

    def _take_in(self, event: Event) -> None:
        if isinstance(event, Opened):
            for run in self._runs.values():
                run.clock.leave()
        elif isinstance(event, Drawn):
            self._runs[event.index] = _Run(first=event.spec, spec=event.spec, run_id=self._ids.get(event.index))
        elif not isinstance(event, Closed) and event.index in self._runs:
            self._change(self._runs[event.index], event)

    def _change(self, run: _Run, event: Event) -> None:
        run.last = event.at
        match event:
            case Begun():
                run.started, run.ended = run.started or event.at, None
                run.clock.start(event.at)
            case Reported():
                run.pending.append((event.at, event.report, event.usage))
                run.best_epoch, run.train_seconds = event.report.best_epoch, event.train_seconds
                run.best_tie = event.report.best_tie
                run.clock.tick(event.at)
                self._epochs.setdefault(event.index, []).append(event.report.epoch)
            case Continued(spec=spec) if spec is not None:
                run.spec, run.described = spec, False
            case Ended():
                run.ended = event
                run.clock.stop(event.at)
            case Paused() | Yielded() | Lost():
                run.clock.stop(event.at)

    def _flush(self, *, everything: bool) -> None:
        """Writes what has to be; runs that go on only now and then."""
        for index, run in list(self._runs.items()):
            if self._halted:
                return
            if not run.is_dirty or (run.ended is None and not everything):
                continue
            try:
                self._write(index, run)
            except Exception as error:
                if not is_away(error):
                    # the sweep goes on without tracking; `close` tells
                    self._error = self._error or error
                    del self._runs[index]
                    continue
                self._away = error
                self._retry_at = time.monotonic() + self._retry_seconds
                self._retry_seconds = min(2 * self._retry_seconds, LAST_RETRY_SECONDS)
                return
        if self._away is not None:
            self._away, self._retry_seconds = None, FIRST_RETRY_SECONDS

    def _write(self, index: int, run: _Run) -> None:
        from mlflow.entities import Metric, Param, RunTag

        if run.run_id is None:
            run.run_id = self._find_or_create(index, run)
            self._ids[index] = run.run_id
        if index in self._stored and not run.compared:
            self._leave_out_stored(run, run.run_id)
            run.reasoned = self._stored[index].reasoned
        params: list[Param] = []
        labels: dict[str, str] = {}
        if not run.described:
            # what MLflow calls a parameter cannot change
            params = [Param(name, _shorten(value)) for name, value in run.first.parameters.items()]
            if run.spec is not run.first:
                labels[tags.DONOR] = "yes"
            labels |= in_tags(tags.SPEC, json.dumps(run.spec.to_json())) | {tags.STATUS: str(TrialStatus.RUNNING)}
            if self._dataset_inputs:
                self._client.log_inputs(run.run_id, self._dataset_inputs)
        if not run.running and index in self._stored:
            self._client.update_run(run.run_id, status="RUNNING")
        run.running = True
        if run.ended is not None:
            labels |= self._last_labels(run, run.ended)
        count = len(run.pending)
        metrics = [
            Metric(name, value, int(at * 1000), report.epoch)
            for at, report, usage in run.pending
            for name, value in (usage_points(usage) | report.points | {tags.OBJECTIVE: report.best_value}).items()
        ]
        tag_list = [RunTag(name, value) for name, value in labels.items()]
        while params or metrics or tag_list:
            self._client.log_batch(run.run_id, metrics[:MAX_METRICS], params[:MAX_PARAMS], tag_list)
            metrics, params, tag_list = metrics[MAX_METRICS:], params[MAX_PARAMS:], []
        self._forget_reason(run, run.run_id, labels)
        if run.ended is not None:
            self._client.set_terminated(run.run_id, RUN_STATUS[run.ended.status], int(run.ended.at * 1000))
        # only now: what went wrong in between is written again as a whole
        run.described = True
        del run.pending[:count]
        if run.ended is not None:
            if run.is_over:
                del self._runs[index]
            else:
                run.ended, run.running = None, False

    def _forget_reason(self, run: _Run, run_id: str, written: Mapping[str, str]) -> None:
        """Takes away why the trial ended before, if it has not ended so again."""
        if run.reasoned and tags.REASON not in written and tags.REASON in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, tags.REASON)
        run.reasoned = tags.REASON in written

    def _last_labels(self, run: _Run, ended: Ended) -> dict[str, str]:
        return {
            tags.STATUS: str(ended.status),
            tags.SECONDS: f"{run.clock.seconds:.3f}",
            tags.TRAIN_SECONDS: f"{run.train_seconds:.3f}",
            **({tags.REASON: shortened(ended.reason)} if ended.reason else {}),
            **({tags.BEST_EPOCH: str(run.best_epoch)} if run.best_epoch else {}),
            **({tags.BEST_TIE: repr(run.best_tie)} if run.best_tie is not None else {}),
        }

    def _find_or_create(self, index: int, run: _Run) -> str:
        """The run of a trial; the answer to an earlier call may have been lost on its way."""
        if self._parent and self._away is not None:
            found = find_child(self._client, self._experiment_id, self._parent, index)
            if found is not None:
                return found
        labels = {
            tags.KIND: tags.TRIAL_KIND if self._parent else tags.TRAINING_KIND,
            tags.TRIAL_INDEX: str(index),
            **in_tags(tags.SPEC, json.dumps(run.spec.to_json())),
            tags.STATUS: str(TrialStatus.RUNNING),
            **({tags.PARENT: self._parent} if self._parent else {}),
            **self._labels,
            **tags.environment_tags(),
        }
        created = self._client.create_run(
            self._experiment_id, int(run.started * 1000), labels, run_name=f"{index:04d} {run.first.architecture}"
        )
        return str(created.info.run_id)


def _shorten(value: object) -> str:
    return shortened(str(value), MAX_PARAMETER_LENGTH)
