"""Sweeps whose driver was killed or stopped: what is done stays done, and nothing is done twice."""

import json
import signal
import time

import pytest
from killed_sweeps import Place, assert_same, sweep_arguments


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same sweep without a break."""
    place = Place(tmp_path_factory.mktemp("whole"))
    place.run(*sweep_arguments("asha-promote", 6, 12))
    place.check_mlflow()
    return place


@pytest.mark.parametrize("moment", [9, 41])
def test_a_killed_sweep_goes_on_as_if_nothing_had_happened(whole, tmp_path, moment):
    place = Place(tmp_path)
    assert place.kill_at(place.start(*sweep_arguments("asha-promote", 6, 12)), moment)
    assert "killed" in place.run("sweeps")
    done = {index: trial for index, trial in place.trials().items() if trial["end"]}
    place.run("resume")
    assert_same(place, whole)
    assert {index: place.trials()[index] for index in done} == done


def test_a_stopped_sweep_goes_on_and_a_finished_one_is_extended(tmp_path):
    place = Place(tmp_path)
    arguments = [*sweep_arguments("none", 24, 12), "--register"]
    process = place.start(*arguments)
    while len(place.events()) < 4:
        time.sleep(0.01)
    # nobody else can drive it, and to try that changes nothing
    place.run("resume", code=1)
    assert json.loads(place.run("trials", "--json"))["status"] == "running"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 1
    log = (place.folder / "log").read_text()
    assert "go on with: orchestrator resume digits-" in log
    board = json.loads(place.run("trials", "--json"))
    assert board["status"] == "killed"
    assert "interrupted" in {trial["status"] for trial in board["trials"]}

    result = json.loads(place.run("resume", "digits", "--json"))
    assert [trial["status"] for trial in result["trials"]].count("interrupted") == 0
    assert len(result["trials"]) == 24
    before = place.trials()
    longer = json.loads(place.run("resume", "--trials", "+2", "--json"))
    assert len(longer["trials"]) == 26
    assert longer["run_id"] == result["run_id"]
    assert {index: place.trials()[index] for index in before} == before
    place.check_mlflow()
    refused = place.run("resume", "--trials", "2", code=2)
    assert refused == ""
    # its weights are those of the best trial, its checkpoints are gone
    best = longer["best_trial"]
    assert [path.parent.name for path in (place.sweep / "trials").glob("*/*")] == [f"{best:05d}"]
