"""A model on Ray Serve, asked over HTTP; and endpoints as processes that start, are listed and stop."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import psutil
import pytest
from support import free_port, quick_model

from orchestrator.bundle import make_bundle
from orchestrator.data import load_table
from orchestrator.errors import ServingError
from orchestrator.serving.app import serve_application
from orchestrator.serving.deployments import list_deployments, log_file, record_file, recorded, undeploy

OK, INVALID = 200, 422
FRAME = load_table("sklearn:iris").frame.drop(columns="target")
ROWS = FRAME.to_dict("records")
START_SECONDS = 120


@pytest.fixture(scope="module")
def module():
    """The trained network as a bundle that was never written."""
    return make_bundle(*quick_model("sklearn:iris"), {"metric": "log_loss"})


@pytest.fixture(scope="module")
def bundle_folder(module, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "iris"
    module.save(path)
    return path


@pytest.fixture(scope="module")
def client(ray_cluster, bundle_folder):
    from ray import serve

    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"log_level": "ERROR"})
    serve.run(serve_application(bundle_folder, "iris", "7"), name="iris", route_prefix="/")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        yield client
    serve.shutdown()


def shares(module, predictions):
    names = [str(label) for label in module.schema.target.classes]
    return np.array([[row["probabilities"][name] for name in names] for row in predictions])


def test_all_pages_answer(client):
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/schema").json()["model"] == {"name": "iris", "version": "7"}
    assert "<form" in client.get("/").text
    assert "/predict" in client.get("/openapi.json").json()["paths"]


def test_http_answers_equal_the_trained_module(client, module):
    expected = module.answer(FRAME)
    for order in (range(len(ROWS)), range(len(ROWS) - 1, -1, -1)):
        answer = client.post("/predict", json=[ROWS[position] for position in order]).json()["predictions"]
        np.testing.assert_allclose(shares(module, answer), expected.probabilities[list(order)], atol=1e-5)
        assert [row["label"] for row in answer] == [expected.labels[position] for position in order]
    for position in (0, 75, 149):
        answer = client.post("/predict", json=ROWS[position]).json()["predictions"]
        np.testing.assert_allclose(shares(module, answer)[0], expected.probabilities[position], atol=1e-5)


def test_requests_beside_each_other_get_their_own_answers(client, module):
    expected = module.answer(FRAME).probabilities
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


class Process:
    """`orchestrator deploy` in the foreground. It writes to a file: Ray's own processes would hold a pipe open."""

    def __init__(self, bundle_folder, port, output):
        self.output = output
        command = [sys.executable, "-m", "orchestrator", "deploy", str(bundle_folder), "--port", str(port)]
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

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_a_foreground_endpoint_and_leaves_nothing(bundle_folder, tmp_path, number):
    port = free_port()
    with Process(bundle_folder, port, tmp_path / "output") as endpoint:
        endpoint.wait_for(list_deployments)
        (deployment,) = list_deployments()
        assert (deployment.name, deployment.pid) == ("iris", endpoint.process.pid)
        assert deployment.state == "starting"
        endpoint.wait_for(lambda: "curl" in endpoint.output.read_text())
        assert deployment.state == "answering"
        assert httpx.post(f"{deployment.url}/predict", json=ROWS[0], trust_env=False).status_code == OK
        children = endpoint.process.children(recursive=True)
        assert endpoint.stop(number) == 0
    assert endpoint.output.read_text().splitlines() == [
        f"iris answers on http://127.0.0.1:{port} (Ctrl-C stops it)",
        f"try it in a browser, or: curl http://127.0.0.1:{port}/schema",
        "stopping",
    ]
    assert list(record_file("iris").parent.iterdir()) == []
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_a_signal_while_it_starts_leaves_nothing(bundle_folder, tmp_path):
    with Process(bundle_folder, free_port(), tmp_path / "output") as endpoint:
        endpoint.wait_for(list_deployments)
        time.sleep(2)
        endpoint.stop(signal.SIGTERM)
    assert "Traceback" not in endpoint.output.read_text()
    assert list(record_file("iris").parent.iterdir()) == []


def test_a_killed_endpoint_is_dead_and_can_be_cleaned_up(bundle_folder):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    record = {"name": "iris", "version": None, "url": "http://127.0.0.1:1", "pid": process.pid}
    left = record_file("iris").parent / f".model-{process.pid}-x"
    left.mkdir(parents=True)
    record_file("iris").write_text(json.dumps(record | {"created": psutil.Process(process.pid).create_time()}))
    log_file("iris").write_text("Error: it was killed")
    assert list_deployments()[0].state == "starting"
    process.kill()
    process.wait()
    assert list_deployments()[0].state == "dead"
    assert undeploy("iris").pid == process.pid
    assert list(record_file("iris").parent.iterdir()) == []


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
    with recorded("iris", "1", "http://127.0.0.1:1"):
        assert list_deployments()[0].pid == os.getpid()
        with pytest.raises(ServingError, match=r"'iris' is deployed already.*orchestrator undeploy iris"):
            recorded("iris", "2", "http://127.0.0.1:2").__enter__()
    assert list_deployments() == []
