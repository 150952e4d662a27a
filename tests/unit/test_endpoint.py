"""The HTTP application, without Ray: it answers what the trained network answers, within limits, and never fails."""

import asyncio
import gzip
import io
import json
import random
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from ray.serve._private.http_util import RequestIdMiddleware
from support import mixed_frame, prepare_bundle, quick_model
from torch import nn
from tritonclient.http import InferInput, InferResult
from tritonclient.http._utils import _get_inference_request

from orchestrator.bundle import make_bundle
from orchestrator.columns.notes import DataWarning
from orchestrator.config import ServeConfig
from orchestrator.data import open_dataset
from orchestrator.errors import BundleError
from orchestrator.serving.control import replica as serving_replica
from orchestrator.serving.control.haproxy import MESSAGES
from orchestrator.serving.http import auth, browsers
from orchestrator.serving.http.endpoint import Endpoint
from orchestrator.serving.inference.batching import Batcher
from orchestrator.serving.inference.hosting import HostedModel, LoadedVersion
from orchestrator.serving.inference.offline import predict
from orchestrator.serving.messages import AssignedModel, AssignedVersion
from orchestrator.serving.settings import EndpointSettings, RequestLimits
from orchestrator.serving.telemetry.merging import ShadowCounts

OK, INVALID = 200, 422
EXECUTIONS = ("torch", "onnxruntime")
TABLE = mixed_frame()
ROWS = json.loads(TABLE.drop(columns="label").to_json(orient="records"))
TOKEN = "a-token-that-nobody-guesses"
SECONDS = 20


class Client:
    """Sends requests to an endpoint in this process."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def talk(self, conversation):
        """The result of `await conversation(client)` in an event loop of its own."""

        async def run():
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(self.endpoint), base_url="http://test"
            ) as client:
                return await conversation(client)

        return asyncio.run(run())

    def ask(self, path, body=None, method=None, headers=None):
        """The answer to a GET, or to a POST of JSON or of raw bytes."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        return self.talk(lambda client: client.request(method, path, content=content, headers=headers))

    @property
    def counts(self):
        return self.endpoint.telemetry.snapshot()

    @property
    def refused(self):
        """Model, version and reason -> requests."""
        return self.counts.refused


def configuration(folders, name="mixed", weight=0, **roles):
    """Of one model: role -> version, which names a folder."""
    entries = {
        role: AssignedVersion(version, str(folders[version]), Path(folders[version])) for role, version in roles.items()
    }
    return {name: AssignedModel(weight=weight, **entries)}


def fetch(_key, folder):
    return folder


def serve(models, **options):
    endpoint = Endpoint(EndpointSettings(**options), "r0")
    endpoint.configure(models, fetch)
    return Client(endpoint)


def train(folder, table=TABLE, target="label", **design):
    """The trained module as a bundle that was never written, and the folders prepared of it by execution."""
    module = make_bundle(*quick_model(table, target, **design), {"metric": "log_loss"})
    module.save(folder / "bundle")
    for execution in EXECUTIONS:
        prepare_bundle(folder / "bundle", folder / execution, execution)
    return module, {execution: folder / execution for execution in EXECUTIONS}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The module, and its folders by execution."""
    return train(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def folders(trained, tmp_path_factory):
    """Version -> folder: 3 is the module, 4 another network for the same rows."""
    other = train(tmp_path_factory.mktemp("other"), depth=2, width=16)[1]
    return {"3": trained[1]["onnxruntime"], "4": other["onnxruntime"]}


@pytest.fixture(scope="module")
def endpoint(folders):
    return serve(configuration(folders, champion="3"))


@pytest.fixture(scope="module", params=EXECUTIONS)
def either(request, trained):
    """An endpoint for each way to compute."""
    return serve(configuration({"3": trained[1][request.param]}, champion="3"))


@pytest.fixture(scope="module", params=EXECUTIONS)
def regression(request, tmp_path_factory):
    module, prepared = train(tmp_path_factory.mktemp("diabetes"), "sklearn:diabetes", None)
    return module, serve(configuration({None: prepared[request.param]}, "diabetes", champion=None))


class Network:
    """Stands for a network of the mixed rows; it computes when it is told to."""

    def __init__(self, logit=0.0):
        self.logit = logit
        self.entered, self.release = threading.Event(), threading.Event()

    def __call__(self, inputs):
        self.entered.set()
        assert self.release.wait(SECONDS)
        return np.full((len(inputs), 1), self.logit, np.float32)

    async def wait_until_entered(self):
        assert await asyncio.to_thread(self.entered.wait, SECONDS)


def version_with(client, network, seconds=1.0, version="3", max_waiting=256):
    """The champion with another network, which says that it takes so long."""
    model = replace(client.endpoint.hosted["mixed"].champion.model, network=network)
    batcher = Batcher(
        network,
        lambda _rows: seconds,
        executor=ThreadPoolExecutor(1),
        max_rows=10_000,
        max_waiting=max_waiting,
        observe=lambda *_figures: None,
    )
    return LoadedVersion(name="mixed", version=version, key="slow", model=model, batcher=batcher)


def with_network(folders, network, seconds=1.0, max_waiting=256, **options):
    client = serve(configuration(folders, champion="3"), **options)
    client.endpoint.hosted["mixed"] = HostedModel(version_with(client, network, seconds, max_waiting=max_waiting))
    return client


def shares(bundle, predictions):
    classes = [str(label) for label in bundle.schema.target.task.classes]
    return np.array([[row["probabilities"][name] for name in classes] for row in predictions]).reshape(-1, len(classes))


def flat_shares(bundle, predictions):
    names = [f"probability_{label}" for label in bundle.schema.target.task.classes]
    return np.array([[row[name] for name in names] for row in predictions]).reshape(-1, len(names))


# -- answers -----------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(ROWS) - 1), max_size=40))
def test_http_answers_equal_the_trained_module_for_any_rows_in_any_order(trained, either, positions):
    module, _ = trained
    rows = [ROWS[position] for position in positions]
    expected = module.answer(TABLE.drop(columns="label").iloc[positions])
    answer = either.ask("/predict", rows).json()["predictions"]
    np.testing.assert_allclose(shares(module, answer), expected.values["probabilities"], atol=1e-5)
    assert [row["label"] for row in answer] == expected.values["label"]
    columns = list(ROWS[0])[::-1]
    split = {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}
    answer = either.ask("/invocations", {"dataframe_split": split}).json()["predictions"]
    np.testing.assert_allclose(flat_shares(module, answer), expected.values["probabilities"], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=10, max_size=10))
def test_http_values_equal_the_trained_module_for_any_numbers(regression, cells):
    module, endpoint = regression
    row = dict(zip((column.name for column in module.schema.columns), cells, strict=True))
    expected = module.predict(pd.DataFrame([row], dtype=object))["value"].iloc[0]
    assert endpoint.ask("/predict", row).json()["predictions"] == [
        {"value": pytest.approx(expected, rel=1e-5, abs=1e-5)}
    ]


def test_predict_names_the_model_and_answers_one_row_as_a_list(endpoint):
    answer = endpoint.ask("/predict", ROWS[0])
    assert answer.status_code == OK
    content = answer.json()
    assert content["model"] == {"name": "mixed", "version": "3"}
    (prediction,) = content["predictions"]
    assert set(prediction) == {"label", "probabilities"}
    assert set(prediction["probabilities"]) == {"high", "low"}
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)


def test_invocations_answer_as_mlflow_models_serve(trained, either):
    from mlflow.pyfunc.scoring_server import predictions_to_json

    expected = io.StringIO()
    predictions_to_json(trained[0].predict(pd.DataFrame(ROWS[:3])), expected)
    answer = either.ask("/invocations", {"dataframe_records": ROWS[:3]}).json()
    wanted = json.loads(expected.getvalue())
    assert list(answer) == list(wanted)
    assert [list(row) for row in answer["predictions"]] == [list(row) for row in wanted["predictions"]]
    assert answer["predictions"][1] == pytest.approx(wanted["predictions"][1], abs=1e-5)


def test_all_forms_of_the_scoring_protocol_have_one_answer(endpoint):
    columns = list(ROWS[0])
    values = [[row[name] for name in columns] for row in ROWS[:4]]
    bodies = [
        {"dataframe_records": ROWS[:4]},
        {"dataframe_split": {"columns": columns, "data": values}},
        {"instances": ROWS[:4]},
        {"inputs": ROWS[:4]},
        {"inputs": {name: [row[name] for row in ROWS[:4]] for name in columns}},
    ]
    answers = [endpoint.ask("/invocations", body) for body in bodies]
    assert {answer.status_code for answer in answers} == {OK}
    assert len({answer.text for answer in answers}) == 1


def infer_request(rows):
    """What Triton's client sends, and the headers."""
    numbers = np.array([np.nan if row["number"] is None else row["number"] for row in rows], np.float64)
    inputs = [InferInput("number", [len(rows)], "FP64").set_data_from_numpy(numbers)]
    for name in ("color", "day"):
        texts = np.array([row[name] or "" for row in rows], np.object_)
        inputs.append(InferInput(name, [len(rows)], "BYTES").set_data_from_numpy(texts, binary_data=name == "day"))
    flags = np.array([row["flag"] for row in rows], np.bool_)
    inputs.append(InferInput("flag", [len(rows)], "BOOL").set_data_from_numpy(flags))
    body, length = _get_inference_request(inputs, "r 1", None, 0, False, False, 0, None, None)
    return body, {"inference-header-content-length": str(length)}


