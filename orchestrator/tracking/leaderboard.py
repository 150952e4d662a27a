"""Reading sweeps and their trials back from MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.errors import TrackingError
from orchestrator.tracking import tags
from orchestrator.tracking.store import PAGE, child_runs, client_for, find_child, tracked
from orchestrator.training import TrialSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MIN_PREFIX = 6


@dataclass(frozen=True)
class TrialRow:
    """One line of a leaderboard.

    Attributes:
        trial: index in the sweep.
        run_id: in MLflow.
        status: finished, stopped, failed, interrupted or running; `reason` says why it did not finish.
        value: best validation value of the sweep's metric, None if there is none.
        best_epoch: the epoch of that value.
        seconds: from start to end.
        parameters: flat.
    """

    trial: int
    run_id: str
    status: str
    reason: str
    value: float | None
    best_epoch: int | None
    seconds: float | None
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Leaderboard:
    """A sweep and its trials, the best first, those without a value last."""

    name: str
    run_id: str
    metric: str
    status: str
    trials: tuple[TrialRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def read_leaderboard(selector: str | None, tracking_uri: str | None) -> Leaderboard:
    """The leaderboard of a sweep.

    Args:
        selector: the sweep's name (its latest sweep is taken), or the id of its run, also shortened to at least
            6 characters; None for the last sweep of all.
        tracking_uri: MLflow store.

    Raises:
        TrackingError: there is no such sweep.
    """
    client = client_for(tracking_uri)
    with tracked(tracking_uri):
        sweep = _find_sweep(client, selector)
        maximize = sweep.data.tags.get(tags.MAXIMIZE) == "true"
        rows = [_row(run) for run in child_runs(client, sweep.info.experiment_id, sweep.info.run_id)]
    worst = float("inf")
    rows.sort(key=lambda row: (worst if row.value is None else -row.value if maximize else row.value, row.trial))
    return Leaderboard(
        sweep.data.tags[tags.SWEEP_NAME],
        sweep.info.run_id,
        sweep.data.params.get("metric", ""),
        sweep.info.status.lower(),
        tuple(rows),
    )


@dataclass(frozen=True)
class StoredTrial:
    """A trial as MLflow has it.

    Attributes:
        run_id: in MLflow.
        index: in its sweep, 0 for a training run of its own.
        name: of the sweep, or of the experiment.
        spec: what was trained.
        labels: its tags, and those of the sweep that it has not itself.
        history: metric -> epoch -> value.
    """

    run_id: str
    index: int
    name: str
    spec: TrialSpec
    labels: Mapping[str, str]
    history: Mapping[str, Mapping[int, float]]

    @property
    def epochs(self) -> int:
        """How many it was trained."""
        return max(self.history.get("train_loss", {}), default=0)


def find_trial(selector: str, tracking_uri: str | None) -> StoredTrial:
    """One trial with all of its metrics.

    Args:
        selector: the id of its run (6 characters are enough), or `SWEEP:INDEX`, where `SWEEP` is as in
            `read_leaderboard`.
        tracking_uri: MLflow store.

    Raises:
        TrackingError: there is no such trial.
    """
    client = client_for(tracking_uri)
    with tracked(tracking_uri):
        run = _find_trial_run(client, selector)
        labels = dict(run.data.tags)
        name = client.get_experiment(run.info.experiment_id).name
        if tags.PARENT in labels:
            parent = client.get_run(labels[tags.PARENT])
            labels = parent.data.tags | labels
            name = parent.data.tags.get(tags.SWEEP_NAME, name)
        history = {
            key: {point.step: point.value for point in client.get_metric_history(run.info.run_id, key)}
            for key in run.data.metrics
        }
    spec = TrialSpec.from_json(json.loads(labels[tags.SPEC]))
    return StoredTrial(str(run.info.run_id), int(labels[tags.TRIAL_INDEX]), name, spec, labels, history)


def _find_trial_run(client: MlflowClient, selector: str) -> Run:
    sweep, colon, number = selector.rpartition(":")
    if colon and number.isdigit():
        parent = _find_sweep(client, sweep)
        run_id = find_child(client, parent.info.experiment_id, parent.info.run_id, int(number))
        if run_id is None:
            raise TrackingError(f"the sweep '{sweep}' has no trial {number}; `orchestrator trials {sweep}` lists them")
        return client.get_run(run_id)
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=PAGE)]
    if len(selector) >= MIN_PREFIX and experiments:
        condition = f"attributes.run_id LIKE '{selector}%'" if selector.isalnum() else ""
        for run in client.search_runs(experiments, condition, max_results=PAGE) if condition else ():
            if tags.SPEC in run.data.tags:
                return run
    raise TrackingError(
        f"there is no trial '{selector}' in {client.tracking_uri}; give the id of its MLflow run or SWEEP:INDEX, "
        "such as adult:3"
    )


def _find_sweep(client: MlflowClient, selector: str | None) -> Run:
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=PAGE)]
    condition = f"tags.`{tags.KIND}` = '{tags.SWEEP_KIND}'"
    if not experiments:
        raise TrackingError(f"there is no sweep in {client.tracking_uri} yet; run `orchestrator sweep`")
    if selector is None:
        found = client.search_runs(experiments, condition, max_results=1, order_by=["attributes.start_time DESC"])
        if not found:
            raise TrackingError(f"there is no sweep in {client.tracking_uri} yet; run `orchestrator sweep`")
        return found[0]
    latest: dict[str, Run] = {}
    for run in client.search_runs(experiments, condition, max_results=PAGE, order_by=["attributes.start_time DESC"]):
        name = run.data.tags[tags.SWEEP_NAME]
        if run.info.run_id == selector or (len(selector) >= MIN_PREFIX and run.info.run_id.startswith(selector)):
            return run
        latest.setdefault(name, run)
    if selector in latest:
        return latest[selector]
    known = ", ".join(list(latest)[:8]) or "none yet"
    raise TrackingError(f"there is no sweep '{selector}' in {client.tracking_uri} (sweeps: {known})")


def _row(run: Run) -> TrialRow:
    labels = run.data.tags
    spec = TrialSpec.from_json(json.loads(labels[tags.SPEC]))
    best_epoch, seconds = labels.get(tags.BEST_EPOCH), labels.get(tags.SECONDS)
    return TrialRow(
        int(labels[tags.TRIAL_INDEX]),
        run.info.run_id,
        labels.get(tags.STATUS, "running"),
        labels.get(tags.REASON, ""),
        run.data.metrics.get(tags.OBJECTIVE),
        int(best_epoch) if best_epoch else None,
        float(seconds) if seconds else None,
        spec.parameters,
    )
