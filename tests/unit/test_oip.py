"""The Open Inference Protocol v2: what Triton's own client writes is read, and it reads what is answered."""

import json
import struct

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.http import InferInput, InferRequestedOutput, InferResult
from tritonclient.http._utils import _get_inference_request

from orchestrator.data import Schema
from orchestrator.data.nested import PLAIN_SHAPE, Nested, Shape
from orchestrator.errors import InvalidRequestError, TooManyRowsError
from orchestrator.features import Column, ColumnKind
from orchestrator.serving.http.oip import (
    InferRequest,
    RequestedOutput,
    encode_infer,
    infer_refusal,
    model_metadata,
    parse_infer,
    server_metadata,
)
from orchestrator.tasks import Predictions, Target, TargetEncoder
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression

COLUMNS = (
    Column("size", ColumnKind.NUMERIC),
    Column("color", ColumnKind.CATEGORICAL),
    Column("new", ColumnKind.BOOLEAN),
    Column("day", ColumnKind.DATETIME, "ISO8601"),
)
SCHEMA = Schema(COLUMNS, Target("label", Multiclass(("no", "so-so", "ja ✓"))))
SIZE_AND_COLOR = Schema(COLUMNS[:2], Target("label", Binary(("no", "yes"))))
REGRESSION = Schema(COLUMNS[:2], Target("price", Regression()))
SIZE = {"name": "size", "shape": [2], "datatype": "FP64", "data": [1.5, None]}
COLOR = {"name": "color", "shape": [2], "datatype": "BYTES", "data": ["red", "blue"]}

NUMPY_TYPES = {
    "BOOL": np.bool_,
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    "BYTES": np.object_,
}


def parse(content, schema=SIZE_AND_COLOR, binary=None, max_rows=None):
    head = json.dumps(content).encode()
    if binary is None:
        return parse_infer(schema, head, None, max_rows)
    return parse_infer(schema, head + binary, len(head), max_rows)


def texts(*values):
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def binary_input(name, datatype, size, rows=2):
    return {"name": name, "shape": [rows], "datatype": datatype, "parameters": {"binary_data_size": size}}


# -- requests ----------------------------------------------------------------------------------------------------------


def cells_of(datatype):
    """Values that survive JSON and binary data; the client has no missing ones but NaN."""
    if datatype == "BYTES":
        return st.text(st.characters(codec="utf-8"), max_size=6)
    if datatype == "BOOL":
        return st.booleans()
    if datatype.startswith("FP"):
        return st.floats(width=int(datatype[2:]), allow_nan=False, allow_infinity=False)
    bounds = np.iinfo(NUMPY_TYPES[datatype])
    return st.integers(int(bounds.min), int(bounds.max))


@st.composite
def sent_columns(draw):
    """Name -> (datatype, values, whether nested, whether binary), all of one length, in any order."""
    rows = draw(st.integers(0, 5))
    columns = {}
    for name in draw(st.permutations([column.name for column in COLUMNS])):
        datatype = draw(st.sampled_from(sorted(NUMPY_TYPES)))
        values = draw(st.lists(cells_of(datatype), min_size=rows, max_size=rows))
        columns[name] = datatype, values, draw(st.booleans()), draw(st.booleans())
    return rows, columns


@settings(deadline=None)
@given(sent_columns(), st.text(st.characters(codec="utf-8"), max_size=5))
def test_what_the_client_of_triton_writes_is_read_unchanged(sent, identifier):
    rows, columns = sent
    inputs = []
    for name, (datatype, values, nested, binary) in columns.items():
        array = np.array(values, dtype=NUMPY_TYPES[datatype]).reshape((rows, 1) if nested else (rows,))
        inputs.append(InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary))
    body, header_length = _get_inference_request(inputs, identifier, None, 0, False, False, 0, None, None)
    request = parse_infer(SCHEMA, body, header_length, None)
    assert request.rows == rows
    assert request.id == (identifier or None)
    assert list(request.columns) == [column.name for column in COLUMNS]
    assert request.columns == {name: values for name, (_, values, _, _) in columns.items()}
    # the client asks for binary data when it asks for no outputs by name
    assert request.outputs == (RequestedOutput("label", True), RequestedOutput("probabilities", True))