def test_the_client_of_triton_is_answered_as_the_trained_module(trained, either):
    expected = trained[0].answer(TABLE.drop(columns="label").head(30))
    body, headers = infer_request(ROWS[:30])
    answer = either.ask("/v2/models/mixed/infer", body, headers=headers)
    assert answer.status_code == OK
    length = int(answer.headers["inference-header-content-length"])
    result = InferResult.from_response_body(answer.content, header_length=length)
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected.values["probabilities"], atol=1e-5)
    assert [label.decode() for label in result.as_numpy("label")] == expected.values["label"]
    assert {"model_name": "mixed", "model_version": "3", "id": "r 1"}.items() <= result.get_response().items()


def test_the_inference_protocol_describes_what_it_takes(endpoint):
    found = endpoint.ask("/v2/models/mixed").json()
    assert (found["name"], found["versions"]) == ("mixed", ["3"])
    assert [tensor["name"] for tensor in found["inputs"]] == list(ROWS[0])
    for path in ("/v2/models/mixed/ready", "/v2/models/mixed/versions/3/ready", "/v2/health/ready"):
        assert endpoint.ask(path).json() == {"ready": True}
    assert endpoint.ask("/v2/models/mixed/versions/3").json() == found
    assert endpoint.ask("/v2/health/live").json() == {"live": True}
    refused = endpoint.ask("/v2/models/mixed/infer", b"{}")
    assert refused.status_code == INVALID
    assert isinstance(refused.json()["error"], str)
    length = {"inference-header-content-length": "-1"}
    assert endpoint.ask("/v2/models/mixed/infer", b"{}", headers=length).status_code == INVALID


def test_empty_lists_have_empty_answers(either):
    assert either.ask("/predict", []).json()["predictions"] == []
    assert either.ask("/invocations", {"dataframe_records": []}).json() == {"predictions": []}


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"number": "a lot"}, "number"),
        ({"number": [1]}, "number"),
        ({"day": "soon"}, "day"),
        ({"flag": "perhaps"}, "flag"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_column(endpoint, change, column):
    rows = [ROWS[0], ROWS[1], ROWS[2] | change]
    for path, body in (("/predict", rows), ("/invocations", {"dataframe_records": rows})):
        answer = endpoint.ask(path, body)
        assert answer.status_code == INVALID
        error = answer.json()["error"]
        assert (error["row"], error["column"]) == (2, column)
        assert "row 3" in error["message"]
        assert f"'{column}'" in error["message"]


def test_the_first_row_that_lacks_a_column_is_named(endpoint):
    short = {name: value for name, value in ROWS[1].items() if name != "color"}
    for path, body in (
        ("/predict", [ROWS[0], short, {}]),
        ("/invocations", {"dataframe_records": [ROWS[0], short, {}]}),
    ):
        answer = endpoint.ask(path, body)
        assert answer.status_code == INVALID
        assert (answer.json()["error"]["row"], answer.json()["error"]["column"]) == (1, "color")


def test_null_is_a_missing_value_and_other_keys_are_ignored(trained, either):
    row = dict.fromkeys(ROWS[0]) | {"unknown": {"a": [1]}}
    answer = either.ask("/predict", row)
    assert answer.status_code == OK
    expected = trained[0].answer(pd.DataFrame([dict.fromkeys(ROWS[0])], dtype=object))
    np.testing.assert_allclose(
        shares(trained[0], answer.json()["predictions"]), expected.values["probabilities"], atol=1e-5
    )


def test_requests_beside_each_other_get_their_own_answers(trained, either):
    module, _ = trained
    expected = module.answer(TABLE.drop(columns="label")).values["probabilities"]

    async def ask(client):
        return await asyncio.gather(*(client.post("/predict", json=row) for row in ROWS[:60]))

    answers = [answer.json()["predictions"] for answer in either.talk(ask)]
    assert len(answers) == 60
    for position, answer in enumerate(answers):
        np.testing.assert_allclose(shares(module, answer)[0], expected[position], atol=1e-5)


def test_a_large_body_is_answered_as_a_small_one(trained, either):
    rows = ROWS * 20
    body = json.dumps(rows).encode()
    assert len(body) > 256 * 1024
    expected = trained[0].answer(TABLE.drop(columns="label")).values["probabilities"]
    answer = either.ask("/predict", body).json()["predictions"]
    np.testing.assert_allclose(shares(trained[0], answer), np.tile(expected, (20, 1)), atol=1e-5)


# -- anything that a client may send -----------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
cells = st.one_of(
    json_values,
    st.sampled_from(["red", "2020-01-01", "9999-12-31T23:59:59", "1e308", "nan", "\ud800", "\x00", "1e999", "٣"]),
    st.sampled_from([1e308, -1e308, 3e38, 1e-320, 2**63, 10**400, True]),
)
# half of the rows have all columns, so that the values are looked at
full_rows = st.fixed_dictionaries(dict.fromkeys(ROWS[0], cells))
loose_rows = st.dictionaries(st.sampled_from([*ROWS[0], "other"]), cells)
row_lists = st.lists(full_rows | loose_rows | cells, max_size=4) | st.lists(full_rows, max_size=4)
split_bodies = st.fixed_dictionaries(
    {"data": st.lists(st.lists(cells, max_size=5) | cells, max_size=3) | cells},
    optional={"columns": st.permutations(list(ROWS[0])) | st.lists(cells, max_size=5) | cells, "index": cells},
)
column_bodies = st.dictionaries(st.sampled_from(list(ROWS[0])), st.lists(cells, max_size=3) | cells)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
invocation_bodies = (
    st.fixed_dictionaries({"dataframe_split": split_bodies})
    | st.dictionaries(st.sampled_from(FORMS), row_lists | column_bodies | cells, min_size=1, max_size=2)
    | json_values
)
tensors = st.fixed_dictionaries(
    {"name": st.sampled_from(list(ROWS[0])), "shape": st.just([1]) | cells, "data": st.lists(cells, max_size=2)},
    optional={"datatype": st.sampled_from(["FP64", "BYTES", "BOOL", "INT8"]) | cells, "parameters": cells},
)
whole_tensors = st.tuples(
    *(
        st.fixed_dictionaries(
            {"name": st.just(name), "shape": st.just([1]), "datatype": st.just("BYTES"), "data": st.tuples(cells)}
        )
        for name in ROWS[0]
    )
)
infer_bodies = (
    st.fixed_dictionaries({"inputs": st.lists(tensors, max_size=5) | whole_tensors}, optional={"outputs": cells})
    | json_values
)
fuzzing = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_answer(answer):
    assert answer.status_code in (OK, INVALID), answer.text
    content = json.loads(answer.text, parse_constant=pytest.fail)
    if answer.status_code == INVALID:
        assert set(content["error"]) == {"message", "row", "column"}
        assert content["error"]["message"]


@fuzzing
@given(full_rows | row_lists | json_values)
def test_predict_never_fails(either, body):
    check_answer(either.ask("/predict", json.dumps(body).encode()))


@fuzzing
@given(invocation_bodies)
def test_invocations_never_fail(either, body):
    check_answer(either.ask("/invocations", json.dumps(body).encode()))


@fuzzing
@given(infer_bodies, st.none() | st.integers(-5, 400))
def test_infer_never_fails(endpoint, body, length):
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    answer = endpoint.ask("/v2/models/mixed/infer", json.dumps(body).encode(), headers=headers)
    assert answer.status_code in (OK, INVALID), answer.text
    if answer.status_code == INVALID:
        assert answer.json()["error"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=10, max_size=10))
