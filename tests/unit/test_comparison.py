"""A trial by itself, sweeps beside each other, a sweep as a study of Optuna's, and which of its settings decide."""

import json
import re
from dataclasses import replace

import optuna
import pytest
from click.testing import CliRunner
from kept_sweeps import a_header, events_of, write_journal

from orchestrator.analysis import parallel_coordinates, parameter_importances, read_history, slices
from orchestrator.cli import main
from orchestrator.journal import Closed, Continued, Ended, Opened, Reported, SweepStatus
from orchestrator.journal.folder import sweeps_home, write_header
from orchestrator.sweeps.finalize import Outcome
from orchestrator.training import TrialSpec

SPACE = {
    "parameters": {"learning_rate": {"type": "float", "low": 0.001, "high": 1.0, "log": True}},
    "architectures": {
        "mlp": {"width": {"type": "int", "low": 1, "high": 64}},
        "resnet": {"width": {"type": "categorical", "choices": [8, 16]}},
    },
}


def point_of(index):
    architecture = "resnet" if index % 4 == 3 else "mlp"
    rate, width = 0.01 * (index + 1), 16 if architecture == "resnet" else 1 + index
    point = {"architecture": architecture, "learning_rate": rate, f"{architecture}.width": width}
    return point, TrialSpec(architecture=architecture, settings={"width": width}, learning_rate=rate)


def keep(sweep_id, *events, **header):
    usual = {"name": sweep_id.partition("-")[0], "status": "finished", "maximize": False, "space": SPACE}
    write_header(sweeps_home().child(sweep_id), a_header(id=sweep_id, **{**usual, **header}))
    write_journal(sweep_id, Opened(0.0, None), *events)


def searched(count, *, end="finished"):
    """Trials whose value is their learning rate."""
    for index in range(count):
        point, spec = point_of(index)
        yield from events_of(
            index, 2.0, point["learning_rate"], end=end, spec=spec, point=point, metrics={"accuracy": 0.5}
        )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def outcome_of(storage, **given):
    usual = {
        "status": "finished",
        "best": 0,
        "epoch": 2,
        "metric": "log_loss",
        "maximize": False,
        "validation": 0.01,
        "test": {"log_loss": 0.02},
        "trials": {},
        "digest": "d",
        "register": True,
        "at": 1.0,
        "model": "models:/a/1",
        "champion": "yes: it is the first champion",
    }
    Outcome(**{**usual, **given}).save(storage)


# ---- one trial


def test_a_trial_is_shown_with_its_curve_and_the_command_that_trains_it_again(home):
    keep("a-1", *searched(5), run_id="r" * 32, config={"data": "x.csv", "folds": "3"})
    outcome_of(sweeps_home().child("a-1"), best=1)
    sweeps_home().child("a-1").write("trials/00001/best-000002.safetensors", b"1234")
    shown = run("show", "a:1").stdout
    assert shown.startswith("trial 1 of a-1: finished\nlog_loss 0.02 (epoch 2 of 2, 30 at most): number 2 of 5\n")
    assert "training loss 1, accuracy 0.5" in shown
    assert "3 folds" in shown
    assert "its network is the model of the sweep" in shown
    assert [
        line.split() for line in shown.splitlines() if line.strip().startswith(("learning_rate", "momentum", "width"))
    ] == [
        ["learning_rate", "0.02", "searched"],
        ["momentum", "0.9"],
        ["width", "2", "searched"],
    ]
    assert "log_loss after each epoch" in shown
    assert "00001/best-000002.safetensors (0.1 MB)" in shown
    assert shown.endswith("train it again: orchestrator train --from-trial a-1:1\n")
    told = json.loads(run("show", "1", "--json").stdout)
    assert (told["command"], told["rank"], told["won"]) == ("orchestrator train --from-trial a-1:1", 2, True)
    assert [entry["validation_log_loss"] for entry in told["curve"]] == [2.0, 0.02]


def test_a_trial_that_cannot_run_alone_says_why(home):
    keep("a-1", *events_of(0, 0.5, end="finished"), *events_of(1, 0.4), Continued(300.0, 1, 0, None), run_id="r")
    assert "it took over the weights of another trial" in run("show", "a:1").stdout
    assert "number 1 of 2" in run("show", "a:1").stdout
    keep("b-1", *events_of(0, end="failed"))
    shown = run("show", "b:0").stdout
    assert shown.startswith("trial 0 of b-1: failed (its loss is not a number)\nno epoch is over\n")
    assert "send it with: orchestrator sync b-1" in shown
    keep("c-1", *events_of(0, 0.5), config={"data": "dataframe"}, run_id="r")
    for selector, sentence in [
        ("a:7", "the sweep a-1 has no trial 7 (it has 0, 1); `orchestrator trials a-1` lists them"),
        ("a:x", "'a:x' names no trial; give SWEEP:INDEX"),
        ("z:1", "there is no sweep 'z'"),
    ]:
        found = run("show", selector)
        assert (found.exit_code, found.stdout) == (2, "")
        assert sentence in found.stderr


# ---- sweeps beside each other


