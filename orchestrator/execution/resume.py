"""`resume` and `sync`: what becomes of sweeps whose process, or whose tracking store, has gone."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from orchestrator.config import DEFAULT_TRIALS, SweepConfig
from orchestrator.data import load_table
from orchestrator.errors import DataError, ExecutionError, StorageError, TrackingError, UsageError
from orchestrator.execution.assembly import Hooks
from orchestrator.execution.finish import check_model, check_outcome, finish_later, forget_registration
from orchestrator.execution.plan import sampler_of, space_size
from orchestrator.execution.sweep import SweepResult, continue_sweep, made_anew
from orchestrator.journal import Begun, Closed, Drawn, Event, Opened, Reported
from orchestrator.journal.folder import (
    FINISHED,
    RUNNING,
    BrokenSweep,
    Header,
    KnownSweep,
    find_sweep,
    write_header,
)
from orchestrator.journal.journal import read_events
from orchestrator.journal.lock import locked
from orchestrator.journal.package import kept_package
from orchestrator.search import SearchSpace
from orchestrator.storage import Storage
from orchestrator.tracking import tags
from orchestrator.tracking.description import Description, plain_facts
from orchestrator.tracking.registry import Registration
from orchestrator.tracking.store import absolute_uri, end_if_running, find_sweep_run
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.training.metrics import CLASSIFICATION_METRICS, REGRESSION_METRICS
from orchestrator.units import format_duration

MORE = re.compile(r"\+(\d+)")
PATIENCE_SECONDS = 30.0


def resume(
    sweep: str | None = None,
    *,
    data: pd.DataFrame | None = None,
    storage: str | None = None,
    trials: str | int | None = None,
    tracking_uri: str | None = None,
    hooks: Hooks | None = None,
    **options: Any,  # noqa: ANN401
) -> SweepResult:
    """Goes on with a sweep: finished trials stay, the others go on from their last checkpoints.

    The search algorithm and the scheduler know all that happened; the MLflow runs are the same ones.

    Args:
        sweep: its id, its name (the latest of that name) or its MLflow run; None for the latest.
        data: the data frame that it was started with, if it was.
        storage: where to look for it, if that is not known on this machine.
        trials: how many there shall be in all, or `+N` for so many more; the same as before if left out.
        tracking_uri: the store, if it has another address now.
        hooks: what to listen to.
        **options: fields of `SweepConfig` that may change: `time_budget`, `address`, `concurrency`, `max_failures`,
            `failed_share`, `epoch_timeout`, `placement_timeout`, `disk_budget`, `register_model`, `allow_second_best`.

    Raises:
        OrchestratorError: of the kind that says what is wrong; see `orchestrator.errors`.
    """
    found = find_sweep(sweep, None if storage is None else Storage.at(storage))
    if tracking_uri is not None:
        found = replace(found, header=replace(found.header, tracking_uri=absolute_uri(tracking_uri)))
    with kept_package(found.storage) as folder:
        config = _options(found, trials, options)
        table = None if data is None else load_table(data, found.header.name)
        if table is None and found.header.config["data"] == "data frame":
            raise DataError(
                f"the sweep {found.header.id} was started with a data frame; go on with it from Python: "
                "orchestrator.resume(SWEEP, data=frame)"
            )
        return continue_sweep(found, config, table, hooks, folder)


@dataclass(frozen=True)
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


def sync(sweep: str | None = None, *, storage: str | None = None, tracking_uri: str | None = None) -> SyncResult:
    """Sends what the tracking store has not got of a sweep: runs, metrics, and the model. Nothing twice.

    A store that does not know the sweep, because it was lost or is another one, gets all of it; that is remembered.

    Args:
        sweep: its id, its name (the latest of that name) or its MLflow run; None for the latest.
        storage: where to look for it, if that is not known on this machine.
        tracking_uri: the store, if it has another address now.

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
        events = _events(found)
        check_outcome(header.status, found.storage)
        if found.damage:
            write_header(found.storage, header)
        tracker, header, notes = _open(found, tracking_uri)
        anew = bool(notes)
        trials = {event.index for event in events if isinstance(event, Begun)}
        with tracker.ended_on_error():
            _send(tracker, header, events, len(trials))
            registration = finish_later(tracker, header.name, header.status, found.storage)
        check_model(header.name, found.storage)
    return SyncResult(header.id, tracker.run_id, len(trials), registration, anew=anew, notes=tuple(notes))


def end_removed(sweep: KnownSweep | BrokenSweep) -> None:
    """MLflow's runs of a sweep whose folder was deleted go on no more; as far as the store answers."""
    if not isinstance(sweep, KnownSweep) or sweep.header.status == FINISHED:
        return
    header = sweep.header
    with contextlib.suppress(TrackingError):
        run_id = header.run_id or find_sweep_run(header.tracking_uri, header.id)
        if run_id is not None:
            end_if_running(header.tracking_uri, run_id, "the folder of the sweep was removed")