def test_any_finite_numbers_have_an_answer(regression, cells):
    module, endpoint = regression
    row = dict(zip((column.name for column in module.schema.columns), cells, strict=True))
    check_answer(endpoint.ask("/predict", row))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_answered(endpoint, body):
    check_answer(endpoint.ask("/predict", body))
    check_answer(endpoint.ask("/invocations", body))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=30), st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]))
def test_any_path_is_answered(endpoint, path, method):
    answer = endpoint.ask(f"/{quote(path, safe='/')}", method=method)
    assert answer.status_code in (OK, 404, 405)
    assert method == "HEAD" or answer.status_code == OK or answer.json()["error"]


class Overflowing(nn.Module):
    """Grows so fast that a row far from all others is infinite."""

    def forward(self, numeric, categorical):
        return torch.exp(numeric[:, :1] * 20)


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_row_without_an_answer_is_named(tmp_path, execution):
    dataset = open_dataset("sklearn:diabetes")
    make_bundle(Overflowing(), dataset, {}).save(tmp_path / "bundle")
    prepare_bundle(tmp_path / "bundle", tmp_path / "prepared", execution)
    client = serve(configuration({"1": tmp_path / "prepared"}, "diabetes", champion="1"))
    good = dict(dataset.example[0])
    first = dataset.schema.columns[0].name
    assert client.ask("/predict", good).status_code == OK
    for path, body in (
        ("/predict", [good, good | {first: 1e9}, good | {first: 1e9}]),
        ("/invocations", {"dataframe_records": [good, good | {first: 1e9}, good]}),
    ):
        answer = client.ask(path, body)
        assert answer.status_code == INVALID
        assert (answer.json()["error"]["row"], answer.json()["error"]["column"]) == (1, None)


def test_what_is_not_a_number_is_not_an_answer(folders):
    outputs = np.array([[0.5], [np.nan], [0.5]], np.float32)
    client = with_network(folders, lambda _inputs: outputs, seconds=0.0)
    answer = client.ask("/predict", ROWS[:3])
    assert answer.status_code == INVALID
    assert (answer.json()["error"]["row"], answer.json()["error"]["column"]) == (1, None)


# -- what is said of the model -----------------------------------------------------------------------------------------


def test_schema_describes_the_columns_and_the_model(either):
    content = either.ask("/schema").json()
    assert content["model"] == {"name": "mixed", "version": "3"}
    assert content["target"]["classes"] == ["high", "low"]
    assert content["execution"]["name"] in EXECUTIONS
    assert [(column["name"], column["kind"]) for column in content["columns"]] == [
        ("number", "numeric"),
        ("color", "categorical"),
        ("flag", "boolean"),
        ("day", "datetime"),
    ]
    assert content["columns"][1]["categories"] == ["blue", "green", "red"]
    example = {column["name"]: column["example"] for column in content["columns"]}
    assert either.ask("/predict", example).status_code == OK


def test_healthz_and_the_form_page_answer(endpoint):
    assert endpoint.ask("/healthz").json() == {"status": "ok"}
    assert endpoint.ask("/readyz").json() == {"status": "ok"}
    page = endpoint.ask("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "<form" in page.text


def test_no_page_loads_anything_from_elsewhere(endpoint):
    page = endpoint.ask("/")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert endpoint.ask("/docs").status_code == 404
    assert endpoint.ask("/redoc").status_code == 404


def test_openapi_describes_the_body_of_predict(endpoint):
    content = endpoint.ask("/openapi.json").json()
    assert {"/predict", "/invocations", "/healthz", "/schema", "/"} <= set(content["paths"])
    assert "requestBody" in content["paths"]["/predict"]["post"]


def test_the_openapi_document_has_all_routes_and_its_examples_are_answered(folders):
    for names in (["mixed"], ["mixed", "Häuser/v2 {x}"]):
        client = serve(
            {key: entry for name in names for key, entry in configuration(folders, name, champion="3").items()}
        )
        described = set()
        for path, operations in client.ask("/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                described.add((unquote(path), method.upper()))
                bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                for example in bodies.get("examples", {"none": {"value": None}}).values():
                    answer = client.ask(path, example["value"], method.upper())
                    assert answer.status_code == OK, (path, method, answer.text)
        routes = {(path, method) for path, methods in client.endpoint._routes.items() for method in methods}
        # what the document leaves out on purpose
        routes = {(path, method) for path, method in routes if method != "HEAD" and "/versions/" not in path}
        assert described == routes


def test_all_reading_paths_answer_head(endpoint):
    for path in ("/healthz", "/", "/schema", "/models", "/v2", "/metrics", "/openapi.json"):
        assert endpoint.ask(path, method="HEAD").status_code == OK


# -- several models ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def several(folders):
    return serve(
        configuration(folders, "mixed", champion="3")
        | configuration(folders, "Häuser/v2 {x}", champion="4", shadow="3")
    )


def test_several_models_answer_below_their_names(several, endpoint):
    for name, version in (("mixed", "3"), ("Häuser/v2 {x}", "4")):
        prefix = f"/models/{quote(name, safe='')}"
        answer = several.ask(f"{prefix}/predict", ROWS[0])
        assert answer.json()["model"] == {"name": name, "version": version}
        assert several.ask(f"{prefix}/schema").json()["model"]["name"] == name
        assert several.ask(f"{prefix}/invocations", {"instances": ROWS[:2]}).status_code == OK
        assert "<form" in several.ask(f"{prefix}/").text
        body, headers = infer_request(ROWS[:2])
        answer = several.ask(f"/v2{prefix}/infer", body, headers=headers)
        assert (
            json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])["model_name"] == name
        )
    assert several.ask("/models").json() == {
        "models": [
            {"name": "mixed", "versions": {"champion": "3"}},
            {"name": "Häuser/v2 {x}", "versions": {"champion": "4", "shadow": "3"}},
        ]
    }
    first = several.ask("/models/mixed/predict", ROWS[:5]).json()["predictions"]
    assert first == endpoint.ask("/predict", ROWS[:5]).json()["predictions"]
    assert first != several.ask(f"/models/{quote('Häuser/v2 {x}', safe='')}/predict", ROWS[:5]).json()["predictions"]


def test_with_several_models_the_root_says_where_to_ask(several):
    for path in ("/predict", "/invocations", "/schema"):
        answer = several.ask(path, None if path == "/schema" else ROWS[0])
        assert answer.status_code == 404
        assert f"ask /models/NAME{path} with one of Häuser/v2 {{x}}, mixed" in answer.json()["error"]["message"]
    assert several.ask("/healthz").status_code == OK


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/predict", 405, "POST"),
        ("DELETE", "/models/mixed/predict", 405, "POST"),
        ("POST", "/schema", 405, "GET, HEAD"),
        ("OPTIONS", "/predict", 405, "POST"),
        ("GET", "/v2/models/mixed/infer", 405, "POST"),
        ("GET", "/nothing", 404, None),
        ("POST", "/predict/", 404, None),
        ("GET", "/v2/models/other", 404, None),
        ("POST", "/models/other/predict", 404, None),
        ("GET", "/models/mixed", 404, None),
        ("GET", "/../../etc/passwd", 404, None),
    ],
)
def test_other_paths_and_methods_are_refused_as_json(endpoint, method, path, status, allow):
    answer = endpoint.ask(path, method=method)
    assert answer.status_code == status
    assert answer.headers.get("allow") == allow
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert isinstance(error, str) if path.startswith("/v2") else error["message"]
    if "other" in path:
        assert "there are: mixed" in answer.text


