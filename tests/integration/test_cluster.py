"""Commands against a cluster of several nodes, as a user at one of them types them; tokens are on."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from ray.cluster_utils import Cluster
from slow_network import write_slow_network
from support import bare_nodes, empty_store, free_port, node_address

NODES = 3
COMMAND = [sys.executable, "-m", "orchestrator"]
# answers lines with lines: how many workers there can be, or why a trial of so many is refused
WATCH = """
import sys, time
from orchestrator.cluster import ray_session
from orchestrator.config import ResourceConfig, SweepConfig
from orchestrator.errors import ExecutionError
from orchestrator.runtime.slots import cluster_slots
from orchestrator.runtime.tune.room import ClusterRoom, REFRESH_SECONDS
with ray_session(sys.argv[1]):
    room = ClusterRoom(ResourceConfig(), None, None)
    for line in sys.stdin:
        if line.strip() == "workers":
            time.sleep(REFRESH_SECONDS + 0.1)
            print(room.workers(), flush=True)
            continue
        try:
            print(cluster_slots(SweepConfig.create(data="sklearn:iris"), {"mlp": int(line)}, 2, 0), flush=True)
        except ExecutionError as error:
            print(error, flush=True)
"""
CONNECT = """
import sys
from orchestrator.cluster import ray_session
from orchestrator.errors import OrchestratorError
try:
    ray_session(sys.argv[1]).__enter__()
except OrchestratorError as error:
    sys.exit(f"Error: {error}")
"""


@pytest.fixture(scope="module")
def cluster(ray_cluster):
    """Three nodes with one CPU each; the head is the first."""
    head = {"num_cpus": 1, "include_dashboard": False, **node_address()}
    with bare_nodes():
        nodes = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(NODES - 1):
            nodes.add_node(num_cpus=1, **node_address())
    yield nodes
    nodes.shutdown()


def start(arguments, folder, cluster):
    environment = os.environ | {"MLFLOW_TRACKING_URI": empty_store(folder), "RAY_ADDRESS": cluster.address}
    return subprocess.Popen(
        COMMAND + arguments, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def sweep(name, folder, seconds, *arguments):
    """A sweep whose epochs take so long, with its record in the folder `kept`."""
    space = write_slow_network(folder, seconds)
    fixed = ["--patience", "0", "--scheduler", "none", "--storage", "kept", "--json"]
    return ["sweep", "sklearn:iris", "--name", name, *space, *fixed, *arguments]


def events(folder):
    found = list(folder.glob("kept/*/journal.jsonl"))
    return [json.loads(line) for line in found[0].read_text().splitlines()] if found else []


def finish(process):
    output, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return json.loads(output), said


def test_concurrency_follows_nodes_that_come_and_go_and_what_no_node_can_hold_is_refused(cluster):
    watch = subprocess.Popen(
        [sys.executable, "-c", WATCH, cluster.address], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def ask(question):
        watch.stdin.write(f"{question}\n")
        watch.stdin.flush()
        return watch.stdout.readline().strip()

    try:
        assert ask("workers") == str(NODES)
        assert ask(NODES + 1) == (
            "a trial of mlp needs 4 workers with 1 CPU each, but there is room for 3 on the 3 nodes; "
            "lower --workers-per-trial"
        )
        with bare_nodes():
            node = cluster.add_node(num_cpus=2, **node_address())
        assert ask("workers") == str(NODES + 2)
        assert ask(NODES + 1).startswith("Slots(count=1")
        cluster.remove_node(node)
        deadline = time.monotonic() + 30
        while ask("workers") != str(NODES):
            assert time.monotonic() < deadline
    finally:
        watch.stdin.close()
        watch.wait(timeout=30)


def refusal(address, environment):
    """What a command says that cannot connect: the part of it that connects, without what it trains with."""
    refused = subprocess.run(
        [sys.executable, "-c", CONNECT, address],
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    (said,) = [line for line in refused.stderr.splitlines() if line.startswith("Error")]
    return said


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("0" * 64, "the Ray cluster at {address} refused the authentication token from {path}"),
        (None, "the Ray cluster at {address} wants its authentication token"),
    ],
)
def test_a_wrong_or_missing_token_is_one_sentence(cluster, tmp_path, token, sentence):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environment |= {"HOME": str(tmp_path)}
    path = tmp_path / ".ray" / "auth_token"
    if token:
        path.parent.mkdir()
        path.write_text(token)
    said = refusal(cluster.address, environment)
    assert said.startswith("Error: " + sentence.format(address=cluster.address, path=path))
    if token:
        assert path.stat().st_mode & 0o777 == 0o600


def test_nobody_at_the_address_is_one_sentence():
    address = f"127.0.0.1:{free_port()}"
    said = refusal(address, os.environ)
    assert said.startswith(f"Error: no Ray cluster can be reached at {address}")


def running(folder):
    """The trials that have a process."""
    found = set()
    for event in events(folder):
        if event["event"] == "begun":
            found.add(event["index"])
        elif event["event"] in ("ended", "yielded"):
            found.discard(event["index"])
    return len(found)


def wait_until(condition, *processes):
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.1)


def queue(cluster, *arguments):
    command = [*COMMAND, "queue", *arguments, "--address", cluster.address]
    return subprocess.run(command, text=True, check=True, capture_output=True).stdout


def test_a_sweep_makes_room_for_a_gang_of_a_higher_priority_and_has_all_again_when_that_ends(cluster, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    assert queue(cluster, "limit", "few", "--cores", "2") == "few: at most 2 CPU\n"
    patient = start(sweep("patient", tmp_path, 0.2, "--trials", "40", "--epochs", "100"), tmp_path, cluster)
    wait_until(lambda: running(tmp_path) == NODES, patient)
    before = ["--priority", "1", "--queue", "few", "--workers-per-trial", "2", "--trials", "2", "--epochs", "40"]
    urgent = start(sweep("urgent", other, 0.2, *before), other, cluster)
    wait_until(lambda: running(other) == 1 and running(tmp_path) == NODES - 2, patient, urgent)
    shown = json.loads(queue(cluster, "--json"))
    rows = [(row["sweep"].split("-")[0], row["priority"], row["queue"], row["allowed"]) for row in shown["sweeps"]]
    # one trial of two cores
    assert rows[0] == ("urgent", 1, "few", 1)
    assert (rows[1][0], rows[1][1], rows[1][3]) == ("patient", 0, NODES - 2)
    assert [row["waits_for"] for row in shown["sweeps"]] == ["", "sweeps of a higher priority"]
    assert shown["queues"] == {"few": {"cores": 2.0, "gpus": None}}
    # what shares out the cluster is lost, and comes back with the same answers
    (actor,) = [found for node in cluster.list_all_nodes() for found in workers(node, "SharesActor")]
    actor.kill()
    result, said = finish(urgent)
    # spread over nodes with one CPU each
    assert "1 at a time with 2 workers of 1 thread" in said
    assert [trial["status"] for trial in result["trials"]] == ["finished"] * 2
    assert result["model"]["champion"]
    wait_until(lambda: running(tmp_path) == NODES, patient)
    patient.send_signal(signal.SIGINT)
    patient.communicate(timeout=100)
    found = events(tmp_path)
    gave = {event["index"] for event in found if event["event"] == "yielded"}
    assert len(gave) >= 2
    for index in gave:
        # nothing is computed twice, and nothing left out
        epochs = [
            event["report"]["epoch"] for event in found if event["event"] == "reported" and event["index"] == index
        ]
        assert epochs == list(range(1, len(epochs) + 1))
    assert not any(event["event"] == "lost" for event in found)
    assert queue(cluster, "limit", "few", "--none") == "few: no limit\n"
    assert queue(cluster) == "no sweep runs or waits on this cluster\n"


def workers(node, kind):
    """The processes of this node that are of a kind: they are children of the raylet, with the name that Ray gives."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [child for child in raylet.children() if any(kind in word for word in child.cmdline()[:1])]


