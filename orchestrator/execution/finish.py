"""The end of a sweep: its winner is tested once and registered; what the store did not take is kept for later."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orchestrator.data import Examples, PartName, StreamedDataset
from orchestrator.errors import ExecutionError, StorageError, TrackingError
from orchestrator.execution.director import Director
from orchestrator.execution.ledger import Ledger, TrialRecord
from orchestrator.execution.plan import SweepPlan
from orchestrator.execution.trial_files import best_weights
from orchestrator.execution.winner import Winner, make_winner, register_bundle_folder, test_part
from orchestrator.journal.folder import FAILED, FINISHED, INTERRUPTED
from orchestrator.storage import Storage
from orchestrator.tracking import tags
from orchestrator.tracking.registry import Registration
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.training import EpochReport, Metric, unpack_weights

FILE = "result.json"
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Outcome:
    """How a sweep has ended, as plain JSON in its folder.

    Attributes:
        status: finished or interrupted.
        best: index of the winner.
        epoch: its best one.
        metric, maximize: what was optimised.
        validation: the winner's value.
        test: the winner's metrics on the test rows.
        trials: how many there are, by status.
        digest: of the data.
        register: whether the winner shall be registered.
        at: when it ended, seconds since 1970.
        model: URI of what was registered, None if nothing was yet.
        champion: whether it is the champion, and why.
    """

    status: str
    best: int
    epoch: int
    metric: str
    maximize: bool
    validation: float
    test: Mapping[str, float]
    trials: Mapping[str, int]
    digest: str
    register: bool
    at: float
    model: str | None = None
    champion: str = ""

    def save(self, storage: Storage) -> None:
        """Writes it into the folder of the sweep.

        Raises:
            StorageError: it could not be written.
        """
        storage.write(FILE, json.dumps(asdict(self), indent=1).encode())

    def tell(self, tracker: SweepTracker) -> None:
        """Writes it to the parent run and ends that."""
        figures = {f"test_{name}": value for name, value in self.test.items()} | {tags.OBJECTIVE: self.validation}
        labels = {
            tags.BEST_TRIAL: str(self.best),
            **{f"{tags.TRIALS}.{status}": str(count) for status, count in self.trials.items()},
        }
        if self.model is not None:
            labels |= {tags.MODEL: self.model, tags.CHAMPION: self.champion}
        tracker.finish("KILLED" if self.status == INTERRUPTED else "FINISHED", figures, labels, self.at)


def find_winner(plan: SweepPlan, director: Director, storage: Storage) -> tuple[TrialRecord, Winner]:
    """The best trial, measured on the test rows.

    Raises:
        ExecutionError: no trial has a result.
    """
    found = _best_with_weights(director.ledger, storage)
    if found is None:
        raise ExecutionError(_nothing(director))
    best, report, weights = found
    winner = make_winner(
        best.best_spec or best.spec,
        report,
        plan.dataset,
        plan.metric,
        lambda network: unpack_weights(network, weights),
        _test_rows(plan),
    )
    return best, winner


def _best_with_weights(ledger: Ledger, storage: Storage) -> tuple[TrialRecord, EpochReport, bytes] | None:
    """The best trial whose weights can be read; those of the very best may be lost with a disk."""
    for record in ledger.ranked():
        if record.report is not None:
            with contextlib.suppress(StorageError):
                return record, record.report, best_weights(storage, record.index, record.report.best_epoch)
    return None


def forget_outcome(storage: Storage) -> None:
    """A new session begins: how the one before has ended does not count any more."""
    storage.remove(FILE)
    storage.child(MODEL_FOLDER).clear()


def finish(
    plan: SweepPlan, tracker: SweepTracker, best: TrialRecord, winner: Winner, director: Director, storage: Storage
) -> tuple[Registration | None, str | None]:
    """Has everything written to MLflow and registers the winner.

    Until that is done the model lies in the sweep's folder, from where `sync` takes it.

    Returns:
        What was registered, and, if the store could not be used, why nothing was.

    Raises:
        TrackingError: MLflow has not got what was sent.
    """
    report, ledger = best.report, director.ledger
    statuses = [trial.status for trial in ledger.trials.values()]
    outcome = Outcome(
        status=INTERRUPTED if director.stopping else FINISHED,
        best=best.index,
        epoch=report.best_epoch if report else 0,
        metric=plan.metric.name,
        maximize=plan.metric.maximize,
        validation=best.value or 0.0,
        test=winner.test,
        trials={status: statuses.count(status) for status in sorted(set(statuses))},
        digest=plan.dataset.digest,
        register=plan.config.register_model,
        at=time.time(),
    )
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
        folder = Path(temporary) / "bundle"
        winner.bundle.save(folder)
        if outcome.register:
            _keep_model(folder, storage)
        outcome.save(storage)
        away = tracker.close_trials(len(ledger.trials), ledger.reports, plan.config.tracking_timeout.total_seconds())
        if away is not None:
            return None, away
        try:
            registration = _register(tracker, plan.name, folder, outcome) if outcome.register else None
            _tell(tracker, outcome, registration, storage)
        except TrackingError as error:
            return None, str(error)
    return registration, None


def finish_later(tracker: SweepTracker, name: str, status: str, storage: Storage) -> Registration | None:
    """What `finish` could not do; nothing is done twice.

    Args:
        tracker: of the sweep, everything of its trials written.
        name: of the registered model.
        status: of the sweep.
        storage: of the sweep.

    Returns:
        What was registered, None if nothing was left to be.
    """
    try:
        outcome = Outcome(**json.loads(storage.read(FILE)))
    except StorageError:
        # the sweep has not come to its end
        tracker.finish("FAILED" if status == FAILED else "KILLED", {}, {})
        return None
    model = storage.child(MODEL_FOLDER)
    names = model.names()
    registration = None
    if names and outcome.model is None:
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
            folder = Path(temporary) / "bundle"
            for file in names:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(model.read(file))
            registration = _register(tracker, name, folder, outcome)
    _tell(tracker, outcome, registration, storage)
    return registration


def _register(tracker: SweepTracker, name: str, folder: Path, outcome: Outcome) -> Registration:
    if tracker.writer is None:
        raise TrackingError("the trials have not been written")
    return register_bundle_folder(
        tracker.client,
        tracker.writer.run_id(outcome.best),
        name,
        folder,
        Metric(outcome.metric, outcome.maximize),
        outcome.test,
        outcome.digest,
    )


def _tell(tracker: SweepTracker, outcome: Outcome, registration: Registration | None, storage: Storage) -> None:
    """Writes down that the model is registered, so that it is not registered twice, and ends the parent run."""
    if registration is not None:
        champion = f"{'yes' if registration.champion else 'no'}: {registration.reason}"
        outcome = replace(outcome, model=f"models:/{registration.name}/{registration.version}", champion=champion)
        outcome.save(storage)
    outcome.tell(tracker)
    storage.child(MODEL_FOLDER).clear()


def _keep_model(folder: Path, storage: Storage) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            storage.write(f"{MODEL_FOLDER}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def _test_rows(plan: SweepPlan) -> Iterable[Examples]:
    if not isinstance(plan.dataset, StreamedDataset):
        return test_part(plan.dataset)
    from orchestrator.execution.streaming import encoded_part, fetch

    return fetch(encoded_part(plan.dataset, PartName.TEST))


def _nothing(director: Director) -> str:
    ledger = director.ledger
    if director.stopping:
        return "stopped before the first epoch of any trial was over: there is no model to keep"
    if not ledger.trials:
        return "no trial was started before the time budget was spent; give more time"
    if any(trial.report is not None for trial in ledger.trials.values()):
        return "the weights of no trial could be kept, so there is no model; is the disk full? (see the messages above)"
    reasons: dict[str, int] = {}
    for trial in ledger.trials.values():
        reasons[trial.reason] = reasons.get(trial.reason, 0) + 1
    common, count = max(reasons.items(), key=lambda item: item[1])
    return f"no trial has a result; {count} of {len(ledger.trials)} ended with: {common}"
