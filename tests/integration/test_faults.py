"""Processes, tracking stores and disks that fail under a sweep: nothing is lost, and nothing is there twice."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from killed_sweeps import Place
from support import TrackingServer, small_space

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError, StoppedError
from orchestrator.journal.folder import find_sweep
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweeps import run_sweep
from orchestrator.sweeps.finalize import Outcome
from orchestrator.training import train_trial

pytestmark = pytest.mark.usefixtures("ray_cluster")
FINAL = {"finished", "stopped", "failed"}


def slow_training(log, *, dies_after=None, rank=0, seconds=0.4):
    """`train_trial` that writes down each epoch and its process, and kills its own process once."""

    def train(spec, dataset, *, ranks, **more):
        for report in train_trial(spec, dataset, ranks=ranks, **more):
            if ranks.rank == 0:
                with log.open("a") as file:
                    file.write(f"{report.epoch} {os.getpid()}\n")
            time.sleep(seconds)
            yield report
            if report.epoch == dies_after and ranks.rank == rank:
                try:
                    os.close(os.open(f"{log}.died", os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    continue
                os.kill(os.getpid(), signal.SIGKILL)

    return train


def logged(log):
    """Epochs and processes that `slow_training` has written down."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def reached(log, epoch):
    return any(found >= epoch for found, _ in logged(log))


def sweep(store, train=None, notify=None, **options):
    values = {"data": "sklearn:iris", "space": "quick", "scheduler": "none", "tracking_uri": store, "trials": 1}
    config = SweepConfig.create(**{**values, **options})
    return run_sweep(config, None, Hooks(notify=notify or (lambda _sentence: None), train=train))