def test_shapes_and_nesting_do_not_matter():
    expected = {"size": [1.5, None], "color": ["red", "blue"]}
    for shape, data in (([2], [1.5, None]), ([2, 1], [[1.5], [None]]), ([2, 1], [1.5, None]), ([2], [[1.5], [None]])):
        assert parse({"inputs": [COLOR, SIZE | {"shape": shape, "data": data}]}).columns == expected


def test_missing_values_are_null_nan_or_an_empty_text():
    blob = struct.pack("<2d", float("nan"), 2.0) + texts(b"", b"red")
    inputs = [binary_input("size", "FP64", 16), binary_input("color", "BYTES", len(blob) - 16)]
    assert parse({"inputs": inputs}, binary=blob).columns == {"size": [None, 2.0], "color": ["", "red"]}
    for datatype in ("BOOL", "INT8", "UINT64", "FP16", "BYTES"):
        assert parse({"inputs": [SIZE | {"datatype": datatype, "data": [None, None]}, COLOR]}).columns["size"] == [
            None,
            None,
        ]


def test_whole_numbers_may_be_written_as_decimals():
    cells = parse({"inputs": [SIZE | {"datatype": "INT64", "data": [3.0, 2**53 + 1]}, COLOR]}).columns["size"]
    assert cells == [3, 2**53 + 1]
    assert all(type(cell) is int for cell in cells)


def test_other_inputs_are_ignored_with_their_binary_data():
    blob = b"\xff\xff" + struct.pack("<2f", 1.0, 2.0) + b"\x00" * 3
    inputs = [
        binary_input("other", "NONSENSE", 2),
        binary_input("size", "FP32", 8),
        binary_input("other", "BYTES", 3),
        COLOR,
        {"name": "more"},
    ]
    assert parse({"inputs": inputs}, binary=blob).columns == {"size": [1.0, 2.0], "color": ["red", "blue"]}


def test_outputs_are_those_asked_for_in_their_order():
    content = {"inputs": [SIZE, COLOR]}
    assert parse(content).outputs == (RequestedOutput("label", False), RequestedOutput("probabilities", False))
    assert parse(content, REGRESSION).outputs == (RequestedOutput("value", False),)
    content["parameters"] = {"binary_data_output": True, "priority": 3}
    assert parse(content, REGRESSION).outputs == (RequestedOutput("value", True),)
    content["outputs"] = [{"name": "probabilities", "parameters": {"binary_data": False}}, {"name": "label"}]
    assert parse(content).outputs == (RequestedOutput("probabilities", False), RequestedOutput("label", True))
    content["outputs"] = [{"name": "label"}, {"name": "label", "parameters": {"binary_data": False}}]
    assert parse(content).outputs == (RequestedOutput("label", False),)


def test_no_rows_are_a_request():
    empty = [SIZE | {"shape": [0], "data": []}, COLOR | {"shape": [0, 1], "data": []}]
    request = parse({"inputs": empty})
    assert (request.rows, request.columns) == (0, {"size": [], "color": []})


