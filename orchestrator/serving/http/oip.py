"""The Open Inference Protocol v2 (KServe, Triton) as functions: requests into columns, answers into tensors.

Protocol: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
Binary tensors: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from itertools import chain
from math import prod
from typing import Any

from orchestrator.columns.notes import Note
from orchestrator.data.columnar import Columns
from orchestrator.data.nested import Nested
from orchestrator.data.rows import find_sources
from orchestrator.data.schema import Schema
from orchestrator.errors import InvalidRequestError, InvalidValueError, TooManyRowsError, did_you_mean
from orchestrator.features import KINDS, Column
from orchestrator.serving.http.asgi import JSON_TYPE, Headers, to_json
from orchestrator.serving.http.bodies import gather, missing, parse_json
from orchestrator.serving.http.oip_tensors import (
    DATATYPES,
    from_binary,
    from_json,
    is_unicode,
    label_datatype,
    to_binary,
    to_data,
)
from orchestrator.tasks import AnswerColumn, Predictions

PLATFORM = "orchestrator_bundle"
HEADER_LENGTH = b"inference-header-content-length"
BINARY_TYPE = (b"content-type", b"application/octet-stream")

_MAX_SHOWN = 60
_MAX_SIZE = 2**63 - 1


@dataclass(frozen=True)
class RequestedOutput:
    """An output that is wanted, and whether as binary data behind the JSON instead of in it."""

    name: str
    binary: bool


@dataclass(frozen=True, kw_only=True)
class InferRequest:
    """A request for inference.

    Attributes:
        columns: the schema's columns, `rows` values each.
        rows: number of rows.
        outputs: what is wanted, in the order asked for.
        id: chosen by the client, for the answer; or None.
        notes: about names that are written otherwise.
    """

    columns: Columns
    rows: int
    outputs: tuple[RequestedOutput, ...]
    id: str | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class _Tensor:
    content: dict[str, Any]
    binary: memoryview | None


def server_metadata() -> dict[str, Any]:
    """`GET /v2`: name, version and extensions of this server."""
    version = installed_version("orchestrator-automl")
    return {"name": "orchestrator", "version": version, "extensions": ["binary_tensor_data"]}


def model_metadata(schema: Schema, model: str, versions: Sequence[str]) -> dict[str, Any]:
    """`GET /v2/models/NAME`: the tensors that a model takes, one per column, and gives; -1 is the number of rows.

    A column of lists is one tensor, if its values are of one kind; what it becomes is taken, too, see `parse_infer`.

    What the numbers of a tensor are about, such as the classes of `probabilities`, is in its parameters.
    """
    inputs = [
        {"name": name, "datatype": KINDS[column.kind].datatype, "shape": [-1, *lengths]}
        for name, column, lengths in input_tensors(schema)
    ]
    outputs = [
        {
            "name": column.name,
            "datatype": datatype_of(column),
            "shape": [-1, *shape_of(column)],
            **({"parameters": {column.parts_name: list(column.parts)}} if column.parts else {}),
        }
        for column in schema.target.task.answers
    ]
    return {
        "name": model,
        "versions": list(versions),
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
    }


def input_tensors(schema: Schema) -> list[tuple[str, Column, tuple[int, ...]]]:
    """The tensors that a model takes: name, (first) column that one becomes, and its shape behind the rows."""
    lists = {name: each for each in schema.nested if _are_of_one_kind(schema, each) for name in each.names}
    found: dict[str, tuple[str, Column, tuple[int, ...]]] = {}
    for column in schema.columns:
        each = lists.get(column.name)
        name, lengths = (column.name, ()) if each is None else (each.column, _lengths(each))
        found.setdefault(name, (name, column, lengths))
    return list(found.values())


def _are_of_one_kind(schema: Schema, nested: Nested) -> bool:
    """Whether a column of lists can be a tensor: it holds no records, and all that is used of it is of one datatype."""
    shape = nested.shape
    while shape.item is not None:
        shape = shape.item
    names = set(nested.names)
    return (
        shape.is_plain and len({KINDS[column.kind].datatype for column in schema.columns if column.name in names}) == 1
    )


def datatype_of(column: AnswerColumn) -> str:
    """Of an output's tensor."""
    return label_datatype(column.labels) if column.labels else "FP64"


def shape_of(column: AnswerColumn) -> list[int]:
    """Of an output's tensor, after the rows."""
    return [len(column.parts)] if column.parts else []


