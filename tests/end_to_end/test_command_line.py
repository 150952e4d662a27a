"""The commands as a user types them, in processes of their own: sweep, trials, predict, deploy, HTTP, undeploy."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from support import free_port

ROOT = Path(__file__).parents[2]
ADULT = ROOT.parent / "shared" / "data" / "adult.csv"


@pytest.fixture
def place(tmp_path):
    """A folder to work in, with a state folder of its own; what was deployed from it is stopped at the end."""
    environment = {**os.environ, "ORCHESTRATOR_HOME": str(tmp_path / "home")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    work = tmp_path / "work"
    work.mkdir()
    yield work, environment
    listed = run((work, environment), "status", "--json")
    for deployment in json.loads(listed.stdout):
        run((work, environment), "undeploy", deployment["name"])


def run(place, *arguments, check=True):
    folder, environment = place
    command = [sys.executable, "-m", "orchestrator", *(str(argument) for argument in arguments)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def adult_like(rows=2000):
    """The first rows of adult where it is at hand, else rows of the same make."""
    if ADULT.exists():
        return pd.read_csv(ADULT, nrows=rows)
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


def test_from_a_csv_file_over_an_ensemble_of_folds_to_answers_over_http(place):
    folder, _ = place
    frame = adult_like()
    frame.to_csv(folder / "adult.csv", index=False)
    amount = ["--trials", 4, "--epochs", 4, "--folds", 2, "--scheduler", "none", "--architecture", "mlp"]
    swept = run(place, "sweep", "adult.csv", "--target", "income", *amount, "--json-lines")
    told = [json.loads(line) for line in swept.stdout.splitlines()]
    rare = [event["event"] for event in told if event["event"] not in ("trial", "epoch", "note")]
    assert rare == ["open", "close", "result"]
    finished = [event["trial"] for event in told if event.get("status") == "finished" and event["event"] == "trial"]
    assert sorted(finished) == [0, 1, 2, 3]
    result = told[-1]["result"]
    assert sum(event["event"] == "epoch" for event in told) == sum(trial["epochs"] for trial in result["trials"]) > 0
    assert result["ensemble"]["accepted"], result["ensemble"]["reason"]
    assert len(result["ensemble"]["members"]) > 1
    assert [trial["status"] for trial in result["trials"]].count("failed") == 0
    assert result["test"]["roc_auc"] > 0.8
    assert result["model"]["uri"] == "models:/adult@champion"
    assert "is finished; look at its trials with: orchestrator trials adult-" in run(place, "watch", "adult").stdout

    board = json.loads(run(place, "trials", "--json").stdout)
    assert board["trials"][0]["trial"] == result["best_trial"]
    assert "roc_auc" in run(place, "trials", "adult").stdout

    rows = frame.drop(columns="income").tail(25).reset_index(drop=True)
    rows.to_csv(folder / "new_rows.csv", index=False)
    run(place, "predict", "models:/adult@champion", "new_rows.csv", "-o", "answers.csv")
    answers = pd.read_csv(folder / "answers.csv")
    assert len(answers) == 25

    # other tests deploy behind HAProxy
    options = ["--port", port := free_port(), "--ingress", "python", "--detach", "--json"]
    deployed = json.loads(run(place, "deploy", "models:/adult@champion", *options).stdout)
    assert deployed["url"] == f"http://127.0.0.1:{port}"
    assert json.loads(run(place, "status", "--json").stdout)[0]["state"] == "answering"
    body = json.loads(rows.to_json(orient="records"))
    predictions = httpx.post(f"{deployed['url']}/predict", json=body, timeout=30).json()["predictions"]
    over_http = [answer["probabilities"][">50K"] for answer in predictions]
    assert np.allclose(over_http, answers["probability_>50K"], atol=1e-5)
    split = {"dataframe_split": json.loads(rows.to_json(orient="split"))}
    scored = httpx.post(f"{deployed['url']}/invocations", json=split, timeout=30).json()["predictions"]
    assert np.allclose([row["probability_>50K"] for row in scored], answers["probability_>50K"], atol=1e-5)

    taken = run(place, "deploy", "models:/adult@champion", "--port", port, check=False)
    assert taken.returncode == 1
    assert f"port {port}" in taken.stderr
    run(place, "undeploy", "adult")
    assert json.loads(run(place, "status", "--json").stdout) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{deployed['url']}/healthz")


def start(place, *arguments):
    folder, environment = place
    command = [sys.executable, "-u", "-m", "orchestrator", *(str(argument) for argument in arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process, words):
    seen = []
    for line in process.stderr:
        seen.append(line)
        if words in line:
            return
    raise AssertionError("".join(seen))


def test_train_shows_epochs_and_writes_a_bundle(place):
    folder, _ = place
    done = run(
        place,
        *("train", "sklearn:iris", "--architecture", "mlp", "--set", "depth=1", "--set", "width=4"),
        *("--set", "learning_rate=0.05", "--epochs", 20, "-o", "model"),
    )
    assert "epoch 20:" in done.stderr
    assert "registered as models:/iris/1, champion" in done.stdout
    assert sorted(entry.name for entry in (folder / "model").iterdir())[-1] == "schema.json"
    again = run(place, "train", "sklearn:iris", "-o", "model", check=False)
    assert (again.returncode, "exists" in again.stderr) == (2, True)


def test_doctor_finds_this_machine_fit(place):
    findings = json.loads(run(place, "doctor", "--json").stdout)
    states = {finding["check"]: finding["state"] for finding in findings}
    assert states["Ray"] == states["python"] == states["tracking store"] == "ok"


def test_ui_serves_mlflows_pages(place):
    port = free_port()
    process = start(place, "ui", "--port", port)
    wait_for(process, f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 60
    while True:
        try:
            page = httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.3)
    assert "MLflow" in page.text
    process.send_signal(signal.SIGINT)
    # MLflow's own log stays off the terminal
    assert process.communicate(timeout=30) == ("", "stopped\n")
    assert process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")