def check_accounts(store, result):
    """Every trial that was started has ended once, in our table and in MLflow alike."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    statuses = [trial.status for trial in result.trials]
    assert set(statuses) <= FINAL
    experiment = client.get_run(result.run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{result.run_id}'", max_results=1000)
    stored = {int(run.data.tags["orchestrator.trial"]): run for run in runs}
    assert len(runs) == len(stored) == len(result.trials)
    for trial in result.trials:
        run = stored[trial.index]
        assert run.data.tags["orchestrator.status"] == trial.status
        assert run.info.status == ("FAILED" if trial.status == "failed" else "FINISHED")
        assert run.data.tags.get("orchestrator.reason", "") == trial.reason
        if trial.epochs:
            steps = [point.step for point in client.get_metric_history(stored[trial.index].info.run_id, "train_loss")]
            assert steps == list(range(1, trial.epochs + 1))


def test_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(store, tmp_path):
    log, said = tmp_path / "epochs", []
    train = slow_training(log, dies_after=5)
    (tmp_path / "space.yaml").write_text(small_space("modern_nca"))
    options = {"space": str(tmp_path / "space.yaml"), "folds": 2, "name": "killed", "register_model": False}
    result = sweep(store, train, said.append, epochs=8, **options)
    assert Path(f"{log}.died").exists()
    (trial,) = result.trials
    assert (trial.status, trial.epochs, trial.attempts, trial.losses) == ("finished", 8, 2, 1)
    epochs = [epoch for epoch, _ in logged(log)]
    again = epochs[epochs.index(5) + 1 :]
    assert again[0] > 2, "not from zero"
    assert again[-1] == 8
    assert any("trial 0 goes on from its last checkpoint" in sentence for sentence in said)
    check_accounts(store, result)
    undisturbed = orchestrator.reproduce("killed:0", tracking_uri=store, register_model=False)
    assert (undisturbed.difference, undisturbed.reasons, undisturbed.epochs) == (None, (), 8)


def test_a_gang_outlives_the_process_that_speaks_for_its_trial_and_a_trial_outlives_its_gang(store, tmp_path):
    log, said = tmp_path / "epochs", []

    def kill_speaker():
        wait_for(lambda: reached(log, 3))
        for process in psutil.Process().children(recursive=True):
            # what Tune calls a trial that asks for resources
            if any("ResourceTrainable" in word for word in process.cmdline()):
                process.kill()

    killer = threading.Thread(target=kill_speaker)
    killer.start()
    train = slow_training(log, dies_after=7, rank=1)
    (tmp_path / "space.yaml").write_text(small_space("tabm_mini"))
    options = {"epochs": 10, "name": "speaker", "register_model": False, "resources": {"workers_per_trial": 2}}
    options |= {"space": str(tmp_path / "space.yaml"), "folds": 2}
    result = sweep(store, train, said.append, **options)
    killer.join()
    assert Path(f"{log}.died").exists()
    (trial,) = result.trials
    assert (trial.status, trial.epochs, trial.attempts, trial.losses) == ("finished", 10, 3, 2)
    found = logged(log)
    after = [epoch for epoch, _ in found].index(7) + 1
    assert len({process for _, process in found[:after]}) == 1, "the gang has stayed"
    assert found[after][1] != found[0][1], "a new gang"
    assert found[after][0] > 3, "not from zero"
    assert [epoch for epoch, _ in found].count(1) == 1
    assert sum("trial 0 goes on from its last checkpoint" in sentence for sentence in said) == 2
    check_accounts(store, result)
    alone = orchestrator.reproduce("speaker:0", tracking_uri=store, register_model=False).result.report
    assert trial.report.validation == pytest.approx(alone.validation, rel=1e-5)
    assert trial.report.train_loss == pytest.approx(alone.train_loss, rel=1e-5)


NETWORK = """
import os, resource, sys, time, torch
class Moody(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.mood = settings['mood']
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)
        self.hoard = []
    def forward(self, numeric, categorical):
        if self.training and self.mood == 'raises':
            raise ValueError('not today')
        if self.training and self.mood == 'exits':
            sys.exit(3)
        if self.training and self.mood == 'dies':
            os._exit(3)
        if self.training and self.mood == 'hangs':
            while True:
                time.sleep(60)
        if self.training and self.mood == 'leaks':
            before = resource.getrlimit(resource.RLIMIT_AS)
            pages = int(open('/proc/self/statm').read().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**28, before[1]))
            try:
                while True:
                    self.hoard.append(torch.ones(2**24))
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)
        scale = float('nan') if self.training and self.mood == 'diverges' else 1.0
        return scale * self.layer(numeric)
"""
MOODS = {
    "raises": r"ValueError: not today",
    "diverges": r"the training loss became not a number in epoch 1",
    "exits": r"the training code called sys\.exit\(3\)",
    "leaks": r".*allocate memory.*",
    "dies": r".*process of the trial was lost \(it is gone without a word, as after signal 9.* \(tried 2 times\)",
    "hangs": r"epoch 1 took longer than 15 s \(--epoch-timeout\) \(tried 2 times\)",
    "fine": "",
    "fine too": "",
}


def test_a_network_that_raises_diverges_exits_dies_hangs_or_leaks_fails_with_a_reason_and_the_sweep_goes_on(
    store, tmp_path, monkeypatch
):
    (tmp_path / "unruly.py").write_text(NETWORK)
    space = tmp_path / "space.yaml"
    space.write_text(
        "epochs: 2\nparameters: {batch_size: 32}\narchitectures:\n  unruly:Moody:\n"
        f"    mood: {{type: categorical, choices: {list(MOODS)}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    options = {"algorithm": "grid", "epoch_timeout": "15s", "max_failures": 1, "trials": None}
    result = sweep(store, name="unruly", space=str(space), **options)
    # the grid has each of them once
    assert sorted(trial.spec.settings["mood"] for trial in result.trials) == sorted(MOODS)
    for trial in result.trials:
        mood = trial.spec.settings["mood"]
        assert trial.status == ("finished" if "fine" in mood else "failed"), trial.reason
        assert re.fullmatch(MOODS[mood], trial.reason, re.DOTALL), trial.reason
        assert trial.attempts == (2 if mood in ("dies", "hangs") else 1)
    assert "fine" in result.best.spec.settings["mood"]
    check_accounts(store, result)
    # the bundle needs the class no more
    assert len(result.bundle.predict(orchestrator.load_table("sklearn:iris").frame)) == 150


HOARDER = """
import torch
class Net(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.hoards = settings['hoards']
        self.hoard = []
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)
    def forward(self, numeric, categorical):
        if self.training and self.hoards:
            self.hoard.append(torch.ones(2**28))
        return self.layer(numeric)
