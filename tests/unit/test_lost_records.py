"""Sweeps of which something was lost on the disk: nothing wrong is told to the store, and nothing runs on there."""

import contextlib
import socket
import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest
from kept_sweeps import a_header
from mlflow import MlflowClient
from support import outcome_of

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.errors import StorageError, UsageError
from orchestrator.journal import Begun, Closed, Drawn, Ended, Journal, Opened, Reported, SweepStatus
from orchestrator.journal.folder import read_header, write_header
from orchestrator.runtime import opening, sweeps
from orchestrator.runtime.assembly import Origin
from orchestrator.runtime.opening import abandon, open_tracker
from orchestrator.runtime.planning import plan_sweep
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import MODEL_FOLDER
from orchestrator.tracking import tags
from orchestrator.tracking.description import Description, plain_facts
from orchestrator.tracking.runs import find_sweep_run
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.tracking.sync import sync
from orchestrator.training import EpochReport, TrialSpec

REPORT = EpochReport(
    epoch=1,
    train_loss=0.7,
    validation={"log_loss": 0.6},
    learning_rate=0.001,
    seconds=0.25,
    examples_per_second=1e5,
    best_epoch=1,
    best_value=0.6,
    last=False,
)
EVENTS = [
    Opened(1.0, 1),
    Drawn(1.0, 0, TrialSpec(architecture="mlp", settings={"depth": 1}), {}),
    Begun(2.0, 0, 1),
    Reported(at=3.0, index=0, report=REPORT, train_seconds=0.25, kept=1, stored=10),
    Ended(4.0, 0, "finished", ""),
    Closed(5.0, SweepStatus.FINISHED, ""),
]


def described(labels, parameters):
    return Description(name="a", labels=labels, parameters=parameters, dataset=plain_facts("a", "d", "x"))


@pytest.fixture
def keep(store, tmp_path, monkeypatch):
    """A function that keeps a sweep with a journal of these events."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))

    def kept(events, status=SweepStatus.FINISHED):
        storage = Storage.at(tmp_path / "home" / "sweeps" / "a-1")
        write_header(storage, a_header(run_id="0" * 32, tracking_uri=store, status=status))
        journal = Journal(storage)
        for event in events:
            journal.record(event)
        journal.close()
        return storage

    return kept


@pytest.mark.parametrize(
    ("events", "sentence"), [([], "the journal of the sweep is gone"), (EVENTS[2:], "lines of the journal are missing")]
)
def test_a_sweep_that_has_lost_its_journal_is_neither_sent_nor_begun_again(keep, store, events, sentence):
    keep(events)
    for go_on in (sync, lambda sweep: orchestrator.resume(sweep, trials="+1")):
        with pytest.raises(StorageError, match=sentence):
            go_on("a-1")
    assert find_sweep_run(store, "a-1") is None


@pytest.mark.parametrize("status", [SweepStatus.FINISHED, SweepStatus.RUNNING])
def test_a_sync_that_fails_leaves_no_run_running(keep, store, status):
    storage = keep(EVENTS, status)
    outcome_of(files="other").save(storage)
    storage.write(f"{MODEL_FOLDER}/weights", b"damaged")
    for _ in range(2):
        with pytest.raises(StorageError, match="the model is damaged"):
            sync("a-1")
        run = MlflowClient(store).get_run(find_sweep_run(store, "a-1"))
        assert run.info.status == "FAILED" and "the model is damaged" in run.data.tags["orchestrator.reason"]


def test_a_run_made_anew_whose_sweep_cannot_write_it_down_does_not_stay_a_running_one(keep, store, monkeypatch):
    storage = keep(EVENTS, SweepStatus.RUNNING)
    write = Storage.write

    def full(self, name, content):
        if name.startswith("sweep"):
            raise StorageError(f"{name} could not be written (No space left on device)")
        write(self, name, content)

    plan: Future = Future()
    plan.set_result(plan_sweep(SweepConfig.create(data="sklearn:iris")))
    known = replace(read_header(storage), digest=plan.result().dataset.digest)
    origin = Origin(id="a-1", storage=storage, config=plan.result().config, table=None, known=known)
    for go_on in (lambda: sync("a-1"), lambda: open_tracker(origin, plan)):
        with monkeypatch.context() as disk, pytest.raises(StorageError, match="No space left"):
            disk.setattr(Storage, "write", full)
            go_on()
        run = MlflowClient(store).get_run(find_sweep_run(store, "a-1"))
        assert run.info.status == "FAILED" and "No space left" in run.data.tags[tags.REASON]
        MlflowClient(store).update_run(run.info.run_id, status="RUNNING")


def test_a_run_made_anew_by_a_session_that_does_not_start_does_not_stay_a_running_one(keep, store):
    storage = keep(EVENTS)
    header = read_header(storage)
    description = described({tags.SWEEP_ID: "a-1"}, {})
    tracker = SweepTracker.open_again(store, header.run_id, description, 1.0)
    config = SweepConfig.create(data="sklearn:iris")
    abandon(
        Origin(id="a-1", storage=storage, config=config, table=None, known=header),
        tracker,
        RuntimeError("Ray does not start"),
    )
    assert tracker.client.get_run(tracker.run_id).info.status == "FAILED"


def test_who_stops_a_sweep_does_not_wait_for_a_store_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(opening, "STOP_SECONDS", 0.5)
    asked, connections = threading.Event(), []

    @contextlib.contextmanager
    def stopped(*_arguments, **_options):
        # Ctrl-C while Ray starts
        assert asked.wait(60)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(sweeps, "ray_session", stopped)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=lambda: (connections.append(silent.accept()[0]), asked.set()), daemon=True).start()
        config = SweepConfig.create(
            data="sklearn:iris", space="quick", tracking_uri=f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        with pytest.raises(KeyboardInterrupt):
            sweeps.run_sweep(config)
        connections[0].close()
    assert not list((tmp_path / "home" / "sweeps").glob("*-*"))


def test_a_run_that_is_found_again_keeps_its_parameters_though_its_description_was_lost(keep, store):
    header = read_header(keep(EVENTS))
    labels = {tags.SWEEP_ID: "a-1", tags.KIND: tags.SWEEP_KIND}
    first = SweepTracker.open_again(store, None, described(labels, {"data": "x.csv"}), 1.0)
    # what is made of the header has the whole path
    made = described(labels, {"data": "/home/x.csv", "metric": "log_loss"})
    again = SweepTracker.open_again(store, header.run_id, made, 1.0)
    assert again.run_id == first.run_id
    assert again.client.get_run(again.run_id).data.params == {"data": "x.csv", "metric": "log_loss"}


@pytest.mark.parametrize("trials", ["²", "0", "-1", "+", "1.5", "many", ""])
def test_a_number_of_trials_that_is_none_is_named(keep, trials):
    keep(EVENTS)
    with pytest.raises(UsageError, match="give a number, or"):
        orchestrator.resume("a-1", trials=trials)