def test_more_than_the_limits_is_refused(folders):
    client = serve(configuration(folders, champion="3"), limits=RequestLimits(body=1500, rows=3))
    columns = {name: [row[name] for row in ROWS[:4]] for name in ROWS[0]}
    for path, body in (
        ("/predict", ROWS[:4]),
        ("/invocations", {"instances": ROWS[:4]}),
        ("/invocations", {"inputs": columns}),
        ("/invocations", {"dataframe_split": {"columns": ["number"], "data": [[1]] * 4}}),
    ):
        answer = client.ask(path, body)
        assert answer.status_code == 413, answer.text
        assert "at most 3" in answer.json()["error"]["message"]
    tensors = [{"name": name, "shape": [4], "datatype": "BYTES", "data": ["1"] * 4} for name in columns]
    answer = client.ask("/v2/models/mixed/infer", {"inputs": tensors})
    assert answer.status_code == 413
    assert "at most 3" in answer.json()["error"]
    for body, headers in ((b" " * 1501, {}), (gzip.compress(b" " * 1501), {"content-encoding": "gzip"})):
        answer = client.ask("/predict", body, headers=headers)
        assert answer.status_code == 413
        assert "larger than 1500 bytes" in answer.json()["error"]["message"]
        assert answer.headers["connection"] == "close"
    assert client.ask("/predict", ROWS[:3]).status_code == OK
    assert client.refused == {("mixed", "3", "too_large"): 7}


def test_one_request_may_be_as_large_as_its_limit_allows(folders, monkeypatch):
    monkeypatch.setattr("orchestrator.serving.http.predict.BODIES_IN_MEMORY", 1000)
    client = serve(configuration(folders, champion="3"))
    assert client.ask("/predict", ROWS[:50]).status_code == OK


def test_together_bodies_have_a_limit(folders, monkeypatch):
    body = len(json.dumps(ROWS[:8]).encode())
    # what waits for the network is smaller than the body, but it counts
    monkeypatch.setattr("orchestrator.serving.http.predict.BODIES_IN_MEMORY", body + 100)
    network = Network()
    client = with_network(folders, network)

    async def ask(http):
        first = asyncio.create_task(http.post("/predict", json=ROWS[:8]))
        await network.wait_until_entered()
        second = await http.post("/predict", json=ROWS[:8])
        network.release.set()
        return await first, second, await http.post("/predict", json=ROWS[:8])

    assert [answer.status_code for answer in client.talk(ask)] == [OK, 503, OK]


def test_large_bodies_are_parsed_one_after_another_when_they_have_many_cells(folders, monkeypatch):
    monkeypatch.setattr("orchestrator.serving.http.predict.LARGE_BODY", 0)
    monkeypatch.setattr("orchestrator.serving.http.predict.CELLS_AT_ONCE", 100)
    client = serve(configuration(folders, champion="3"), limits=RequestLimits(queue=3, timeout=SECONDS))
    parse, running, most = client.endpoint._parse_predict, Counter(), []

    def watched(version, body):
        running["now"] += 1
        most.append(running["now"])
        time.sleep(0.05)
        running["now"] -= 1
        return parse(version, body)

    monkeypatch.setattr(client.endpoint, "_parse_predict", watched)

    async def ask(http):
        return await asyncio.gather(*(http.post("/predict", json=ROWS[:30]) for _ in range(6)))

    # one is parsed, three wait
    statuses = sorted(answer.status_code for answer in client.talk(ask))
    assert (statuses, max(most)) == ([OK] * 4 + [503] * 2, 1)


def test_encodings_of_the_body(endpoint):
    plain = endpoint.ask("/predict", ROWS[:5])
    body = json.dumps(ROWS[:5]).encode()
    zipped = endpoint.ask("/predict", gzip.compress(body), headers={"content-encoding": "gzip"})
    assert (zipped.status_code, zipped.json()) == (OK, plain.json())
    unknown = endpoint.ask("/predict", body, headers={"content-encoding": "br"})
    assert unknown.status_code == 415
    assert "gzip" in unknown.json()["error"]["message"]
    assert endpoint.ask("/predict", b"no gzip", headers={"content-encoding": "gzip"}).status_code == 400


