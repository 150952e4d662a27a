"""A sweep whose storage is deleted while it runs."""

import shutil
import signal
import time

from killed_sweeps import Place, sweep_arguments


def test_a_sweep_whose_storage_is_deleted_while_it_runs_stops_with_one_sentence(tmp_path):
    from mlflow import MlflowClient

    place = Place(tmp_path)
    process = place.start(*sweep_arguments("none", 400, 50), "--register")
    try:
        deadline = time.monotonic() + 120
        while len(place.events()) < 8:
            assert process.poll() is None and time.monotonic() < deadline, (place.folder / "log").read_text()
            time.sleep(0.05)
        folder = place.sweep
        # a worker may write there at the same time
        while (folder / "journal.jsonl").exists():
            shutil.rmtree(folder, ignore_errors=True)
        started = time.monotonic()
        assert process.wait(timeout=60) == 1
        assert time.monotonic() - started < 30
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    log = (place.folder / "log").read_text()
    told = [line for line in log.splitlines() if "was deleted or replaced while it ran" in line]
    assert len(told) == 1 and str(folder) in told[0] and "Traceback" not in log
    client = MlflowClient(place.store)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=1000)
    (parent,) = [run for run in runs if run.data.tags["orchestrator.kind"] == "sweep"]
    assert parent.info.status == "FAILED"
    assert "was deleted or replaced" in parent.data.tags["orchestrator.reason"]
    assert {run.info.status for run in runs} <= {"FAILED", "FINISHED", "KILLED"}
    assert client.search_registered_models() == []
    assert place.run("sweeps") == "there are no sweeps yet; start one with: orchestrator sweep DATA --target COLUMN\n"
