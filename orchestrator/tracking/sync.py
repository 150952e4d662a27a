"""`sync`: sweeps whose store was away, or has lost them, are sent to it from their journals."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.bundle.registration import Registration
from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.columns.target_wish import TargetWish
from orchestrator.environment import without_password
from orchestrator.errors import ExecutionError, TrackingError
from orchestrator.journal import Begun, Event, Reported
from orchestrator.journal.folder import BrokenSweep, Header, KnownSweep, find_sweep, write_header
from orchestrator.journal.lock import locked
from orchestrator.journal.statuses import SweepStatus
from orchestrator.reports import make_report, pictures_of
from orchestrator.reports.content import REPORT_FILE
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import check_model, check_outcome, finalize_later, forget_registration
from orchestrator.sweeps.resume import past_of
from orchestrator.tasks import metric_named
from orchestrator.tracking import tags
from orchestrator.tracking.description import Description, plain_facts
from orchestrator.tracking.lengths import MAX_PARAMETER_LENGTH, shortened
from orchestrator.tracking.origin import origin_tags
from orchestrator.tracking.runs import end_if_running, find_sweep_run
from orchestrator.tracking.store import absolute_uri
from orchestrator.tracking.sweeps import SweepTracker, made_anew

PATIENCE_SECONDS = 30.0
# of a configuration, that say how data is read
DATA_FIELDS = ("data", "target", "task", "categorical", "ignore", "ignore_text", "columns", "csv", "background")


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What `sync` has done.

    Attributes:
        id: of the sweep.
        run_id: of its run in MLflow.
        trials: how many MLflow has.
        registration: what was registered, None if nothing was left to be.
        anew: whether the store did not know the sweep, so that its runs were made anew.
        notes: sentences about what was found.
    """

    id: str
    run_id: str
    trials: int
    registration: Registration | None
    anew: bool
    notes: tuple[str, ...]


def sync(
    sweep: str | None = None,
    *,
    storage: str | None = None,
    tracking_uri: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> SyncResult:
    """Sends what the tracking store has not got of a sweep: runs, metrics, and the model. Nothing twice.

    A store that does not know the sweep, because it was lost or is another one, gets all of it; that is remembered.

    Args:
        sweep: its id, its name (the latest of that name) or its MLflow run; None for the latest.
        storage: where to look for it, if that is not known on this machine.
        tracking_uri: the store, if it has another address now.
        patience: seconds that the store may be away meanwhile.

    Raises:
        ExecutionError: there is no such sweep, it is running, or it has not begun.
        StorageError: something of the sweep is damaged, or gone; what is not is sent.
        TrackingError: the store does not answer.
    """
    found = find_sweep(sweep, None if storage is None else Storage.at(storage))
    header = found.header
    with locked(found.storage, header.id):
        if header.run_id is None:
            raise ExecutionError(f"the sweep {header.id} has not begun, so there is nothing to send: resume it first")
        events = past_of(found).events
        check_outcome(header.id, header.status, found.storage)
        if found.damage:
            write_header(found.storage, header)
        tracker, header, notes = _open(found, tracking_uri)
        anew = bool(notes)
        trials = {event.index for event in events if isinstance(event, Begun)}
        with tracker.ended_on_error():
            _send(tracker, header, events, len(trials), patience)
            registration = finalize_later(tracker, header.name, header.status, found.storage, header.id)
            if found.storage.has(REPORT_FILE):
                tracker.log_report(found.storage.read(REPORT_FILE), pictures_of(make_report(found)))
            tracker.log_winner(found.storage)
        check_model(header.id, found.storage)
    return SyncResult(
        id=header.id,
        run_id=tracker.run_id,
        trials=len(trials),
        registration=registration,
        anew=anew,
        notes=tuple(notes),
    )


def end_removed(sweep: KnownSweep | BrokenSweep) -> None:
    """MLflow's runs of a sweep whose folder was deleted go on no more; as far as the store answers."""
    if not isinstance(sweep, KnownSweep) or sweep.header.status == SweepStatus.FINISHED:
        return
    header = sweep.header
    with contextlib.suppress(TrackingError):
        run_id = header.run_id or find_sweep_run(header.tracking_uri, header.id)
        if run_id is not None:
            end_if_running(header.tracking_uri, run_id, "the folder of the sweep was removed")


def _send(tracker: SweepTracker, header: Header, events: Sequence[Event], trials: int, patience: float) -> None:
    """What happened goes to the store, as far as it is not there.

    Raises:
        ExecutionError: the store does not answer.
        TrackingError: it has not got what was sent.
    """
    tracker.start(header.labels, events)
    reports = sum(isinstance(event, Reported) for event in events)
    away = tracker.close_trials(trials, reports, patience)
    if away is not None:
        raise ExecutionError(
            f"MLflow store {without_password(header.tracking_uri)}: {away}; nothing is lost, try again later"
        )


def _open(found: KnownSweep, tracking_uri: str | None) -> tuple[SweepTracker, Header, list[str]]:
    """The sweep in the store, its header with where that is, and what to tell if it was not there."""
    header, storage = found.header, found.storage
    uri = header.tracking_uri if tracking_uri is None else absolute_uri(tracking_uri)
    description = Description.read(storage) or _describe(header, storage)
    tracker = SweepTracker.open_again(uri, header.run_id, description, header.started)
    now = replace(header, run_id=tracker.run_id, tracking_uri=uri)
    notes = []
    if header.run_id != tracker.run_id:
        notes.append(made_anew(replace(header, tracking_uri=uri), tracker.run_id))
        with tracker.ended_on_error():
            # before the new run counts: cut off in between, all of this happens again
            forget_registration(storage)
            write_header(storage, now)
    elif now != header:
        write_header(storage, now)
    return tracker, now, notes


def _describe(header: Header, storage: Storage) -> Description:
    """Of a sweep of an older version, which kept no description: what its header says."""
    metric = metric_named(header.metric, maximize=header.maximize)
    data = {name: header.config.get(name) for name in DATA_FIELDS}
    labels = {
        tags.KIND: tags.SWEEP_KIND,
        tags.SWEEP_NAME: header.name,
        tags.SWEEP_ID: header.id,
        tags.STORAGE: str(storage),
        tags.DIGEST: header.digest,
        tags.MAXIMIZE: str(metric.maximize).lower(),
        **origin_tags(
            {name: value for name, value in data.items() if value}
            | RowsWish.from_json(header.config).to_json()
            | TargetWish.from_json(header.config).to_json()
            | FeaturesWish.from_json(header.config).to_json()
        ),
    }
    parameters = {
        "metric": header.metric,
        **{name: shortened(str(value), MAX_PARAMETER_LENGTH) for name, value in header.config.items()},
    }
    facts = plain_facts(header.name, header.digest, str(data["data"]))
    return Description(name=header.name, labels=labels, parameters=parameters, dataset=facts)