def test_only_who_has_a_token_may_ask(folders, tmp_path, monkeypatch):
    (tmp_path / "tokens").touch(0o600)
    (tmp_path / "tokens").write_text(f"# of the shop\n{TOKEN}\n")
    client = serve(configuration(folders, champion="3"), token_file=str(tmp_path / "tokens"))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    protected = [("/predict", ROWS[0]), ("/invocations", {"instances": ROWS[:1]}), ("/models/mixed/predict", ROWS[0])]
    protected += [(path, None) for path in ("/metrics", "/schema", "/models", "/openapi.json", "/v2")]
    for path, body in protected:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
            answer = client.ask(path, body, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            error = answer.json()["error"]
            assert "token" in (error if path == "/v2" else error["message"])
        assert client.ask(path, body, headers=bearer).status_code == OK
    assert isinstance(client.ask("/v2/models/mixed/infer", b"{}").json()["error"], str)
    # what there is, is not told either
    assert client.ask("/nothing").status_code == 401
    assert client.ask("/nothing", headers=bearer).status_code == 404
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/", "/models/mixed/"):
        assert client.ask(path).status_code == OK
    described = client.ask("/openapi.json", headers=bearer).json()
    assert described["security"]
    assert TOKEN not in json.dumps(described)
    assert client.refused["", "", "unauthorized"] >= 3 * len(protected)

    monkeypatch.setattr(auth, "CHECK_SECONDS", 0.0)
    (tmp_path / "tokens").write_text("another-token-of-enough-characters\n")
    assert client.ask("/schema", headers=bearer).status_code == 401
    another = {"authorization": "Bearer another-token-of-enough-characters"}
    assert client.ask("/schema", headers=another).is_success
    (tmp_path / "tokens").write_text("")
    assert client.ask("/schema", headers=another).status_code == 401
    assert client.ask("/healthz").is_success
    assert client.endpoint.closed
    assert "nobody is let in" in client.endpoint.notes[0]
    assert client.refused["", "", "closed"] == 1


JSON = {"content-type": "application/json"}


def test_web_pages_of_other_origins_may_not_ask(endpoint):
    other = {"origin": "http://shop.example"}
    preflight = other | {"access-control-request-method": "POST"}
    before = endpoint.refused.get(("", "", "origin"), 0)
    for path, body, method, headers in (
        ("/predict", ROWS[0], "POST", JSON | other),
        ("/predict", ROWS[0], "POST", {"content-type": "text/plain"} | other),
        ("/predict", ROWS[0], "POST", JSON | {"sec-fetch-site": "cross-site"}),
        ("/predict", ROWS[0], "POST", JSON | {"origin": "null"}),
        ("/predict", None, "OPTIONS", preflight),
        ("/schema", None, "GET", other),
    ):
        answer = endpoint.ask(path, body, method, headers)
        assert answer.status_code == 403, headers
        assert "--cors-origin" in answer.json()["error"]["message"]
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert endpoint.refused["", "", "origin"] == before + 6
    # a link to the form page
    assert endpoint.ask("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == OK
    assert endpoint.ask("/healthz", headers=other).status_code == OK


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("test", {"origin": "http://test", "sec-fetch-site": "same-origin"}),
        ("test:8000", {"origin": "http://test:8000"}),
        # an SSH tunnel, a proxy that ends TLS, one that changes the name
        ("localhost:9000", {"origin": "http://localhost:9000"}),
        ("models.example", {"origin": "https://models.example"}),
        ("models.example:443", {"origin": "https://models.example"}),
        ("[::1]:8000", {"origin": "http://[::1]:8000"}),
        ("127.0.0.1:8000", {"origin": "https://models.example", "sec-fetch-site": "same-origin"}),
    ],
)
def test_the_endpoints_own_page_may_ask_however_it_is_reached(endpoint, host, headers):
    answer = endpoint.ask("/predict", ROWS[0], headers=JSON | headers | {"host": host})
    assert answer.status_code == OK, answer.text


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain;charset=utf-8",
        "Application/X-WWW-form-urlencoded",
        "",
    ],
)
def test_what_a_page_can_send_without_being_asked_is_refused_from_browsers_only(endpoint, content_type):
    typed = {"content-type": content_type} if content_type else {}
    for browser in ({"origin": "http://test"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        answer = endpoint.ask("/predict", ROWS[0], headers=typed | browser)
        assert (answer.status_code, "application/json" in answer.text) == (415, True)
    assert endpoint.ask("/predict", ROWS[0], headers=typed).status_code == OK


CSV = {"content-type": "text/csv"}
TEXT = TABLE.drop(columns="label").to_csv(index=False)


def test_csv_is_answered_as_json_is(either):
    for path in ("/predict", "/invocations"):
        wanted = either.ask(path, ROWS if path == "/predict" else {"dataframe_records": ROWS}).json()
        for headers in (CSV, {"content-type": "Text/CSV; charset=utf-8; header=present"}):
            assert either.ask(path, TEXT.encode(), headers=headers).json() == wanted
        for body in (
            b"\xff\xfe" + TEXT.replace(",", "\t").encode("utf-16-le"),
            TEXT.replace(",", ";").replace("\n", ";\r\n").encode(),
            gzip.compress(TEXT.encode()),
        ):
            packed = {"content-encoding": "gzip"} if body.startswith(b"\x1f\x8b") else {}
            assert either.ask(path, body, headers=CSV | packed).json() == wanted
        # large bodies, one row, and no row at all
        large = TEXT + 9 * TEXT.partition("\n")[2]
        assert len(either.ask(path, large.encode(), headers=CSV).json()["predictions"]) == 10 * len(ROWS)
        for rows in (1, 0):
            few = "\n".join(TEXT.splitlines()[: rows + 1]).encode()
            assert len(either.ask(path, few, headers=CSV).json()["predictions"]) == rows


def test_answers_are_csv_where_that_is_asked_for(either, trained):
    wanted = trained[0].predict(TABLE)
    for accept in ("text/csv", "text/csv, */*;q=0.5", "application/json;q=0.1, Text/CSV"):
        answer = either.ask("/predict", ROWS, headers={"accept": accept})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        found = pd.read_csv(io.StringIO(answer.text))
        assert list(found) == list(wanted)
        assert found["label"].tolist() == wanted["label"].tolist()
        np.testing.assert_allclose(found.iloc[:, 1:], wanted.iloc[:, 1:], atol=1e-5)
    for accept in ("application/json, text/csv", "*/*", "text/html", "text/csv;q=0", "text/csv;q=x", ""):
        assert either.ask("/predict", ROWS, headers={"accept": accept}).headers["content-type"] == "application/json"
    empty = either.ask("/invocations", {"dataframe_records": []}, headers={"accept": "text/csv"})
    assert empty.text == ",".join(wanted) + "\n"


def test_what_is_passed_over_in_csv_is_said(endpoint):
    head, rest = TEXT.split("\n", 1)
    body = f"{head}\n{rest}{head}\n".encode()
    sentence = f"line {len(ROWS) + 2} repeats the header line: passed over"
    answer = endpoint.ask("/predict", body, headers=CSV)
    assert len(answer.json()["predictions"]) == len(ROWS)
    assert answer.json()["notes"] == [sentence]
    answer = endpoint.ask("/predict", body, headers=CSV | {"accept": "text/csv"})
    assert answer.headers["orchestrator-notes"] == sentence
    assert "notes" not in endpoint.ask("/predict", ROWS).json()
    answer = endpoint.ask("/predict", TEXT.replace("color", "COLOR", 1).encode(), headers=CSV)
    assert answer.json()["predictions"] == endpoint.ask("/predict", ROWS).json()["predictions"]
    assert "COLOR" in answer.json()["notes"][0]


def test_a_body_with_decimal_commas_is_read_as_predict_reads_the_file(tmp_path, endpoint, trained):
    text = TABLE.drop(columns="label").assign(number=lambda rows: rows.number.map("{:.2f}".format)).to_csv(index=False)
    other = text.replace(",", ";").replace(".", ",").encode()
    (tmp_path / "rows.csv").write_bytes(other)
    wanted = endpoint.ask("/predict", text.encode(), headers=CSV).json()["predictions"]
    sentence = "has numbers with a decimal comma, and the model has learned from those with a point"
    answer = endpoint.ask("/predict", other, headers=CSV).json()
    assert answer["predictions"] == wanted
    assert sentence in answer["notes"][0]
    trained[0].save(tmp_path / "bundle")
    with pytest.warns(DataWarning, match=sentence):
        found = predict(str(tmp_path / "bundle"), tmp_path / "rows.csv")
    assert found["label"].tolist() == [row["label"] for row in wanted]
    # a text of a row in JSON stands alone
    assert "'1,5' is not a number" in endpoint.ask("/predict", [{**ROWS[0], "number": "1,5"}]).text


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize("charset", ["utf-16", '"UTF-16LE"', "cp1250", "utf-8", "US-ASCII"])
def test_the_charset_of_a_body_in_csv_is_obeyed(endpoint, path, charset):
    text = "number,color,flag,day\n" + "".join(f"{at},ř,true,2024-01-01\n" for at in range(3))
    name = charset.strip('"')
    body = text.encode("utf-8" if name == "US-ASCII" else name)
    wanted = endpoint.ask(path, text.encode(), headers=CSV).json()["predictions"]
    answer = endpoint.ask(path, body, headers={"content-type": f"text/csv; header=present; charset={charset}"})
    assert answer.status_code == 200
    assert answer.json()["predictions"] == wanted
    assert "notes" not in answer.json()


def test_a_charset_that_is_not_known_or_not_that_of_the_body_is_refused(endpoint):
    answer = endpoint.ask("/predict", b"number\n1\n", headers={"content-type": "text/csv; charset=klingon"})
    assert (answer.status_code, "the charset klingon is not known; send UTF-8" in answer.text) == (415, True)
    answer = endpoint.ask("/predict", b"number\n\x81\n", headers={"content-type": "text/csv; charset=cp1252"})
    assert (answer.status_code, "cannot be read as CP1252" in answer.text) == (INVALID, True)
    assert "--encoding" not in answer.text
    headers = {"content-type": "application/json; charset=klingon"}
    assert endpoint.ask("/predict", ROWS, headers=headers).status_code == 200


def test_names_in_another_spelling_are_taken_from_json_and_said(endpoint):
    rows = [{"COLOR" if name == "color" else name: cell for name, cell in row.items()} for row in ROWS]
    wanted = endpoint.ask("/predict", ROWS).json()["predictions"]
    answer = endpoint.ask("/predict", rows).json()
    assert answer["predictions"] == wanted
    assert answer["notes"] == ["column 'color' is written 'COLOR' here: read as the same column"]
    split = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    answer = endpoint.ask("/invocations", {"dataframe_split": split}).json()
    assert [row["label"] for row in answer["predictions"]] == [row["label"] for row in wanted]
    assert "COLOR" in answer["notes"][0]
    misspelt = [row | {"colour": row.pop("COLOR")} for row in rows]
    split = {"columns": list(misspelt[0]), "data": [list(row.values()) for row in misspelt]}
    for path, body in (("/predict", misspelt), ("/invocations", {"dataframe_split": split})):
        refused = endpoint.ask(path, body)
        assert refused.status_code == 422
        assert "the column 'color' is missing; is 'colour' meant for it?" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body: the file is empty"),
        (b"number,color\n1,red\n", "is missing"),
        (b"number,color,flag,days\n1,red,1,2020-01-01\n", "the column 'day' is missing; is 'days' meant for it?"),
        (b"number,color,flag,day\n1,red\n", "line 2 has 2 fields, the header has 4"),
        (b"a,a\n1,2\n", "the column name 'a' occurs 2 times"),
        (b"1,2\n3,4\n", "holds values, not column names"),
        (b"a\x00\x01b", "byte 1 is zero"),
        (b"a," * 3000 + b"b\n", "the column name 'a'"),
        (",".join(map("c{}".format, range(3000))).encode() + b"\n", "has 3,000 columns, but at most"),
        (b"x" * 2**22 + b"yz", "the first line is longer than 4 MiB"),
        (b"number,color\n" + b"#\n" * 5000, "line 1002 has 1 field"),
        (TEXT.replace("\n", "\nmany", 1).encode(), "row 1, column"),
    ],
)
def test_csv_that_cannot_be_answered_gets_a_sentence(endpoint, body, sentence):
    answer = endpoint.ask("/predict", body, headers=CSV)
    assert answer.status_code == INVALID
    assert sentence in answer.json()["error"]["message"]


