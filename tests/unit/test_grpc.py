"""The Open Inference Protocol over gRPC: its messages are the protocol's, and mean what they mean over HTTP."""

import asyncio
import json
import math
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import serialize_byte_tensor

from orchestrator.errors import InvalidRequestError
from orchestrator.serving.grpc import SERVICE, messages
from orchestrator.serving.grpc.messages import ModelInferRequest, message_class
from orchestrator.serving.grpc.service import CODES, InferenceService
from orchestrator.serving.grpc.translation import CONTENTS, from_http, to_http
from orchestrator.serving.grpc.waiting import wait_until_called
from orchestrator.serving.http.oip_tensors import FIXED_SIZE, from_binary, from_json

BOUNDS = {name: np.iinfo(kind) for name, kind in FIXED_SIZE.items() if kind.kind in "iu" and name != "BOOL"}
NUMBERS = {name: st.integers(int(bounds.min), int(bounds.max)) for name, bounds in BOUNDS.items()}
VALUES = {
    **NUMBERS,
    "BOOL": st.booleans(),
    "FP32": st.floats(width=32, allow_infinity=False),
    "FP64": st.floats(allow_infinity=False),
    "BYTES": st.text(st.characters(codec="utf-8")).map(str.encode),
}


def fields(descriptor):
    """What makes a message on the wire."""
    return {
        (field.name, field.number, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
        for field in descriptor.fields
    }


@pytest.mark.parametrize("name", messages.FIELDS)
def test_messages_are_those_of_the_protocol(name):
    found = service_pb2.DESCRIPTOR.message_types_by_name
    theirs = None
    for part in name.split("."):
        theirs = found[part]
        found = theirs.nested_types_by_name
    assert fields(message_class(name).DESCRIPTOR) == fields(theirs)


def test_methods_are_those_of_the_protocol():
    theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert theirs.full_name == SERVICE
    for name in messages.METHODS:
        method = theirs.methods_by_name[name]
        assert (method.input_type.name, method.output_type.name) == (f"{name}Request", f"{name}Response")
    assert hasattr(service_pb2_grpc, "GRPCInferenceServiceServicer")


def over_http(request):
    """The JSON of a request over HTTP, and the binary data of its tensors."""
    body = to_http(request)
    content, position, data = json.loads(body.content[: body.header_length]), body.header_length, []
    for tensor in content["inputs"]:
        size = tensor["parameters"].get("binary_data_size", 0)
        data.append(memoryview(body.content)[position : position + size])
        position += size
    assert position == len(body.content)
    return content, data


def cells(content, data):
    """The values of a tensor as a replica reads them."""
    rows = content["shape"][0]
    if "data" in content:
        return from_json(content["name"], content["datatype"], content["data"], rows)
    return from_binary(content["name"], content["datatype"], data, rows)


def raw(datatype, values):
    """As tritonclient sends them."""
    if datatype == "BYTES":
        return serialize_byte_tensor(np.array(values, object)).item() if values else b""
    return np.array(values, FIXED_SIZE[datatype]).tobytes()


@given(st.data())
def test_typed_values_and_raw_ones_are_read_alike(data):
    datatype = data.draw(st.sampled_from(sorted(VALUES)))
    values = data.draw(st.lists(VALUES[datatype], max_size=5))
    typed, plain = ModelInferRequest(model_name="m"), ModelInferRequest(model_name="m")
    tensor = typed.inputs.add(name="x", datatype=datatype, shape=[len(values)])
    getattr(tensor.contents, CONTENTS[datatype]).extend(values)
    plain.inputs.add(name="x", datatype=datatype, shape=[len(values)])
    plain.raw_input_contents.append(raw(datatype, values))
    found = []
    for request in (typed, plain):
        content, parts = over_http(request)
        assert content["parameters"] == {"binary_data_output": True}
        found.append(cells(content["inputs"][0], parts[0]))
    assert found[0] == found[1]
    wanted = [value.decode() if isinstance(value, bytes) else value for value in values]
    wanted = [None if isinstance(value, float) and math.isnan(value) else value for value in wanted]
    assert found[0] == wanted


def test_a_number_out_of_the_range_of_its_datatype_is_refused():
    request = ModelInferRequest()
    request.inputs.add(name="x", datatype="INT8", shape=[1]).contents.int_contents.append(200)
    content, data = over_http(request)
    with pytest.raises(InvalidRequestError, match="row 1, column 'x': the value is not INT8"):
        cells(content["inputs"][0], data[0])


def test_values_that_are_where_they_do_not_belong_are_named():
    request = ModelInferRequest()
    request.inputs.add(name="x", datatype="FP64", shape=[1]).contents.fp32_contents.append(1)
    with pytest.raises(InvalidRequestError, match="'x': values of FP64 are in fp32_contents, not in fp64_contents"):
        to_http(request)
    request.raw_input_contents.append(b"8 bytes.")
    with pytest.raises(InvalidRequestError, match="'x' has both"):
        to_http(request)
    request.raw_input_contents.append(b"8 bytes.")
    with pytest.raises(InvalidRequestError, match="2 tensors for 1 inputs"):
        to_http(request)
    half = ModelInferRequest()
    half.inputs.add(name="h", datatype="FP16", shape=[1]).contents.fp32_contents.append(1)
    with pytest.raises(InvalidRequestError, match="'h': values of FP16 can only be in raw_input_contents"):
        to_http(half)


def test_parameters_go_along_but_what_only_http_knows():
    request = ModelInferRequest(id="a1")
    request.parameters["priority"].int64_param = 2
    request.parameters["binary_data_output"].bool_param = False
    request.outputs.add(name="label").parameters["classification"].int64_param = 3
    content, _ = over_http(request)
    assert content["parameters"] == {"priority": 2, "binary_data_output": True}
    assert content["outputs"] == [{"name": "label", "parameters": {"classification": 3}}]
    assert content["id"] == "a1"


def test_an_answer_keeps_what_it_is():
    outputs = [
        {"name": "label", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}},
        {"name": "p", "datatype": "FP64", "shape": [1, 1], "parameters": {"binary_data_size": 8}},
    ]
    content = {"model_name": "m", "model_version": "3", "id": "a1", "parameters": {"notes": ["n1", "n2"]}}
    head = json.dumps(content | {"outputs": outputs}).encode()
    found = from_http(head + b"\x01\0\0\0a" + np.float64(0.5).tobytes(), len(head))
    assert (found.model_name, found.model_version, found.id) == ("m", "3", "a1")
    assert found.parameters["notes"].string_param == "n1; n2"
    assert [(one.name, one.datatype, list(one.shape)) for one in found.outputs] == [
        ("label", "BYTES", [1]),
        ("p", "FP64", [1, 1]),
    ]
    assert list(found.raw_output_contents) == [b"\x01\0\0\0a", np.float64(0.5).tobytes()]


