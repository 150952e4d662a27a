"""Where the trials of a sweep are found: as the sweep itself is, in the store that it was tracked in."""

import dataclasses
import json
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from kept_sweeps import a_header, events_of, write_journal
from mlflow import MlflowClient
from support import empty_store

from orchestrator.cli import main
from orchestrator.errors import NoSuchSweepError, NoSuchTrialError, TrackingError
from orchestrator.journal import Opened
from orchestrator.journal.folder import read_header, sweeps_home, write_header
from orchestrator.sweeps.trial_table import TrialTable
from orchestrator.tasks import metric_named
from orchestrator.tracking import tags
from orchestrator.tracking.leaderboard import find_trial
from orchestrator.tracking.sweep_leaderboard import read_leaderboard
from orchestrator.training import TrialSpec


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A home, and two folders with a store each."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        empty_store(tmp_path / name)
    monkeypatch.chdir(tmp_path / "one")
    return tmp_path


def track(store, name, trials, sweep_id=None):
    """A sweep as MLflow has it; with an id, also as this machine knows it."""
    client = MlflowClient(store)
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    labels = {tags.KIND: tags.SWEEP_KIND, tags.SWEEP_NAME: name, tags.MAXIMIZE: "false"}
    run = client.create_run(experiment, tags=labels, start_time=int(time.time() * 1000)).info.run_id
    for index in range(trials):
        spec = json.dumps(TrialSpec(architecture="mlp").to_json())
        labels = {tags.PARENT: run, tags.TRIAL_INDEX: str(index), tags.SPEC: spec}
        client.create_run(experiment, tags=labels)
    if sweep_id is not None:
        header = a_header(
            id=sweep_id, name=name, run_id=run, tracking_uri=store, started=time.time(), status="finished"
        )
        write_header(sweeps_home().child(sweep_id), header)
    time.sleep(0.002)
    return run


def test_a_sweep_is_found_from_every_folder_in_the_store_of_its_own(place, monkeypatch):
    store = f"sqlite:///{place}/one/mlflow.db"
    run = track(store, "flowers", 2, "flowers-1")
    monkeypatch.chdir(place / "two")
    for selector in ("flowers", "flowers-1", run, run[:8], None):
        assert read_leaderboard(selector, None).run_id == run
    assert find_trial("flowers:1", None).index == 1
    shown = CliRunner().invoke(main, ["trials", "flowers"])
    assert shown.exit_code == 0, shown.output
    assert "2 trials by" in shown.output
    # the variable says where new runs go, not where this sweep is
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/two/mlflow.db")
    assert CliRunner().invoke(main, ["trials", "flowers"]).output == shown.output
    assert find_trial("flowers:1", f"sqlite:///{place}/two/mlflow.db").index == 1


def test_a_sweep_of_another_machine_is_found_in_mlflow(place):
    store = f"sqlite:///{place}/one/mlflow.db"
    run = track(store, "flowers", 1)
    assert read_leaderboard("flowers", store).run_id == run
    assert read_leaderboard(run[:7], store).run_id == run
    with pytest.raises(NoSuchSweepError, match=r"there is no sweep 'flower' in .*home/sweeps or in .*sweeps: flowers"):
        read_leaderboard("flower", store)


def test_a_failed_sweep_without_trials_does_not_hide_the_good_one(place):
    store = f"sqlite:///{place}/one/mlflow.db"
    good = track(store, "flowers", 1)
    track(store, "flowers", 0)
    assert read_leaderboard("flowers", store).run_id == good
    assert read_leaderboard(None, store).run_id == good


def test_a_store_that_has_lost_the_sweep_is_said_with_what_to_do(place):
    store = f"sqlite:///{place}/one/mlflow.db"
    track(store, "flowers", 1, "flowers-1")
    storage = sweeps_home().child("flowers-1")
    write_header(storage, dataclasses.replace(read_header(storage), run_id="0" * 32, name="roses"))
    with pytest.raises(TrackingError, match=r"has no run of the sweep flowers-1; .*orchestrator sync flowers-1"):
        read_leaderboard("roses", None)


def test_the_journal_is_the_leaderboard_and_mlflow_is_not_asked(place):
    track(f"sqlite:///{place}/one/mlflow.db", "flowers", 0, "flowers-1")
    write_journal(
        "flowers-1",
        Opened(0.0, 4),
        *events_of(0, 0.5, 0.4, 0.6, end="finished"),
        *events_of(1, end="failed"),
        *events_of(2, 0.3, end="paused"),
        *events_of(3, 0.9),
    )
    (place / "one" / "mlflow.db").unlink()
    board = read_leaderboard("flowers")
    assert [(row.trial, row.value, row.best_epoch, row.status, row.seconds) for row in board.trials] == [
        (2, 0.3, 1, "interrupted", 1.0),
        (0, 0.4, 2, "finished", 3.0),
        (3, 0.9, 1, "interrupted", 1.0),
        (1, None, None, "failed", 0.0),
    ]
    assert board.trials[1].parameters["width"] == 1
    assert (board.metric, board.status) == ("log_loss", "finished")
    shown = CliRunner().invoke(main, ["trials", "flowers"])
    assert "trial 1 failed: its loss is not a number" in shown.output


def test_of_two_sweeps_of_one_name_the_one_that_is_shown_is_named(place):
    for sweep_id in ("flowers-1", "flowers-2"):
        track(f"sqlite:///{place}/one/mlflow.db", "flowers", 0, sweep_id)
        write_journal(sweep_id, Opened(0.0, 1), *events_of(0, 0.5, end="finished"))
    assert CliRunner().invoke(main, ["trials", "flowers"]).output.startswith("sweep flowers-2 (")
    shown = json.loads(CliRunner().invoke(main, ["trials", "flowers-1", "--json"]).output)
    assert (shown["id"], shown["name"]) == ("flowers-1", "flowers")


def test_what_only_reads_imports_neither_torch_nor_ray_nor_mlflow(place):
    track(f"sqlite:///{place}/one/mlflow.db", "flowers", 0, "flowers-1")
    write_journal("flowers-1", Opened(0.0, 1), *events_of(0, 0.5, end="finished"))
    code = (
        "import sys\nfrom orchestrator.cli import main\n"
        "for command in (['spaces'], ['sweeps'], ['trials', 'flowers'], ['status'], ['--help']):\n"
        "    try:\n        main(command)\n    except SystemExit as end:\n        assert not end.code, end.code\n"
        "    heavy = {'torch', 'ray', 'mlflow', 'sklearn', 'optuna'} & set(sys.modules)\n"
        "    assert not heavy, (command, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("index", ["7", "²", "-1", "1.5", "99999999999999999999"])
def test_a_trial_that_a_sweep_has_not_got_is_named(place, index):
    store = f"sqlite:///{place}/one/mlflow.db"
    track(store, "adult", 2, "adult-20260101-000000-abcd")
    with pytest.raises(NoSuchTrialError, match=f"no trial '?(adult:)?{index}"):
        find_trial(f"adult:{index}", None)


def test_of_equal_trials_the_one_with_the_better_tie_value_is_first():
    table = TrialTable(metric_named("accuracy"))
    for index, tie in enumerate((None, 0.4, 0.3, 0.3)):
        drawn, begun, reported, ended = events_of(index, 0.9, end="finished")
        report = dataclasses.replace(reported.report, best_tie=tie)
        for event in (drawn, begun, dataclasses.replace(reported, report=report), ended):
            table.apply(event)
    assert [record.index for record in table.ranked()] == [2, 3, 1, 0]
    assert table.best is table.records[2]
