"""Sweeps as jobs of a real `ray start --head` with tokens on, as a user types them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pandas as pd
import pytest
import requests
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from prometheus_server import BINARY, NOT_INSTALLED, Prometheus, queries_of
from sklearn.datasets import load_iris
from slow_network import write_slow_network
from support import empty_store, free_port

from orchestrator.cli import main
from orchestrator.manifests.dashboard import SWEEPS
from orchestrator.runtime.sweep_metrics import GAUGES

COMMAND = [sys.executable, "-m", "orchestrator"]
TOKEN = "5" * 64


@pytest.fixture(scope="module")
def metrics_port():
    """On which the cluster shows metrics."""
    return free_port()


@pytest.fixture(scope="module")
def server(metrics_port):
    """A cluster of one node with two cores; the environment that its user needs."""
    with tempfile.TemporaryDirectory(prefix="oj", dir="/tmp") as folder:
        token = Path(folder) / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        # the jobs' `python` is the one of the environment
        bare["PATH"] = f"{Path(sys.executable).parent}:{bare['PATH']}"
        dashboard = free_port()
        ports = [
            f"--{name}={free_port()}" for name in ("port", "dashboard-agent-listen-port", "ray-client-server-port")
        ]
        ports += [f"--dashboard-port={dashboard}", f"--metrics-export-port={metrics_port}"]
        ports += [f"--temp-dir={folder}/r", "--disable-usage-stats", "--include-log-monitor=false"]
        head = subprocess.Popen(
            [Path(sys.executable).parent / "ray", "start", "--head", "--block", "--num-cpus=2", *ports],
            env=bare | tokens | {"RAY_metrics_report_interval_ms": "1000"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{dashboard}"
        try:
            wait_until_it_answers(address, head)
            yield bare | {"RAY_API_SERVER_ADDRESS": address, "RAY_AUTH_TOKEN_PATH": str(token)}
        finally:
            head.send_signal(signal.SIGTERM)
            head.wait(timeout=60)


def wait_until_it_answers(address, head):
    deadline = time.monotonic() + 90
    while True:
        assert head.poll() is None, "ray start has ended"
        assert time.monotonic() < deadline
        try:
            answer = requests.get(f"{address}/api/jobs/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
            if answer.ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a data file, and an empty store beside it."""
    folder = tmp_path_factory.mktemp("jobs")
    empty_store(folder)
    load_iris(as_frame=True).frame.to_csv(folder / "flowers.csv", index=False)
    return folder


