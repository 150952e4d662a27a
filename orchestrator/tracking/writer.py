"""TrialWriter: one background thread that writes trials to MLflow in batches, so that a sweep never waits for it."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.errors import TrackingError
from orchestrator.tracking import tags
from orchestrator.tracking.store import tracked
from orchestrator.training import EpochReport, TrialSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

FLUSH_SECONDS = 2.0
MAX_METRICS, MAX_PARAMS = 1000, 100
MAX_PARAM_LENGTH = 6000
RUN_STATUS = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


@dataclass
class _Started:
    index: int
    spec: TrialSpec
    at: float


@dataclass
class _Reported:
    index: int
    report: EpochReport
    at: float


@dataclass
class _Ended:
    index: int
    status: str
    reason: str
    at: float
    extra: Mapping[str, str]


@dataclass
class _Run:
    """What is known of a trial's run and not written yet."""

    spec: TrialSpec
    started: float
    run_id: str | None = None
    pending: list[_Reported] = field(default_factory=list)
    best_epoch: int = 0


@dataclass(frozen=True)
class WrittenCounts:
    """What arrived in the store: runs of trials, and epochs (one metric point each)."""

    runs: int
    points: int


class TrialWriter:
    """Writes one child run per trial.

    All methods return at once; `close` waits until everything is written.
    """

    def __init__(
        self, client: MlflowClient, experiment_id: str, parent_run_id: str | None, dataset_inputs: list[DatasetInput]
    ) -> None:
        self._client, self._experiment_id, self._parent = client, experiment_id, parent_run_id
        self._dataset_inputs = dataset_inputs
        self._events: queue.SimpleQueue[_Started | _Reported | _Ended | None] = queue.SimpleQueue()
        self._runs: dict[int, _Run] = {}
        self._ids: dict[int, str] = {}
        self._counts = [0, 0]
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    def started(self, index: int, spec: TrialSpec) -> None:
        """A trial begins."""
        self._events.put(_Started(index, spec, time.time()))

    def reported(self, index: int, report: EpochReport) -> None:
        """A trial has finished an epoch."""
        self._events.put(_Reported(index, report, time.time()))

    def ended(self, index: int, status: str, reason: str = "", extra: Mapping[str, str] | None = None) -> None:
        """A trial is over: finished, stopped, failed or interrupted, and why; `extra` becomes tags."""
        self._events.put(_Ended(index, status, reason, time.time(), extra or {}))

    def close(self) -> WrittenCounts:
        """Waits until all is written.

        Raises:
            TrackingError: something could not be written; what and why.
        """
        if self._thread.is_alive():
            self._events.put(None)
            self._thread.join()
        if self._error is not None:
            with tracked(self._client.tracking_uri):
                raise self._error
        return WrittenCounts(*self._counts)

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
        while not closing:
            closing = self._take(flushed + FLUSH_SECONDS - time.monotonic())
            if closing or time.monotonic() - flushed >= FLUSH_SECONDS:
                for index, run in self._runs.items():
                    if run.pending or run.run_id is None:
                        self._guard(self._write, index, run, {})
                flushed = time.monotonic()

    def _take(self, timeout: float) -> bool:
        """Handles the next event, if one comes in time; True at the end."""
        try:
            event = self._events.get(timeout=max(0.0, timeout) if self._runs else None)
        except queue.Empty:
            return False
        match event:
            case None:
                return True
            case _Started(index, spec, at):
                self._runs[index] = _Run(spec, at)
            case _Reported(index, report, _):
                self._runs[index].pending.append(event)
                self._runs[index].best_epoch = report.best_epoch
            case _Ended():
                self._guard(self._end, event)
        return False

    def _guard(self, action: Any, *arguments: Any) -> None:  # noqa: ANN401
        # the sweep goes on without tracking; `close` tells
        try:
            action(*arguments)
        except Exception as error:
            self._error = self._error or error

    def _end(self, event: _Ended) -> None:
        run = self._runs.pop(event.index)
        last = {
            tags.STATUS: event.status,
            tags.SECONDS: f"{event.at - run.started:.3f}",
            **({tags.REASON: event.reason[:MAX_PARAM_LENGTH]} if event.reason else {}),
            **({tags.BEST_EPOCH: str(run.best_epoch)} if run.best_epoch else {}),
            **event.extra,
        }
        self._write(event.index, run, last)
        self._client.set_terminated(str(run.run_id), RUN_STATUS[event.status], int(event.at * 1000))

    def _write(self, index: int, run: _Run, last: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        params: list[Param] = []
        if run.run_id is None:
            run.run_id = self._create(index, run)
            params = [Param(name, _shorten(value)) for name, value in run.spec.parameters.items()]
        metrics = [
            Metric(name, value, int(point.at * 1000), point.report.epoch)
            for point in run.pending
            for name, value in (point.report.points | {tags.OBJECTIVE: point.report.best_value}).items()
        ]
        tag_list = [RunTag(name, value) for name, value in last.items()]
        while params or metrics or tag_list:
            self._client.log_batch(run.run_id, metrics[:MAX_METRICS], params[:MAX_PARAMS], tag_list)
            metrics, params, tag_list = metrics[MAX_METRICS:], params[MAX_PARAMS:], []
        self._counts[1] += len(run.pending)
        run.pending = []

    def _create(self, index: int, run: _Run) -> str:
        labels = {
            tags.KIND: tags.TRIAL_KIND if self._parent else tags.TRAINING_KIND,
            tags.TRIAL_INDEX: str(index),
            tags.STATUS: "running",
            tags.SPEC: json.dumps(run.spec.to_json()),
            **({tags.PARENT: self._parent} if self._parent else {}),
            **tags.environment_tags(),
        }
        created = self._client.create_run(
            self._experiment_id, int(run.started * 1000), labels, run_name=f"trial-{index:04d}"
        )
        run_id = str(created.info.run_id)
        self._ids[index] = run_id
        self._counts[0] += 1
        if self._dataset_inputs:
            self._client.log_inputs(run_id, self._dataset_inputs)
        return run_id


def _shorten(value: object) -> str:
    return str(value)[:MAX_PARAM_LENGTH]