def parse_infer(schema: Schema, body: bytes, header_length: int | None, max_rows: int | None) -> InferRequest:
    """`POST /v2/models/NAME/infer`.

    Inputs are found by the names of columns, whatever their order; further ones are ignored. A column of lists is one
    tensor of the shape [rows, length], or one for each of the columns that it becomes. A column may have any
    datatype of the protocol, since its values are read as those of JSON are. Missing values are null in JSON, NaN in
    binary floats, and what stands for "not known" in texts, such as an empty one. An output that is asked for twice is
    given once, as it was asked for last.

    Args:
        schema: of the model.
        body: JSON, then the binary data of tensors.
        header_length: bytes of JSON, from the header Inference-Header-Content-Length; None: all of the body.
        max_rows: that are allowed in a request; None: any number.

    Raises:
        InvalidRequestError: the request does not have that form, or a column is missing.
        TooManyRowsError: it has more than `max_rows` rows.
    """
    if header_length is not None and not 0 <= header_length <= len(body):
        raise InvalidRequestError(
            f"Inference-Header-Content-Length is {header_length}, but the body has {len(body)} bytes"
        )
    binary = None if header_length is None else memoryview(body)[header_length:]
    content = parse_json(body[:header_length])
    if not isinstance(content, dict):
        raise InvalidRequestError("the body must be a JSON object with `inputs`")
    identifier = content.get("id")
    if not isinstance(identifier, str | None) or not is_unicode(identifier or ""):
        raise InvalidRequestError("`id` must be a text in valid Unicode")
    outputs = _requested_outputs(schema, content)
    tensors, repeated = _tensors(content.get("inputs"), binary)
    sources = find_sources(schema, list(tensors))
    for name in (*sources.plain.values(), *(source for _, source in sources.nested)):
        if name in repeated:
            raise InvalidRequestError(f"the input '{name}' is given twice", None, name)
    for column in schema.columns:
        if column.name not in sources.plain and not any(column.name in each.names for each, _ in sources.nested):
            raise missing("the input", column.name, tensors, schema)
    widths = {source: _lengths(each) for each, source in sources.nested}
    used = dict.fromkeys((*sources.plain.values(), *widths))
    rows = _rows({name: tensors[name] for name in used}, widths)
    if max_rows is not None and rows > max_rows:
        raise TooManyRowsError(
            f"the body has {rows:,} rows, but at most {max_rows:,} are answered at once; send them in several requests"
        )
    cells = {name: _cells(name, tensors[name], rows, widths.get(name, ())) for name in used}
    columns = gather(schema, sources, cells.__getitem__)
    return InferRequest(columns=columns, rows=rows, outputs=outputs, id=identifier, notes=sources.notes)


def _lengths(nested: Nested) -> tuple[int, ...]:
    """The shape of a column of lists behind the rows.

    Raises:
        InvalidRequestError: it holds records, which no tensor does.
    """
    lengths, shape = [], nested.shape
    while shape.item is not None:
        lengths.append(shape.length or 0)
        shape = shape.item
    if not shape.is_plain:
        parts = ", ".join(nested.names[:3])
        sentence = f"input '{nested.column}': no tensor holds records; send the inputs {parts}"
        raise InvalidRequestError(sentence, None, nested.column)
    return tuple(lengths)


def _requested_outputs(schema: Schema, content: dict[str, Any]) -> tuple[RequestedOutput, ...]:
    known = [column.name for column in schema.target.task.answers]
    binary = _flag(_parameters(content, "the request"), "binary_data_output", False)
    wanted = content.get("outputs")
    if wanted is None:
        wanted = []
    if not isinstance(wanted, list):
        raise InvalidRequestError("`outputs` must be a list")
    found: dict[str, RequestedOutput] = {}
    for output in wanted:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str):
            raise InvalidRequestError("`outputs` must be a list of objects with a `name`")
        if name not in known:
            raise InvalidRequestError(
                f"there is no output {_shown(name)}; known: {', '.join(known)}{did_you_mean(name[:_MAX_SHOWN], known)}"
            )
        parameters = _parameters(output, f"output '{name}'")
        if "classification" in parameters:
            raise InvalidRequestError(
                f"output '{name}': the classification extension is not supported; ask for {' and '.join(known)}"
            )
        found[name] = RequestedOutput(name, _flag(parameters, "binary_data", binary))
    return tuple(found.values()) or tuple(RequestedOutput(name, binary) for name in known)


def _parameters(content: dict[str, Any], owner: str) -> dict[str, Any]:
    parameters = content.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidRequestError(f"{owner}: `parameters` must be an object")
    if "shared_memory_region" in parameters:
        raise InvalidRequestError(f"{owner}: shared memory is not supported; send the data in the request")
    return parameters