@pytest.mark.parametrize(
    ("change", "part", "row", "column"),
    [
        ({"shape": [2, 2]}, "`shape` must be [rows] or [rows, 1]", None, "size"),
        ({"shape": []}, "`shape`", None, "size"),
        ({"shape": [True]}, "`shape`", None, "size"),
        ({"shape": [-1]}, "`shape`", None, "size"),
        ({"shape": [10**4299]}, "`shape`", None, "size"),
        ({"shape": None}, "`shape`", None, "size"),
        ({"shape": [3]}, "'color' has 2 rows, but 'size' has 3", None, "color"),
        ({"datatype": "BF16"}, "`datatype` must be one of BOOL,", None, "size"),
        ({"datatype": []}, "`datatype`", None, "size"),
        ({"data": [1]}, "1 values for 2 rows", None, "size"),
        ({"data": 1}, "no list of values for 2 rows", None, "size"),
        ({"data": [1, "2"]}, "row 2, column 'size': the value is not FP64 or null", 1, "size"),
        ({"data": [1, True]}, "row 2, column 'size'", 1, "size"),
        ({"data": [1, [2, 3]]}, "row 2, column 'size'", 1, "size"),
        ({"data": [{}, 2]}, "row 1, column 'size'", 0, "size"),
        ({"datatype": "INT8", "data": [1, 128]}, "row 2, column 'size': the value is not INT8", 1, "size"),
        ({"datatype": "UINT64", "data": [1, -1]}, "row 2, column 'size': the value is not UINT64", 1, "size"),
        ({"datatype": "INT64", "data": [0.5, 1]}, "row 1, column 'size': the value is not INT64", 0, "size"),
        ({"datatype": "INT64", "data": [1, 1e300]}, "row 2, column 'size'", 1, "size"),
        ({"datatype": "BOOL", "data": [True, 1]}, "row 2, column 'size': the value is not BOOL", 1, "size"),
        ({"datatype": "BYTES", "data": ["a", "\ud800"]}, "row 2, column 'size': the text is not valid", 1, "size"),
        ({"parameters": []}, "`parameters` must be an object", None, None),
        ({"parameters": {"binary_data_size": 16}}, "Inference-Header-Content-Length is missing", None, None),
        ({"parameters": {"binary_data_size": None}}, "binary_data_size must be a number of bytes", None, None),
        ({"parameters": {"shared_memory_region": "x"}}, "shared memory is not supported", None, None),
        ({"name": "color"}, "the input 'color' is given twice", None, "color"),
        ({"name": "sizes"}, "the input 'size' is missing; is 'sizes' meant for it?", None, "size"),
        ({"name": 3}, "`name`", None, None),
    ],
)
def test_a_wrong_input_is_named(change, part, row, column):
    with pytest.raises(InvalidRequestError) as caught:
        parse({"inputs": [SIZE | change, COLOR]})
    assert part in str(caught.value)
    assert (caught.value.row, caught.value.column) == (row, column)


@pytest.mark.parametrize(
    ("datatype", "blob", "part", "row"),
    [
        ("FP64", b"\x00" * 15, "15 bytes for 2 rows of FP64; needed: 16", None),
        ("FP32", struct.pack("<2f", 1, float("-inf")), "row 2, column 'size': the number is infinite", 1),
        ("BYTES", texts(b"a", b"\xff"), "row 2, column 'size': the text is not UTF-8", 1),
        ("BYTES", texts(b"a"), "ends in row 2 of 2", 1),
        ("BYTES", texts(b"a", b"b")[:-1], "ends in row 2 of 2", 1),
        ("BYTES", texts(b"a", b"b", b"c"), "more than 2 texts", None),
    ],
)
def test_wrong_binary_data_is_named(datatype, blob, part, row):
    with pytest.raises(InvalidRequestError) as caught:
        parse({"inputs": [binary_input("size", datatype, len(blob)), COLOR]}, binary=blob)
    assert part in str(caught.value)
    assert (caught.value.row, caught.value.column) == (row, "size")


