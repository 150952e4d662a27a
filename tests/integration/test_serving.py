"""Models on Ray Serve, asked over HTTP; and endpoints as processes that start, are listed and stop."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
import tritonclient.grpc as triton
from prometheus_client.parser import text_string_to_metric_families
from prometheus_server import BINARY, NOT_INSTALLED, Prometheus, queries_of
from support import free_port, prepare_bundle, quick_model
from tritonclient.utils import InferenceServerException

from orchestrator.bundle import make_bundle
from orchestrator.data import load_table
from orchestrator.environment import port_problem
from orchestrator.errors import ServingError
from orchestrator.manifests.dashboard import ENDPOINTS
from orchestrator.serving.control.control_socket import status_of
from orchestrator.serving.control.deployments import (
    PLACE_PREFIX,
    Deployment,
    abandoned_places,
    list_deployments,
    log_file,
    private_place,
    record_file,
    recorded,
    undeploy,
)
from orchestrator.serving.control.haproxy import real_binary
from orchestrator.serving.messages import AssignedModel, AssignedVersion, ServedModel, ServedVersion
from orchestrator.serving.settings import EndpointSettings

OK, INVALID = 200, 422
FRAME = load_table("sklearn:iris").frame.drop(columns="target")
ROWS = FRAME.to_dict("records")
START_SECONDS = 120
TOKEN = "t" * 32
BEARER = {"authorization": f"Bearer {TOKEN}"}
needs_haproxy = pytest.mark.skipif(real_binary() is None, reason="HAProxy is not installed")


@pytest.fixture(scope="module")
def module():
    """The trained network as a bundle that was never written."""
    return make_bundle(*quick_model("sklearn:iris"), {"metric": "log_loss"})


@pytest.fixture(scope="module")
def bundle_folder(module, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "iris"
    module.save(path)
    return path


def eventually(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def shares(module, predictions):
    names = [str(label) for label in module.schema.target.task.classes]
    return np.array([[row["probabilities"][name] for name in names] for row in predictions])


# -- processes ---------------------------------------------------------------------------------------------------------


class Process:
    """`orchestrator deploy` in the foreground. It writes to a file: Ray's own processes would hold a pipe open."""

    def __init__(self, port, output, *arguments):
        self.output = output
        command = [sys.executable, "-m", "orchestrator", "deploy", *map(str, arguments), "--port", str(port)]
        with output.open("wb") as stream:
            self.process = psutil.Popen(command, stdout=stream, stderr=stream)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in [*self.process.children(recursive=True), self.process] if self.process.is_running() else []:
            process.kill()

    def wait_for(self, condition):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def wait_until_answering(self):
        self.wait_for(lambda: "curl" in self.output.read_text())

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    @property
    def deployment(self):
        """What is recorded of it, or None."""
        return next((entry for entry in list_deployments() if entry.pid == self.process.pid), None)

    def places(self):
        return list(Path(tempfile.gettempdir()).glob(f"{PLACE_PREFIX}{self.process.pid}-*"))


def proxies(place):
    """HAProxy processes whose files lie in a folder."""
    return [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "haproxy"
        and any(word.startswith(f"{place}/") for word in process.info["cmdline"] or ())
    ]


