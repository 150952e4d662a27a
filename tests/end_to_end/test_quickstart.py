"""What docs/quickstart.md tells a user to type, typed in a shell block by block: from a file to answers over HTTP."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from documents import ROOT, blocks
from support import free_port

PAGE = ROOT / "docs" / "quickstart.md"
# two minutes of search are too long for a test, and the port may be taken
SWEEP = "orchestrator sweep tumors.csv --target target --time-budget 2m"
SHORT = SWEEP.replace(
    "--time-budget 2m", "--trials 2 --epochs 4 --folds 2 --architecture mlp --scheduler none --json-lines"
)
PORT = "8000"


class Shell:
    """A shell in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.port = folder, str(free_port())
        self.environment = {**os.environ, "ORCHESTRATOR_HOME": str(folder / "home")}
        self.environment.pop("MLFLOW_TRACKING_URI", None)
        # a Ray starts a process of torch's for each
        self.environment["RAY_OVERRIDE_RESOURCES"] = json.dumps({"CPU": 1})
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def typed(self, text):
        script = text.replace(SWEEP, SHORT).replace(PORT, self.port)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done.stdout


def test_the_quickstart_can_be_typed(tmp_path):
    shell, said = Shell(tmp_path), {}
    texts = [
        block.text
        for block in blocks(PAGE.read_text(encoding="utf-8"), PAGE.name)
        if block.language == "bash" and not block.not_run
    ]
    assert SWEEP in texts
    try:
        for text in texts:
            if text.startswith("orchestrator undeploy"):
                check_endpoint(shell, answers_of(said))
            said[text] = shell.typed(text)
    finally:
        shell.typed("orchestrator undeploy tumors || true")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{shell.url}/healthz")
    check_sweep(said[SWEEP])
    for words in ("mean_radius", "models:/tumors@champion", "label", '"predictions"'):
        assert words in "\n".join(said.values()), words
    assert (tmp_path / "report.html").stat().st_size > 1_000_000


def check_sweep(output):
    told = [json.loads(line) for line in output.splitlines()]
    rare = [event["event"] for event in told if event["event"] not in ("trial", "epoch", "note")]
    assert rare == ["open", "close", "result"]
    finished = [event["trial"] for event in told if event.get("status") == "finished" and event["event"] == "trial"]
    assert sorted(finished) == [0, 1]
    result = told[-1]["result"]
    assert sum(event["event"] == "epoch" for event in told) == sum(trial["epochs"] for trial in result["trials"]) > 0
    assert result["test"]["roc_auc"] > 0.9
    assert result["model"]["uri"] == "models:/tumors@champion"


def answers_of(said):
    """What `predict` has printed: it comes before what `explain` says."""
    (printed,) = [output for text, output in said.items() if "orchestrator predict" in text]
    answers = pd.read_csv(io.StringIO("\n".join(printed.splitlines()[:4])))
    assert len(answers) == 3
    return answers


def check_endpoint(shell, answers):
    """It answers what `predict` has answered."""
    frame = pd.read_csv(shell.folder / "new.csv")
    rows = json.loads(frame.to_json(orient="records"))
    predictions = httpx.post(f"{shell.url}/predict", json=rows, timeout=30).json()["predictions"]
    split = {"dataframe_split": json.loads(frame.to_json(orient="split"))}
    scored = httpx.post(f"{shell.url}/invocations", json=split, timeout=30).json()["predictions"]
    for column in [name for name in answers if name.startswith("probability_")]:
        label = column.removeprefix("probability_")
        wanted = answers[column].to_numpy()
        assert np.allclose([answer["probabilities"][label] for answer in predictions], wanted, atol=1e-5)
        assert np.allclose([row[column] for row in scored], wanted, atol=1e-5)