def test_sweeps_are_compared_by_settings_values_and_at_equal_times(home):
    keep("a-1", *searched(3), config={"data": "x.csv", "trials": 3})
    keep("b-1", *searched(5), config={"data": "x.csv", "trials": 5, "resources": {"cpus_per_worker": 2}}, digest="e")
    outcome_of(sweeps_home().child("a-1"))
    found = json.loads(run("compare", "a", "b", "--json").stdout)
    assert found["differing"] == {"trials": [3, 5], "cpus_per_worker": [1, 2]}
    assert [sweep["best"] for sweep in found["sweeps"]] == [0.01, 0.01]
    assert found["sweeps"][0]["model"] == "models:/a/1"
    # a ran 202 s, b 402 s; at each time both have what their trials had by then
    assert [(step["seconds"], step["best"]) for step in found["progress"]] == [
        (20.2, [0.01, 0.01]),
        (50.5, [0.01, 0.01]),
        (101.0, [0.01, 0.01]),
        (202.0, [0.01, 0.01]),
        (402.0, [0.01, 0.01]),
    ]
    assert "is not the same" in found["notes"][0]
    shown = run("compare", "a", "b").stdout
    assert "cpus_per_worker" in shown
    assert [sweep["search_seconds"] for sweep in found["sweeps"]] == [202.0, 402.0]
    assert all(sweep["seconds"] > sweep["search_seconds"] for sweep in found["sweeps"])
    times = [line.split()[0] for line in shown.splitlines() if line.strip().startswith(("search ", "in all "))]
    assert times == ["search", "in"]
    assert "test log_loss" in shown
    assert "after 3 min 22 s" in shown and "after 6 min 42 s" in shown
    by_accuracy = json.loads(run("compare", "a", "b", "--metric", "accuracy", "--json").stdout)
    assert [sweep["best"] for sweep in by_accuracy["sweeps"]] == [0.5, 0.5]


def test_times_of_short_sweeps_are_told_apart_and_begin_with_a_value(home):
    for name, seconds in (("a-1", 100.4), ("b-1", 100.9)):
        begun = [event for event in events_of(0, 0.5) if not isinstance(event, Reported)]
        report = next(event for event in events_of(0, 0.5) if isinstance(event, Reported))
        write_header(sweeps_home().child(name), a_header(id=name, name=name[0], status="finished", maximize=False))
        ended = Ended(seconds, 0, "finished", "")
        write_journal(name, Opened(99.9, None), *begun, replace(report, at=seconds - 0.2), ended)
    shown = run("compare", "a", "b").stdout
    assert re.findall(r"after (\S+ s)", shown) == ["0.2 s", "0.4 s", "0.9 s"]


def test_what_cannot_be_compared_is_said(home):
    keep("a-1", *searched(1))
    keep("b-1", *searched(1), metric="rmse")
    for arguments, sentence in [
        (["a", "b"], "the sweeps optimise different metrics (log_loss, rmse); say by which with --metric: accuracy"),
        (
            ["a", "b", "--metric", "acuracy"],
            "have not measured it (all have accuracy, log_loss); did you mean accuracy?",
        ),
        (["a"], "give two sweeps or more"),
        (["a", "a-1"], "'a-1' is a-1 once more"),
    ]:
        found = run("compare", *arguments)
        assert (found.exit_code, found.stdout) == (2, ""), found.output
        assert sentence in found.stderr


# ---- Optuna


def test_a_study_has_what_the_sweep_had(home):
    late = [Ended(900.0, 4, "stopped", "by the time budget after epoch 2")]
    events = [*searched(4), *[event for event in searched(5, end="stopped") if event.index == 4][:-1], *late]
    keep(
        "a-1",
        *events,
        *events_of(5, end="failed"),
        *events_of(6, 0.4, end="stopped"),
        Closed(999.0, SweepStatus.FINISHED, ""),
    )
    done = run("export", "optuna", "a", "-o", "study.db")
    assert done.exit_code == 0, done.output
    study = optuna.load_study(study_name="a-1", storage="sqlite:///study.db")
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert (study.best_trial.number, study.best_value) == (0, 0.01)
    assert study.user_attrs["best_trial"] == 0
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 5 + ["FAIL", "PRUNED"]
    third = study.trials[3]
    assert third.params == {"architecture": "resnet", "learning_rate": 0.04, "resnet.width": 16}
    assert third.distributions["learning_rate"] == optuna.distributions.FloatDistribution(0.001, 1.0, log=True)
    assert third.intermediate_values == {1: 2.0, 2: 0.04}
    assert third.user_attrs["metrics.accuracy"] == 0.5
    assert third.duration.total_seconds() == 2
    refused = run("export", "optuna", "a", "-o", "study.db")
    assert (refused.exit_code, "exists" in refused.stderr) == (2, True)


def test_the_setting_that_decides_is_the_important_one(home):
    keep("a-1", *searched(24))
    history = read_history("a")
    found = parameter_importances(history)
    assert set(found) == {"architecture", "learning_rate", "mlp.width", "resnet.width"}
    assert sum(found.values()) == pytest.approx(1)
    assert found["learning_rate"] > found["architecture"]
    wide = parallel_coordinates(history)
    assert list(wide.columns) == ["value", "architecture", "learning_rate", "width"]
    assert wide.index[0] == 0
    long = slices(history)
    assert len(long) == 3 * 24
    assert set(long["setting"]) == {"architecture", "learning_rate", "width"}
    keep("b-1", *searched(4))
    assert parameter_importances(read_history("b")) == {}