def _send(tracker: SweepTracker, header: Header, events: list[Event], trials: int) -> None:
    """What happened goes to the store, as far as it is not there.

    Raises:
        ExecutionError: the store does not answer.
        TrackingError: it has not got what was sent.
    """
    tracker.start(header.labels, events)
    reports = sum(isinstance(event, Reported) for event in events)
    away = tracker.close_trials(trials, reports, PATIENCE_SECONDS)
    if away is not None:
        raise ExecutionError(f"MLflow store {header.tracking_uri}: {away}; nothing is lost, try again later")


def _open(found: KnownSweep, tracking_uri: str | None) -> tuple[SweepTracker, Header, list[str]]:
    """The sweep in the store, its header with where that is, and what to tell if it was not there."""
    header, storage = found.header, found.storage
    uri = header.tracking_uri if tracking_uri is None else absolute_uri(tracking_uri)
    description = Description.read(storage) or _describe(header, storage)
    tracker = SweepTracker.open_again(uri, header.run_id, description, header.started)
    now = replace(header, run_id=tracker.run_id, tracking_uri=uri)
    notes = []
    if header.run_id != tracker.run_id:
        notes.append(made_anew(replace(header, tracking_uri=uri), tracker))
        with tracker.ended_on_error():
            # before the new run counts: cut off in between, all of this happens again
            forget_registration(storage)
            write_header(storage, now)
    elif now != header:
        write_header(storage, now)
    return tracker, now, notes


def _describe(header: Header, storage: Storage) -> Description:
    """Of a sweep of an older version, which kept no description: what its header says."""
    metric = (CLASSIFICATION_METRICS | REGRESSION_METRICS)[header.metric]
    data = {name: header.config.get(name) for name in ("data", "target", "task", "categorical", "ignore")}
    labels = {
        tags.KIND: tags.SWEEP_KIND,
        tags.SWEEP_NAME: header.name,
        tags.SWEEP_ID: header.id,
        tags.STORAGE: str(storage),
        tags.DIGEST: header.digest,
        tags.MAXIMIZE: str(metric.maximize).lower(),
        tags.DATA: json.dumps({name: value for name, value in data.items() if value}),
    }
    parameters = {"metric": header.metric, **{name: str(value) for name, value in header.config.items()}}
    return Description(header.name, labels, parameters, plain_facts(header.name, header.digest, str(data["data"])))


def _events(found: KnownSweep) -> list[Event]:
    """What has happened in a sweep.

    Raises:
        StorageError: that cannot be read, or all or a part of it is gone.
    """
    events = list(read_events(found.storage))
    drawn: set[int] = set()
    for event in events:
        if isinstance(event, Drawn):
            drawn.add(event.index)
        elif not isinstance(event, Opened | Closed) and event.index not in drawn:
            raise StorageError(
                f"{found.storage}: lines of the journal are missing (it tells of trial {event.index}, and not how that "
                "began), so the sweep can be neither sent nor gone on with; bring them back, or start a new sweep"
            )
    if not events and found.header.status != RUNNING:
        raise StorageError(
            f"{found.storage}: the journal of the sweep is gone (its status is {found.header.status}), so it can be "
            "neither sent nor gone on with; bring it back, or start a new sweep"
        )
    return events


def _options(found: KnownSweep, trials: str | int | None, options: Mapping[str, Any]) -> SweepConfig:
    header = found.header
    values = {**header.config, **{name: value for name, value in options.items() if value is not None}}
    events = _events(found)
    drawn = sum(isinstance(event, Drawn) for event in events)
    planned = next((event.trials for event in reversed(events) if isinstance(event, Opened)), None)
    wanted = _wanted(trials, max(planned or 0, drawn), drawn)
    if wanted is not None:
        values["trials"] = wanted
    config = SweepConfig.create(**values)
    if header.status == FINISHED:
        _check_extension(header, config, drawn, longer=options.get("time_budget") is not None, wanted=wanted)
    return config


def _check_extension(header: Header, config: SweepConfig, drawn: int, *, longer: bool, wanted: int | None) -> None:
    """Refuses to go on with a finished sweep if nothing would be added to it.

    Raises:
        UsageError: says what to give.
    """
    size = space_size(config, sampler_of(config, SearchSpace.model_validate(header.space), header.metric))
    if size is not None and drawn >= size:
        what = "grid" if config.algorithm == "grid" else "search space"
        raise UsageError(
            f"the sweep {header.id} is finished: its {what} has no more than {size} configurations, "
            "and none is trained twice"
        )
    if config.time_budget is not None and not longer:
        raise UsageError(
            f"the sweep {header.id} is finished and its time budget of {format_duration(config.time_budget)} is spent; "
            "give a longer --time-budget, which is that of all sessions together"
        )
    if not longer and (wanted is None or wanted <= drawn):
        raise UsageError(
            f"the sweep {header.id} is finished; --trials +{DEFAULT_TRIALS} would extend it by {DEFAULT_TRIALS} trials"
        )


def _wanted(trials: str | int | None, planned: int, drawn: int) -> int | None:
    if trials is None:
        return None
    text = str(trials).strip()
    more = MORE.fullmatch(text)
    if more is not None:
        return planned + int(more[1])
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--trials {text}: give a number, or +20 for 20 more")
    if int(text) < drawn:
        raise UsageError(f"--trials {text}: there are {drawn} trials already; give more, or +20 for 20 more")
    return int(text)