def _flag(parameters: dict[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"the parameter {name} must be true or false")
    return value


def _tensors(inputs: object, binary: memoryview | None) -> tuple[dict[str, _Tensor], set[str]]:
    """The tensors by name, each with its part of the binary data, which lies in the order of all inputs.

    The second value is the names that are given twice.
    """
    if not isinstance(inputs, list):
        raise InvalidRequestError("`inputs` must be a list of tensors, one per column")
    tensors: dict[str, _Tensor] = {}
    repeated: set[str] = set()
    position = 0
    for content in inputs:
        name = content.get("name") if isinstance(content, dict) else None
        if not isinstance(name, str):
            raise InvalidRequestError("`inputs` must be a list of objects with a `name`")
        if name in tensors:
            repeated.add(name)
        size = _binary_size(content, f"input {_shown(name)}", None if binary is None else len(binary) - position)
        data = None if size is None or binary is None else binary[position : position + size]
        position += size or 0
        tensors[name] = _Tensor(content, data)
    if binary is not None and position < len(binary):
        raise InvalidRequestError(f"the last {len(binary) - position} bytes of the body belong to no input")
    return tensors, repeated


def _binary_size(content: dict[str, Any], owner: str, left: int | None) -> int | None:
    """How many bytes of the `left` ones belong to an input; None when its data is in JSON."""
    parameters = _parameters(content, owner)
    if "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise InvalidRequestError(f"{owner}: binary_data_size must be a number of bytes")
    if left is None:
        raise InvalidRequestError(f"{owner} has binary data, but the header Inference-Header-Content-Length is missing")
    if size > left:
        raise InvalidRequestError(f"{owner} has {size} bytes, but the body ends before them")
    return size


def _rows(tensors: Mapping[str, _Tensor], widths: Mapping[str, tuple[int, ...]]) -> int:
    first: tuple[str, int] | None = None
    for name, tensor in tensors.items():
        shape = tensor.content.get("shape")
        lengths = list(widths.get(name, ()))
        wanted = f"[{', '.join(['rows', *map(str, lengths)])}]" if lengths else "[rows] or [rows, 1]"
        if not isinstance(shape, list) or not shape or shape[1:] not in ([lengths] if lengths else ([], [1])):
            raise InvalidRequestError(f"input '{name}': `shape` must be {wanted}", None, name)
        rows = shape[0]
        if type(rows) is not int or not 0 <= rows <= _MAX_SIZE:
            raise InvalidRequestError(f"input '{name}': the number of rows in `shape` is not possible", None, name)
        first = first or (name, rows)
        if rows != first[1]:
            raise InvalidRequestError(f"input '{name}' has {rows} rows, but '{first[0]}' has {first[1]}", None, name)
    return first[1] if first else 0


def _cells(name: str, tensor: _Tensor, rows: int, lengths: Sequence[int]) -> list[Any]:
    """The cells of a column; those of a column of lists are lists of the given lengths."""
    datatype = tensor.content.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise InvalidRequestError(f"input '{name}': `datatype` must be one of {', '.join(DATATYPES)}", None, name)
    if tensor.binary is not None and "data" in tensor.content:
        raise InvalidRequestError(f"input '{name}' has both `data` and binary data", None, name)
    count = rows * prod(lengths)
    cells: list[Any]
    if tensor.binary is None:
        data = tensor.content.get("data")
        for _ in lengths:
            data = list(chain.from_iterable(data)) if isinstance(data, list) and _are_lists(data) else data
        cells = from_json(name, datatype, data, count)
    else:
        cells = from_binary(name, datatype, tensor.binary, count)
    for length in reversed(lengths):
        cells = [cells[start : start + length] for start in range(0, len(cells), length)]
    return cells


def _are_lists(data: Sequence[object]) -> bool:
    return bool(data) and all(isinstance(item, list) for item in data)


def encode_infer(
    request: InferRequest,
    name: str,
    version: str | None,
    predictions: Predictions,
) -> tuple[bytes, Headers]:
    """The answer to a request.

    Args:
        request: says which outputs are wanted, and how.
        name, version: of the model that has answered; a version of None or "" is left out.
        predictions: its answers to the rows.

    Returns:
        Body, and the headers that tell what it is, without its length.
    """
    known = {column.name: column for column in predictions.columns}
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for wanted in request.outputs:
        column, tensor = known[wanted.name], predictions.values[wanted.name]
        datatype, shape = datatype_of(column), [request.rows, *shape_of(column)]
        output: dict[str, Any] = {"name": wanted.name, "datatype": datatype, "shape": shape}
        if wanted.binary:
            blobs.append(to_binary(datatype, tensor))
            output["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            output["data"] = to_data(datatype, tensor)
        outputs.append(output)
    content: dict[str, Any] = {"model_name": name}
    content |= {"model_version": version} if version else {}
    content |= {"id": request.id} if request.id is not None else {}
    content |= {"parameters": {"notes": [str(note) for note in request.notes]}} if request.notes else {}
    head = to_json({**content, "outputs": outputs})
    if not blobs:
        return head, [JSON_TYPE]
    return b"".join((head, *blobs)), [BINARY_TYPE, (HEADER_LENGTH, b"%d" % len(head))]


def infer_refusal(error: InvalidRequestError | InvalidValueError) -> dict[str, Any]:
    """The body of an answer that says why there is none."""
    # half of a UTF-16 pair cannot be written as UTF-8
    return {"error": str(error).encode("utf-8", "replace").decode("utf-8")}


def _shown(name: str) -> str:
    return repr(name) if len(name) <= _MAX_SHOWN else repr(name[:_MAX_SHOWN] + "...")