def test_binary_data_and_json_must_fit_together():
    both = binary_input("size", "FP64", 16) | {"data": [1, 2]}
    for content, blob, part in (
        ({"inputs": [both, COLOR]}, b"\x00" * 16, "both `data` and binary data"),
        ({"inputs": [SIZE, COLOR]}, b"\x00", "the last 1 bytes of the body belong to no input"),
        ({"inputs": [binary_input("size", "FP64", 16), COLOR]}, b"\x00" * 15, "the body ends before them"),
    ):
        with pytest.raises(InvalidRequestError, match=part):
            parse(content, binary=blob)
    for length in (-1, 3, 10**30):
        with pytest.raises(InvalidRequestError, match="but the body has 2 bytes"):
            parse_infer(SCHEMA, b"{}", length, None)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ([], "`inputs`"),
        ({}, "`inputs` must be a list"),
        ({"inputs": [SIZE, COLOR], "id": 3}, "`id` must be a text"),
        ({"inputs": [SIZE, COLOR], "id": "\udfff"}, "`id` must be a text"),
        ({"inputs": [SIZE, COLOR], "outputs": {}}, "`outputs` must be a list"),
        ({"inputs": [SIZE, COLOR], "outputs": [3]}, "`outputs` must be a list of objects"),
        (
            {"inputs": [SIZE, COLOR], "outputs": [{"name": "lable"}]},
            "no output 'lable'; known: label, probabilities; did",
        ),
        ({"inputs": [SIZE, COLOR], "outputs": [{"name": "x" * 10**6}]}, "known: label, probabilities"),
        (
            {"inputs": [SIZE, COLOR], "outputs": [{"name": "label", "parameters": {"classification": 1}}]},
            "the classification extension is not supported; ask for label and probabilities",
        ),
        (
            {"inputs": [SIZE, COLOR], "outputs": [{"name": "label", "parameters": {"shared_memory_region": "x"}}]},
            "shared memory is not supported",
        ),
        (
            {"inputs": [SIZE, COLOR], "outputs": [{"name": "label", "parameters": {"binary_data": 1}}]},
            "binary_data must be true or false",
        ),
        ({"inputs": [SIZE, COLOR], "parameters": {"binary_data_output": "yes"}}, "binary_data_output must be true"),
    ],
)
def test_a_wrong_request_is_refused_with_a_short_sentence(content, part):
    with pytest.raises(InvalidRequestError) as caught:
        parse(content)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 300
    assert infer_refusal(caught.value) == {"error": str(caught.value)}


def test_too_many_rows_are_refused_before_their_data_is_looked_at():
    assert parse({"inputs": [SIZE, COLOR]}, max_rows=2).rows == 2
    with pytest.raises(TooManyRowsError, match="2 rows, but at most 1"):
        parse({"inputs": [SIZE | {"data": None}, COLOR]}, max_rows=1)


def test_a_refusal_can_always_be_written():
    with pytest.raises(InvalidRequestError) as caught:
        parse_infer(SCHEMA, b'{"inputs": [], "outputs": [{"name": "\\ud800"}]}', None, None)
    assert orjson.loads(orjson.dumps(infer_refusal(caught.value)))["error"]
    assert infer_refusal(InvalidRequestError("half \ud800")) == {"error": "half ?"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
parameters = json_values | st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "binary_data_output", "classification"]),
    st.integers(-2, 40) | json_values,
)
datas = st.lists(json_values, max_size=3) | json_values
shapes = st.lists(st.integers(-1, 3), max_size=2) | st.just([10**4299]) | json_values
tensors = st.fixed_dictionaries(
    {"name": st.sampled_from(["size", "color", "other"]) | json_values},
    optional={
        "shape": st.just([2]) | shapes,
        "datatype": st.sampled_from(sorted(NUMPY_TYPES)) | json_values,
        "data": datas,
        "parameters": parameters,
    },
)
bodies = json_values | st.fixed_dictionaries(
    {"inputs": st.lists(tensors | json_values, max_size=4) | st.tuples(tensors, st.just(SIZE), st.just(COLOR))},
    optional={
        "id": json_values,
        "parameters": parameters,
        "outputs": json_values | st.lists(st.fixed_dictionaries({"name": json_values, "parameters": parameters})),
    },
)


def answered(labels, shares, target=SIZE_AND_COLOR.target):
    return Predictions(target.task.answers, {"label": labels, "probabilities": shares})