"""


def test_a_trial_that_ray_kills_for_its_memory_fails_and_the_sweep_goes_on(tmp_path):
    place = Place(tmp_path)
    (tmp_path / "hoarder.py").write_text(HOARDER)
    (tmp_path / "space.yaml").write_text(
        "epochs: 3\nparameters: {batch_size: 4}\narchitectures:\n  hoarder:Net:\n"
        "    hoards: {type: categorical, choices: [true, false]}\n"
    )
    memory = psutil.virtual_memory()
    share = (memory.total - memory.available + 6 * 2**30) / memory.total
    if share > 0.9:
        pytest.skip("there is too little memory to waste some")
    place.environment |= {"RAY_memory_usage_threshold": f"{share:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    options = ["--space", "space.yaml", "--algorithm", "grid", "--scheduler", "none", "--max-failures", "0"]
    result = json.loads(place.run("sweep", "sklearn:iris", *options, "--no-register", "--json"))
    hoarding, modest = result["trials"]
    assert hoarding["status"] == "failed"
    assert "Ray ended it because its machine ran out of memory" in hoarding["reason"]
    assert modest["status"] == "finished"
    place.check_mlflow()


def test_a_sweep_of_which_too_many_trials_fail_gives_up_and_says_why(store):
    def failing(spec, dataset, **_):
        raise RuntimeError(f"bad luck with {spec.architecture}")
        yield

    with pytest.raises(
        ExecutionError, match=r"of 1\d trials have failed, so the sweep has given up: 1\d x RuntimeError: bad"
    ):
        sweep(store, failing, trials=100, name="hopeless", concurrency=1)


@pytest.fixture(scope="module")
def tracking_server(tmp_path_factory):
    found = TrackingServer(tmp_path_factory.mktemp("server"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def server(tracking_server, monkeypatch):
    """It answers, whatever a test before has done to it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    if tracking_server.process.poll() is not None:
        tracking_server.start()
    return tracking_server


def test_a_tracking_server_that_is_away_for_a_while_gets_everything_afterwards(server, tmp_path):
    log = tmp_path / "epochs"

    def interrupt():
        while not log.exists():
            time.sleep(0.1)
        server.stop()
        time.sleep(4)
        server.start()

    thread = threading.Thread(target=interrupt)
    thread.start()
    result = sweep(server.uri, slow_training(log, seconds=0.2), trials=2, epochs=10, name="away", concurrency=1)
    thread.join()
    assert result.unsent is None
    assert result.registration.champion
    check_accounts(server.uri, result)


