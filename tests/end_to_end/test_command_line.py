"""Commands as a user types them, in processes of their own; `test_quickstart` has the way from a file to answers."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from support import free_port, second_home


@pytest.fixture
def place(tmp_path):
    """A folder to work in, with a state folder of its own; what was deployed from it is stopped at the end."""
    environment = {**os.environ, "ORCHESTRATOR_HOME": str(second_home(tmp_path))}
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
