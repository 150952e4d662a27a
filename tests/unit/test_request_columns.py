"""Columns of requests are found as those of files: other spellings, lists and records; on every route, bit for bit."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from test_openapi import validator

from orchestrator.data import ColumnarEncoder, DataOptions, open_dataset
from orchestrator.errors import InvalidRequestError
from orchestrator.serving.http.bodies import parse_rows
from orchestrator.serving.http.csv_bodies import parse_csv_rows
from orchestrator.serving.http.invocations import parse_invocation
from orchestrator.serving.http.oip import encode_infer, model_metadata, parse_infer
from orchestrator.serving.http.openapi import DescribedModel, openapi_document

ROWS = [
    {
        "Size": at * 7 % 31 / 2,
        "c": [at / 3, at * 5 % 17],
        "m": [[at, at % 4], [at * at % 13, at % 7]],
        "s": {"u": at * 3 % 11, "t": "xyz"[at % 3], "in": {"v": at % 5}},
        "color": ["red", "blue"][at % 2],
    }
    for at in range(40)
]
FRAME = pd.DataFrame(ROWS).assign(y=["ab"[at // 3 % 2] for at in range(40)])
DATASET = open_dataset(FRAME, DataOptions(target="y", name="x"))
SCHEMA, ENCODER = DATASET.schema, ColumnarEncoder(DATASET.schema, DATASET.encoder)
WANTED = DATASET.encoder.transform(SCHEMA, FRAME)
NAMES = ["Size", "c", "m", "s", "color"]
FLAT = [column.name for column in SCHEMA.columns]


def check(parsed, wanted=WANTED):
    columns, rows, _ = parsed
    found = ENCODER.encode(columns, rows)
    for name in wanted.arrays:
        np.testing.assert_array_equal(found[name], wanted[name])
    return parsed


def by_column(rows, names=NAMES):
    return {name: [row[name] for row in rows] for name in names}


FORMS = {
    "predict": lambda rows: parse_rows(SCHEMA, rows),
    "dataframe_records": lambda rows: parse_invocation(SCHEMA, {"dataframe_records": rows}),
    "dataframe_split": lambda rows: parse_invocation(
        SCHEMA, {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}
    ),
    "inputs": lambda rows: parse_invocation(SCHEMA, {"inputs": by_column(rows, list(rows[0]))}),
    "instances": lambda rows: parse_invocation(SCHEMA, {"instances": rows}),
    "lists without names": lambda rows: parse_invocation(SCHEMA, {"instances": [list(row.values()) for row in rows]}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_lists_and_records_are_taken_as_the_training_frame_had_them(form):
    assert check(form(ROWS))[2] == ()
    one = DATASET.encoder.transform(SCHEMA, FRAME[:1])
    check(form(ROWS[:1]), one)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_columns_that_they_become_are_taken_too(form):
    flat = [dict(zip(FLAT, cells, strict=True)) for cells in zip(*parse_rows(SCHEMA, ROWS)[0].values(), strict=True)]
    check(form(flat))


def test_one_row_by_column_may_have_a_list_that_is_its_cell():
    row = ROWS[5]
    parsed = parse_invocation(SCHEMA, {"inputs": row})
    check(parsed, DATASET.encoder.transform(SCHEMA, FRAME[5:6]))


@pytest.mark.parametrize("form", [form for name, form in FORMS.items() if name != "lists without names"])
def test_names_in_another_spelling_are_taken_and_said(form):
    other = {"Size": "SIZE", "c": " C ", "color": "Color"}
    rows = [{other.get(name, name): cell for name, cell in row.items()} for row in ROWS]
    notes = check(form(rows))[2]
    assert [str(note) for note in notes] == [
        "column 'Size' is written 'SIZE' here: read as the same column",
        "column 'color' is written 'Color' here: read as the same column",
        "column 'c' is written ' C ' here: read as the same column",
    ]
    both = [{**row, "SIZE": 99.0} for row in ROWS]
    assert check(form(both))[2] == ()
    several = [{**{name: cell for name, cell in row.items() if name != "Size"}, "SIZE": 1, "size": 2} for row in ROWS]
    with pytest.raises(InvalidRequestError, match="the column 'Size' is missing"):
        form(several)


def tensors(rows, spelling=lambda name: name):
    def tensor(name, cells, datatype="FP64"):
        return {"name": spelling(name), "datatype": datatype, "shape": list(np.shape(cells)), "data": cells}

    found = by_column(rows, ["Size", "c", "m"])
    inputs = [tensor(name, cells) for name, cells in found.items()]
    inputs += [
        tensor(f"s.{name}", [row["s"][name] for row in rows], kind) for name, kind in (("u", "INT64"), ("t", "BYTES"))
    ]
    inputs.append(tensor("s.in.v", [row["s"]["in"]["v"] for row in rows]))
    return [*inputs, tensor("color", [row["color"] for row in rows], "BYTES")]


def infer(inputs, binary=b""):
    head = json.dumps({"inputs": inputs}).encode()
    request = parse_infer(SCHEMA, head + binary, len(head) if binary else None, None)
    check((request.columns, request.rows, request.notes))
    return request


def test_tensors_of_lists_have_a_shape_behind_the_rows():
    inputs = tensors(ROWS)
    infer(inputs)
    flat = [{**each, "data": np.ravel(each["data"]).tolist()} if each["name"] in "cm" else each for each in inputs]
    infer(flat)
    cells = np.array(by_column(ROWS)["m"], dtype="<f8").tobytes()
    moved = [each for each in inputs if each["name"] != "m"]
    moved.append({"name": "m", "datatype": "FP64", "shape": [40, 2, 2], "parameters": {"binary_data_size": len(cells)}})
    infer(moved, cells)


def test_tensors_in_another_spelling_are_taken_and_said_in_the_answer():
    request = infer(tensors(ROWS, str.upper))
    assert "column 'c' is written 'C' here: read as the same column" in map(str, request.notes)
    predictions = SCHEMA.target.task.predictions(DATASET.target_encoder, np.zeros((40, SCHEMA.outputs), np.float32))
    body, _ = encode_infer(request, "x", None, predictions)
    assert "column 'color' is written 'COLOR' here: read as the same column" in json.loads(body)["parameters"]["notes"]
    body, _ = encode_infer(infer(tensors(ROWS)), "x", None, predictions)
    assert "parameters" not in json.loads(body)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"c": [1.0]}, "row 2, column 'c': a list of 1 instead of 2"),
        ({"c": 3}, "row 2, column 'c': 3 is not a list"),
        ({"m": [[1, 2], [3]]}, "row 2, column 'm': a list of 1 instead of 2"),
        ({"c": [1.0, [2]]}, "row 2, column 'c.1': a list or object cannot be a value"),
        ({"s": [1, 2, 3]}, "row 2, column 's': \\[1, 2, 3\\] is not a record"),
        ({"color": ["red"]}, "row 2, column 'color': a list or object cannot be a value"),
    ],
)
def test_a_list_that_does_not_fit_is_named(change, sentence):
    rows = [ROWS[0], {**ROWS[1], **change}]
    for form in ("predict", "dataframe_split"):
        with pytest.raises(InvalidRequestError, match=sentence) as caught:
            FORMS[form](rows)
        assert caught.value.row == 1


def test_a_missing_list_record_or_field_is_missing_as_in_a_frame():
    rows = [{**ROWS[0], "c": None, "s": None}, {**ROWS[1], "s": {"u": 1}}, {**ROWS[2], "m": None}]
    wanted = DATASET.encoder.transform(SCHEMA, pd.DataFrame(rows))
    check(parse_rows(SCHEMA, [{**row, "s": row["s"] and {"t": None, "in": None, **row["s"]}} for row in rows]), wanted)
    with pytest.raises(InvalidRequestError, match=r"the column 's.t' is missing"):
        parse_rows(SCHEMA, [{**ROWS[0], "s": {"u": 1, "in": {"v": 2}}}])


def test_rows_that_lack_a_column_are_named_whatever_the_spelling():
    lacking = [{"SIZE" if name == "Size" else name: cell for name, cell in row.items()} for row in ROWS[:2]]
    del lacking[1]["SIZE"]
    with pytest.raises(InvalidRequestError, match="row 2: the column 'SIZE' is missing"):
        parse_rows(SCHEMA, lacking)


def test_csv_bodies_have_names_in_another_spelling():
    frame = pd.DataFrame(parse_rows(SCHEMA, ROWS)[0]).rename(columns=str.upper)
    columns, rows, notes = parse_csv_rows(SCHEMA, frame.to_csv(index=False).encode())
    check((columns, rows, notes))
    assert len(notes) == len(SCHEMA.columns) - sum(name == name.upper() for name in FLAT)


JSON_CELL = st.none() | st.integers(-9, 9) | st.text("ab", max_size=2)


@given(cells=st.lists(st.none() | st.lists(JSON_CELL, min_size=1, max_size=3), min_size=1, max_size=4))
def test_cells_of_lists_are_expanded_as_a_frame_has_them_or_both_refuse(cells):
    rows = [{**ROWS[at], "c": value} for at, value in enumerate(cells)]
    try:
        wanted = DATASET.encoder.transform(SCHEMA, pd.DataFrame(rows))
    except Exception:  # lists of several types are none to a frame
        return
    check(parse_rows(SCHEMA, rows), wanted)


def described_bodies():
    """Schemas of the bodies that the OpenAPI document gives for the model, by name."""
    model = DescribedModel(
        name="m", version=None, schema=SCHEMA, categories={"color": ["blue", "red"]}, rows=[], metrics={}
    )
    document = openapi_document([model], authenticated=False, default="m")
    OpenAPIV31SpecValidator(document).validate()
    bodies = ("Row", "Invocations", "Infer")
    return {name: validator(document, {"$ref": f"#/components/schemas/m.{name}"}) for name in bodies}


def test_the_document_says_that_lists_and_records_are_taken():
    bodies = described_bodies()
    row, flat = ROWS[3], {name: cells[0] for name, cells in parse_rows(SCHEMA, [ROWS[3]])[0].items()}
    short = row | {"c": row["c"][:1]}
    for one in (row, flat, row | {"c": None, "s": None}, {**row, "s": {}}):
        assert bodies["Row"].is_valid(one)
        assert bodies["Invocations"].is_valid({"dataframe_records": [one]})
        assert bodies["Invocations"].is_valid({"inputs": {name: [cell] for name, cell in one.items()}})
    for wrong in (short, {name: cell for name, cell in row.items() if name != "m"}):
        assert not bodies["Row"].is_valid(wrong)
        assert not bodies["Invocations"].is_valid({"dataframe_records": [wrong]})
    split = {"columns": NAMES, "data": [[row[name] for name in NAMES]]}
    assert bodies["Invocations"].is_valid({"dataframe_split": split})


def test_the_document_says_that_a_list_is_one_tensor():
    infer = described_bodies()["Infer"]
    row = ROWS[3]
    described = model_metadata(SCHEMA, "m", [])["inputs"]
    flat = {name: cells[0] for name, cells in parse_rows(SCHEMA, [row])[0].items()}
    tensors = [{**each, "shape": [1, *each["shape"][1:]], "data": [(row | flat)[each["name"]]]} for each in described]
    assert [each["name"] for each in described[:3]] == ["Size", "c", "m"]
    assert infer.is_valid({"inputs": tensors})
    tensors[1] = {**tensors[1], "data": row["c"]}
    assert infer.is_valid({"inputs": tensors})
    tensors[1] = {**tensors[1], "shape": [1, 3]}
    assert not infer.is_valid({"inputs": tensors})