def check_parsed(body, header_length):
    """An answer that can be encoded, or an `InvalidRequestError`; any other exception fails the test."""
    try:
        request = parse_infer(SIZE_AND_COLOR, body, header_length, 100)
    except InvalidRequestError as error:
        assert orjson.dumps(infer_refusal(error))
        return
    assert {len(cells) for cells in request.columns.values()} == {request.rows}
    shares = np.full((request.rows, 2), 0.5)
    assert encode_infer(request, "m", "1", answered(["no"] * request.rows, shares))


@settings(max_examples=250, deadline=None)
@given(bodies, st.binary(max_size=40), st.booleans())
def test_any_json_is_answered_or_refused(content, binary, with_header):
    head = json.dumps(content).encode()
    check_parsed(head + binary if with_header else head, len(head) if with_header else None)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.none() | st.integers(-3, 70))
def test_any_bytes_and_lengths_are_answered_or_refused(body, header_length):
    check_parsed(body, header_length)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(NUMPY_TYPES)),
    st.sampled_from(sorted(NUMPY_TYPES)),
    st.binary(max_size=40),
    st.integers(0, 40),
    st.integers(0, 3),
    st.integers(-2, 2),
)
def test_any_binary_data_is_answered_or_refused(first, second, binary, size, rows, shift):
    inputs = [
        binary_input("size", first, min(size, len(binary)), rows),
        binary_input("color", second, len(binary) - min(size, len(binary)), rows),
    ]
    head = json.dumps({"inputs": inputs}).encode()
    check_parsed(head + binary, len(head) + shift)


# -- answers -----------------------------------------------------------------------------------------------------------

TARGETS = (
    SCHEMA.target,
    Target("label", Binary((False, True))),
    Target("label", Multiclass((-3, 0, 2**62))),
    Target("label", Multiclass((0, 1, 2**70))),
    Target("label", Binary(("", "\x00a"))),
    REGRESSION.target,
    Target("price", Quantile((0.1, 0.5, 0.9))),
)


def read(body, headers):
    found = dict(headers)
    length = found.get(b"inference-header-content-length")
    wanted = b"application/json" if length is None else b"application/octet-stream"
    assert found[b"content-type"] == wanted
    return InferResult.from_response_body(body, header_length=None if length is None else int(length))


@settings(deadline=None)
@given(st.data())
def test_the_client_of_triton_reads_what_is_answered(data):
    target = data.draw(st.sampled_from(TARGETS))
    schema = Schema(COLUMNS[:2], target)
    rows = data.draw(st.integers(0, 4))
    outputs = data.draw(hnp.arrays(np.float32, (rows, target.task.outputs), elements=st.floats(-9, 9, width=32)))
    predictions = target.task.predictions(TargetEncoder(mean=2.0, std=3.0), outputs)
    names = [column.name for column in target.task.answers]
    wanted = data.draw(st.lists(st.sampled_from(names), unique=True))
    asked = [InferRequestedOutput(name, binary_data=data.draw(st.booleans())) for name in wanted]
    inputs = [
        InferInput(name, [rows], "INT8").set_data_from_numpy(np.zeros(rows, np.int8)) for name in ("size", "color")
    ]
    body, header_length = _get_inference_request(inputs, "é7", asked, 0, False, False, 0, None, None)
    request = parse_infer(schema, body, header_length, None)
    result = read(*encode_infer(request, "häuser", "3", predictions))
    assert [output["name"] for output in result.get_response()["outputs"]] == (wanted or names)
    assert {key: result.get_response()[key] for key in ("model_name", "model_version", "id")} == {
        "model_name": "häuser",
        "model_version": "3",
        "id": "é7",
    }
    for name in wanted or names:
        found = result.as_numpy(name)
        if name != "label":
            np.testing.assert_array_equal(found, predictions.values[name])
            continue
        labels = predictions.values[name]
        texts_found = [label.decode() if isinstance(label, bytes) else label for label in found.tolist()]
        is_text = result.get_output("label")["datatype"] == "BYTES"
        assert texts_found == ([str(label) for label in labels] if is_text else labels)