def run(environment, folder, *arguments, code=0, timeout=150):
    environment = environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def here(folder, *arguments):
    """As `run`, for commands that ask no job server, in this process, which has imported what they need."""
    with contextlib.chdir(folder):
        done = CliRunner(env={"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}).invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def submit(*more):
    return ["submit", "sweep", "flowers.csv", "--target", "target", "--name", "flowers", *more]


def log_of(environment, job):
    """What the job has printed so far, asked of Ray itself: a command takes seconds to start."""
    address, token = environment["RAY_API_SERVER_ADDRESS"], {"Authorization": f"Bearer {TOKEN}"}
    return requests.get(f"{address}/api/jobs/{job}/logs", headers=token, timeout=30).json()["logs"]


def metrics_of(port):
    """What Prometheus would read of sweeps: by name, and for trials their state."""
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    return {
        (sample.name.removeprefix("ray_orchestrator_sweep_"), sample.labels.get("state")): sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("ray_orchestrator_sweep_")
    }


def wait_for_metrics(port):
    deadline = time.monotonic() + 60
    while True:
        found = metrics_of(port)
        if found.get(("trials", "finished")) and found["trials", "finished"].value >= 2:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def check_metrics(found, board):
    """`board` is what was found of all trials when the sweep was over."""
    values = {name: sample.value for (name, state), sample in found.items() if state is None}
    assert set(values) == {name.removeprefix("orchestrator_sweep_") for name in GAUGES} - {"trials"}
    assert (values["open"], values["trials_wanted"], values["slots"], values["gpus"]) == (1, 400, 1, 0)
    states = {state: sample.value for (name, state), sample in found.items() if name == "trials"}
    # of five epochs each
    assert 5 * states["finished"] <= values["epochs"] <= 5 * (states["finished"] + 1)
    assert states["failed"] == 0
    # the smaller the better; there may have been a better one since
    assert found["best_value", None].labels["metric"] == "log_loss"
    assert min(trial["value"] for trial in board["trials"] if trial["value"] is not None) <= values["best_value"] < 5
    assert 0 < values["slot_busy_share"] <= 1
    assert 0 < values["overhead_seconds"] < values["seconds"]
    assert values["mlflow_waiting"] >= 0
    assert {sample.labels["name"] for sample in found.values()} == {"flowers"}


def test_a_stopped_job_keeps_what_is_finished_and_can_be_continued(server, metrics_port, place, tmp_path):
    environment = server | {"MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db"}
    space = write_slow_network(place, 0.3)
    length = ["--trials", "400", "--concurrency", "1", "--epochs", "5", "--patience", "0", "--scheduler", "none"]
    arguments = submit(*space, *length)
    client = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=place,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    job = client.stdout.readline().strip()
    assert job.startswith("sweep-flowers-")
    # the log is followed
    assert any("trials of at most" in line for line in client.stdout)
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=30)
    assert client.returncode == 1
    assert f"{job} goes on; follow it with: orchestrator jobs logs {job} --follow" in said
    deadline = time.monotonic() + 100
    while "[2/400] trial" not in log_of(server, job):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    metrics = wait_for_metrics(metrics_port)
    if BINARY is None:
        warnings.warn(f"{NOT_INSTALLED}: the dashboard's queries were not asked", stacklevel=1)
    else:
        with Prometheus(tmp_path, metrics_port) as prometheus:
            prometheus.wait_for(queries_of(SWEEPS))
            assert prometheus.broken_rules() == []
    stopped = run(server, place, "jobs", "stop", job)
    assert stopped.stdout.strip() == f"{job}: STOPPED"
    log = run(server, place, "jobs", "logs", job).stdout
    assert "stopping: finished trials are kept" in log
    assert "registered as models:/flowers/" in log
    board = json.loads(here(place, "trials", "flowers", "--json", "--limit", "1000"))
    assert {trial["status"] for trial in board["trials"]} <= {"finished", "stopped", "interrupted"}
    finished = {trial["trial"]: trial["run_id"] for trial in board["trials"] if trial["status"] == "finished"}
    assert len(finished) >= 2
    check_metrics(metrics, board)

    # another job goes on, without the files of this machine
    wanted = len(board["trials"]) + 1
    resumed = run(server, tmp_path, "submit", "resume", "flowers", "--trials", str(wanted))
    again = resumed.stdout.splitlines()[0]
    assert f"{again} has succeeded" in resumed.stderr
    assert f"[{wanted}/{wanted}] trial" in resumed.stdout
    assert f"{wanted} trials in" in resumed.stdout
    whole = json.loads(here(place, "trials", "flowers", "--json"))
    assert whole["run_id"] == board["run_id"]
    assert {trial["status"] for trial in whole["trials"]} == {"finished"}
    assert finished.items() <= {trial["trial"]: trial["run_id"] for trial in whole["trials"]}.items()

    # both jobs are known, and the model answers
    listed = {entry["id"]: entry for entry in json.loads(run(server, place, "jobs", "--json").stdout)}
    found = {one: (listed[one]["sweep"], listed[one]["status"]) for one in (job, again)}
    assert found == {job: ("flowers", "STOPPED"), again: ("flowers", "SUCCEEDED")}
    assert again in run(server, place, "status").stdout
    here(place, "predict", "models:/flowers@champion", "flowers.csv", "-o", "answers.csv")
    assert len(pd.read_csv(place / "answers.csv")) == 150


def test_unknown_jobs_are_one_sentence(server, place):
    refused = run(server, place, "jobs", "stop", "sweep-flowrs", code=2)
    assert refused.stderr.startswith("Error: there is no job 'sweep-flowrs' at http://127.0.0.1:")


@pytest.mark.parametrize(
    ("token", "sentence"),
    [("0" * 64, "refused the authentication token from"), (None, "wants its authentication token")],
)
def test_a_wrong_or_missing_token_is_one_sentence(server, place, tmp_path, token, sentence):
    environment = {name: value for name, value in server.items() if name != "RAY_AUTH_TOKEN_PATH"}
    environment["HOME"] = str(tmp_path)
    if token:
        (tmp_path / "wrong").write_text(token)
        environment["RAY_AUTH_TOKEN_PATH"] = str(tmp_path / "wrong")
    for command in (["jobs"], submit("--no-wait")):
        refused = run(environment, place, *command, code=1)
        (said,) = [line for line in refused.stderr.splitlines() if line.startswith("Error")]
        assert sentence in said


def test_nobody_at_the_address_is_one_sentence(server, place):
    environment = server | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{free_port()}"}
    refused = run(environment, place, "jobs", code=1)
    assert refused.stderr.startswith("Error: no job server answers at http://127.0.0.1:")
