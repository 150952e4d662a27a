"""Metrics of a running sweep for Prometheus. The processes of a Ray cluster show them on each node, with Ray's own.

A gauge is set every few seconds by a thread; of what happens meanwhile only the display's model is told.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.journal.statuses import FINAL, TrialStatus
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweep_model import About, SweepModel

if TYPE_CHECKING:
    from orchestrator.journal import Event
    from orchestrator.journal.folder import KnownSweep
    from orchestrator.runtime.untracked import OpenTracker
    from orchestrator.tracking.written import Backlog

# twice as often as Ray's processes hand metrics on
SECONDS = 5.0
# labels of all of them: id and name of the sweep
LABELS = ("sweep", "name")
# by name, as the sweep gives them to Ray, which puts `ray_` before: what they mean, and a label of their own
GAUGES: dict[str, tuple[str, str | None]] = {
    "orchestrator_sweep_open": ("1 while a driver runs the sweep", None),
    "orchestrator_sweep_trials": ("Trials by state", "state"),
    "orchestrator_sweep_trials_wanted": ("Trials that there shall be; absent while that is open", None),
    "orchestrator_sweep_epochs": ("Epochs of all trials", None),
    "orchestrator_sweep_best_value": ("The best validation value of all trials", "metric"),
    "orchestrator_sweep_seconds": ("Seconds from the first trial on, as a time budget counts them", None),
    "orchestrator_sweep_seconds_left": ("Seconds until the search is over, about", None),
    "orchestrator_sweep_slots": ("Trials that can run at once", None),
    "orchestrator_sweep_slot_busy_share": ("Share of the slots' time so far in which they had a trial", None),
    "orchestrator_sweep_cpus": ("CPU cores that the running trials have asked for", None),
    "orchestrator_sweep_gpus": ("GPUs that the running trials have asked for", None),
    "orchestrator_sweep_overhead_seconds": ("Seconds that a trial held its slot without training, on average", None),
    "orchestrator_sweep_checkpoint_bytes": ("Bytes of the files of trials that are not over", None),
    "orchestrator_sweep_mlflow_waiting": ("Events and epochs that MLflow has not got yet", None),
    "orchestrator_sweep_mlflow_lag_seconds": ("Age of the oldest epoch that MLflow has not got yet", None),
}


class Reading(NamedTuple):
    """The value of a gauge now; `label` is that of its own."""

    name: str
    value: float
    label: str | None = None


class Gauge(Protocol):
    """One of Ray's."""

    def set(self, value: float, tags: dict[str, str]) -> None:
        """Gives it a value."""


def readings(model: SweepModel, backlog: Backlog | None, now: float) -> Iterator[Reading]:
    """The values of all gauges that have one.

    Args:
        model: of the sweep.
        backlog: of MLflow, None if the sweep is not tracked.
        now: seconds since 1970.
    """
    for name, value in _plain(model, now):
        if value is not None:
            yield Reading(f"orchestrator_sweep_{name}", float(value))
    for status in TrialStatus:
        yield Reading("orchestrator_sweep_trials", model.counts[status], status)
    best = model.table.best
    if best is not None and best.value is not None:
        yield Reading("orchestrator_sweep_best_value", best.value, model.about.metric.name)
    if backlog is not None:
        yield Reading("orchestrator_sweep_mlflow_waiting", backlog.events)
        yield Reading("orchestrator_sweep_mlflow_lag_seconds", backlog.seconds)


def _plain(model: SweepModel, now: float) -> Iterator[tuple[str, float | None]]:
    """Those without a label of their own, None if a value is not known."""
    records = model.table.records.values()
    over = [record for record in records if record.status in FINAL]
    cpus, gpus = model.cores()
    yield "open", model.is_open
    yield "trials_wanted", model.wanted
    yield "epochs", model.table.reports
    yield "seconds", model.elapsed(now)
    yield "seconds_left", model.seconds_left(now) if model.is_open else 0.0
    yield "slots", None if model.outlook is None else model.outlook.slots
    yield "slot_busy_share", model.busy_share(now)
    yield "cpus", cpus
    yield "gpus", gpus
    # a trial may train a moment longer than its process is heard of
    spare = sum(max(0.0, record.seconds - record.train_seconds) for record in over)
    yield "overhead_seconds", spare / len(over) if over else None
    yield "checkpoint_bytes", sum(record.stored for record in records if record.status not in FINAL)


class SweepMetrics:
    """See `SweepObserver`, which this is."""

    def __init__(self, gauges: Mapping[str, Gauge], backlog: Callable[[float], Backlog | None]) -> None:
        """Args:
        gauges: by name, for all of `GAUGES`.
        backlog: says what MLflow has not got yet.
        """
        self._gauges, self._backlog = gauges, backlog
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._model: SweepModel | None = None
        self._thread = threading.Thread(target=self._work, name="sweep-metrics", daemon=True)

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """See `SweepObserver`."""
        self._model = SweepModel(About.of(sweep.header), past)
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """See `SweepObserver`."""
        if self._model is not None:
            with self._lock:
                self._model.apply(event)

    def close(self) -> None:
        """The last values stay as long as this process is connected to the cluster."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
            self._set()

    def _work(self) -> None:
        while not self._stopping.wait(SECONDS):
            self._set()

    def _set(self) -> None:
        model, now = self._model, time.time()
        if model is None:
            return
        with self._lock:
            found = list(readings(model, self._backlog(now), now))
        labels = {"sweep": model.about.id, "name": model.about.name}
        for name, value, label in found:
            own = GAUGES[name][1]
            # a cluster that is lost is told elsewhere
            with contextlib.suppress(Exception):
                self._gauges[name].set(value, {**labels, **({own: label} if own and label else {})})


@contextmanager
def with_metrics(hooks: Hooks, tracker: OpenTracker) -> Iterator[Hooks]:
    """Hooks that give a sweep its metrics, if this process is connected to a Ray that shows any; else the same ones.

    Args:
        hooks: of the sweep.
        tracker: of the sweep.
    """
    if not _are_shown():
        yield hooks
        return
    from ray.util.metrics import Gauge as RayGauge

    gauges = {
        name: RayGauge(name, about, (*LABELS, *filter(None, (label,)))) for name, (about, label) in GAUGES.items()
    }
    metrics = SweepMetrics(gauges, tracker.backlog)
    try:
        yield replace(hooks, metrics=metrics)
    finally:
        metrics.close()


def _are_shown() -> bool:
    """Whether Ray's agent on this machine shows metrics: of a Ray of our own it does not (`silent_agent`)."""
    import ray
    from ray._private import worker

    node = worker._global_node
    if node is None:
        # connected through Ray's client, whose driver is elsewhere
        return False
    own = ray.get_runtime_context().get_node_id()
    return any(found["NodeID"] == own and found["MetricsExportPort"] > 0 for found in ray.nodes())