def test_an_answer_in_json_is_plain():
    request = InferRequest(
        columns={}, rows=2, outputs=tuple(RequestedOutput(name, False) for name in ("label", "probabilities")), id=None
    )
    shares = np.array([[0.25, 0.75], [1.0, 0.0]])[::-1]
    body, headers = encode_infer(request, "cars", "", answered(["yes", "no"], shares))
    assert headers == [(b"content-type", b"application/json")]
    assert json.loads(body) == {
        "model_name": "cars",
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]},
            {"name": "probabilities", "datatype": "FP64", "shape": [2, 2], "data": [1.0, 0.0, 0.25, 0.75]},
        ],
    }


def test_only_what_is_wanted_as_binary_data_is_behind_the_json():
    request = InferRequest(
        columns={}, rows=1, outputs=(RequestedOutput("label", True), RequestedOutput("probabilities", False)), id="7"
    )
    body, headers = encode_infer(request, "cars", "1", answered(["yes"], np.array([[0.25, 0.75]])))
    assert body.endswith(b"}" + texts(b"yes"))
    outputs = read(body, headers).get_response()["outputs"]
    assert outputs[0]["parameters"] == {"binary_data_size": 7}
    assert outputs[1]["data"] == [0.25, 0.75]


def test_metadata_tells_the_tensors():
    assert server_metadata()["extensions"] == ["binary_tensor_data"]
    content = model_metadata(SCHEMA, "cars", ["3", "4"])
    assert (content["name"], content["versions"]) == ("cars", ["3", "4"])
    assert [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in content["inputs"]] == [
        ("size", "FP64", [-1]),
        ("color", "BYTES", [-1]),
        ("new", "BOOL", [-1]),
        ("day", "BYTES", [-1]),
    ]
    assert content["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {
            "name": "probabilities",
            "datatype": "FP64",
            "shape": [-1, 3],
            "parameters": {"classes": ["no", "so-so", "ja ✓"]},
        },
    ]
    assert model_metadata(REGRESSION, "cars", [])["outputs"] == [{"name": "value", "datatype": "FP64", "shape": [-1]}]


def test_metadata_tells_lists_as_the_tensors_that_are_taken():
    numbers, grid = Shape(length=3, item=PLAIN_SHAPE), Shape(length=2, item=Shape(length=2, item=PLAIN_SHAPE))
    records = Shape(fields=(("one", PLAIN_SHAPE),))
    nested = (Nested("c", numbers), Nested("g", grid), Nested("m", numbers), Nested("r", records))
    kinds = {
        **dict.fromkeys(("c.0", "c.2", "size", "g.0.0", "g.0.1", "g.1.0", "g.1.1", "m.0", "r.one"), ColumnKind.NUMERIC),
        "m.1": ColumnKind.CATEGORICAL,
    }
    schema = Schema(tuple(Column(name, kind) for name, kind in kinds.items()), SCHEMA.target, nested)
    tensors = model_metadata(schema, "cars", [])["inputs"]
    assert [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in tensors] == [
        ("c", "FP64", [-1, 3]),
        ("size", "FP64", [-1]),
        ("g", "FP64", [-1, 2, 2]),
        ("m.0", "FP64", [-1]),
        ("r.one", "FP64", [-1]),
        ("m.1", "BYTES", [-1]),
    ]
    # what is told is taken
    rows = 4
    inputs = [
        {
            **tensor,
            "shape": (shape := [rows, *tensor["shape"][1:]]),
            "data": np.arange(np.prod(shape)).astype("str" if tensor["datatype"] == "BYTES" else "int").tolist(),
        }
        for tensor in tensors
    ]
    found = parse({"inputs": inputs}, schema)
    assert found.rows == rows
    assert set(found.columns) == set(kinds)