def listeners(process):
    """(process, address, port) of everything on which an endpoint's processes accept connections."""
    found = []
    for child in (process, *process.children(recursive=True)):
        # some are there for a moment only
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [
                (child, connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
                for connection in child.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            ]
    return found


def check_serves_own_pages_are_hidden(process, port):
    """In HAProxy, in replicas and in the proxy that Serve falls back to."""
    names = ("ServeReplica", "ProxyActor")
    ports = {found for child, _, found in listeners(process) if found == port or any(n in child.name() for n in names)}
    asked = 0
    for found in ports:
        for path in ("/-/routes", "/%2d/routes", "/%2D%2Froutes", "//-/routes", "/x/../-/routes"):
            with socket.create_connection(("127.0.0.1", found), timeout=30) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                answer = connection.recv(65536)
            # others speak gRPC
            if answer.startswith(b"HTTP/1.1"):
                asked += 1
                assert answer.startswith(b"HTTP/1.1 404 "), (found, path, answer)
                assert b"route_prefix" not in answer
    assert asked == 3 * 5


class Requests:
    """Asks all the time, over new and over kept connections; counts what comes back."""

    def __init__(self, url):
        self.url, self.found = url, Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in (True, True, False, False)]

    def _ask(self, kept):
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._stop.is_set():
                post = client.post if kept else partial(httpx.post, trust_env=False, timeout=60)
                try:
                    answer = post(f"{self.url}/predict", json=ROWS)
                    self.found[answer.status_code, "retry-after" in answer.headers] += 1
                except httpx.ConnectError:
                    self.found["refused"] += 1
                except httpx.ReadError:
                    # in the kernel's queue when listening ended: nobody has read it
                    self.found["reset"] += 1
                except httpx.HTTPError as error:
                    self.found[repr(error)] += 1
                time.sleep(0.01)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def check_haproxy_comes_back(deployment):
    for proxy in proxies(deployment.place):
        proxy.kill()
    began = time.monotonic()
    assert httpx.post(f"{deployment.url}/predict", json=ROWS, trust_env=False).status_code == OK
    assert time.monotonic() - began < 2
    assert eventually(lambda: "answered again" in " ".join(status_of(deployment).to_json()["problems"]))
    (problem,) = status_of(deployment).to_json()["problems"]
    assert re.match(r"HAProxy died at \d\d:\d\d:\d\d \(killed by SIGKILL\) and answered again \d\.\d s later", problem)


def check_stopped(endpoint, deployment, number):
    """A signal ends it, and nothing of it is left."""
    children = endpoint.process.children(recursive=True)
    assert proxies(deployment.place)
    assert endpoint.stop(number) == 0
    assert endpoint.output.read_text().splitlines()[-1] == "stopping: requests that have arrived are answered"
    assert "Traceback" not in endpoint.output.read_text()
    assert list(record_file("iris").parent.glob("*.json")) == []
    assert endpoint.places() == []
    assert eventually(lambda: proxies(deployment.place) == [])
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def kill_one_of_two_models(bundle_folder, port, folder):
    """What is left of an endpoint that was killed: its record, and nothing that runs. It has TLS and tokens."""
    shutil.copytree(bundle_folder, folder / "other")
    certificate, secure = make_certificate(folder)
    calls = free_port()
    options = ("--name", "iris", "--grpc-port", calls, "--max-body", "300KB", *secure)
    with Process(port, folder / "first", bundle_folder, folder / "other", *options) as endpoint:
        endpoint.wait_until_answering()
        killed = endpoint.deployment
        assert killed.url.startswith("https://")
        trusted = httpx.Client(
            verify=ssl.create_default_context(cafile=certificate), headers=BEARER, base_url=killed.url, trust_env=False
        )
        with trusted as client:
            for name in ("iris", "other"):
                answer = client.post(f"/models/{name}/predict", json=ROWS[0])
                assert answer.json()["model"]["name"] == name
        check_calls_over_tls(certificate, calls)
        replicas = [
            child for child in endpoint.process.children(recursive=True) if "Replica" in " ".join(child.cmdline())
        ]
        assert len(replicas) == 1
        assert proxies(killed.place)
        endpoint.stop(signal.SIGKILL)
        assert eventually(lambda: proxies(killed.place) == [])
        assert eventually(lambda: port_problem("127.0.0.1", port) is None)
        _, alive = psutil.wait_procs(replicas, timeout=30)
        assert alive == []
    assert list_deployments() == [killed]
    assert killed.state == "dead"
    return killed


def make_certificate(folder):
    """A certificate for this machine, and the options of an endpoint that has it and takes one token."""
    certificate, key, tokens = (folder / name for name in ("cert.pem", "key.pem", "tokens"))
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, *names, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    tokens.touch(0o600)
    tokens.write_text(TOKEN)
    return certificate, ("--tls-cert", certificate, "--tls-key", key, "--auth-token-file", tokens)


