"""Commands that README and docs show, and that need no Ray and no endpoint, are called on a small sweep."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from documents import commands, page_blocks
from support import second_home

from orchestrator import AutoMLClassifier
from orchestrator.cli import main

CALLED = {
    "card",
    "compare",
    "completion",
    "explain",
    "export",
    "init",
    "inspect",
    "predict",
    "report",
    "show",
    "spaces",
    "sweeps",
    "sync",
    "trials",
}
# on pages whose commands are typed elsewhere, of several sweeps, about other machines, or for Ray's processes
LEFT_OUT = (
    "quickstart",
    "compare one two three",
    *(f"export {kind}" for kind in ("compose", "kuberay", "serve-config", "slurm", "systemd")),
    "batch.md",
    "days/",
)
# the sweep of the test has few trials and one version
OTHERWISE = {
    "adult:12": "adult:1",
    "models:/adult/3": "models:/adult/1",
    "models:/churn@champion": "models:/adult@champion",
}


def adult_like(rows):
    """A table of numbers, categories and missing values."""
    random = np.random.default_rng(0)
    hours, education = random.integers(10, 80, rows), random.integers(1, 17, rows)
    chance = 1 / (1 + np.exp(-(0.4 * education + 0.05 * hours - 7)))
    return pd.DataFrame(
        {
            "age": random.integers(17, 90, rows),
            "workclass": random.choice(["Private", "State-gov", None], rows),
            "education_num": education,
            "hours_per_week": hours,
            "income": np.where(random.random(rows) < chance, ">50K", "<=50K"),
        }
    )


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """The id of the first of two sweeps `adult` of this process; with the files that pages speak of."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(second_home(tmp_path)))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    frame = adult_like(600)
    rows = frame.drop(columns="income")
    for trials in (1, 4):
        AutoMLClassifier(
            trials=trials,
            epochs=2,
            architecture="mlp",
            ensemble="none",
            random_state=0,
            name="adult",
            storage=str(tmp_path / "home" / "sweeps"),
            tracking_uri="sqlite:///mlflow.db",
            register_model=True,
        ).fit(rows, frame["income"])
    frame.to_csv("adult.csv", index=False)
    rows.head(10).to_csv("new_rows.csv", index=False)
    rows.tail(50).to_csv("region.csv", index=False)
    numbered = pd.Series([f"{place:04}-A" for place in range(len(frame))], name="customerID")
    pd.concat([numbered, frame.rename(columns={"income": "Churn"})], axis=1).to_csv("churn.csv", index=False)
    pd.concat([numbered, rows], axis=1).head(10).to_csv("march.csv", index=False)
    return min(entry.name for entry in (tmp_path / "home" / "sweeps").iterdir() if entry.is_dir())


def test_commands_that_are_shown_can_be_called(sweep, tmp_path):
    called, wrong = [], []
    for block in page_blocks():
        for _, *shown in commands(block.text):
            if shown[0] not in CALLED or any(part in f"{block.place} {' '.join(shown)}" for part in LEFT_OUT):
                continue
            words = [OTHERWISE.get(word, sweep if word.startswith("adult-2026") else word) for word in shown]
            if words[0] == "report" and words[1:2] == ["churn"]:
                words[1] = "adult"
            if words in called:
                continue
            for name in ("columns.yaml", "sweep.yaml"):
                (tmp_path / name).unlink(missing_ok=True)
            called.append(words)
            result = CliRunner().invoke(main, words)
            if result.exit_code != 0:
                wrong.append(f"{block.place}: {' '.join(words)}: {result.output}")
    assert not wrong, "\n".join(wrong)
    assert len(called) > 30
    assert len(pd.read_csv("march_answers.csv")) == 10
    assert (tmp_path / "adult.html").stat().st_size > 1_000_000