def test_a_tracking_server_that_stays_away_gets_everything_by_sync(server, tmp_path):
    log = tmp_path / "epochs"
    stopper = threading.Thread(target=lambda: (wait_for(log.exists), server.stop()))
    stopper.start()
    options = {"trials": 3, "epochs": 4, "name": "gone", "tracking_timeout": "3s", "concurrency": 1}
    result = sweep(server.uri, slow_training(log, seconds=0.1), **options)
    stopper.join()
    assert result.unsent
    assert result.registration is None
    kept = find_sweep(result.id).storage
    assert Outcome.read(kept).waits
    assert {trial.status for trial in result.trials} == {"finished"}
    with pytest.raises(orchestrator.OrchestratorError, match="no server answers there"):
        orchestrator.sync(result.id)
    server.start()
    for registered in (True, False):
        sent = orchestrator.sync(result.id)
        assert sent.trials == 3
        assert (sent.registration is not None) == registered
        check_accounts(server.uri, result)
        assert not Outcome.read(kept).waits
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    assert client.get_model_version_by_alias("gone", "champion").version == "1"
    parent = client.get_run(result.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test_log_loss"] == result.test["log_loss"]


def wait_for(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_costs_checkpoints_but_no_trial(store, small_disk, tmp_path):
    log, said = tmp_path / "epochs", []
    filler = small_disk / "filler"

    def fill():
        wait_for(lambda: reached(log, 2))
        with filler.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                while True:
                    try:
                        file.write(b"0" * size)
                    except OSError:
                        break
        wait_for(lambda: reached(log, 7))
        filler.unlink()

    thread = threading.Thread(target=fill)
    thread.start()
    result = sweep(
        store, slow_training(log), said.append, epochs=10, name="full", storage=small_disk, trials=1, patience=0
    )
    thread.join()
    (trial,) = result.trials
    assert (trial.status, trial.epochs) == ("finished", 10)
    assert any("No space left on device" in sentence for sentence in said)
    assert result.best.best_is_kept
    check_accounts(store, result)
    # what could not be written down at that time was written later
    events = [json.loads(line) for line in next(small_disk.glob("*/journal.jsonl")).read_text().splitlines()]
    assert [event["report"]["epoch"] for event in events if event["event"] == "reported"] == list(range(1, 11))


def test_the_disk_budget_holds_while_trials_run_pause_and_end(store, tmp_path):
    budget, most = 400_000, 0
    over = threading.Event()

    def watch():
        nonlocal most
        while not over.wait(0.01):
            sizes = 0
            for folder, folders, names in os.walk(tmp_path / "kept"):
                # these come on top, also under the names that they have while they are written
                folders[:] = [name for name in folders if not name.lstrip(".").startswith("model")]
                on_top = ("report.", "test-answers.", "winner.")
                for name in (name for name in names if not name.lstrip(".").startswith(on_top)):
                    # it may be gone by now
                    with contextlib.suppress(OSError):
                        sizes += (Path(folder) / name).stat().st_size
            most = max(most, sizes)

    thread = threading.Thread(target=watch)
    thread.start()
    result = sweep(
        store,
        scheduler="asha-promote",
        trials=12,
        epochs=12,
        name="budget",
        data="sklearn:digits",
        storage=tmp_path / "kept",
        disk_budget=budget,
    )
    over.set()
    thread.join()
    assert 0 < most <= budget
    reasons = " ".join(trial.reason for trial in result.trials)
    assert "by the disk budget" in reasons
    assert result.best.best_is_kept
    check_accounts(store, result)
    left = sorted(path.parent.name for path in tmp_path.glob("kept/*/trials/*/*"))
    # each once, without checkpoints; those of an ensemble are small beside the budget
    assert f"{result.best.index:05d}" in left
    assert len(left) == len(set(left)) == len(list(tmp_path.glob("kept/*/trials/*/best-*")))


def test_a_sweep_that_is_stopped_before_its_first_epoch_says_how_to_go_on(store):
    driver = os.getpid()

    def interrupting(spec, dataset, **_):
        os.kill(driver, signal.SIGINT)
        time.sleep(60)
        yield

    with pytest.raises(StoppedError, match="go on with: orchestrator resume early-"):
        sweep(store, interrupting, name="early", time_budget="1s", trials=None, concurrency=1)
    header = find_sweep("early").header
    assert header.status == "interrupted"
    from mlflow import MlflowClient

    assert MlflowClient(store).get_run(header.run_id).info.status == "KILLED"
    # its time budget has not been spent by a worker that was slow to start
    resumed = orchestrator.resume("early", time_budget="1s", concurrency=1)
    assert resumed.best.report is not None