def holds_a_trial(node):
    return bool(workers(node, "ResourceTrainable"))


def test_trials_of_a_node_that_is_lost_go_on_elsewhere(cluster, tmp_path):
    arguments = sweep("lost-node", tmp_path, 0.2, "--trials", "2", "--epochs", "60", "--concurrency", "2")
    process = start(arguments, tmp_path, cluster)
    deadline = time.monotonic() + 100
    # both run, and have checkpoints
    while len({event["index"] for event in events(tmp_path) if event.get("report", {}).get("epoch", 0) >= 10}) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    # the head node holds one of them at most; this cluster has a node less from here on
    node = next(node for node in cluster.worker_nodes if holds_a_trial(node))
    cluster.remove_node(node, allow_graceful=False)
    result, said = finish(process)
    assert [trial["status"] for trial in result["trials"]] == ["finished"] * 2
    assert "goes on from its last checkpoint" in said
    (lost,) = [event["index"] for event in events(tmp_path) if event["event"] == "lost"]
    reported = [event for event in events(tmp_path) if event["event"] == "reported" and event["index"] == lost]
    assert [event["report"]["epoch"] for event in reported] == list(range(1, 61))


def test_nothing_of_the_sweeps_is_left_on_the_cluster(cluster):
    deadline = time.monotonic() + 30
    names = {"TrainController", "RayTrainWorker", "Rendezvous", "ResourceTrainable", "SharesActor"}
    session = cluster.head_node.get_session_dir_path()

    def is_of_the_cluster(process):
        """Other tests may have a Ray on this machine; each process of one writes to its logs."""
        try:
            return any(file.path.startswith(session) for file in process.open_files())
        except psutil.Error:
            return False

    while True:
        left = [
            process.info["cmdline"][0]
            for process in psutil.process_iter(["cmdline"])
            if process.info["cmdline"]
            and any(name in process.info["cmdline"][0] for name in names)
            and is_of_the_cluster(process)
        ]
        if not left:
            return
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
