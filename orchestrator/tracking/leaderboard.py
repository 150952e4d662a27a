"""Reading sweeps and their trials back from MLflow."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.rows import TrialRow
from orchestrator.columns.notes import Note
from orchestrator.environment import without_password
from orchestrator.errors import NoSuchSweepError, NoSuchTrialError, TrackingError, did_you_mean
from orchestrator.journal.folder import all_sweeps, find_sweep, sweeps_home
from orchestrator.tracking import tags
from orchestrator.tracking.lengths import of_tags
from orchestrator.tracking.lookups import OTHER_STORE, listed_names, shown_store
from orchestrator.tracking.notes import logged_notes
from orchestrator.tracking.runs import child_runs, find_child
from orchestrator.tracking.store import PAGE, reader_for, tracked
from orchestrator.training import TrialSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MIN_PREFIX = 6


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """A sweep and its trials, the best first, those without a value last.

    Several sweeps may have one name; `id` is empty for one of a version that tracked none. `maximize` says which way
    `metric` is better.
    """

    id: str
    name: str
    run_id: str
    metric: str
    status: str
    trials: tuple[TrialRow, ...]
    notes: tuple[Note, ...] = ()
    maximize: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "notes": [note.to_json() for note in self.notes]}


def read_stored_leaderboard(selector: str | None, tracking_uri: str | None) -> Leaderboard:
    """The leaderboard of a sweep as MLflow has it.

    Args:
        selector: as in `find_sweep`: the sweep's id, its name or its MLflow run; None for the last sweep of all.
        tracking_uri: MLflow store; the one that the sweep was tracked in if left out.

    Raises:
        NoSuchSweepError: nobody knows of it.
        TrackingError: the store cannot be used.
    """
    client, sweep = _find_sweep(selector, tracking_uri)
    with tracked(client.tracking_uri):
        maximize = sweep.data.tags.get(tags.MAXIMIZE) == "true"
        runs = child_runs(client, sweep.info.experiment_id, sweep.info.run_id)
        metric = sweep.data.params.get("metric", "")
        rows = [_row(run, metric) for run in sorted(runs, key=lambda run: _rank(run, maximize=maximize))]
        notes = logged_notes(client, sweep.info.run_id) if tags.NOTES in sweep.data.tags else ()
    return Leaderboard(
        id=sweep.data.tags.get(tags.SWEEP_ID, ""),
        name=sweep.data.tags[tags.SWEEP_NAME],
        run_id=sweep.info.run_id,
        metric=metric,
        status=sweep.info.status.lower(),
        trials=tuple(rows),
        notes=notes,
        maximize=maximize,
    )


def stored_runs(tracking_uri: str, run_id: str) -> dict[int, str]:
    """The ids of the runs below a sweep's, by the index of their trials.

    Raises:
        TrackingError: the store cannot be used, or has lost the sweep.
    """
    client = reader_for(tracking_uri)
    if client is None:
        raise TrackingError(f"MLflow store {shown_store(tracking_uri)}: the file is gone")
    with tracked(tracking_uri):
        experiment = client.get_run(run_id).info.experiment_id
        runs = child_runs(client, experiment, run_id)
        return {int(run.data.tags[tags.TRIAL_INDEX]): str(run.info.run_id) for run in runs}


@dataclass(frozen=True, kw_only=True)
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
            `read_stored_leaderboard`.
        tracking_uri: MLflow store.

    Raises:
        NoSuchTrialError, NoSuchSweepError: there is no such trial.
        TrackingError: the store cannot be used.
    """
    client, run = _find_trial_run(selector, tracking_uri)
    with tracked(client.tracking_uri):
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
    spec = TrialSpec.from_json(json.loads("".join(of_tags(tags.SPEC, labels).values())))
    return StoredTrial(
        run_id=str(run.info.run_id),
        index=int(labels[tags.TRIAL_INDEX]),
        name=name,
        spec=spec,
        labels=labels,
        history=history,
    )


def _find_trial_run(selector: str, tracking_uri: str | None) -> tuple[MlflowClient, Run]:
    sweep, colon, number = selector.rpartition(":")
    if colon and number.isdecimal():
        client, parent = _find_sweep(sweep, tracking_uri)
        with tracked(client.tracking_uri):
            run_id = find_child(client, parent.info.experiment_id, parent.info.run_id, int(number))
            if run_id is None:
                raise NoSuchTrialError(
                    f"the sweep '{sweep}' has no trial {number}; `orchestrator trials {sweep}` lists them"
                )
            return client, client.get_run(run_id)
    reader = reader_for(tracking_uri)
    if reader is not None and len(selector) >= MIN_PREFIX and selector.isalnum():
        with tracked(tracking_uri):
            experiments = _experiments(reader)
            condition = f"attributes.run_id LIKE '{selector}%'"
            for run in reader.search_runs(experiments, condition, max_results=PAGE) if experiments else ():
                if tags.SPEC in run.data.tags:
                    return reader, run
    raise NoSuchTrialError(
        f"there is no trial '{selector}' in {shown_store(tracking_uri)} ({OTHER_STORE}); give the id of its MLflow run "
        "or SWEEP:INDEX, such as adult:3"
    )


