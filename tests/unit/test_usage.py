"""What trials take of their machine: looked at now and then, and in MLflow under its own names."""

import numpy as np
import pytest
from kept_sweeps import events_of
from mlflow import MlflowClient

from orchestrator.journal import Reported
from orchestrator.journal.events import from_line, to_line
from orchestrator.runtime.worker import usage as worker_usage
from orchestrator.runtime.worker.usage import UsageMeter
from orchestrator.tracking.runs import child_runs
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.tracking.usage import SWITCH
from orchestrator.training.usage import Usage


@pytest.fixture
def clock(monkeypatch):
    """Seconds of the wall and of the processor, as they are set."""
    now = {"monotonic": 100.0, "process_time": 5.0}
    monkeypatch.setattr(worker_usage.time, "monotonic", lambda: now["monotonic"])
    monkeypatch.setattr(worker_usage.time, "process_time", lambda: now["process_time"])
    return now


def test_a_process_is_looked_at_after_a_second_and_then_less_and_less_often(clock):
    meter = UsageMeter(2, "cpu")
    looked = []
    for _ in range(3000):
        clock["monotonic"] += 0.1
        clock["process_time"] += 0.15
        if (found := meter.measure()) is not None:
            looked.append(round(clock["monotonic"] - 100.0))
            # of two cores, one and a half
            assert found.cpu == pytest.approx(75.0)
            assert found.memory > 10
            assert 0 < found.memory_share < 100
            assert found.gpu is found.gpu_memory is None
    np.testing.assert_allclose(np.diff(looked[:7]), [2, 4, 8, 16, 32, 60], atol=1)
    assert len(looked) == 9


def test_a_line_of_an_epoch_has_it_only_if_there_is_some():
    (plain,) = (event for event in events_of(0, 0.5, end=None) if isinstance(event, Reported))
    assert "usage" not in to_line(plain)
    assert from_line(to_line(plain)) == plain
    usage = Usage(cpu=50.0, memory=300.0, memory_share=1.5, gpu=80.0)
    told = Reported(**{**vars(plain), "usage": usage})
    assert from_line(to_line(told)) == told


@pytest.mark.parametrize("wanted", [True, False])
def test_mlflow_has_it_as_system_metrics_unless_they_are_turned_off(store, monkeypatch, wanted):
    monkeypatch.setenv(SWITCH, str(wanted).lower())
    tracker = SweepTracker.__new__(SweepTracker)
    tracker.client, tracker._inputs = MlflowClient(store), []
    tracker.experiment_id = tracker.client.create_experiment("a")
    tracker.run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    writer = tracker.start({})
    usage = Usage(cpu=50.0, memory=300.0, memory_share=1.5, gpu=80.0)
    for event in events_of(0, 0.5):
        writer.put(Reported(**{**vars(event), "usage": usage}) if isinstance(event, Reported) else event)
    writer.close()
    (run,) = child_runs(tracker.client, tracker.experiment_id, tracker.run_id)
    found = {name: value for name, value in run.data.metrics.items() if name.startswith("system/")}
    assert found == (
        {
            "system/cpu_utilization_percentage": 50.0,
            "system/system_memory_usage_megabytes": 300.0,
            "system/system_memory_usage_percentage": 1.5,
            "system/gpu_0_utilization_percentage": 80.0,
        }
        if wanted
        else {}
    )
    assert run.info.run_name.startswith("0000 ")