def check_calls_over_tls(certificate, port):
    """They need the certificate and a token, and what is larger than a body may be is refused as such."""
    (other := certificate.parent / "elsewhere").mkdir()
    foreign, _ = make_certificate(other)
    few, many = (iris_tensors(pd.concat([FRAME] * count)) for count in (1, 100))
    refused = [
        (certificate, few, {}, "UNAUTHENTICATED", "a valid token is needed"),
        (certificate, many, BEARER, "RESOURCE_EXHAUSTED", "larger than max"),
        (foreign, few, BEARER, "UNAVAILABLE", "CERTIFICATE_VERIFY_FAILED|SSL"),
    ]
    for trusted, tensors, headers, code, sentence in refused:
        options = {"ssl": True, "root_certificates": str(trusted)}
        with triton.InferenceServerClient(f"localhost:{port}", **options) as client:
            with pytest.raises(InferenceServerException, match=sentence) as error:
                client.infer("iris", tensors, headers=headers)
            assert error.value.status() == f"StatusCode.{code}"
            if trusted is certificate:
                answer = client.infer("iris", few, headers=BEARER)
                assert answer.as_numpy("probabilities").shape == (len(FRAME), 3)


@needs_haproxy
def test_a_killed_endpoint_leaves_its_place_to_the_next_which_a_signal_stops(bundle_folder, module, tmp_path):
    port = free_port()
    killed = kill_one_of_two_models(bundle_folder, port, tmp_path)
    # as one that was killed before anything was written down about it
    left = Path(tempfile.mkdtemp(prefix=f"{PLACE_PREFIX}{killed.pid}-"))
    calls = free_port()
    log = ("--log-folder", tmp_path / "log", "--log-share", "1", "--grpc-port", calls)
    with private_place() as alive, Process(port, tmp_path / "second", bundle_folder, *log) as endpoint:
        endpoint.wait_for(lambda: endpoint.deployment)
        deployment = endpoint.deployment
        assert (deployment.name, deployment.models, deployment.version) == ("iris", ("iris",), None)
        assert list_deployments() == [deployment]
        assert deployment.state == "starting"
        assert [str(place) for place in endpoint.places()] == [deployment.place]
        assert Path(deployment.place).stat().st_mode & 0o777 == 0o700
        endpoint.wait_until_answering()
        assert deployment.state == "answering"
        assert alive.is_dir()
        assert not Path(killed.place).exists()
        assert not left.exists()
        check_answers(deployment, endpoint, module, calls)
        check_haproxy_comes_back(deployment)
        with Requests(deployment.url) as requests:
            assert eventually(lambda: requests.found[OK, False] > 20)
            check_stopped(endpoint, deployment, signal.SIGTERM)
        # whoever was not answered was told to come back, or that nobody is there any more
        assert set(requests.found) <= {(OK, False), (503, True), "refused", "reset"}, requests.found
        # once for each client at most, at the moment when listening ends
        assert requests.found["reset"] <= len(requests._threads), requests.found
        # the first three were asked before: nothing that was answered is missing in the request log
        answered = 3 + requests.found[OK, False]
        written = len(pd.read_parquet(tmp_path / "log")) / len(ROWS)
        assert answered <= written <= answered + requests.found["reset"]
        assert port_problem("127.0.0.1", port) is None


def check_answers(deployment, endpoint, module, calls):
    """It says where it is, answers as the trained network, and nothing else of it can be reached."""
    computed, *lines = endpoint.output.read_text().splitlines()
    assert re.fullmatch(r"iris, computed by (torch|onnxruntime) \(.+\)", computed)
    assert lines == [
        f"iris answers on {deployment.url} through HAProxy (Ctrl-C stops it)",
        f"gRPC (Open Inference Protocol) answers on 127.0.0.1:{calls}",
        f"try it in a browser, or: curl {deployment.url}/schema",
    ]
    answer = httpx.post(f"{deployment.url}/predict", json=ROWS, trust_env=False)
    assert answer.status_code == OK
    expected = module.answer(FRAME).values["probabilities"]
    np.testing.assert_allclose(shares(module, answer.json()["predictions"]), expected, atol=1e-5)
    np.testing.assert_allclose(called(calls), expected, atol=1e-5)
    assert {address for _, address, _ in listeners(endpoint.process)} == {"127.0.0.1"}
    check_serves_own_pages_are_hidden(endpoint.process, httpx.URL(deployment.url).port)
    foreign = httpx.post(f"{deployment.url}/predict", json=ROWS, trust_env=False, headers={"host": "evil.example"})
    assert foreign.status_code == 421
    shown = status_of(deployment).to_json()
    assert (shown["state"], shown["ingress"], shown["problems"]) == ("answering", "haproxy", [])
    assert [(row["model"], row["role"]) for row in shown["models"]] == [("iris", "champion")]
    assert eventually(lambda: status_of(deployment).to_json()["models"][0]["rows"] == 2 * len(ROWS))