def _find_sweep(selector: str | None, tracking_uri: str | None) -> tuple[MlflowClient, Run]:
    """The run of a sweep: of one that `find_sweep` finds, or else of one that only MLflow knows."""
    try:
        header = find_sweep(selector).header
    except NoSuchSweepError:
        header = None
    if header is not None and header.run_id:
        client = reader_for(tracking_uri or header.tracking_uri)
        if client is not None:
            with tracked(client.tracking_uri):
                run = _existing_run(client, header.run_id)
            if run is not None:
                return client, run
    tracked_names: list[str] = []
    client = reader_for(tracking_uri)
    if client is not None:
        with tracked(client.tracking_uri):
            run, tracked_names = _search_sweep(client, selector)
        if run is not None:
            return client, run
    if header is not None and header.run_id:
        if tracking_uri is not None:
            return _find_sweep(header.id, None)
        raise TrackingError(
            f"MLflow store {without_password(header.tracking_uri)}: has no run of the sweep {header.id}; "
            f"if it was lost: orchestrator sync {header.id}"
        )
    asked = "" if selector is None else f" '{selector}'"
    known = list(dict.fromkeys([*(sweep.name for sweep in all_sweeps()), *tracked_names]))
    hint = did_you_mean(selector or "", known) or ("" if known else "; run `orchestrator sweep`")
    raise NoSuchSweepError(
        f"there is no sweep{asked} in {sweeps_home()} or in {shown_store(tracking_uri)} "
        f"({listed_names('sweeps', known)}; {OTHER_STORE}){hint}"
    )


def _existing_run(client: MlflowClient, run_id: str) -> Run | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _experiments(client: MlflowClient) -> list[str]:
    return [experiment.experiment_id for experiment in client.search_experiments(max_results=PAGE)]


def _search_sweep(client: MlflowClient, selector: str | None) -> tuple[Run | None, list[str]]:
    """The run of a sweep in a store, the latest that has trials if there are several, and the names of all sweeps."""
    experiments = _experiments(client)
    if not experiments:
        return None, []
    condition = f"tags.`{tags.KIND}` = '{tags.SWEEP_KIND}'"
    runs = client.search_runs(experiments, condition, max_results=PAGE, order_by=["attributes.start_time DESC"])
    matching = []
    for run in runs:
        if selector is not None and len(selector) >= MIN_PREFIX and run.info.run_id.startswith(selector):
            return run, []
        if selector in (None, run.data.tags[tags.SWEEP_NAME], run.data.tags.get(tags.SWEEP_ID)):
            matching.append(run)
    with_trials = (
        run for run in matching if any(True for _ in child_runs(client, run.info.experiment_id, run.info.run_id))
    )
    found = next(with_trials, matching[0]) if matching else None
    return found, list(dict.fromkeys(run.data.tags[tags.SWEEP_NAME] for run in runs))


def _rank(run: Run, *, maximize: bool) -> tuple[float, float, int]:
    """As `TrialTable.rank`."""
    labels, value = run.data.tags, run.data.metrics.get(tags.OBJECTIVE)
    worth = math.inf if value is None else -value if maximize else value
    return (worth, float(labels.get(tags.BEST_TIE, math.inf)), int(labels[tags.TRIAL_INDEX]))


def _row(run: Run, metric: str) -> TrialRow:
    labels, value = run.data.tags, run.data.metrics.get(tags.OBJECTIVE)
    spec = TrialSpec.from_json(json.loads("".join(of_tags(tags.SPEC, labels).values())))
    best_epoch, seconds = labels.get(tags.BEST_EPOCH), labels.get(tags.SECONDS)
    return TrialRow(
        trial=int(labels[tags.TRIAL_INDEX]),
        run_id=run.info.run_id,
        status=labels.get(tags.STATUS, "running"),
        reason=labels.get(tags.REASON, ""),
        value=value,
        best_epoch=int(best_epoch) if best_epoch else None,
        seconds=float(seconds) if seconds else None,
        parameters=spec.parameters,
        # MLflow tells the other metrics of the last epoch, not of the best one
        metrics={} if value is None else {metric: value},
    )
