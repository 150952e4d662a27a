"""The runs of trials in a real MLflow store: each point once, whatever a journal has forgotten; all are counted."""

import pytest
from mlflow import MlflowClient

from orchestrator.errors import TrackingError
from orchestrator.journal import Begun, Drawn, Ended, Opened, Reported
from orchestrator.tracking import tags
from orchestrator.tracking.store import child_runs
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.training import EpochReport, TrialSpec

SPEC = TrialSpec("mlp", {"depth": 1})


def reported(at, epoch, loss=None):
    value = 1.0 / epoch
    report = EpochReport(epoch, loss or value, {"log_loss": value}, 0.1, 0.5, 1e3, epoch, value, False)
    return Reported(at, 0, report, at, epoch, 10)


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
