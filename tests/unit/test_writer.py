"""The runs of trials in a real MLflow store: each point once, whatever a journal has forgotten; all are counted."""

import contextlib
import socket
import threading
import time
from dataclasses import replace

import pytest
from mlflow import MlflowClient
from support import free_port, outcome_of

from orchestrator.errors import TrackingError
from orchestrator.journal import Begun, Drawn, Ended, Opened, Paused, Reported, Yielded
from orchestrator.sweeps.spent import Spent
from orchestrator.tracking import tags
from orchestrator.tracking.lengths import MAX_TAG_LENGTH, in_tags, of_tags, shortened
from orchestrator.tracking.runs import child_runs, end_if_running
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.tracking.writer import TrialWriter
from orchestrator.tracking.written import Backlog
from orchestrator.training import EpochReport, TrialSpec

SPEC = TrialSpec(architecture="mlp", settings={"depth": 1})


def reported(at, epoch, loss=None):
    value = 1.0 / epoch
    report = EpochReport(
        epoch=epoch,
        train_loss=loss or value,
        validation={"log_loss": value},
        learning_rate=0.1,
        seconds=0.5,
        examples_per_second=1e3,
        best_epoch=epoch,
        best_value=value,
        last=False,
    )
    return Reported(at=at, index=0, report=report, train_seconds=at, kept=epoch, stored=10)


def begun(at):
    return [Opened(at, 1), Drawn(at, 0, SPEC, {}), Begun(at, 0, 1)]


@pytest.fixture
def tracker(store):
    """A tracker whose parent run is there."""
    found = SweepTracker.__new__(SweepTracker)
    found.client = MlflowClient(store)
    found.experiment_id = found.client.create_experiment("a")
    found.run_id = found.client.create_run(found.experiment_id).info.run_id
    found._inputs, found.writer = [], None
    return found


def steps(tracker, key):
    (run,) = child_runs(tracker.client, tracker.experiment_id, tracker.run_id)
    return sorted((point.step, point.value) for point in tracker.client.get_metric_history(run.info.run_id, key))


@pytest.mark.parametrize("kept", range(6))
def test_a_journal_that_has_lost_what_the_store_has_leads_to_each_point_once(tracker, kept):
    events = [*begun(1.0), *(reported(float(epoch), epoch) for epoch in range(1, 6))]
    writer = tracker.start({})
    for event in events:
        writer.put(event)
    writer.close()
    # the machine stops; the epochs that the journal has lost are trained again, later and to the same bits
    past = events[: 3 + kept]
    writer = tracker.start({}, past)
    for epoch in range(kept + 1, 8):
        writer.put(reported(100.0 + epoch, epoch))
    writer.put(Ended(200.0, 0, "finished", ""))
    assert tracker.close_trials(1, 7, 60.0) is None
    for key in (tags.OBJECTIVE, "train_loss", "validation_log_loss"):
        assert steps(tracker, key) == [(epoch, 1.0 / epoch) for epoch in range(1, 8)]


def test_what_the_store_has_not_got_is_noticed_there(tracker):
    writer = tracker.start({})
    for event in [*begun(1.0), reported(1.0, 1), reported(2.0, 2), Ended(3.0, 0, "finished", "")]:
        writer.put(event)
    with pytest.raises(TrackingError, match=r"MLflow has 1 runs and 2 epochs .* 1 trials and 3 epochs"):
        tracker.close_trials(1, 3, 60.0)
    # a run that lost its points, or is gone, is not believed to have them
    (run,) = child_runs(tracker.client, tracker.experiment_id, tracker.run_id)
    tracker.client.delete_run(run.info.run_id)
    with pytest.raises(TrackingError, match="MLflow has 0 runs and 0 epochs of this sweep"):
        tracker.close_trials(1, 2, 60.0)


def test_an_epoch_trained_again_to_other_bits_is_written(tracker):
    events = [*begun(1.0), reported(1.0, 1), reported(2.0, 2)]
    writer = tracker.start({})
    for event in events:
        writer.put(event)
    writer.close()
    writer = tracker.start({}, events[:-1])
    writer.put(reported(50.0, 2, loss=0.25))
    writer.put(Ended(51.0, 0, "finished", ""))
    assert tracker.close_trials(1, 2, 60.0) is None
    assert (2, 0.25) in steps(tracker, "train_loss")


def test_what_waits_for_the_store_is_counted(tracker, monkeypatch):
    with monkeypatch.context() as patched:
        # a store that does not answer
        patched.setattr(TrialWriter, "_flush", lambda _writer, everything: None)
        writer = tracker.start({})
        for event in [*begun(1.0), reported(2.0, 1), reported(3.0, 2)]:
            writer.put(event)
        deadline = time.monotonic() + 20
        while writer.backlog(10.0) != Backlog(2, 8.0) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert tracker.backlog(10.0) == Backlog(2, 8.0)
    writer.close()
    assert tracker.backlog(10.0) == Backlog(0, 0.0)


