"""Sweeps that are kept in an object store, and nodes that do not share a folder."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from object_store import bucket_server
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from support import bare_nodes, empty_store, node_address

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.errors import UsageError
from orchestrator.journal import Continued, Reported
from orchestrator.journal.folder import find_sweep, known_sweeps, sweeps_home
from orchestrator.journal.journal import read_events
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweeps import run_sweep
from orchestrator.storage import Storage


@pytest.fixture(scope="module")
def bucket():
    with bucket_server() as uri:
        yield uri


def test_a_sweep_is_kept_in_s3_and_goes_on_there(ray_cluster, store, bucket):
    seen = []

    def look(record, trial_table):
        seen.append((trial_table.best.index, Storage.at(bucket).names()))

    config = SweepConfig.create(
        data="sklearn:iris",
        name="objects",
        space="quick",
        trials=2,
        epochs=2,
        tracking_uri=store,
        storage=bucket,
        concurrency=1,
    )
    result = run_sweep(config, None, Hooks(on_trial=look))
    assert result.registration.champion
    assert len(seen) == 2
    for best, names in seen:
        assert any(f"/trials/{best:05d}/best-" in name for name in names)
    left = [name.partition("/")[2] for name in Storage.at(bucket).names() if name.startswith(result.id)]
    # for an ensemble, the weights of both
    kept = [f"trials/{trial.index:05d}/best-{trial.kept:06d}.safetensors" for trial in result.trials]
    assert any(name.startswith("model/") for name in left)
    assert [name for name in left if not name.startswith(("journal/", "model/"))] == [
        "data-parts.json",
        "references.json",
        "report.html",
        "result.json",
        "sweep-copy.json",
        "sweep.json",
        "test-answers.npz",
        "tracking.json",
        *kept,
        "winner.json",
    ]
    assert b"secret" not in Storage.at(bucket).read(f"{result.id}/sweep.json")

    (found,) = [sweep for sweep in known_sweeps(Storage.at(bucket)) if sweep.header.id == result.id]
    assert found.state == "finished"
    longer = orchestrator.resume("objects", trials="+1")
    assert (longer.id, longer.run_id, len(longer.trials)) == (result.id, result.run_id, 3)
    before = {trial.index: (trial.spec, trial.status, trial.report) for trial in result.trials}
    assert {trial.index: (trial.spec, trial.status, trial.report) for trial in longer.trials[:2]} == before
    pointer = Path(sweeps_home().path) / f"{result.id}.json"
    assert pointer.stat().st_mode & 0o777 == 0o600


def test_a_population_takes_over_weights_through_gangs_and_an_object_store(ray_cluster, store, bucket):
    result = orchestrator.sweep(
        "sklearn:iris",
        name="population",
        space="quick",
        algorithm="random",
        scheduler="pbt",
        trials=4,
        epochs=6,
        patience=0,
        storage=bucket,
        resources={"workers_per_trial": 2},
        tracking_uri=store,
    )
    assert [(trial.status, trial.epochs) for trial in result.trials] == [("finished", 6)] * 4
    assert result.slots == 1
    events = list(read_events(find_sweep(result.id).storage))
    taken = [event for event in events if isinstance(event, Continued) and event.donor is not None]
    assert taken
    for event in taken:
        epochs = [other.report.epoch for other in events if isinstance(other, Reported) and other.index == event.index]
        assert epochs == list(range(1, 7))
    with pytest.raises(UsageError, match="took over the weights of another one"):
        orchestrator.reproduce(f"population:{taken[0].index}", tracking_uri=store)
    # nothing of what Ray Train has written there is left
    left = {name.split("/")[1] for name in Storage.at(bucket).names() if name.startswith(result.id)}
    about = {"sweep.json", "sweep-copy.json", "tracking.json"}
    files = {
        "data-parts.json",
        "report.html",
        "references.json",
        "result.json",
        "test-answers.npz",
        "winner.json",
        *about,
    }
    assert left == {"journal", "model", "trials", *files}


def test_a_bucket_that_is_not_there_is_one_sentence(ray_cluster, store, bucket):
    missing = bucket.replace("@sweeps/", "@nothing/")
    config = SweepConfig.create(data="sklearn:iris", space="quick", trials=1, tracking_uri=store, storage=missing)
    with pytest.raises(UsageError, match=r"s3://nothing/trials.*: cannot be used as storage \(.*nothing.*\); give"):
        run_sweep(config)


@pytest.mark.skipif(os.geteuid() != 0, reason="a node with a file system of its own needs root")
def test_a_node_that_does_not_share_the_storage_is_named_before_anything_starts(ray_cluster, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    head = {"num_cpus": 1, "include_dashboard": False, **node_address()}
    with bare_nodes():
        nodes = Cluster(initialize_head=True, head_node_args=head)
    # a node whose mount namespace has another, empty folder in the place of ours
    start = f"ray start --address {nodes.address} --num-cpus 1 --block --include-log-monitor=false"
    hidden = f"mount -t tmpfs tmpfs {home} && exec {start}"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    stranger = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", hidden],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_nodes(nodes.address, 2, stranger)
        own = {"ORCHESTRATOR_HOME": str(home), "RAY_ADDRESS": nodes.address}
        own["MLFLOW_TRACKING_URI"] = empty_store(tmp_path)
        refused = subprocess.run(
            [sys.executable, "-m", "orchestrator", "sweep", "sklearn:iris", "--space", "quick", "--trials", "1"],
            cwd=tmp_path,
            env=environment | own,
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].endswith(
            "where trials keep their weights; give --storage a folder that all nodes share, s3://... or gs://..."
        )
        assert list((home / "sweeps").iterdir()) == []
    finally:
        stranger.terminate()
        stranger.wait(timeout=30)
        nodes.shutdown()


def wait_for_nodes(address, count, process):
    client = GcsClient(address=address)
    deadline = time.monotonic() + 60
    while True:
        alive = [node for node in client.get_all_node_info().values() if node.state == 0]
        if len(alive) >= count:
            return
        assert process.poll() is None, "the node could not be started"
        assert time.monotonic() < deadline
        time.sleep(0.5)