def called(port):
    """The probabilities of all rows, asked over gRPC; and nothing but the protocol is answered there."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/ray.serve.RayServeAPIService/ListApplications")(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        return client.infer("iris", iris_tensors(FRAME)).as_numpy("probabilities")


def iris_tensors(frame):
    tensors = [triton.InferInput(name, [len(frame)], "FP64") for name in frame]
    for tensor in tensors:
        tensor.set_data_from_numpy(frame[tensor.name()].to_numpy(np.float64))
    return tensors


def test_a_signal_while_it_starts_leaves_nothing(bundle_folder, tmp_path):
    with Process(free_port(), tmp_path / "output", bundle_folder) as endpoint:
        endpoint.wait_for(lambda: endpoint.deployment)
        deployment = endpoint.deployment
        time.sleep(2)
        endpoint.stop(signal.SIGINT)
    assert "Traceback" not in endpoint.output.read_text()
    assert list(record_file("iris").parent.glob("*.json")) == []
    assert endpoint.places() == []
    assert eventually(lambda: proxies(deployment.place) == [])


def test_a_killed_endpoint_is_dead_and_can_be_cleaned_up(bundle_folder):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    place = Path(tempfile.mkdtemp(prefix=f"{PLACE_PREFIX}{process.pid}-"))
    (place / "model").mkdir()
    record = {"name": "iris", "version": None, "url": "http://127.0.0.1:1", "pid": process.pid, "place": str(place)}
    record_file("iris").write_text(json.dumps(record | {"created": psutil.Process(process.pid).create_time()}))
    log_file("iris").write_text("Error: it was killed")
    assert list_deployments()[0].state == "starting"
    assert place not in list(abandoned_places())
    process.kill()
    process.wait()
    assert list_deployments()[0].state == "dead"
    assert place in list(abandoned_places())
    assert undeploy("iris").pid == process.pid
    assert list(record_file("iris").parent.glob("*.json")) == []
    assert not place.exists()


def test_undeploy_does_not_touch_a_process_that_got_the_number_of_a_dead_one():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = {"name": "iris", "version": None, "url": "http://127.0.0.1:1", "pid": process.pid, "created": 1.0}
        record_file("iris").write_text(json.dumps(record))
        assert undeploy("iris").state == "dead"
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_name_is_deployed_once():
    created = psutil.Process().create_time()
    first = Deployment(
        name="iris", version="1", url="http://127.0.0.1:1", pid=os.getpid(), created=created, models=("iris", "wine")
    )
    with recorded(first):
        assert list_deployments() == [first]
        other = Deployment(
            name="iris", version="2", url="http://127.0.0.1:2", pid=os.getpid(), created=created, models=("iris",)
        )
        with pytest.raises(ServingError, match=r"'iris' is deployed already.*orchestrator undeploy iris"):
            recorded(other).__enter__()
    assert list_deployments() == []


# -- on the Ray of these tests -----------------------------------------------------------------------------------------


class Served:
    """An endpoint on the Ray of these tests, behind Ray Serve's own proxy."""

    def __init__(self, folder, client):
        import ray

        from orchestrator.serving.control.coordinator import COORDINATOR, NAMESPACE, Coordinator

        self.folder, self.client, self.number = folder, client, 0
        actor = ray.remote(Coordinator).options(name=COORDINATOR, namespace=NAMESPACE, num_cpus=0)
        self.coordinator = actor.remote()

    def publish(self, folder=None, weight=0, **roles):
        """Tells the replicas to answer with these versions of the prepared model."""
        import ray

        entries = {
            role: AssignedVersion(version, f"k{version}", Path(folder or self.folder))
            for role, version in roles.items()
        }
        versions = {version: ServedVersion(role, "torch") for role, version in roles.items()}
        self.number += 1
        ray.get(self.coordinator.set_served.remote({"iris": ServedModel(versions, weight)}))
        ray.get(self.coordinator.publish.remote(self.number, {"iris": AssignedModel(weight=weight, **entries)}))

    def switch(self, weight=0, **roles):
        """Publishes, and waits until the replica has taken it over."""
        self.publish(weight=weight, **roles)
        wanted = {"canary": None, "shadow": None, **roles, "weight": weight}
        assert eventually(lambda: [one["iris"] for one in self.summary()["serving"].values()] == [wanted])

    def summary(self):
        import ray

        return ray.get(self.coordinator.summary.remote()).to_json()

    def counts(self):
        """(version, role, route, status) -> requests, as Prometheus would read it."""
        answer = self.client.get("/metrics")
        assert answer.status_code == OK
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            tuple(sample.labels[name] for name in ("version", "role", "route", "status")): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == "orchestrator_requests_total"
        }


