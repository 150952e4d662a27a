"""What a sweep returns: data frames, a report, explanations, a bundle. The sweep runs in this process."""

import json

import numpy as np
import pytest
from support import mixed_frame

from orchestrator import ModelBundle
from orchestrator.cli.sweep import to_json
from orchestrator.config import SweepConfig
from orchestrator.data import load_table
from orchestrator.journal.folder import find_sweep
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.in_process import run_in_process
from orchestrator.runtime.reporting import report_ended
from orchestrator.runtime.sweeps import new_origin
from orchestrator.runtime.untracked import Untracked, open_untracked


@pytest.fixture
def frame():
    return mixed_frame(120)


@pytest.fixture
def result(tmp_path, monkeypatch, frame):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    # a unit of money for each second of a core
    options = {
        "cost_per_cpu_hour": 3600,
        "resources": {"cpus_per_worker": 2},
        "trials": 3,
        "epochs": 3,
        "architecture": "mlp",
        "ensemble": "none",
        "register_model": False,
    }
    config = SweepConfig.create(data="data frame", target="label", scheduler="asha", **options)
    return run_in_process(new_origin(config, load_table(frame)), Hooks(), open_untracked)


@pytest.mark.filterwarnings("ignore")
def test_a_result_is_frames_a_report_and_a_model_that_explains_itself(result, frame, tmp_path):
    board = result.leaderboard
    assert sorted(board.index) == [record.index for record in result.trials] == [0, 1, 2]
    assert board.index[0] == result.best.index
    assert board["value"].iloc[0] == result.best.value == result.validation
    assert list(board["status"]) == [result.trials[index].status for index in board.index]
    curves = result.learning_curves
    assert len(curves) == board["epochs"].sum() == sum(record.epochs for record in result.trials)

    seconds = sum(record.seconds for record in result.trials)
    assert result.spent.cpu_hours == pytest.approx(2 * seconds / 3600)
    assert result.spent.cost == pytest.approx(2 * seconds)
    assert to_json(result)["spent"]["cost"] == pytest.approx(2 * seconds, abs=1e-5)

    page = result.report()
    page.save(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["sweep"] == result.id
    assert f"Trials have held {result.spent}." in (tmp_path / "report.json").read_text()
    shown = page._repr_html_()
    assert shown.startswith("<iframe ")
    # the page is the frame's attribute, which no quote in it ends
    assert shown.count('"') == 8

    rows = frame.drop(columns="label").head(2)
    explained = result.explain(rows)
    assert set(explained.rows.columns) <= set(rows.columns)
    result.bundle.save(str(tmp_path / "model"))
    again = ModelBundle.load(tmp_path / "model").predict(rows)
    np.testing.assert_allclose(again["probability_low"], result.bundle.predict(rows)["probability_low"], atol=1e-6)
    assert result.trials[0].status in {"finished", "stopped"}
    assert not result.interrupted


@pytest.mark.filterwarnings("ignore")
def test_pictures_are_not_drawn_when_the_time_is_over(result):
    found, said, logged = find_sweep(result.id), [], []

    class Tracker(Untracked):
        def log_report(self, content, pictures):
            logged.append(sorted(pictures))

    for late in (False, True):
        tracker = Tracker()
        report_ended(found.storage, found.header, "finished", tracker=tracker, notify=said.append, late=late)
    assert "learning-curves.png" in logged[0]
    assert logged[1] == []
    (sentence,) = said
    assert sentence.endswith(f"to draw them: orchestrator sync {result.id}")
