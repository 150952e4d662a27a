"""SweepTracker: the parent run of a sweep, and a writer for its trials."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.bundle.registration import Figure, Registration
from orchestrator.columns.notes import Note
from orchestrator.errors import LostRunError, TrackingError
from orchestrator.journal import Event
from orchestrator.journal.folder import Header
from orchestrator.journal.statuses import FINAL, SweepStatus
from orchestrator.reports.content import REPORT_FILE
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import Outcome
from orchestrator.tracking import tags
from orchestrator.tracking.decided import decided_notes
from orchestrator.tracking.description import Description
from orchestrator.tracking.lengths import in_tags, shortened
from orchestrator.tracking.looks import count_looks
from orchestrator.tracking.notes import log_notes
from orchestrator.tracking.registry import register_bundle
from orchestrator.tracking.runs import child_runs, find_sweep_run
from orchestrator.tracking.store import client_for, tracked
from orchestrator.tracking.winner import PICTURES_FOLDER, link_model, log_winner, outcome_note
from orchestrator.tracking.writer import TrialWriter
from orchestrator.tracking.written import Backlog, StoredRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

ABANDON_SECONDS = 10.0


class SweepTracker:
    """A sweep in MLflow: a parent run in the experiment of the sweep's name, one child run per trial.

    Attributes:
        client: of the store.
        run_id: of the parent run.
        writer: takes the events of the sweep, once `start` was called.
    """

    def __init__(self, tracking_uri: str | None, description: Description, started: float | None = None) -> None:
        """Opens the store and makes the parent run.

        Args:
            tracking_uri: MLflow store, or None for MLflow's default.
            description: of the sweep.
            started: seconds since 1970, now if left out.

        Raises:
            TrackingError: the store cannot be used.
        """
        self.client = client_for(tracking_uri)
        with tracked(tracking_uri):
            self.experiment_id = open_experiment(self.client, description.name)
            run = self.client.create_run(
                self.experiment_id,
                int((started or time.time()) * 1000),
                {**description.labels, **tags.environment_tags()},
                # several sweeps of one name have one experiment
                run_name=description.labels.get(tags.SWEEP_ID, description.name),
            )
            self.run_id = str(run.info.run_id)
            self._describe(description)
        self.writer: TrialWriter | None = None

    @classmethod
    def reopen(cls, tracking_uri: str, run_id: str) -> SweepTracker:
        """The tracker of a sweep whose parent run exists; with `start` that is running again.

        Args:
            tracking_uri: MLflow store.
            run_id: of the parent run.

        Raises:
            LostRunError: the store does not know the run.
            TrackingError: the store cannot be used, or the run was deleted in it.
        """
        from mlflow.exceptions import MlflowException

        tracker = cls.__new__(cls)
        tracker.client = client_for(tracking_uri)
        with tracked(tracking_uri):
            try:
                run = tracker.client.get_run(run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                raise LostRunError(f"the MLflow store {tracking_uri} has no run {run_id}") from None
            experiment = tracker.client.get_experiment(run.info.experiment_id)
            if experiment.lifecycle_stage != "active":
                raise _deleted_experiment(experiment)
            if run.info.lifecycle_stage != "active":
                raise TrackingError(
                    f"the run {run_id} of the sweep was deleted in MLflow; bring it back with: "
                    f"mlflow runs restore --run-id {run_id}"
                )
        tracker.experiment_id, tracker.run_id = run.info.experiment_id, run_id
        tracker._inputs = list(run.inputs.dataset_inputs)
        tracker.writer = None
        return tracker

    @classmethod
    def open_again(
        cls, tracking_uri: str, run_id: str | None, description: Description, started: float
    ) -> SweepTracker:
        """The tracker of a sweep of an earlier session; its run is made anew in a store that does not know it.

        Args:
            tracking_uri: MLflow store.
            run_id: of the parent run, None if it is not known.
            description: of the sweep.
            started: seconds since 1970.

        Raises:
            TrackingError: the store cannot be used, or the run was deleted in it.
        """
        if run_id is not None:
            with contextlib.suppress(LostRunError):
                return cls.reopen(tracking_uri, run_id)
        # an earlier attempt may have been cut off before its run was written down
        found = find_sweep_run(tracking_uri, description.labels[tags.SWEEP_ID])
        if found is not None:
            tracker = cls.reopen(tracking_uri, found)
            with tracked(tracking_uri):
                tracker._describe(description)
            return tracker
        return cls(tracking_uri, description, started)

    @property
    def has_begun(self) -> bool:
        """Whether `start` was called."""
        return self.writer is not None

    def _describe(self, description: Description) -> None:
        """Data and parameters of the parent run; what it has of them already stays as it is."""
        from mlflow.entities import Param

        self._inputs = [description.input]
        self.client.log_inputs(self.run_id, self._inputs)
        known = self.client.get_run(self.run_id).data.params
        missing = [Param(key, value) for key, value in description.parameters.items() if key not in known]
        self.client.log_batch(self.run_id, params=missing)
        log_notes(self.client, self.run_id, [Note.from_json(note) for note in description.notes])

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
                    run.info.status in ("FINISHED", "FAILED") and run.data.tags.get(tags.STATUS) in FINAL,
                    tags.REASON in run.data.tags,
                )
                for run in child_runs(self.client, self.experiment_id, self.run_id)
            }
        self.writer = TrialWriter(
            self.client,
            self.experiment_id,
            self.run_id,
            dataset_inputs=self._inputs,
            labels=labels,
            stored=stored,
            past=past,
        )
        return self.writer

    def backlog(self, now: float) -> Backlog | None:
        """What the store has not got yet of the trials, at `now`; None before `start`."""
        return None if self.writer is None else self.writer.backlog(now)

    def close_trials(self, trials: int, reports: int, patience: float) -> str | None:
        """Waits until all trials are written, and counts what is in the store.

        Returns:
            Why it could not be written, if the store was away for so many seconds; None if all is there.

        Raises:
            TrackingError: it is not what was reported.
        """
        if self.writer is None:
            return None
        if not self.writer.close(patience):
            return self.writer.away or "the store does not answer"
        written = self.writer.count()
        if (written.runs, written.points) != (trials, reports):
            raise TrackingError(
                f"MLflow has {written.runs} runs and {written.points} epochs of this sweep, "
                f"but there were {trials} trials and {reports} epochs"
            )
        return None

    def finish(
        self, status: str, figures: Mapping[str, float], labels: Mapping[str, str], at: float | None = None
    ) -> None:
        """Ends the parent run.

        Args:
            status: SweepStatus.FINISHED, SweepStatus.FAILED or SweepStatus.KILLED.
            figures: final metrics. One that the run has already is not written again, another one is its next step.
            labels: final tags; one of before is taken away for an empty one.
            at: seconds since 1970; now if left out.
        """
        from mlflow.entities import Metric, RunTag

        now = int((at or time.time()) * 1000)
        labels = {tags.REASON: "", **labels}
        with tracked(self.client.tracking_uri):
            self.client.log_batch(
                self.run_id,
                [Metric(name, value, now, step) for name, value, step in self._new_figures(figures)],
                [],
                [RunTag(name, shortened(value)) for name, value in labels.items() if value],
            )
            known = self.client.get_run(self.run_id).data.tags
            for name in [name for name, value in labels.items() if not value and name in known]:
                self.client.delete_tag(self.run_id, name)
            self.client.set_terminated(self.run_id, status, now)

    def tell(self, outcome: Outcome) -> None:
        """Writes how the sweep has ended to the parent run, and ends that."""
        figures = {f"test_{name}": value for name, value in outcome.test.items()}
        figures |= {tags.OBJECTIVE: outcome.validation, **outcome.spent}
        labels = {
            tags.BEST_TRIAL: str(outcome.best),
            tags.TEST_LOOKS: str(outcome.looks),
            tags.SKIPPED: shortened("; ".join(outcome.skipped)),
            tags.NOTE: outcome_note(outcome),
            **{f"{tags.TRIALS}.{status}": str(count) for status, count in outcome.trials.items()},
        }
        if outcome.ensemble is not None:
            labels |= in_tags(tags.ENSEMBLE, json.dumps(outcome.ensemble))
            figures["single_validation"] = outcome.ensemble["single"]["validation"]
        decided_figures, decided_tags = decided_notes(outcome.decided)
        figures, labels = figures | decided_figures, labels | decided_tags
        if outcome.model is not None:
            labels |= {tags.MODEL: outcome.model, tags.CHAMPION: outcome.champion}
        self.finish("KILLED" if outcome.status == SweepStatus.INTERRUPTED else "FINISHED", figures, labels, outcome.at)

    def log_report(self, content: bytes, pictures: Mapping[str, bytes]) -> None:
        """Writes the report of the sweep as files of the parent run; those of before are replaced.

        Args:
            content: an HTML page.
            pictures: of its charts, by the names of their files.

        Raises:
            TrackingError: the store cannot be used.
        """
        with tracked(self.client.tracking_uri):
            self.client.log_text(self.run_id, content.decode(), REPORT_FILE)
            with TemporaryDirectory(prefix="orchestrator-") as folder:
                for name, picture in pictures.items():
                    (Path(folder) / name).write_bytes(picture)
                self.client.log_artifacts(self.run_id, folder, PICTURES_FOLDER)

    def log_winner(self, storage: Storage) -> None:
        """Writes what is found out about the winner to the parent run, from the folder of the sweep.

        Raises:
            StorageError: something of it is damaged.
            TrackingError: the store cannot be used.
        """
        with tracked(self.client.tracking_uri):
            log_winner(self.client, self.run_id, storage)

    def leave(self, *, failed: bool) -> None:
        """Ends the parent run of a sweep that has not come to its end."""
        self.finish("FAILED" if failed else "KILLED", {}, {})

    def looks(self, digest: str) -> int:
        """How often models were measured on the test rows of this data by other runs.

        Raises:
            TrackingError: the store cannot be used.
        """
        return count_looks(self.client, digest, self.run_id)

    def register(
        self, trial: int, name: str, *, folder: Path, figure: Figure, model_digest: str, doubt: str
    ) -> Registration:
        """Registers the bundle of a trial; see `register_bundle`.

        Raises:
            TrackingError: the store cannot be used.
        """
        if self.writer is None:
            raise TrackingError("the trials have not been written")
        run_id = self.writer.run_id(trial)
        found = register_bundle(
            self.client, run_id, name, folder, figure=figure, model_digest=model_digest, doubt=doubt
        )
        with tracked(self.client.tracking_uri):
            link_model(self.client, self.run_id, found)
        return found

    def _new_figures(self, figures: Mapping[str, float]) -> list[tuple[str, float, int]]:
        """Those that the run has not got, with their steps: each end of a sweep that is extended is one."""
        if not figures:
            return []
        known = {item.key: item for item in self.client.get_run(self.run_id).data.to_proto().metrics}
        return [
            (name, value, known[name].step + 1 if name in known else 0)
            for name, value in figures.items()
            if name not in known or known[name].value != value
        ]

    def halt(self) -> None:
        """Writes nothing more: another driver does."""
        if self.writer is not None:
            self.writer.halt()

    def abandon(self, status: str, reason: str) -> None:
        """Ends the parent run after a failure, as far as the store allows: what was written stays."""
        with contextlib.suppress(Exception):
            if self.writer is not None:
                self.writer.close(ABANDON_SECONDS)
        with contextlib.suppress(Exception):
            self.finish(status, {}, {tags.REASON: reason})

    @contextlib.contextmanager
    def ended_on_error(self) -> Iterator[None]:
        """If what is done meanwhile fails, the run does not stay a running one."""
        try:
            yield
        except BaseException as error:
            self.abandon("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED", str(error))
            raise


def open_experiment(client: MlflowClient, name: str) -> str:
    """The id of the experiment of that name, which is made if it does not exist.

    Raises:
        TrackingError: it was deleted in MLflow and still has the name.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, tags={tags.EXPERIMENT_KIND: tags.TRAINING_EXPERIMENT}))
        except MlflowException:
            # another sweep may have made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise _deleted_experiment(found)
    return str(found.experiment_id)


def _deleted_experiment(experiment: Experiment) -> TrackingError:
    return TrackingError(
        f"the MLflow experiment '{experiment.name}' was deleted; restore it (`mlflow experiments restore -x "
        f"{experiment.experiment_id}`) or give the sweep another --name"
    )


def made_anew(known: Header, run_id: str) -> str:
    """What to tell of a store that does not know the sweep."""
    return (
        f"the MLflow store {known.tracking_uri} has no run {known.run_id}; the runs of the sweep are made anew from "
        f"its journal, below run {run_id}"
    )