@pytest.fixture(scope="module")
def served(ray_cluster, bundle_folder, tmp_path_factory):
    import ray
    from ray import serve

    from orchestrator.serving.control.replica import serve_application

    folder = tmp_path_factory.mktemp("prepared") / "iris"
    prepare_bundle(bundle_folder, folder)
    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"log_level": "ERROR"})
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        served = Served(folder, client)
        served.publish(champion="7")
        serve.run(serve_application(EndpointSettings(), (1, 1)), name="endpoint", route_prefix="/")
        yield served
    serve.shutdown()
    ray.kill(served.coordinator)


@pytest.fixture
def client(served):
    return served.client


def test_all_pages_answer(client):
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/schema").json()["model"] == {"name": "iris", "version": "7"}
    assert "<form" in client.get("/").text
    assert "/predict" in client.get("/openapi.json").json()["paths"]


def test_http_answers_equal_the_trained_module(client, module):
    expected = module.answer(FRAME)
    for order in (range(len(ROWS)), range(len(ROWS) - 1, -1, -1)):
        answer = client.post("/predict", json=[ROWS[position] for position in order]).json()["predictions"]
        np.testing.assert_allclose(shares(module, answer), expected.values["probabilities"][list(order)], atol=1e-5)
        assert [row["label"] for row in answer] == [expected.values["label"][position] for position in order]
    for position in (0, 75, 149):
        answer = client.post("/predict", json=ROWS[position]).json()["predictions"]
        np.testing.assert_allclose(shares(module, answer)[0], expected.values["probabilities"][position], atol=1e-5)


def test_requests_beside_each_other_get_their_own_answers(client, module):
    expected = module.answer(FRAME).values["probabilities"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda row: client.post("/predict", json=row).json()["predictions"], ROWS[::3]))
    np.testing.assert_allclose(np.concatenate([shares(module, a) for a in answers]), expected[::3], atol=1e-5)


def test_invocations_take_all_forms(client, module):
    columns = list(FRAME.columns)
    expected = module.predict(FRAME.head(5)).to_dict("records")
    for body in (
        {"dataframe_split": {"columns": columns, "data": FRAME.head(5).to_numpy().tolist()}},
        {"dataframe_records": ROWS[:5]},
        {"instances": ROWS[:5]},
        {"inputs": {name: FRAME[name].head(5).tolist() for name in columns}},
    ):
        answer = client.post("/invocations", json=body)
        assert answer.status_code == OK
        assert answer.json()["predictions"] == [pytest.approx(row, abs=1e-5) for row in expected]


@pytest.mark.parametrize(
    ("path", "body", "row", "column"),
    [
        ("/predict", b"{", None, None),
        ("/predict", b"3", None, None),
        ("/predict", json.dumps([ROWS[0], ROWS[1] | {"petal_width": "wide"}]).encode(), 1, "petal_width"),
        ("/predict", json.dumps([ROWS[0], {"petal_width": 1}]).encode(), 1, "sepal_length"),
        ("/invocations", json.dumps({"rows": ROWS}).encode(), None, None),
        ("/invocations", json.dumps({"instances": [ROWS[0] | {"petal_width": [[]]}]}).encode(), 0, "petal_width"),
    ],
)
def test_bad_requests_name_row_and_column(client, path, body, row, column):
    answer = client.post(path, content=body)
    assert answer.status_code == INVALID
    error = answer.json()["error"]
    assert (error["row"], error["column"]) == (row, column)
    assert error["message"]


