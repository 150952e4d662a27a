"""A sweep whose storage is deleted while it runs."""

import shutil
import threading
import time

from killed_sweeps import Place


def test_a_sweep_whose_storage_is_deleted_while_it_runs_stops_with_one_sentence(ray_cluster, tmp_path):
    from mlflow import MlflowClient

    place, deleted = Place(tmp_path), []
    (tmp_path / "slow").touch()

    def delete() -> None:
        deadline = time.monotonic() + 120
        while len(place.events()) < 8:
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        folder = place.sweep
        # a worker may write there at the same time
        while (folder / "journal.jsonl").exists():
            shutil.rmtree(folder, ignore_errors=True)
        deleted.append((folder, time.monotonic()))

    deleter = threading.Thread(target=delete, daemon=True)
    deleter.start()
    place.here(*place.patient_sweep(400, 50), code=1)
    ((folder, moment),) = deleted
    assert time.monotonic() - moment < 30
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
    assert place.here("sweeps") == "there are no sweeps yet; start one with: orchestrator sweep DATA --target COLUMN\n"