def status(tracker):
    (run,) = child_runs(tracker.client, tracker.experiment_id, tracker.run_id)
    assert "" not in run.data.tags.values()
    return run.info.status, run.data.tags[tags.STATUS], run.info.end_time, run.data.tags.get(tags.REASON)


def test_what_trials_have_held_is_a_metric_of_the_sweep(tracker):
    held = Spent(cpu_hours=2.0, gpu_hours=0.5, cost=3.25).to_json()
    outcome = outcome_of(test={"log_loss": 0.6}, spent=held)
    tracker.tell(outcome)
    found = tracker.client.get_run(tracker.run_id).data.metrics
    assert (found["cpu_hours"], found["gpu_hours"], found["cost"]) == (2.0, 0.5, 3.25)
    # another session holds more
    tracker.tell(replace(outcome, spent=Spent(cpu_hours=3.0, gpu_hours=0.5, cost=4.25).to_json()))
    assert tracker.client.get_run(tracker.run_id).data.metrics["cost"] == 4.25


@pytest.mark.parametrize("last", [[], [Paused(2.5, 0)], [Yielded(2.5, 0)]])
def test_a_trial_that_nobody_drives_any_more_does_not_run_in_the_store(tracker, last):
    events = [*begun(1.0), reported(1.0, 1), reported(2.0, 2), *last]
    # one session leaves it behind, another one (`sync`) only reads of it
    for _ in range(2):
        writer = tracker.start({}, events)
        assert tracker.close_trials(1, 2, 60.0) is None
        assert status(tracker) == ("KILLED", "interrupted", int(1000 * events[-1].at), "the sweep ended before")
    writer = tracker.start({}, events)
    for event in (Opened(3.0, 1), Begun(3.0, 0, 2), reported(4.0, 3), Ended(5.0, 0, "finished", "")):
        writer.put(event)
    assert tracker.close_trials(1, 3, 60.0) is None
    # the reason of before is none any more
    assert status(tracker) == ("FINISHED", "finished", 5000, None)


def test_no_tag_is_empty_and_one_of_before_is_taken_away(tracker):
    def kept():
        return tracker.client.get_run(tracker.run_id).data.tags

    tracker.finish("FAILED", {}, {tags.REASON: "x" * 6000, tags.SKIPPED: ""})
    assert kept()[tags.REASON].endswith("x ... (cut, of 6,000 characters)") and tags.SKIPPED not in kept()
    tracker.tell(outcome_of(skipped=()))
    assert tags.REASON not in kept() and "" not in kept().values()


@pytest.mark.parametrize("length", [0, 10, MAX_TAG_LENGTH, MAX_TAG_LENGTH + 1, 3 * MAX_TAG_LENGTH])
def test_long_documents_are_several_tags_and_a_text_that_is_cut_says_so(length):
    text = "ab,c" * (length // 4) + "e" * (length % 4)
    parts = in_tags("a", text)
    assert "".join(of_tags("a", {**parts, "b.1": "other"}).values()) == text
    assert all(0 < len(part) <= MAX_TAG_LENGTH for part in parts.values())
    cut = shortened(text)
    assert cut == text if length <= MAX_TAG_LENGTH else f"(cut, of {length:,} characters)" in cut[: MAX_TAG_LENGTH + 1]


def test_with_a_sweep_that_is_removed_its_trials_end(tracker, store):
    labels = {tags.PARENT: tracker.run_id}
    child = tracker.client.create_run(tracker.experiment_id, tags=labels).info.run_id
    end_if_running(store, tracker.run_id, "removed")
    for run_id in (tracker.run_id, child):
        assert tracker.client.get_run(run_id).info.status == "KILLED"


def test_a_final_figure_is_there_once_and_another_one_is_the_next_step(tracker):
    for figures in ({"test_r2": 0.5, "objective": 2.0}, {"test_r2": 0.5, "objective": 1.0}, {"test_r2": 0.5}):
        tracker.finish("FINISHED", figures, {})
    points = {
        key: [(point.step, point.value) for point in tracker.client.get_metric_history(tracker.run_id, key)]
        for key in ("test_r2", "objective")
    }
    assert points == {"test_r2": [(0, 0.5)], "objective": [(0, 2.0), (1, 1.0)]}
    assert tracker.client.get_run(tracker.run_id).data.metrics == {"test_r2": 0.5, "objective": 1.0}


@pytest.mark.parametrize(
    ("accepts", "sentence"), [(False, "no server answers there"), (True, "broke off the connection")]
)
def test_a_store_that_is_away_is_told_in_words_of_ours(accepts, sentence, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def break_off():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=break_off, daemon=True).start()
        port = server.getsockname()[1] if accepts else free_port()
        writer = TrialWriter(MlflowClient(f"http://127.0.0.1:{port}"), "0", "a", dataset_inputs=[])
        for event in [*begun(1.0), reported(2.0, 1)]:
            writer.put(event)
        assert not writer.close(0.0)
        assert sentence in writer.away
        server.shutdown(socket.SHUT_RDWR)
