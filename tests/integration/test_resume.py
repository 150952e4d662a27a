"""Sweeps whose driver was killed or stopped: what is done stays done, and nothing is done twice."""

import dataclasses
import json
import os
import signal
import threading
import time
from concurrent.futures import Future

import pandas as pd
import pytest
from killed_sweeps import Place, assert_same, sweep_arguments
from support import SMALL_NETWORKS, small_space

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError
from orchestrator.journal.folder import Header, read_header, write_header
from orchestrator.journal.removal import remove_sweep
from orchestrator.runtime.assembly import Origin
from orchestrator.runtime.opening import open_tracker
from orchestrator.runtime.planning import plan_sweep
from orchestrator.storage import Storage
from orchestrator.tracking.sync import end_removed, sync


def test_a_sweep_killed_before_its_header_knew_its_run_goes_on_with_it(store, tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    config = SweepConfig.create(data="sklearn:iris", space="quick", trials=1, tracking_uri=store)
    origin = Origin(id="iris-1", storage=Storage.at(tmp_path / "iris-1"), config=config, table=None)
    planning = Future()
    planning.set_result(plan_sweep(config, None, map, origin.space))

    class KilledError(Exception):
        pass

    def killed(*_arguments):
        raise KilledError

    with monkeypatch.context() as patch:
        # the run is there, and the header does not know it
        patch.setattr(Header, "with_run", killed)
        with pytest.raises(KilledError):
            open_tracker(origin, planning)
    known = read_header(origin.storage)
    assert known.run_id is None
    tracker, header = open_tracker(dataclasses.replace(origin, known=known), planning)
    runs = tracker.client.search_runs([tracker.experiment_id])
    assert [run.info.run_id for run in runs] == [tracker.run_id] == [header.run_id]
    assert read_header(origin.storage) == header

    # killed before there was a run
    tracker.client.delete_run(tracker.run_id)
    tracker, header = open_tracker(dataclasses.replace(origin, known=known), planning)
    (run,) = tracker.client.search_runs([tracker.experiment_id])
    assert run.info.run_id == header.run_id and run.info.status == "RUNNING"
    with pytest.raises(ExecutionError, match="has not begun"):
        write_header(origin.storage, known)
        sync("iris-1", storage=str(tmp_path))
    end_removed(remove_sweep("iris-1", Storage.at(tmp_path)))
    assert tracker.client.get_run(header.run_id).info.status == "KILLED"


@pytest.mark.timeout(600)
def test_a_killed_sweep_with_folds_of_all_families_ends_with_the_same_ensemble(ray_cluster, tmp_path):
    whole, place = Place(tmp_path / "whole"), Place(tmp_path / "killed")
    (tmp_path / "space.yaml").write_text(small_space(*SMALL_NETWORKS))
    arguments = [*sweep_arguments("asha-promote", 6, 12, "sklearn:diabetes"), "--folds", "2"]
    arguments += ["--space", str(tmp_path / "space.yaml")]
    whole.here(*arguments)
    whole.check_mlflow()
    _, _, ensemble, *_ = whole.winner()
    assert ensemble["accepted"]
    assert len(ensemble["members"]) > 1
    kinds = [event["event"] for event in whole.events()]
    # a trial that was promoted has trained two epochs more
    assert place.killed_at(kinds.index("continued") + 4, *arguments)
    assert "killed" in place.here("sweeps")
    # killed before the header knew the run, and a disk that has lost the header
    copy = place.sweep / "sweep-copy.json"
    header = json.loads(copy.read_text())
    del header["sha256"]
    copy.write_text(json.dumps({**header, "run_id": None}))
    (place.sweep / "sweep.json").write_bytes(b"\0" * 100)
    assert "damaged" in place.here("sweeps")
    # all trials have ended, and there is no ensemble yet
    stopped = '"status":"stopped"'
    assert place.killed_at(whole.lines(stopped), "resume", words=stopped)
    assert "it is made again from its second copy" in (place.folder / "log").read_text()
    assert all(trial["end"] for trial in place.trials().values())
    assert not (place.sweep / "result.json").exists()
    place.here("resume")
    assert_same(place, whole)
    models = [orchestrator.ModelBundle.load(found.sweep / "model") for found in (place, whole)]
    frame = orchestrator.load_table("sklearn:diabetes").frame
    pd.testing.assert_frame_equal(*(model.predict(frame) for model in models), check_exact=True)


def test_a_stopped_sweep_goes_on_and_a_finished_one_is_extended(ray_cluster, tmp_path):
    place, seen = Place(tmp_path), []
    (tmp_path / "wait").touch()

    def stop() -> None:
        deadline = time.monotonic() + 120
        while not (1 in (trials := place.trials()) and trials[1]["reports"]):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        # nobody else can drive it, and to try that changes nothing
        place.run("resume", code=1)
        seen.append(json.loads(place.run("trials", "--json"))["status"])
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    stopped = json.loads(place.here(*place.patient_sweep(3, 3), "--concurrency", "1", "--json", code=1))
    stopper.join()
    # Ctrl-C keeps what is finished and registers the best
    assert stopped["interrupted"]
    assert stopped["model"]["champion"]
    assert "Traceback" not in (place.folder / "log").read_text()
    assert seen == ["running"]
    assert "go on with: orchestrator resume iris-" in (place.folder / "log").read_text()
    board = json.loads(place.here("trials", "--json"))
    assert board["status"] == "interrupted"
    assert [trial["status"] for trial in board["trials"]] == ["finished", "interrupted"]

    (tmp_path / "wait").unlink()
    before = place.trials()
    # the same command again, as a scheduler would run it
    again = [*place.patient_sweep(3, 3), "--concurrency", "1", "--resume", "--json"]
    result = json.loads(place.here(*again))
    assert result["id"] == stopped["id"]
    assert [trial["status"] for trial in result["trials"]] == ["finished"] * 3
    assert place.trials()[0] == before[0]
    before = place.trials()
    longer = json.loads(place.here("resume", "iris", "--trials", "+2", "--json"))
    assert len(longer["trials"]) == 5
    assert longer["run_id"] == result["run_id"]
    assert {index: place.trials()[index] for index in before} == before
    place.check_mlflow()
    refused = place.here("resume", "--trials", "2", code=2)
    assert refused == ""
    # for an ensemble there are the weights of all, their checkpoints are gone
    left = sorted((path.parent.name, path.name[:5]) for path in (place.sweep / "trials").glob("*/*"))
    assert left == [(f"{index:05d}", "best-") for index in range(5)]
    assert longer["ensemble"]["single"]["trial"] == longer["best_trial"]