def refusal(content):
    """What a process without an endpoint says to these bytes; Serve's own proxy is one that has the service, too."""

    async def called():
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((InferenceService(lambda: None).handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await channel.unary_unary(f"/{SERVICE}/ModelInfer")(content)
        finally:
            await server.stop(None)
        return error.value.code(), error.value.details()

    return asyncio.run(called())


def test_a_process_without_an_endpoint_is_not_available():
    code, _ = refusal(service_pb2.ModelInferRequest(model_name="m").SerializeToString())
    assert code is grpc.StatusCode.UNAVAILABLE
    assert grpc.StatusCode.OK not in CODES.values()


def test_bytes_that_are_no_message_are_the_fault_of_who_sent_them():
    assert refusal(b"\xff" * 9) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "what was sent is no inference.ModelInferRequest",
    )


class Proxy(grpc.GenericRpcHandler):
    """Answers as HAProxy does before it has a replica, so often; then as a replica that wants a token."""

    def __init__(self, refusals):
        self.refusals, self.calls = refusals, []

    def service(self, details):
        self.calls.append(details.method)
        waits = len(self.calls) <= self.refusals

        def answer(_request, context):
            if waits:
                context.abort(grpc.StatusCode.UNAVAILABLE, "no replica yet; try again")
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "a valid token is needed")

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.mark.parametrize(("refusals", "reached"), [(0, True), (2, True), (1_000_000, False)])
def test_an_endpoint_is_said_to_answer_when_a_replica_does(refusals, reached):
    server = grpc.server(ThreadPoolExecutor(1), handlers=[proxy := Proxy(refusals)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        found = wait_until_called(f"127.0.0.1:{port}", "no replica yet", certificate=None, seconds=20 if reached else 1)
    finally:
        server.stop(None)
    assert found == reached
    assert len(proxy.calls) == refusals + 1 if reached else len(proxy.calls) > 1
    assert set(proxy.calls) == {f"/{SERVICE}/ServerLive"}