def test_metrics_count_what_was_asked(served, client):
    before = served.counts()
    for row in ROWS[:7]:
        assert client.post("/predict", json=row).status_code == OK
    for body in (b"{", b"[3]"):
        assert client.post("/predict", content=body).status_code == INVALID
    assert client.post("/invocations", json={"instances": ROWS}).status_code == OK
    after = served.counts()
    changed = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    assert changed == {
        ("7", "champion", "predict", "200"): 7,
        ("7", "champion", "predict", "422"): 2,
        ("7", "champion", "invocations", "200"): 1,
        # the question before this one
        ("", "", "metrics", "200"): 1,
    }
    text = client.get("/metrics").text
    assert 'orchestrator_model_info{execution="torch",model="iris",role="champion",version="7"} 1.0' in text
    assert "orchestrator_replicas 1.0" in text


@pytest.mark.skipif(BINARY is None, reason=NOT_INSTALLED)
def test_each_query_of_the_dashboard_has_an_answer(served, client, tmp_path):
    served.switch(champion="7", shadow="8")
    stop = threading.Event()

    def load():
        while not stop.is_set():
            assert client.post("/predict", json=ROWS).status_code == OK
            # refused
            client.post("/predict", content=b"{")
            time.sleep(0.02)

    with Prometheus(tmp_path, client.base_url.port) as prometheus, ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        try:
            prometheus.wait_for(queries_of(ENDPOINTS))
            (refused,) = prometheus.ask('rate(orchestrator_refused_total{reason="invalid"}[20s])')
            assert float(refused["value"][1]) > 0
            assert prometheus.broken_rules() == []
        finally:
            stop.set()
        loading.result()
    served.switch(champion="7")


def test_versions_change_in_place_without_a_failed_request(served, client):
    (before,) = served.summary()["processes"]
    stop = threading.Event()

    def load():
        found = []
        while not stop.is_set():
            answer = client.post("/predict", json=ROWS[0])
            found.append((answer.status_code, answer.json()["model"]["version"]))
            time.sleep(0.002)
        return found

    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(load) for _ in range(2)]
        try:
            served.switch(champion="7", canary="8", weight=50)
            time.sleep(0.5)
            served.switch(champion="8")
            time.sleep(0.5)
        finally:
            stop.set()
        answers = [answer for task in tasks for answer in task.result()]
    assert {status for status, _ in answers} == {OK}
    assert {version for _, version in answers} == {"7", "8"}
    assert client.get("/schema").json()["model"]["version"] == "8"
    assert client.get("/models").json() == {"models": [{"name": "iris", "versions": {"champion": "8"}}]}
    # nothing was started anew, so the figures go on
    (after,) = served.summary()["processes"]
    assert (after["replica"], after["pid"]) == (before["replica"], before["pid"])
    roles = {(version, role) for version, role, route, _ in served.counts() if route == "predict"}
    assert roles == {("7", "champion"), ("8", "canary"), ("8", "champion")}


def test_a_configuration_that_cannot_be_loaded_leaves_the_replica_as_it_was(served, client, tmp_path):
    served.switch(champion="7")
    (before,) = served.summary()["processes"]
    (tmp_path / "damaged").mkdir()
    served.publish(tmp_path / "damaged", champion="9")
    assert eventually(lambda: served.summary()["processes"][0]["notes"])
    (after,) = served.summary()["processes"]
    assert "the new configuration was not taken: damaged" in after["notes"][0]
    assert after["pid"] == before["pid"]
    assert client.post("/predict", json=ROWS[0]).json()["model"]["version"] == "7"
    served.switch(champion="8")
    assert client.post("/predict", json=ROWS[0]).json()["model"]["version"] == "8"
    assert eventually(lambda: not served.summary()["processes"][0]["notes"])


def test_a_replica_on_another_machine_brings_the_files_from_the_coordinator(served, tmp_path):
    import ray

    files = {path.name: path.read_bytes() for path in served.folder.iterdir()}
    ray.get(served.coordinator.put_files.remote("k21", files))
    assert ray.get(served.coordinator.missing.remote(["k21", "k22"])) == ["k22"]
    # where the endpoint's process has them, but not the replica
    served.publish(tmp_path / "elsewhere", champion="21")
    assert eventually(lambda: served.client.post("/predict", json=ROWS[0]).json()["model"]["version"] == "21")
    served.switch(champion="7")
