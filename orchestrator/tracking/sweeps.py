"""SweepTracker: the parent run of a sweep, and a writer for its trials."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.data import AnyDataset
from orchestrator.errors import TrackingError
from orchestrator.journal import Event
from orchestrator.tracking import tags
from orchestrator.tracking.store import child_runs, client_for, tracked
from orchestrator.tracking.writer import StoredRun, TrialWriter
from orchestrator.training import Metric

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

MLFLOW_DIGEST_LENGTH = 36
MAX_PROFILE_COLUMNS = 500
ABANDON_SECONDS = 10.0


class SweepTracker:
    """A sweep in MLflow: a parent run in the experiment of the sweep's name, one child run per trial.

    Attributes:
        client: of the store.
        run_id: of the parent run.
        writer: takes the events of the sweep, once `start` was called.
    """

    def __init__(
        self,
        tracking_uri: str | None,
        name: str,
        dataset: AnyDataset,
        metric: Metric,
        parameters: Mapping[str, Any],
        labels: Mapping[str, str],
    ) -> None:
        """Opens the store and makes the parent run.

        Args:
            tracking_uri: MLflow store, or None for MLflow's default.
            name: of the sweep and its experiment.
            dataset: what is trained on.
            metric: what is optimised.
            parameters: how the sweep was called.
            labels: more tags of the parent run.

        Raises:
            TrackingError: the store cannot be used.
        """
        self.client = client_for(tracking_uri)
        from mlflow.entities import Param

        with tracked(tracking_uri):
            self.experiment_id = open_experiment(self.client, name)
            known = {tags.KIND: tags.SWEEP_KIND, tags.SWEEP_NAME: name, tags.DIGEST: dataset.digest}
            known[tags.MAXIMIZE] = str(metric.maximize).lower()
            run = self.client.create_run(
                self.experiment_id,
                int(time.time() * 1000),
                known | dict(labels) | tags.environment_tags(),
                run_name=name,
            )
            self.run_id = str(run.info.run_id)
            inputs = [dataset_input(dataset)]
            self.client.log_inputs(self.run_id, inputs)
            values = {"metric": metric.name, **parameters}
            self.client.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in values.items()])
        self._inputs = inputs
        self.writer: TrialWriter | None = None

    @classmethod
    def reopen(cls, tracking_uri: str, run_id: str, dataset: AnyDataset | None) -> SweepTracker:
        """The tracker of a sweep whose parent run exists; with `start` that is running again.

        Args:
            tracking_uri: MLflow store.
            run_id: of the parent run.
            dataset: what is trained on, None if runs of trials take its description from the parent's.

        Raises:
            TrackingError: the store cannot be used, or the run is not there.
        """
        tracker = cls.__new__(cls)
        tracker.client = client_for(tracking_uri)
        with tracked(tracking_uri):
            run = tracker.client.get_run(run_id)
            if run.info.lifecycle_stage != "active":
                raise TrackingError(
                    f"the run {run_id} of the sweep was deleted in MLflow; bring it back with: "
                    f"mlflow runs restore --run-id {run_id}"
                )
        tracker.experiment_id, tracker.run_id = run.info.experiment_id, run_id
        tracker._inputs = [dataset_input(dataset)] if dataset is not None else list(run.inputs.dataset_inputs)
        tracker.writer = None
        return tracker

    def start(self, labels: Mapping[str, str], past: Iterable[Event] = ()) -> TrialWriter:
        """The writer of the trials; what earlier sessions have written of them is looked up.

        Args:
            labels: tags of every run.
            past: the events of earlier sessions.

        Raises:
            TrackingError: the store cannot be used.
        """
        with tracked(self.client.tracking_uri):
            self.client.update_run(self.run_id, status="RUNNING")
            stored = {
                int(run.data.tags[tags.TRIAL_INDEX]): StoredRun(
                    str(run.info.run_id),
                    run.info.status in ("FINISHED", "FAILED")
                    and run.data.tags.get(tags.STATUS) in ("finished", "stopped", "failed"),
                )
                for run in child_runs(self.client, self.experiment_id, self.run_id)
            }
        self.writer = TrialWriter(self.client, self.experiment_id, self.run_id, self._inputs, labels, stored, past)
        return self.writer

    def close_trials(self, trials: int, reports: int, patience: float) -> str | None:
        """Waits until all trials are written, and counts what is in the store.

        Returns:
            Why it could not be written, if the store was away for so many seconds; None if all is there.

        Raises:
            TrackingError: it is not what was reported.
        """
        if self.writer is None:
            return None
        written = self.writer.close(patience)
        if written is None:
            return self.writer.away or "the store does not answer"
        with tracked(self.client.tracking_uri):
            stored = sum(1 for _ in child_runs(self.client, self.experiment_id, self.run_id))
        if (stored, written.points) != (trials, reports):
            raise TrackingError(
                f"MLflow has {stored} runs and {written.points} epochs of this sweep, "
                f"but there were {trials} trials and {reports} epochs"
            )
        return None

    def finish(
        self, status: str, figures: Mapping[str, float], labels: Mapping[str, str], at: float | None = None
    ) -> None:
        """Ends the parent run.

        Args:
            status: FINISHED, FAILED or KILLED.
            figures: final metrics.
            labels: final tags.
            at: seconds since 1970; now if left out.
        """
        from mlflow.entities import Metric, RunTag

        now = int((at or time.time()) * 1000)
        labels = {tags.REASON: "", **labels}
        with tracked(self.client.tracking_uri):
            self.client.log_batch(
                self.run_id,
                [Metric(name, value, now, 0) for name, value in figures.items()],
                [],
                [RunTag(name, value) for name, value in labels.items()],
            )
            self.client.set_terminated(self.run_id, status, now)

    def abandon(self, status: str, reason: str) -> None:
        """Ends the parent run after a failure, as far as the store allows: what was written stays."""
        with contextlib.suppress(Exception):
            if self.writer is not None:
                self.writer.close(ABANDON_SECONDS)
        with contextlib.suppress(Exception):
            self.finish(status, {}, {tags.REASON: reason})


def open_experiment(client: MlflowClient, name: str) -> str:
    """The id of the experiment of that name, which is made if it does not exist.

    Raises:
        TrackingError: it was deleted in MLflow and still has the name.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            # another sweep may have made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the MLflow experiment '{name}' was deleted; restore it (`mlflow experiments restore -x "
            f"{found.experiment_id}`) or give the sweep another --name"
        )
    return str(found.experiment_id)


def dataset_input(dataset: AnyDataset) -> DatasetInput:
    """The data set as MLflow shows it."""
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag

    columns = [
        {"type": column.kind.value, "name": column.name, "required": True}
        for column in dataset.schema.columns[:MAX_PROFILE_COLUMNS]
    ]
    rows = dict(zip(("train", "validation", "test"), dataset.counts, strict=True))
    return DatasetInput(
        MlflowDataset(
            name=dataset.name,
            digest=dataset.digest[:MLFLOW_DIGEST_LENGTH],
            source_type="local",
            source=json.dumps({"uri": dataset.origin}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": sum(rows.values()), **rows}),
        ),
        [InputTag("mlflow.data.context", "training")],
    )
