"""The end of a sweep: its winner is tested once and registered; what the store did not take is kept for later."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from orchestrator.bundle.registration import Figure, Registration, figure_of
from orchestrator.errors import StorageError, TrackingError
from orchestrator.journal.sealed import seal, unseal
from orchestrator.journal.statuses import SweepStatus
from orchestrator.storage import Storage
from orchestrator.sweeps.choice import Winner
from orchestrator.sweeps.controller import SweepController
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.spent import spent_by
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.tasks import Metric

FILE = "result.json"
MODEL_FOLDER = "model"
# what the winner says about test rows, see `KeptAnswers`
ANSWERS_FILE = "test-answers.npz"
# the models of scikit-learn that it is compared with, see `Reference`
REFERENCES_FILE = "references.json"
# how validation and test rows are distributed, see `DataParts`
PARTS_FILE = "data-parts.json"
# what is found out about the winner, see `WinnerDescription`
DESCRIPTION_FILE = "winner.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a sweep has ended, as plain JSON in its folder; the model lies beside it.

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
        model_digest: see `Winner`; empty if an older version wrote this.
        files: digest of the model's files beside; empty if none are kept, or an older version wrote this.
        doubt: why the winner must not become the champion, nothing if it may.
        skipped: sentences about better trials whose models cannot be used.
        looks: how often this sweep has measured a model on the test rows.
        tie: see `Winner`; empty if an older version wrote this.
        ensemble: what was found of an ensemble, see `Ensemble.to_json`; None without one.
        decided: see `Winner`; empty if an older version wrote this.
        spent: what its trials have held, see `Spent.to_json`; empty if an older version wrote this.
        current: false once another session of the sweep has begun.
        sent: whether the store has all of it; None if an older version wrote this.
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
    model_digest: str = ""
    files: str = ""
    doubt: str = ""
    skipped: tuple[str, ...] = ()
    looks: int = 1
    tie: Mapping[str, float] = field(default_factory=dict)
    ensemble: Mapping[str, Any] | None = None
    decided: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    current: bool = True
    sent: bool | None = False

    @property
    def waits(self) -> bool:
        """Whether something is left to be sent to the store."""
        if self.sent is None:
            return self.current and self.register and self.model is None
        return self.current and not self.sent

    @property
    def passed_over(self) -> bool:
        """Whether a better trial was lost, and the user has not accepted that (see `find_winner`)."""
        return bool(self.skipped) and self.doubt.startswith(self.skipped[0])

    def save(self, storage: Storage) -> None:
        """Writes it into the folder of the sweep.

        Raises:
            StorageError: it could not be written.
        """
        storage.write(FILE, seal(asdict(self)))

    @classmethod
    def read(cls, storage: Storage) -> Outcome | None:
        """What `save` wrote, None if there is nothing.

        Raises:
            StorageError: it is damaged.
        """
        if not storage.size(FILE):
            return None
        try:
            content = unseal(storage.read(FILE))
            return cls(**{"sent": None, **content, "skipped": tuple(content.get("skipped", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise StorageError(
                f"{storage}/{FILE}: damaged ({error}); delete it, and add a trial for the sweep to end again: "
                "orchestrator resume SWEEP --trials +1"
            ) from None


class Tracker(Protocol):
    """Where a sweep is written down besides its folder; see `SweepTracker`."""

    def close_trials(self, trials: int, reports: int, patience: float) -> str | None:
        """Waits until all is written; why it could not be, None if it was.

        Args:
            trials, reports: how many there have to be.
            patience: seconds.
        """

    def looks(self, digest: str) -> int:
        """How often models were measured on the test rows of this data by others."""

    def register(
        self, trial: int, name: str, *, folder: Path, figure: Figure, model_digest: str, doubt: str
    ) -> Registration:
        """Makes the bundle in the folder a version of the registered model `name`."""

    def tell(self, outcome: Outcome) -> None:
        """The sweep has come to its end."""

    def leave(self, *, failed: bool) -> None:
        """The sweep has not come to its end: it has failed, or was killed."""


@dataclass(frozen=True)
class Ending:
    """What the end of a sweep has led to.

    Attributes:
        registration: None if none was wanted or possible.
        unsent: why MLflow does not have all of it, None if it has.
        looks: how often models were measured on these test rows, as far as is known.
    """

    registration: Registration | None
    unsent: str | None
    looks: int


def forget_outcome(storage: Storage) -> None:
    """A new session begins: how the one before has ended does not count any more, but what it has done is known."""
    storage.remove(REFERENCES_FILE)
    try:
        before = Outcome.read(storage)
    except StorageError:
        storage.remove(FILE)
    else:
        if before is not None:
            replace(before, current=False).save(storage)


def finalize(
    plan: SweepPlan,
    tracker: Tracker,
    *,
    best: TrialRecord,
    winner: Winner,
    skipped: tuple[str, ...],
    controller: SweepController,
    storage: Storage,
) -> Ending:
    """Has everything written to MLflow and registers the winner.

    The model lies in the sweep's folder, from where `sync` takes it when the store could not be used, or was lost.

    Raises:
        StorageError: the storage of the sweep, or the right to write there, was lost.
        TrackingError: MLflow has not got what was sent.
    """
    report, trial_table = best.report, controller.trial_table
    statuses = [trial.status for trial in trial_table.trials.values()]
    before = Outcome.read(storage)
    # to measure the same model again tells nothing new
    looks = 1 if before is None else before.looks + (before.model_digest != winner.digest)
    outcome = Outcome(
        status=SweepStatus.INTERRUPTED if controller.stopping else SweepStatus.FINISHED,
        best=best.index,
        epoch=report.best_epoch if report else 0,
        metric=plan.metric.name,
        maximize=plan.metric.maximize,
        validation=winner.validation,
        test=winner.test,
        trials={status: statuses.count(status) for status in sorted(set(statuses))},
        digest=plan.dataset.digest,
        register=plan.config.register_model,
        at=time.time(),
        model_digest=winner.digest,
        doubt=winner.doubt,
        skipped=skipped,
        looks=looks,
        tie=winner.tie,
        ensemble=None if winner.ensemble is None else winner.ensemble.to_json(),
        decided=winner.decided,
        spent=spent_by(plan, trial_table).to_json(),
    )
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
        folder = Path(temporary) / "bundle"
        if outcome.register:
            winner.bundle.save(folder)
            outcome = replace(outcome, files=_digest_of_files(folder))
            _keep_model(folder, storage)
        if winner.answers:
            storage.write(ANSWERS_FILE, winner.answers)
        if winner.description:
            storage.write(DESCRIPTION_FILE, winner.description)
        outcome.save(storage)
        away = tracker.close_trials(
            len(trial_table.trials), trial_table.reports, plan.config.tracking_timeout.total_seconds()
        )
        if away is not None:
            return Ending(None, away, looks)
        controller.alive()
        try:
            looks += tracker.looks(outcome.digest)
            registration = _register(tracker, plan.name, folder, outcome) if outcome.register else None
            _write_outcome(tracker, outcome, registration, storage)
        except TrackingError as error:
            return Ending(None, str(error), looks)
    return Ending(registration, None, looks)


def forget_registration(storage: Storage) -> None:
    """The store has lost the sweep, and its model with it: `finalize_later` registers that again.

    Raises:
        StorageError: how the sweep has ended cannot be read.
    """
    outcome = Outcome.read(storage)
    if outcome is not None:
        replace(outcome, model=None, champion="", sent=False).save(storage)


def finalize_later(tracker: Tracker, name: str, status: str, storage: Storage, sweep: str) -> Registration | None:
    """What `finalize` could not do; nothing is done twice.

    Args:
        tracker: of the sweep, everything of its trials written.
        name: of the registered model.
        status: of the sweep.
        storage: of the sweep.
        sweep: its id; a later one may have its name.

    Returns:
        What was registered, None if nothing was left to be.

    Raises:
        StorageError: how the sweep has ended cannot be read, or its model is damaged.
        TrackingError: the store cannot be used.
    """
    outcome = Outcome.read(storage)
    if outcome is None or not outcome.current:
        # the sweep has not come to its end
        tracker.leave(failed=status == SweepStatus.FAILED)
        return None
    model = storage.child(MODEL_FOLDER)
    names = model.names()
    registration = None
    if names and outcome.register and outcome.model is None:
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
            folder = Path(temporary) / "bundle"
            for file in names:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(model.read(file))
            if outcome.files not in ("", _digest_of_files(folder)):
                raise StorageError(
                    f"{model}: the model is damaged (its checksum is wrong), so it was not registered; "
                    f"{_remedy(outcome, sweep)}"
                )
            registration = _register(tracker, name, folder, outcome)
    _write_outcome(tracker, outcome, registration, storage)
    return registration


def check_outcome(sweep: str, status: str, storage: Storage) -> None:
    """Before the store is told how a sweep has ended.

    Args:
        sweep: its id.
        status: of the sweep.
        storage: of the sweep.

    Raises:
        StorageError: that cannot be read any more.
    """
    if Outcome.read(storage) is not None:
        return
    # one that was stopped has none if it came to no model
    if status == SweepStatus.FINISHED or (status == SweepStatus.INTERRUPTED and storage.child(MODEL_FOLDER).names()):
        more = " --trials +1" if status == SweepStatus.FINISHED else ""
        raise StorageError(
            f"{storage}/{FILE}: lost, though the sweep has come to its end; let it end again with: "
            f"orchestrator resume {sweep}{more}"
        )


def check_model(sweep: str, storage: Storage) -> None:
    """After the store was told how a sweep has ended.

    Args:
        sweep: its id.
        storage: of the sweep.

    Raises:
        StorageError: its model should be registered, and is neither in the store nor in the folder.
    """
    outcome = Outcome.read(storage)
    if outcome is None or not outcome.current or not outcome.register or outcome.model is not None:
        return
    model = storage.child(MODEL_FOLDER)
    if not model.names():
        why = "it was deleted" if outcome.files else "an older version of this program has not kept it"
        raise StorageError(
            f"{model}: the model is not there ({why}), so it cannot be registered, though all trials are in MLflow; "
            f"{_remedy(outcome, sweep)}"
        )


def _remedy(outcome: Outcome, sweep: str) -> str:
    """What to do when the model of a sweep is lost."""
    if outcome.ensemble is not None and outcome.ensemble["accepted"]:
        return f"let the sweep end again: orchestrator resume {sweep} --trials +1"
    return f"train it again: orchestrator train --from-trial {sweep}:{outcome.best}"


def _register(tracker: Tracker, name: str, folder: Path, outcome: Outcome) -> Registration:
    metric = Metric(outcome.metric, outcome.maximize)
    figure = figure_of(metric, outcome.validation, outcome.test, outcome.digest, outcome.tie)
    digest = outcome.model_digest or _digest_of_files(folder)
    return tracker.register(outcome.best, name, folder=folder, figure=figure, model_digest=digest, doubt=outcome.doubt)


def _digest_of_files(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return found.hexdigest()


def _write_outcome(tracker: Tracker, outcome: Outcome, registration: Registration | None, storage: Storage) -> None:
    """Writes down what the store has, so that the model is not registered twice, and ends the parent run."""
    if registration is not None:
        champion = f"{'yes' if registration.champion else 'no'}: {registration.reason}"
        outcome = replace(outcome, model=f"models:/{registration.name}/{registration.version}", champion=champion)
        outcome.save(storage)
    tracker.tell(outcome)
    if not outcome.sent:
        replace(outcome, sent=True).save(storage)


def _keep_model(folder: Path, storage: Storage) -> None:
    storage.child(MODEL_FOLDER).clear()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            storage.write(f"{MODEL_FOLDER}/{file.relative_to(folder).as_posix()}", file.read_bytes())
