"""A running endpoint under a constant load: versions, canaries, shadows, killed and added replicas; nothing is lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import aiohttp
import httpx
import psutil
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from support import TrackingServer, free_port, quick_model

import orchestrator
from orchestrator.bundle import make_bundle
from orchestrator.bundle.registration import Figure
from orchestrator.cli import main
from orchestrator.data import load_table
from orchestrator.errors import BundleError
from orchestrator.serving.control.control_socket import status_of
from orchestrator.serving.control.deployments import find_deployment
from orchestrator.tracking.registry import register_bundle
from orchestrator.tracking.rollout import read_rollout
from orchestrator.tracking.store import client_for

NAME = "iris"
TOKEN = "t" * 32
FRAME = load_table("sklearn:iris").frame.drop(columns="target")
ROWS = FRAME.to_dict("records")
RATE = 20
WAIT = 90


class Load:
    """Asks four requests at a time, 20 a second, from a thread; counts what comes back."""

    def __init__(self, url, expected):
        self.url, self.expected = url, expected
        self.versions, self.failures = Counter(), []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(30)) as session:
            await asyncio.gather(*(self._ask(session, number) for number in range(4)))

    async def _ask(self, session, number):
        position = number
        while not self._stop.is_set():
            started = time.monotonic()
            row = position % len(ROWS)
            try:
                async with session.post(self.url, json=ROWS[row]) as answer:
                    content = await answer.json()
                    version = content["model"]["version"]
                    # the right answer of that version, not of another one or another request
                    wanted = self.expected[version][row]
                    found = list(content["predictions"][0]["probabilities"].values())
                    assert all(abs(one - other) < 1e-5 for one, other in zip(found, wanted, strict=True)), found
                    self.versions[version] += 1
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}"[:300])
            position += 4
            await asyncio.sleep(max(0.0, 4 / RATE - (time.monotonic() - started)))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join()

    def wait_for(self, version, count=20):
        """Until so many more requests were answered by a version."""
        before = self.versions[version]
        deadline = time.monotonic() + WAIT
        while self.versions[version] < before + count:
            assert time.monotonic() < deadline, (self.versions, self.failures[:3])
            assert not self.failures, self.failures[:3]
            time.sleep(0.05)


class Served:
    """A registry with three good versions and a corrupt one, and an endpoint that follows it."""

    def __init__(self, folder):
        self.server = TrackingServer(folder)
        self.server.start()
        self.uri = self.server.uri
        self.client = client_for(self.uri)
        self.expected = {}
        experiment = self.client.create_experiment("updates", artifact_location=str(folder / "artifacts"))
        metric = None
        for number in range(1, 5):
            network, dataset = quick_model("sklearn:iris", None, depth=1, width=4 * number)
            metric = dataset.schema.target.task.find_metric()
            bundle = make_bundle(network, dataset, {"metric": metric.name})
            bundle.save(folder / str(number))
            self.expected[str(number)] = bundle.answer(FRAME).values["probabilities"].tolist()
            run = self.client.create_run(experiment)
            # each no worse than the one before
            value = 0.5 - 0.01 * number
            figure = Figure(metric=metric, validation=value, test=value, digest=dataset.digest)
            register_bundle(
                self.client, run.info.run_id, NAME, folder / str(number), figure=figure, model_digest=str(number)
            )
        self.client.set_registered_model_alias(NAME, "champion", "1")
        self.client.delete_registered_model_tag(NAME, "orchestrator.history")
        place = Path(self.client.get_model_version_download_uri(NAME, "4").removeprefix("file://"))
        (network_file,) = place.glob("data/*/network.pt2")
        network_file.write_bytes(network_file.read_bytes()[:2000])
        (folder / "tokens").touch(0o600)
        (folder / "tokens").write_text(TOKEN)
        self.port = free_port()
        self.command = [
            *(sys.executable, "-m", "orchestrator", "deploy", f"models:/{NAME}@champion", "--detach"),
            *("--port", str(self.port), "--tracking-uri", self.uri, "--auth-token-file", str(folder / "tokens")),
            *("--max-replicas", "2", "--downscale-delay", "2s"),
        ]

    @property
    def deployment(self):
        return find_deployment(NAME)

    def status(self):
        return status_of(self.deployment).to_json()

    def wait_until(self, condition):
        deadline = time.monotonic() + WAIT
        # an endpoint that is too busy to answer tells nothing of its processes
        while "processes" not in (status := self.status()) or not condition(status):
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        return status

    def metrics(self):
        answer = httpx.get(
            f"{self.deployment.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
        )
        found = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                found[sample.name, sample.labels.get("version"), sample.labels.get("role")] = sample.value
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("updates"))
    subprocess.run(served.command, check=True, timeout=180, stdout=subprocess.DEVNULL)
    yield served
    subprocess.run([sys.executable, "-m", "orchestrator", "undeploy", NAME], check=True, timeout=120)
    served.server.stop()


@pytest.fixture
def load(served):
    with Load(f"{served.deployment.url}/predict", served.expected) as load:
        yield load
    assert load.failures == []
    assert sum(load.versions.values()) > 50


def test_promote_refuse_and_roll_back(served, load):
    load.wait_for("1")
    change = orchestrator.promote(NAME, "2", tracking_uri=served.uri)
    assert [(endpoint.endpoint, endpoint.problem) for endpoint in change.endpoints] == [(NAME, None)]
    # all replicas have said that they serve it
    after = load.versions["1"]
    load.wait_for("2")
    assert load.versions["1"] <= after + 4

    with pytest.raises(BundleError, match="damaged"):
        orchestrator.promote(NAME, "4", tracking_uri=served.uri, force=True)
    assert read_rollout(served.client, NAME).champion == "2"
    # by hand, past all gates: the endpoint has its own
    served.client.set_registered_model_alias(NAME, "champion", "4")
    status = served.wait_until(lambda status: status["problems"])
    assert "version 4 is not served as champion" in status["problems"][0]
    load.wait_for("2")
    served.client.set_registered_model_alias(NAME, "champion", "2")
    served.wait_until(lambda status: not status["problems"])

    orchestrator.rollback(NAME, tracking_uri=served.uri)
    load.wait_for("1")
    served.client.set_registered_model_alias(NAME, "champion", "3")
    load.wait_for("3")
    served.client.set_registered_model_alias(NAME, "champion", "1")
    load.wait_for("1")


def test_canary_and_shadow(served, load):
    before = served.metrics()
    done = CliRunner().invoke(main, ["promote", NAME, "--tracking-uri", served.uri, "--canary", "2", "--weight", "40"])
    assert done.exit_code == 0, done.output
    assert "40% of the requests" in done.stdout
    load.wait_for("2", 60)
    found = served.metrics()
    assert found["orchestrator_canary_weight", None, None] == 40
    assert found["orchestrator_requests_total", "2", "canary"] > 0
    rows = {row["version"]: row for row in served.status()["models"]}
    assert rows["2"]["role"] == "canary"
    assert 0 < rows["2"]["share"] < rows["1"]["share"] + 0.5

    orchestrator.abort(NAME, tracking_uri=served.uri)
    load.wait_for("1")
    orchestrator.shadow(NAME, "3", tracking_uri=served.uri)
    canaried, shadowed = load.versions["2"], load.versions["3"]
    load.wait_for("1", 60)
    assert (load.versions["2"], load.versions["3"]) == (canaried, shadowed)
    served.wait_until(lambda status: any(row["role"] == "shadow" and row["rows"] > 20 for row in status["models"]))
    assert served.metrics()["orchestrator_shadow_largest_difference", "3", None] > 0
    assert before.get(("orchestrator_shadow_rows_total", "3", None), 0) == 0
    orchestrator.abort(NAME, tracking_uri=served.uri)
    orchestrator.canary(NAME, "2", 50, tracking_uri=served.uri)
    load.wait_for("2")
    orchestrator.promote(NAME, tracking_uri=served.uri)
    before = load.versions["1"]
    load.wait_for("2", 60)
    assert load.versions["1"] <= before + 4
    orchestrator.rollback(NAME, tracking_uri=served.uri)


def test_the_only_replica_is_killed(served, load):
    load.wait_for("1", 40)
    (process,) = served.wait_until(lambda status: len(status["processes"]) == 1)["processes"]
    os.kill(process["pid"], signal.SIGKILL)
    status = served.wait_until(
        lambda status: status["processes"] and all(other["pid"] != process["pid"] for other in status["processes"])
    )
    assert psutil.pid_exists(status["processes"][0]["pid"])
    load.wait_for("1")
    # what the dead one had counted is not lost
    assert status["requests"] >= sum(load.versions.values()) // 2


def test_replicas_come_with_the_load_and_go(served, load):
    body = json.dumps(ROWS * 60).encode()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    stop = threading.Event()

    def heavy():
        with httpx.Client(headers=headers, timeout=60, trust_env=False) as client:
            while not stop.is_set():
                client.post(f"{served.deployment.url}/predict", content=body)

    threads = [threading.Thread(target=heavy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        served.wait_until(lambda status: len(status["processes"]) == 2)
        load.wait_for("1")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    served.wait_until(lambda status: len(status["processes"]) == 1)
    load.wait_for("1", 60)


def test_the_tracking_server_is_away(served, load):
    served.server.stop()
    status = served.wait_until(lambda status: status["problems"])
    assert "the registry cannot be asked" in status["problems"][0]
    load.wait_for("1")
    served.server.start()
    served.wait_until(lambda status: not status["problems"])
    load.wait_for("1")
