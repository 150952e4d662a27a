"""Between the protocol's messages and its bodies over HTTP: what answers there answers here, with the same checks.

Typed values become binary data where they can, as fast as they are over HTTP, and JSON where their range is checked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from orchestrator.errors import InvalidRequestError
from orchestrator.serving.grpc.messages import CHOICE, ModelInferResponse
from orchestrator.serving.http.asgi import to_json
from orchestrator.serving.http.oip_tensors import FLOATS, INTEGERS

# the field of a tensor's values, by datatype
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
BINARY = "binary_data_size"
# over HTTP clients say which outputs are binary; here all are
HTTP_ONLY = frozenset({BINARY, "binary_data", "binary_data_output"})
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class HttpBody:
    """A request over HTTP: JSON, then the binary data of tensors.

    Attributes:
        content: all of it.
        header_length: bytes of JSON.
    """

    content: bytes
    header_length: int


def to_http(request: Any) -> HttpBody:  # noqa: ANN401
    """The body of `POST /v2/models/NAME/infer` for a `ModelInferRequest`.

    Raises:
        InvalidRequestError: values are where they do not belong.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidRequestError(f"raw_input_contents has {len(raw)} tensors for {len(request.inputs)} inputs")
    inputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for number, tensor in enumerate(request.inputs):
        data = raw[number] if raw else _values(tensor)
        if raw and tensor.HasField("contents"):
            raise InvalidRequestError(f"input '{tensor.name}' has both `contents` and `raw_input_contents`")
        content = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        parameters = _parameters(tensor.parameters)
        if isinstance(data, bytes):
            parameters[BINARY] = len(data)
            blobs.append(data)
        else:
            content["data"] = data
        inputs.append({**content, "parameters": parameters})
    head: dict[str, Any] = {"parameters": {**_parameters(request.parameters), "binary_data_output": True}}
    if request.id:
        head["id"] = request.id
    if request.outputs:
        head["outputs"] = [
            {"name": output.name, "parameters": _parameters(output.parameters)} for output in request.outputs
        ]
    json = to_json({**head, "inputs": inputs})
    return HttpBody(b"".join((json, *blobs)), len(json))


def _parameters(given: Any) -> dict[str, Any]:  # noqa: ANN401
    found = {name: getattr(value, chosen) for name, value in given.items() if (chosen := value.WhichOneof(CHOICE))}
    return {name: value for name, value in found.items() if name not in HTTP_ONLY}


def _values(tensor: Any) -> bytes | list[Any]:  # noqa: ANN401
    """What a tensor holds: bytes as in binary data over HTTP, or a list for JSON."""
    name = CONTENTS.get(tensor.datatype)
    filled = [field.name for field, _ in tensor.contents.ListFields()]
    if name is None and filled:
        raise InvalidRequestError(
            f"input '{tensor.name}': values of {tensor.datatype or 'no datatype'} can only be in raw_input_contents"
        )
    wrong = next((field for field in filled if field != name), None)
    if wrong is not None:
        raise InvalidRequestError(f"input '{tensor.name}': values of {tensor.datatype} are in {wrong}, not in {name}")
    values = getattr(tensor.contents, name) if name else []
    if tensor.datatype == "BYTES":
        return b"".join(_LENGTH.pack(len(value)) + value for value in values)
    if tensor.datatype in FLOATS:
        return np.asarray(values, FLOATS[tensor.datatype]).tobytes()
    if tensor.datatype in INTEGERS or tensor.datatype == "BOOL":
        return list(values)
    return []


def from_http(body: bytes, header_length: int | None) -> Any:  # noqa: ANN401
    """The `ModelInferResponse` that an answer over HTTP is.

    Args:
        body: JSON, then the binary data of outputs.
        header_length: bytes of JSON; None: all of it.
    """
    content = orjson.loads(body[:header_length])
    position = header_length or len(body)
    response = ModelInferResponse(
        model_name=content["model_name"], model_version=content.get("model_version", ""), id=content.get("id", "")
    )
    notes = content.get("parameters", {}).get("notes")
    if notes:
        response.parameters["notes"].string_param = "; ".join(notes)
    for output in content["outputs"]:
        response.outputs.add(name=output["name"], datatype=output["datatype"], shape=output["shape"])
        size = output["parameters"][BINARY]
        response.raw_output_contents.append(body[position : position + size])
        position += size
    return response
