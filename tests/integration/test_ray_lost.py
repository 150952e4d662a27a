"""Ray's own processes that are killed, or that take their time to start."""

import json
import re
import subprocess
import sys
import time

import psutil
import pytest
from killed_sweeps import Place

PROGRESS = re.compile(r"\[\d+/\d+\] trial ")


def kill_in_the_middle(place, process, name):
    """Kills a process of the command's Ray when a few more epochs are over; what the command says after that."""
    before = sum(event["event"] == "reported" for event in place.events())
    deadline = time.monotonic() + 240
    while sum(event["event"] == "reported" for event in place.events()) < before + 3:
        assert process.poll() is None, (place.folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    (victim,) = (child for child in children if child.name() == name)
    said = (place.folder / "log").read_text()
    victim.kill()
    assert process.wait(timeout=100) == 1
    # a process that has lost its parent notices that within seconds
    assert not psutil.wait_procs(children, timeout=30)[1]
    return (place.folder / "log").read_text().removeprefix(said)


@pytest.mark.timeout(600)
def test_a_sweep_that_loses_ray_says_so_in_a_sentence_and_goes_on_later(ray_cluster, tmp_path):
    place = Place(tmp_path)
    (tmp_path / "slow").touch()
    for name, command in (
        ("gcs_server", [*place.patient_sweep(2, 25), "--concurrency", "1", "--no-register"]),
        ("raylet", ["resume"]),
    ):
        said = kill_in_the_middle(place, place.start(*command), name)
        errors = [line for line in said.splitlines() if not PROGRESS.match(line)]
        assert len(errors) == 1, said
        assert f"its process {name} was killed by signal 9 (SIGKILL)" in errors[0]
        assert f"go on with: orchestrator resume {place.sweep.name}" in errors[0]
    assert not any(event["event"] == "lost" for event in place.events())
    (tmp_path / "slow").unlink()
    resumed = json.loads(place.here("resume", "--json"))
    assert [trial["status"] for trial in resumed["trials"]] == ["finished"] * 2
    place.check_mlflow()


def test_a_process_that_is_ended_at_once_leaves_the_sentence(tmp_path):
    code = (
        "import os\nfrom orchestrator.runtime.tune.lifeline import told_how_to_go_on\n"
        "with told_how_to_go_on('call me again 1'): pass\n"
        "with told_how_to_go_on('call me again 2'): os._exit(7)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 7
    assert ended.stderr.endswith("the process of the sweep has been ended; call me again 2\n")
    assert "again 1" not in ended.stderr


FROZEN = """
import threading, time, psutil, ray
from orchestrator import patience
from orchestrator.cluster import ray_session
patience.START_SECONDS = 4

def raylets():
    return [child for child in psutil.Process().children(recursive=True) if child.name() == "raylet"]

def freeze():
    while not raylets():
        time.sleep(0.01)
    raylets()[0].suspend()

threading.Thread(target=freeze).start()
def notify(sentence):
    print(sentence, flush=True)
    patience.START_SECONDS = 180

with ray_session(num_cpus=1, notify=notify):
    print("raylets", len(raylets()), [process.status() for process in raylets()] != ["stopped"])
    print("sum", ray.get(ray.remote(lambda: 6 * 7).remote()))
"""


def test_a_ray_that_does_not_start_in_time_is_started_again():
    done = subprocess.run([sys.executable, "-c", FROZEN], capture_output=True, text=True, timeout=280, check=False)
    assert "Ray did not start in time and is started again; the machine is busy (load" in done.stdout, done.stderr
    assert "raylets 1 True" in done.stdout
    assert "sum 42" in done.stdout