def test_csv_has_the_limits_of_json(folders):
    client = serve(configuration(folders, champion="3"), limits=RequestLimits(rows=3))
    assert client.ask("/predict", "\n".join(TEXT.splitlines()[:4]).encode(), headers=CSV).status_code == OK
    answer = client.ask("/predict", TEXT.encode(), headers=CSV)
    assert (answer.status_code, "at most 3" in answer.text) == (413, True)
    hint = client.ask("/predict", TEXT.encode())
    assert (hint.status_code, "Content-Type: text/csv" in hint.text) == (INVALID, True)


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/models/mixed/predict", "/v2/models/mixed/infer"])
def test_other_content_types_are_refused_by_name(endpoint, path):
    types = ["application/xml", "multipart/form-data; boundary=b", "text/html", "\x80/x", "x" * 5000]
    for content_type in [*types, *(["text/csv"] if path.startswith("/v2") else [])]:
        answer = endpoint.ask(path, b"{}", headers={"content-type": content_type.encode("latin-1")})
        assert answer.status_code == 415
        assert "application/json" in answer.text
        assert ("text/csv" in answer.text, len(answer.text) < 600) == (True, True)
    for content_type in ("application/json; charset=utf-8", "application/vnd.x+json", "APPLICATION/JSON"):
        assert endpoint.ask(path, b"{", headers={"content-type": content_type}).status_code == INVALID


def test_only_known_names_are_answered(folders):
    client = serve(configuration(folders, champion="3"), hosts=("127.0.0.1", "localhost", "::1", "models.lan"))
    for host in ("localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1:1", "[::1]:8000", "[::1]", "Models.lan:80"):
        for _ in range(2):
            assert client.ask("/predict", ROWS[0], headers={"host": host}).status_code == OK, host
    others = ("rebind.evil.example", "localhost.evil.example", "evil-localhost", "127.0.0.2", "::1", "", "a" * 999)
    for host in others:
        answer = client.ask("/predict", ROWS[0], headers={"host": host, "origin": f"http://{host}"})
        assert answer.status_code == 421, host
        assert "--allowed-host NAME" in answer.json()["error"]["message"]
        assert len(answer.content) < 300
    assert client.refused["", "", "host"] == len(others)
    # whoever asks whether it lives is told
    assert client.ask("/healthz", headers={"host": "evil.example"}).status_code == OK
    anywhere = serve(configuration(folders, champion="3"), hosts=("localhost", browsers.ANY_ADDRESS))
    for host, status in (("10.1.2.3:80", OK), ("[fe80::1]:80", OK), ("10.1.2.3.evil.example", 421)):
        assert anywhere.ask("/schema", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("options", "host", "allowed"),
    [
        ({}, "localhost", True),
        ({}, "10.0.0.1", False),
        ({"allowed_hosts": ["Models.Example"]}, "models.example", True),
        ({"allowed_hosts": ["*"]}, "anything", None),
        ({"host": "0.0.0.0", "insecure": True}, socket.gethostname(), True),
        ({"host": "0.0.0.0", "insecure": True}, browsers.ANY_ADDRESS, True),
        ({"host": "0.0.0.0", "insecure": True}, "models.example", False),
        ({"host": "models.example", "insecure": True}, "models.example", True),
        ({"host": "0.0.0.0", "auth_token_file": "t"}, "models.example", None),
        ({"host": "0.0.0.0", "auth_token_file": "t", "allowed_hosts": ["a.example"]}, "models.example", False),
    ],
)
def test_names_are_checked_where_there_are_no_tokens(options, host, allowed):
    found = browsers.allowed_hosts(ServeConfig.create(models=["m"], **options))
    assert (None if found is None else host.lower() in found) == allowed


def test_an_endpoint_that_is_stopped_refuses_what_arrives_and_ends_what_it_has_begun(folders):
    network = Network()
    client = with_network(folders, network)

    async def conversation(http):
        begun = asyncio.create_task(http.post("/predict", json=ROWS[0]))
        await network.wait_until_entered()
        client.endpoint.draining = True
        for _ in range(3):
            refused = await http.post("/predict", json=ROWS[0])
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert refused.headers["connection"] == "close"
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/healthz")).status_code == OK
        # what is refused is not waited for
        assert client.endpoint.in_flight == 1
        network.release.set()
        return await begun

    assert client.talk(conversation).status_code == OK
    assert client.endpoint.in_flight == 0


# -- Ray Serve's own pages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_replica", [True, False])
@given(st.text(alphabet="/-.rouThealzs", max_size=12) | st.sampled_from(["-/routes", "/-/routes", "./-/x", "-"]))
def test_of_serves_own_pages_only_health_is_passed_on(endpoint, in_replica, rest):
    passed, sent = [], []

    async def serves_own(scope, _receive, _send):
        passed.append(scope["path"])

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    path = f"/{rest}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_replica, "_endpoint", endpoint.endpoint if in_replica else None)
        scope = {"type": "http", "path": path, "method": "GET", "headers": []}
        asyncio.run(serving_replica.DirectAnswers(serves_own)(scope, receive, send))
    assert bool(passed) != bool(sent)
    if in_replica or path.startswith("/-/"):
        assert passed == ([path] if path == "/-/healthz" else [])


@pytest.mark.parametrize(("path", "status"), [("*", 400), ("/-/routes", 404)])
def test_a_proxy_refuses_as_haproxy_what_ray_serve_would_answer_itself(path, status):
    async def serves_own(_scope, _receive, _send):
        raise AssertionError

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "GET", "headers": []}
    asyncio.run(serving_replica.DirectAnswers(serves_own)(scope, None, send))
    assert sent[0]["status"] == status
    assert json.loads(sent[1]["body"])["error"]["message"] == MESSAGES[status]


