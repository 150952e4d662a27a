"""Programs that others have written, against a real HTTP server: tritonclient, schemathesis, gzip."""

import subprocess
import sys

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http as triton
from http_endpoint import HttpEndpoint
from support import mixed_frame, train_bundle
from tritonclient.utils import InferenceServerException

from orchestrator.serving.settings import EndpointSettings

TABLE = mixed_frame()
TOKEN = "t" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("protocols")


@pytest.fixture(scope="module")
def bundles(folder):
    sources = {"mixed": (TABLE, "label"), "diabetes": ("sklearn:diabetes", None)}
    return {name: train_bundle(*source, folder / name) for name, source in sources.items()}


@pytest.fixture(scope="module")
def server(bundles, folder):
    (folder / "tokens").touch(0o600)
    (folder / "tokens").write_text(TOKEN)
    settings = EndpointSettings(token_file=str(folder / "tokens"))
    with HttpEndpoint(folder, {name: folder / name for name in bundles}, settings, "3") as server:
        yield server


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def headers():
    """New for each request: tritonclient writes into them."""
    return {"authorization": f"Bearer {TOKEN}"}


def tensors(frame, binary, protocol=triton):
    """The columns of `mixed_frame` as tritonclient's inputs."""
    found = []
    for name, kind, values in (
        ("number", "FP64", frame["number"].to_numpy(np.float64)),
        ("color", "BYTES", frame["color"].fillna("").to_numpy(object)),
        ("flag", "BOOL", frame["flag"].to_numpy(bool)),
        ("day", "BYTES", frame["day"].astype(str).to_numpy(object)),
    ):
        tensor = protocol.InferInput(name, [len(values)], kind)
        tensor.set_data_from_numpy(values, **({"binary_data": binary} if protocol is triton else {}))
        found.append(tensor)
    return found


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_tritonclient_gets_the_answers_of_the_bundle(bundles, client, binary, compression):
    frame = TABLE.drop(columns="label").dropna().head(20)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]
    answer = client.infer(
        "mixed",
        tensors(frame, binary),
        outputs=outputs,
        request_id="a1",
        headers=headers(),
        request_compression_algorithm=compression,
    )
    expected = bundles["mixed"].answer(frame)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected.values["probabilities"], atol=1e-5)
    labels = answer.as_numpy("label")
    assert [label.decode() if isinstance(label, bytes) else label for label in labels] == expected.values["label"]
    assert answer.get_response()["id"] == "a1"
    assert answer.get_response()["model_version"] == "3"


def test_tritonclient_knows_server_and_models(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mixed", headers=headers())
    assert not client.is_model_ready("nothing", headers=headers())
    metadata = client.get_model_metadata("mixed", headers=headers())
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["number", "color", "flag", "day"]
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["label", "probabilities"]
    assert client.get_server_metadata(headers=headers())["extensions"]


@pytest.fixture
def calls(server):
    """The same over gRPC."""
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        yield client


def test_calls_are_answered_as_requests(bundles, client, calls):
    frame = TABLE.drop(columns="label").dropna().head(20)
    over_http = client.infer("mixed", tensors(frame, True), headers=headers(), request_id="a1")
    over_grpc = calls.infer("mixed", tensors(frame, True, tritonclient.grpc), headers=headers(), request_id="a1")
    for name in ("label", "probabilities"):
        np.testing.assert_array_equal(over_grpc.as_numpy(name), over_http.as_numpy(name))
    answer = over_grpc.get_response()
    assert (answer.model_name, answer.model_version, answer.id) == ("mixed", "3", "a1")
    expected = bundles["mixed"].answer(frame)
    np.testing.assert_allclose(over_grpc.as_numpy("probabilities"), expected.values["probabilities"], atol=1e-5)
    only = [tritonclient.grpc.InferRequestedOutput("probabilities")]
    found = calls.infer("mixed", tensors(frame, True, tritonclient.grpc), outputs=only, headers=headers())
    assert [output.name for output in found.get_response().outputs] == ["probabilities"]


def test_calls_know_server_and_models(client, calls):
    assert calls.is_server_live()
    assert calls.is_server_ready()
    assert calls.is_model_ready("mixed", headers=headers())
    over_http = client.get_model_metadata("mixed", headers=headers())
    over_grpc = calls.get_model_metadata("mixed", headers=headers(), as_json=True)
    for part in ("inputs", "outputs"):
        found = [(one["name"], one["datatype"], list(map(int, one["shape"]))) for one in over_grpc[part]]
        assert found == [(one["name"], one["datatype"], one["shape"]) for one in over_http[part]]
    assert calls.get_server_metadata(headers=headers()).name == "orchestrator"


@pytest.mark.parametrize(
    ("model", "given", "count", "code", "sentence"),
    [
        ("mixed", {}, 4, "UNAUTHENTICATED", "a valid token is needed"),
        ("mixed", {"authorization": "Bearer wrong"}, 4, "UNAUTHENTICATED", "a valid token is needed"),
        ("mixed", None, 3, "INVALID_ARGUMENT", "the input 'day' is missing"),
        ("nothing", None, 4, "NOT_FOUND", "there is no model of that name"),
    ],
)
def test_calls_are_told_what_is_wrong(calls, model, given, count, code, sentence):
    asked = tensors(TABLE.drop(columns="label").dropna().head(2), True, tritonclient.grpc)[:count]
    with pytest.raises(InferenceServerException, match=sentence) as refused:
        calls.infer(model, asked, headers=headers() if given is None else given)
    assert refused.value.status() == f"StatusCode.{code}"


def test_tritonclient_is_told_what_is_wrong(client):
    frame = TABLE.drop(columns="label").dropna().head(2)
    with pytest.raises(InferenceServerException, match="token"):
        client.infer("mixed", tensors(frame, True))
    with pytest.raises(InferenceServerException, match="'day'"):
        client.infer("mixed", tensors(frame, True)[:3], headers=headers())
    with pytest.raises(InferenceServerException, match="no model"):
        client.infer("nothing", tensors(frame, True), headers=headers())
    answer = client.infer("mixed", tensors(frame, True), headers=headers(), model_version="3")
    assert len(answer.as_numpy("label")) == 2


def test_schemathesis_finds_nothing(server):
    """Its command, with all checks: no 5xx, answers as described, what is described is taken, the rest refused."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--checks", "all", "--max-examples", "12", "--seed", "1"),
        *("--phases", "examples,coverage,fuzzing", "--exclude-path-regex", "^/models/diabetes/|^/v2/models/diabetes"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_document_works_without_a_network(server):
    document = httpx.get(f"{server.url}/openapi.json", headers=headers(), trust_env=False).text
    assert '$ref":"http' not in document
    assert "number" in document
