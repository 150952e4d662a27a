"""Commands against a cluster of several nodes, as a user at one of them types them; tokens are on."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from ray.cluster_utils import Cluster
from support import empty_store, free_port, node_address

NODES = 3
COMMAND = [sys.executable, "-m", "orchestrator"]
WATCH = """
import sys, ray
from orchestrator.cluster import ray_session
from orchestrator.config import ResourceConfig
from orchestrator.runtime.tune.room import ClusterRoom, REFRESH_SECONDS
import time
with ray_session(sys.argv[1]):
    room = ClusterRoom(ResourceConfig(), None, None)
    for _ in sys.stdin:
        time.sleep(REFRESH_SECONDS + 0.1)
        print(room.workers(), flush=True)
"""


@pytest.fixture(scope="module")
def cluster(ray_cluster):
    """Three nodes with one CPU each; the head is the first."""
    head = {"num_cpus": 1, "include_dashboard": False, **node_address()}
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


def sweep(name, *arguments):
    return ["sweep", "sklearn:iris", "--name", name, "--space", "quick", "--epochs", "6", "--json", *arguments]


def finish(process, code=0):
    output, errors = process.communicate(timeout=200)
    assert process.returncode == code, errors
    return (json.loads(output) if output else None), errors


def test_two_sweeps_at_once_do_not_disturb_each_other_and_workers_of_one_trial_are_spread_over_nodes(cluster, tmp_path):
    (tmp_path / "other").mkdir()
    gangs = start(sweep("gangs", "--workers-per-trial", "2", "--trials", "4"), tmp_path, cluster)
    alone = start(sweep("alone", "--trials", "6", "--concurrency", "1"), tmp_path / "other", cluster)
    for process, trials, sentence in ((gangs, 4, "1 at a time with 2 workers of 1 thread"), (alone, 6, "1 at a time")):
        result, said = finish(process)
        # on nodes with one CPU each
        assert sentence in said
        assert len(result["trials"]) == trials
        assert {trial["status"] for trial in result["trials"]} <= {"finished", "stopped"}
        assert result["model"]["champion"]


def test_what_no_node_can_hold_is_refused_at_once(cluster, tmp_path):
    _, said = finish(start(sweep("large", "--workers-per-trial", "4"), tmp_path, cluster), code=1)
    assert said.strip().splitlines()[-1] == (
        "Error: a trial of mlp needs 4 workers with 1 CPU each, but there is room for 3 on the 3 nodes; "
        "lower --workers-per-trial"
    )


def test_concurrency_follows_nodes_that_come_and_go(cluster):
    watch = subprocess.Popen(
        [sys.executable, "-c", WATCH, cluster.address], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def workers():
        watch.stdin.write("\n")
        watch.stdin.flush()
        return int(watch.stdout.readline())

    try:
        assert workers() == NODES
        node = cluster.add_node(num_cpus=2, **node_address())
        assert workers() == NODES + 2
        cluster.remove_node(node)
        deadline = time.monotonic() + 30
        while workers() != NODES:
            assert time.monotonic() < deadline
    finally:
        watch.stdin.close()
        watch.wait(timeout=30)


def test_trials_of_a_node_that_is_lost_go_on_elsewhere(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, **node_address())
    arguments = ["sweep", "sklearn:iris", "--name", "lost-node", "--space", "quick", "--storage", "kept"]
    arguments += ["--trials", "5", "--epochs", "250", "--patience", "0", "--scheduler", "none"]
    process = start(arguments, tmp_path, cluster)

    def events():
        found = list(tmp_path.glob("kept/*/journal.jsonl"))
        return [json.loads(line) for line in found[0].read_text().splitlines()] if found else []

    deadline = time.monotonic() + 100
    # all four run, and have checkpoints
    while len({event["index"] for event in events() if event.get("report", {}).get("epoch", 0) >= 60}) < NODES + 1:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    cluster.remove_node(node, allow_graceful=False)
    # the driver may sit on this node (they all have one address), then Ray prints that node's log
    printed, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "5 finished" in printed
    assert "goes on from its last checkpoint" in said
    assert {event["status"] for event in events() if event["event"] == "ended"} == {"finished"}
    (lost,) = [event["index"] for event in events() if event["event"] == "lost"]
    epochs = [event["report"]["epoch"] for event in events() if event["event"] == "reported" and event["index"] == lost]
    assert epochs == list(range(1, 251))


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("0" * 64, "the Ray cluster at {address} refused the authentication token from {path}"),
        (None, "the Ray cluster at {address} wants its authentication token"),
    ],
)
def test_a_wrong_or_missing_token_is_one_sentence(cluster, tmp_path, token, sentence):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environment |= {"RAY_ADDRESS": cluster.address, "HOME": str(tmp_path)}
    path = tmp_path / ".ray" / "auth_token"
    if token:
        path.parent.mkdir()
        path.write_text(token)
    refused = subprocess.run(
        COMMAND + sweep("refused"),
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    (said,) = [line for line in refused.stderr.splitlines() if line.startswith("Error")]
    assert said.startswith("Error: " + sentence.format(address=cluster.address, path=path))
    if token:
        assert path.stat().st_mode & 0o777 == 0o600


def test_nobody_at_the_address_is_one_sentence(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    environment = os.environ | {"RAY_ADDRESS": address}
    refused = subprocess.run(
        COMMAND + sweep("alone"), cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(f"Error: no Ray cluster can be reached at {address}")


def test_nothing_of_the_sweeps_is_left_on_the_cluster(cluster):
    deadline = time.monotonic() + 30
    names = {"TrainController", "RayTrainWorker", "Rendezvous", "ResourceTrainable"}
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