def test_web_pages_of_listed_origins_may_ask(folders, tmp_path):
    (tmp_path / "tokens").touch(0o600)
    (tmp_path / "tokens").write_text(TOKEN)
    client = serve(
        configuration(folders, champion="3"),
        token_file=str(tmp_path / "tokens"),
        cors_origins=("http://shop.example", "https://other.example"),
    )
    preflight = {
        "origin": "http://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    answer = client.ask("/predict", method="OPTIONS", headers=preflight)
    assert answer.status_code == 204
    assert "content-length" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == "http://shop.example"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["vary"] == "Origin"
    bearer = {"authorization": f"Bearer {TOKEN}", "origin": "http://shop.example"}
    # a page can read errors, too
    for headers in (bearer, {"origin": "http://shop.example"}):
        answer = client.ask("/predict", ROWS[0], headers=headers)
        assert answer.headers["access-control-allow-origin"] == "http://shop.example"
    for origin in ("http://evil.example", "http://shop.example.evil.example", "null", "http://SHOP.example"):
        for method, body in (("OPTIONS", None), ("POST", ROWS[0])):
            answer = client.ask("/predict", body, method, headers=bearer | {"origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["vary"] == "Origin"


# -- slow, busy and broken models --------------------------------------------------------------------------------------


def test_health_is_answered_while_a_prediction_computes(folders):
    """The computation runs in a thread, not on the event loop."""
    network = Network()
    client = with_network(folders, network)

    async def both(http):
        prediction = asyncio.create_task(http.post("/predict", json=ROWS[0]))
        await network.wait_until_entered()
        health = await http.get("/healthz")
        assert client.endpoint.stuck_for() > 0
        assert not prediction.done()
        network.release.set()
        return health, await prediction

    health, prediction = client.talk(both)
    assert health.status_code == OK
    assert prediction.status_code == OK
    assert client.endpoint.stuck_for() == 0


def test_a_full_queue_says_when_to_come_back(folders):
    network = Network()
    client = with_network(folders, network, seconds=2.5, max_waiting=2)

    async def ask(http):
        running = asyncio.create_task(http.post("/predict", json=ROWS[0]))
        await network.wait_until_entered()
        waiting = [asyncio.create_task(http.post("/predict", json=ROWS[0])) for _ in range(2)]
        while client.endpoint.queue() != {"mixed": 2}:
            await asyncio.sleep(0.01)
        refused = [await http.post(path, json=ROWS[0]) for path in ("/predict", "/models/mixed/predict")]
        network.release.set()
        return [await running, *[await task for task in waiting]], refused

    answered, refused = client.talk(ask)
    assert [answer.status_code for answer in answered] == [OK] * 3
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) in (3, 4)
        assert "try again" in answer.json()["error"]["message"]
    assert client.refused == {("mixed", "3", "overload"): 2}


def test_a_model_that_takes_too_long_is_not_waited_for(folders):
    network = Network()
    client = with_network(folders, network, limits=RequestLimits(timeout=0.2))

    async def ask(http):
        running = asyncio.create_task(http.post("/predict", json=ROWS[0]))
        await network.wait_until_entered()
        started = time.monotonic()
        waiting = await http.post("/v2/models/mixed/infer", content=infer_request(ROWS[:1])[0], headers=headers)
        seconds = time.monotonic() - started
        late = await running
        network.release.set()
        # it has come back, and answers
        return late, waiting, seconds, await http.post("/predict", json=ROWS[0])

    headers = infer_request(ROWS[:1])[1]
    late, waiting, seconds, later = client.talk(ask)
    assert (late.status_code, waiting.status_code, later.status_code) == (504, 504, OK)
    assert 0.1 < seconds < 5
    assert "in time" in late.json()["error"]["message"]
    assert "in time" in waiting.json()["error"]
    assert client.refused == {("mixed", "3", "timeout"): 2}


def test_many_rows_of_a_fast_model_have_a_time_limit_too(folders):
    network = Network()
    client = with_network(folders, network, limits=RequestLimits(timeout=0.2))
    batcher = client.endpoint.hosted["mixed"].champion.batcher
    batcher._seconds = lambda rows: rows * 1e-4

    async def ask(http):
        answer = await http.post("/predict", json=ROWS[:100])
        network.release.set()
        return answer

    assert client.talk(ask).status_code == 504


def test_a_body_that_does_not_come_is_not_waited_for(folders):
    client = serve(configuration(folders, champion="3"), limits=RequestLimits(timeout=0.1))

    async def pieces():
        yield b"["
        await asyncio.sleep(SECONDS)

    async def ask(http):
        return await http.post("/predict", content=pieces())

    answer = client.talk(ask)
    assert answer.status_code == 408
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["in the loop", "in a thread"])
def test_an_error_inside_is_kept_and_not_told(folders, seconds, logged):
    def broken(_inputs):
        raise RuntimeError("no room in /secret/place")

    client = with_network(folders, broken, seconds)
    plain = client.ask("/predict", ROWS[0])
    body, headers = infer_request(ROWS[:1])
    tensor = client.ask("/v2/models/mixed/infer", body, headers=headers)
    for answer in (plain, tensor):
        assert answer.status_code == 500
        for word in ("secret", "room", "RuntimeError", "Traceback", ".py"):
            assert word not in answer.text
    assert plain.json()["error"].keys() == {"message", "row", "column"}
    assert isinstance(tensor.json()["error"], str)
    assert any("/secret/place" in str(record.exc_info) for record in logged)
    assert client.counts.errors["mixed"].message == "RuntimeError: no room in /secret/place"
    assert client.ask("/healthz").status_code == OK
    assert client.counts.requests["mixed", "3", "champion", "predict", "500"] == 1


# -- canary and shadow -------------------------------------------------------------------------------------------------


def test_a_canary_answers_its_share_and_says_so(folders):
    client = serve(configuration(folders, champion="3", canary="4", weight=20))
    expected = {}
    for version in ("3", "4"):
        alone = serve(configuration(folders, champion=version))
        expected[version] = alone.ask("/predict", ROWS[0]).json()["predictions"]
    assert expected["3"] != expected["4"]
    random.seed(0)

    async def ask(http):
        return [(await http.post("/predict", json=ROWS[0])).json() for _ in range(1000)]

    answers = client.talk(ask)
    counts = Counter(answer["model"]["version"] for answer in answers)
    assert set(counts) == {"3", "4"}
    assert counts["4"] == pytest.approx(200, abs=60)
    for answer in answers:
        assert answer["predictions"] == [
            row | {"probabilities": pytest.approx(row["probabilities"])} for row in expected[answer["model"]["version"]]
        ]
    assert client.counts.requests == {
        ("mixed", "4", "canary", "predict", "200"): counts["4"],
        ("mixed", "3", "champion", "predict", "200"): counts["3"],
    }


@pytest.mark.parametrize(("weight", "version"), [(0, "3"), (100, "4")])
def test_a_canary_of_nothing_or_of_everything(folders, weight, version):
    client = serve(configuration(folders, champion="3", canary="4", weight=weight))

    async def ask(http):
        return {(await http.post("/predict", json=ROWS[0])).json()["model"]["version"] for _ in range(100)}

    assert client.talk(ask) == {version}


async def settled(client, version, count):
    """The figures of a shadow once it has seen so many requests."""
    deadline = time.monotonic() + SECONDS
    while True:
        figures = client.counts.shadows.get(("mixed", version), ShadowCounts())
        if figures.requests + figures.failures >= count or time.monotonic() > deadline:
            return figures
        await asyncio.sleep(0.01)


def test_a_shadow_changes_no_answer_and_its_differences_are_counted(folders, endpoint):
    client = serve(configuration(folders, champion="3", shadow="4"))
    first, other = (shares_of(serve(configuration(folders, champion=version))) for version in ("3", "4"))

    async def ask(http):
        answers = []
        for start in range(0, 200, 10):
            answers.append(await http.post("/predict", json=ROWS[start : start + 10]))
            await settled(client, "4", len(answers))
        return answers, await settled(client, "4", len(answers))

    answers, figures = client.talk(ask)
    assert {answer.json()["model"]["version"] for answer in answers} == {"3"}
    found = [row for answer in answers for row in answer.json()["predictions"]]
    assert [row["label"] for row in found] == [
        row["label"] for row in endpoint.ask("/predict", ROWS).json()["predictions"]
    ]
    assert (figures.requests, figures.rows, figures.failures) == (20, 200, 0)
    assert figures.differences == int(((first[:, 0] > 0.5) != (other[:, 0] > 0.5)).sum())
    assert figures.differences > 0
    largest = client.counts.largest["mixed", "4"]
    assert largest == pytest.approx(np.abs(first - other).max(), abs=1e-5)
    assert {version for _, version, *_ in client.counts.requests} == {"3"}


def test_a_shadow_whose_version_is_named_answers_and_is_not_compared_with_itself(folders):
    client = serve(configuration(folders, champion="3", shadow="4"))
    body, headers = infer_request(ROWS[:5])

    async def ask(http):
        versions = []
        for version in ("4", "3"):
            answer = await http.post(f"/v2/models/mixed/versions/{version}/infer", content=body, headers=headers)
            length = int(answer.headers["inference-header-content-length"])
            versions.append(json.loads(answer.content[:length])["model_version"])
        figures = await settled(client, "4", 1)
        # a comparison of the shadow with itself would come as soon as that of the champion
        await asyncio.sleep(0.2)
        return versions, figures

    versions, figures = client.talk(ask)
    assert versions == ["4", "3"]
    assert (figures.requests, figures.rows) == (1, 5)
    assert client.counts.shadows["mixed", "4"].requests == 1


def test_a_version_that_was_replaced_meanwhile_answers_nothing_with_another_ones_number(folders):
    client = serve(configuration(folders, champion="3", shadow="4"))
    hosted = client.endpoint.hosted["mixed"]
    # the routes are those of before, as for a request whose path was just found
    client.endpoint.hosted["mixed"] = replace(hosted, shadow=None)
    answer = client.ask("/v2/models/mixed/versions/4/infer", {"inputs": []})
    assert (answer.status_code, answer.json()["error"]) == (404, "version 4 is not served")


def shares_of(client):
    predictions = client.ask("/predict", ROWS).json()["predictions"]
    return np.array([[row["probabilities"][name] for name in ("high", "low")] for row in predictions])


def test_a_shadow_that_fails_or_does_not_come_back_harms_nobody(folders):
    def broken(_inputs):
        raise RuntimeError("broken")

    for network, seconds in ((broken, 0.0), (Network(), 1.0)):
        client = serve(configuration(folders, champion="3"), limits=RequestLimits(timeout=0.1))
        champion = client.endpoint.hosted["mixed"].champion
        client.endpoint.hosted["mixed"] = HostedModel(champion, shadow=version_with(client, network, seconds, "9"))

        async def ask(http, client=client):
            answers = [await http.post("/predict", json=ROWS[0]) for _ in range(5)]
            return answers, await settled(client, "9", 5)

        answers, figures = client.talk(ask)
        assert {answer.status_code for answer in answers} == {OK}
        assert (figures.requests, figures.failures) == (0, 5)
        if isinstance(network, Network):
            network.release.set()


# -- changes while it runs ---------------------------------------------------------------------------------------------


def test_a_configuration_that_cannot_be_loaded_changes_nothing(folders, tmp_path):
    client = serve(configuration(folders, champion="3", shadow="4"))
    before = client.ask("/predict", ROWS[:5]).json()
    hosted, models = dict(client.endpoint.hosted), client.ask("/models").json()
    (tmp_path / "damaged").mkdir()
    bad = {**folders, "9": tmp_path / "damaged"}
    new = configuration(folders, "other", champion="4")
    for changed in (configuration(bad, champion="4", canary="9", weight=50), new | configuration(bad, champion="9")):
        with pytest.raises(BundleError, match="damaged: the prepared model cannot be read"):
            client.endpoint.configure(changed, fetch)
        assert client.endpoint.hosted == hosted
        assert client.ask("/models").json() == models
        assert client.ask("/predict", ROWS[:5]).json() == before
        assert client.ask("/models/other/predict", ROWS[0]).status_code == 404
    client.endpoint.configure(configuration(folders, champion="4"), fetch)
    assert client.ask("/predict", ROWS[0]).json()["model"]["version"] == "4"


def test_what_is_loaded_already_is_not_loaded_again(folders):
    client = serve(configuration(folders, champion="3"))
    fetched = []

    def remembered(key, folder):
        fetched.append(key)
        return folder

    champion = client.endpoint.hosted["mixed"].champion
    client.endpoint.configure(configuration(folders, champion="3", canary="4", weight=10), remembered)
    assert client.endpoint.hosted["mixed"].champion is champion
    client.endpoint.configure(configuration(folders, champion="4", shadow="3"), remembered)
    assert client.endpoint.hosted["mixed"].shadow is champion
    assert fetched == [str(folders["4"])]
    schema, models = client.ask("/schema").json(), client.ask("/models").json()
    assert schema["model"]["version"] == "4"
    assert models["models"][0]["versions"] == {"champion": "4", "shadow": "3"}


def test_requests_that_have_begun_end_with_the_version_that_they_began_with(folders):
    network = Network()
    client = with_network(folders, network)

    async def ask(http):
        begun = asyncio.create_task(http.post("/predict", json=ROWS[0]))
        await network.wait_until_entered()
        await asyncio.to_thread(client.endpoint.configure, configuration(folders, champion="4"), fetch)
        after = await http.post("/predict", json=ROWS[0])
        assert not begun.done()
        network.release.set()
        return await begun, after

    begun, after = client.talk(ask)
    assert (begun.status_code, begun.json()["model"]["version"]) == (OK, "3")
    assert begun.json()["predictions"][0]["probabilities"] == {"high": 0.5, "low": 0.5}
    assert (after.status_code, after.json()["model"]["version"]) == (OK, "4")


# -- what is kept of requests ------------------------------------------------------------------------------------------


def test_the_log_has_what_was_asked_and_answered(folders, tmp_path):
    client = serve(
        configuration(folders, champion="3", canary="4", weight=50), log_folder=str(tmp_path / "log"), log_share=1.0
    )
    answers = [client.ask("/predict", ROWS[at]).json() for at in range(20)]
    both = client.ask("/invocations", {"instances": ROWS[20:22]})
    answers.append(both.json())
    given = client.ask("/predict", ROWS[0], headers={"X-Request-Id": "order 1"})
    named = client.ask("/predict", ROWS[0], headers={"X-Request-Id": "order-1"})
    assert client.ask("/predict", [{"number": 1}]).status_code == INVALID
    # a proxy of Ray Serve's writes the id on each answer, or one that it makes
    proxied = Client(RequestIdMiddleware(serving_replica.ProxiedAnswers(client.endpoint)))
    ids = [
        proxied.ask("/predict", ROWS[0], headers=headers).headers.get_list("x-request-id")
        for headers in ({"X-Request-Id": "order-2"}, None)
    ]
    client.endpoint.close()
    (path,) = (tmp_path / "log").rglob("*.parquet")
    assert path.relative_to(tmp_path / "log").parts[0] == "mixed"
    table = parquet.read_table(path).to_pylist()
    assert ids == [[row["_request"]] for row in table[-2:]]
    assert ids[0] == ["order-2"]
    del table[-2:]
    assert [row["_request"] for row in table[-3:-1]] == [both.headers["x-request-id"], given.headers["x-request-id"]]
    # a blank is in no id
    assert (table[-1]["_request"], named.headers["x-request-id"]) == ("order-1", "order-1")
    assert [row["_row"] for row in table[-4:]] == [0, 1, 0, 0]
    del table[-2:]
    assert [{name: row[name] for name in ROWS[0]} for row in table] == ROWS[:22]
    assert [row["_version"] for row in table[:20]] == [answer["model"]["version"] for answer in answers[:20]]
    assert {(row["_version"], row["_role"]) for row in table} == {("3", "champion"), ("4", "canary")}
    for row, answer in zip(table, answers[:20], strict=False):
        (prediction,) = answer["predictions"]
        assert row["_label"] == prediction["label"]
        assert row["_probabilities"] == pytest.approx([prediction["probabilities"][name] for name in ("high", "low")])
    assert len({row["_request"] for row in table}) == 21
    assert table[20]["_request"] == table[21]["_request"]


def test_a_log_that_cannot_be_written_fails_no_request(folders, tmp_path):
    (tmp_path / "file").write_text("in the way")
    client = serve(configuration(folders, champion="3"), log_folder=str(tmp_path / "file"), log_share=1.0)
    assert client.ask("/predict", ROWS[0]).status_code == OK
    client.endpoint.close()
    assert "could not be logged" in client.endpoint.notes[0]


def test_every_request_is_counted_once(folders):
    client = serve(configuration(folders, champion="3"))
    for _ in range(3):
        client.ask("/predict", ROWS[:2])
    client.ask("/predict", b"{")
    client.ask("/predict")
    client.ask("/invocations", {"instances": ROWS[:1]})
    client.ask("/healthz")
    client.ask("/nothing")
    body, headers = infer_request(ROWS[:4])
    client.ask("/v2/models/mixed/infer", body, headers=headers)
    counts, champion, nobody = client.counts, ("mixed", "3", "champion"), ("", "", "")
    assert counts.requests == {
        (*champion, "predict", "200"): 3,
        (*champion, "predict", "422"): 1,
        (*champion, "invocations", "200"): 1,
        (*champion, "v2_infer", "200"): 1,
        (*nobody, "unknown", "405"): 1,
        (*nobody, "unknown", "404"): 1,
        (*nobody, "health", "200"): 1,
    }
    assert counts.rows[champion] == 2 * 3 + 1 + 4
    assert counts.refused == {("mixed", "3", "invalid"): 1, ("", "", "method"): 1}
    assert counts.inputs["mixed", "3"].rows == 11


def test_metrics_are_what_the_endpoint_is_told_to_show(folders):
    client = serve(configuration(folders, champion="3"))

    async def text():
        return b"orchestrator_requests_total 1\n"

    client.endpoint.metrics = text
    answer = client.ask("/metrics")
    assert answer.content == b"orchestrator_requests_total 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_other_protocols_are_not_spoken(endpoint):
    async def talk(scope, messages):
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        await endpoint.endpoint(scope, receive, send)
        return sent

    assert asyncio.run(talk({"type": "websocket"}, [])) == [{"type": "websocket.close", "code": 1003}]
    lifespan = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert [message["type"] for message in asyncio.run(talk({"type": "lifespan"}, lifespan))] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
