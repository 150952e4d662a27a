"""deploy/local: a cluster on one machine. Its network is tried here; all of it takes a quarter of an hour, and only if
ORCHESTRATOR_TEST_STACK is set: see docs/operations.md."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

LOCAL = Path(__file__).parents[2] / "deploy" / "local"
sys.path.insert(0, str(LOCAL))

import services  # noqa: E402
from namespaces import HOSTS_FOLDER, NETNS_FOLDER, Machines, StackError  # noqa: E402

PATHS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture
def machines(tmp_path):
    """Two machines and their switch."""
    made = Machines(f"ot{secrets.token_hex(2)}", ("left", "right"), tmp_path)
    try:
        made.make(host=False)
    except StackError as error:
        pytest.skip(str(error))
    yield made
    made.remove()


def answer(machines):
    try:
        socket.create_connection((machines.address("right"), 99), timeout=1).close()
    except OSError as error:
        return str(error)
    return "answers"


def test_machines_know_each_other_by_name_have_files_of_their_own_and_can_be_cut_off(machines):
    said = machines.run("left", ["sh", "-c", "touch /tmp/mine && ls /tmp && getent hosts right"], PATHS).stdout
    assert said.split() == ["mine", machines.address("right"), "right"]
    assert machines.run("right", ["ls", "/tmp"], PATHS).stdout == ""
    with machines.within("right", lambda: socket.create_server((machines.address("right"), 99))):
        assert machines.within("left", lambda: answer(machines)) == "answers"
        machines.cut("right")
        assert machines.within("left", lambda: answer(machines)) != "answers"
        machines.heal("right")
        assert "answers" in [machines.within("left", lambda: answer(machines)) for _ in range(3)]


def test_a_machine_with_a_process_table_of_its_own_shows_its_processes_only(machines, tmp_path):
    assert machines.first_process("left") is None
    other = machines.start("right", ["sleep", "100"], PATHS, tmp_path / "log")
    started = machines.start("left", ["sleep", "100"], PATHS, tmp_path / "log", alone=True)
    while (first := machines.first_process("left")) is None:
        pass
    assert {started, first} <= set(machines.processes("left"))
    shown = machines.run("left", ["sh", "-c", "cat /proc/[0-9]*/comm; pwd; touch /tmp/mine"], PATHS).stdout.split()
    assert shown.count("sleep") == 1 and str(machines.home("left")) in shown
    assert (machines.place("left") / "tmp" / "mine").exists()
    os.kill(first, 9)
    while machines.processes("left"):
        pass
    assert other in machines.processes("right")


def test_what_is_taken_down_are_the_processes_in_the_machines_and_nothing_else(machines, tmp_path):
    ours = machines.start("left", ["sh", "-c", "trap '' TERM; sleep 100 & wait; wait"], PATHS, tmp_path / "log")
    other = subprocess.Popen(["sleep", "100"])
    try:
        while len(machines.processes("left")) < 2:
            pass
        assert ours in machines.processes("left")
        assert other.pid not in machines.processes("left")
        machines.end_processes("left", at_once=True)
        assert machines.processes("left") == []
        machines.remove()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    left = [*NETNS_FOLDER.iterdir(), *(HOSTS_FOLDER.iterdir() if HOSTS_FOLDER.exists() else [])]
    assert not [path for path in left if path.name.startswith(machines.mark)]


def test_what_lacks_is_one_sentence_with_the_package(monkeypatch):
    monkeypatch.setattr(services.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match="apt-get install iproute2 util-linux redis-server prometheus"):
        services.check_installed()


@pytest.mark.skipif(
    "ORCHESTRATOR_TEST_STACK" not in os.environ, reason="takes a quarter of an hour, see the first line"
)
@pytest.mark.timeout(1800)
def test_nothing_is_lost_when_parts_of_a_cluster_fail():
    done = subprocess.run([sys.executable, LOCAL / "scenario.py"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
