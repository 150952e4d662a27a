"""Request bodies into columns: every documented form, and a named row and column for what does not fit."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator import prepare_dataset
from orchestrator.data import Schema
from orchestrator.errors import InvalidRequestError, TooManyRowsError
from orchestrator.features import Column, ColumnKind
from orchestrator.serving.http.bodies import parse_json, parse_rows, refusal
from orchestrator.serving.http.invocations import parse_invocation
from orchestrator.tasks import Target
from orchestrator.tasks.binary import Binary

SCHEMA = Schema(
    (Column("size", ColumnKind.NUMERIC), Column("color", ColumnKind.CATEGORICAL)),
    Target("label", Binary(("no", "yes"))),
)
ROWS = [{"size": 1, "color": "red"}, {"size": None, "color": "blue"}]
VALUES = [[1, "red"], [None, "blue"]]


def content(parsed):
    columns, rows, _ = parsed
    assert list(columns) == ["size", "color"]
    assert [len(cells) for cells in columns.values()] == [rows, rows]
    return [list(row) for row in zip(*columns.values(), strict=True)]


def test_one_object_is_one_row():
    assert content(parse_rows(SCHEMA, ROWS[0])) == [[1, "red"]]


def test_rows_keep_their_order_and_types():
    rows = [{"size": True, "color": 3}, {"size": "4", "color": 3.0}, {"size": 2**70, "color": ""}]
    parsed = parse_rows(SCHEMA, rows)
    assert content(parsed) == [[True, 3], ["4", 3.0], [2**70, ""]]
    assert [type(value) for value in parsed[0]["size"]] == [bool, str, int]


def test_other_keys_and_their_order_do_not_matter():
    row = {"zzz": [1, {}], "color": "red", "label": "yes", "size": 1}
    assert content(parse_rows(SCHEMA, row)) == [[1, "red"]]


def test_no_rows_are_empty_columns():
    for parsed in (
        parse_rows(SCHEMA, []),
        parse_invocation(SCHEMA, {"dataframe_records": []}),
        parse_invocation(SCHEMA, {"dataframe_split": {"columns": ["size", "color"], "data": []}}),
        parse_invocation(SCHEMA, {"inputs": {"size": [], "color": []}}),
    ):
        assert parsed == ({"size": [], "color": []}, 0, ())


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": ROWS},
        {"dataframe_split": {"columns": ["size", "color"], "data": VALUES}},
        {"dataframe_split": {"columns": ["size", "color"], "index": [7, 7], "data": VALUES}},
        {"dataframe_split": {"columns": ["color", "other", "size"], "data": [["red", 0, 1], ["blue", 0, None]]}},
        {"instances": ROWS},
        {"instances": VALUES},
        {"inputs": ROWS},
        {"inputs": {"size": [1, None], "color": ["red", "blue"]}},
        {"inputs": {"size": [[1], [None]], "color": [["red"], ["blue"]]}},
        {"dataframe_records": ROWS, "params": {"seed": 1}},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_all_forms_of_the_scoring_protocol_are_the_same_rows(body):
    assert content(parse_invocation(SCHEMA, body)) == VALUES


def test_names_in_split_form_may_be_numbers_and_lists_of_levels_as_pandas_writes_them():
    frame = pd.DataFrame([[1, "a", True], [2, "b", False]])
    frame.columns = pd.MultiIndex.from_tuples([("x", "one"), ("x", "two"), (5, "")])
    schema = prepare_dataset(frame.assign(y=[0, 1]).loc[[0, 1] * 20].reset_index(drop=True), "y").schema
    assert schema.names == ["x.one", "x.two", "5"]
    split = json.loads(frame.to_json(orient="split"))
    assert isinstance(split["columns"][0], list)
    found, count, _ = parse_invocation(schema, {"dataframe_split": split})
    assert count == 2
    assert found == {"x.one": [1, 2], "x.two": ["a", "b"], "5": [True, False]}
    numbers = {"columns": [["x", "one"], ["x", "two"], 5], "data": split["data"]}
    assert parse_invocation(schema, {"dataframe_split": numbers})[0] == found
    for name in ({}, None, [], [["x"]], [None]):
        with pytest.raises(InvalidRequestError, match="`columns` must be a list of names"):
            parse_invocation(schema, {"dataframe_split": {"columns": [name], "data": []}})


def test_plain_values_by_column_are_one_row():
    assert content(parse_invocation(SCHEMA, {"inputs": {"size": 1, "color": "red"}})) == [[1, "red"]]


@pytest.mark.parametrize(
    ("body", "row", "column"),
    [
        ([ROWS[0], {"size": 1}], 1, "color"),
        ([ROWS[0], {}, {}], 1, "size"),
        ([ROWS[0], [1, "red"]], 1, None),
        ([None], 0, None),
        ([ROWS[0], {"size": 1, "color": ["red"]}], 1, "color"),
        ({"size": {}, "color": "red"}, 0, "size"),
        ([{"size": 1, "color": float("inf")}], 0, "color"),
        ([ROWS[0], {"size": float("-inf"), "color": "red"}], 1, "size"),
        ([ROWS[0], "size color"], 1, None),
        ([{"size": 10**400, "color": ["red"]}], 0, "color"),
        ([{"size": 1, "color": "a\ud800"}, {"size": 1}], 0, "color"),
        ([ROWS[0], {"size": 1, "color": "a\ud800"}], 1, "color"),
        ("text", None, None),
        (3, None, None),
        (None, None, None),
        (True, None, None),
    ],
)
def test_a_wrong_row_is_named(body, row, column):
    with pytest.raises(InvalidRequestError) as caught:
        parse_rows(SCHEMA, body)
    assert (caught.value.row, caught.value.column) == (row, column)
    assert refusal(caught.value) == {"error": {"message": str(caught.value), "row": row, "column": column}}
    if row is not None:
        assert f"row {row + 1}" in str(caught.value)
    if column is not None:
        assert f"'{column}'" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "row", "column"),
    [
        (ROWS, None, None),
        ("text", None, None),
        ({}, None, None),
        ({"rows": ROWS}, None, None),
        ({"instances": ROWS, "inputs": ROWS}, None, None),
        ({"dataframe_records": ROWS[0]}, None, None),
        ({"dataframe_records": None}, None, None),
        ({"instances": 3}, None, None),
        ({"dataframe_split": VALUES}, None, None),
        ({"dataframe_split": {"columns": ["size", "color"]}}, None, None),
        ({"dataframe_split": {"columns": "size", "data": VALUES}}, None, None),
        ({"dataframe_split": {"columns": ["size", ["color"]], "data": VALUES}}, None, None),
        ({"dataframe_split": {"columns": ["size", "size"], "data": VALUES}}, None, None),
        ({"dataframe_split": {"columns": ["size", "other"], "data": VALUES}}, None, "color"),
        ({"dataframe_split": {"columns": ["size", "color"], "data": [[1, "red"], [1]]}}, 1, None),
        ({"dataframe_split": {"columns": ["size", "color"], "data": [[1, "red"], 5]}}, 1, None),
        ({"dataframe_split": {"columns": ["size", "color"], "data": [[1, {}]]}}, 0, "color"),
        ({"dataframe_split": {"columns": ["color", "size"], "data": [["red", 1], ["red", float("inf")]]}}, 1, "size"),
        ({"instances": [[1, "red"], [1, "\udfff"]]}, 1, "color"),
        ({"inputs": {"size": [1]}}, None, "color"),
        ({"inputs": {"size": [1], "color": ["red", "blue"]}}, None, None),
        ({"inputs": {"size": [1, [2, 3]], "color": ["red", "blue"]}}, 1, "size"),
        ({"dataframe_records": [ROWS[0], {"color": "red"}]}, 1, "size"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_a_wrong_invocation_is_named(body, row, column):
    with pytest.raises(InvalidRequestError) as caught:
        parse_invocation(SCHEMA, body)
    assert (caught.value.row, caught.value.column) == (row, column)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b'{"size": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"\xff\xfe",
        '{"size": 1}'.encode("utf-16"),
        b"[" * 100_000,
        b"9" * 5_000,
        b"{'size': 1}",
        b"size=1",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(InvalidRequestError, match="the body"):
        parse_json(body)


def json_alone(body):
    """What the standard library reads, None for what is no strict JSON."""

    def refuse(name):
        raise ValueError(name)

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


def same(one, other):
    """Equal with equal types: 1 is not 1.0."""
    return repr(one) == repr(other)


@given(st.binary(max_size=50))
def test_any_bytes_are_json_or_refused(body):
    try:
        parsed = parse_json(body)
    except InvalidRequestError as error:
        assert json.dumps(refusal(error), ensure_ascii=False).encode()
        assert json_alone(body) is None
    else:
        assert same(parsed, json_alone(body))


NUMBER_TEXTS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(st.lists(NUMBER_TEXTS | st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)))
@example([str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64), str(-(2**63)), str(-(2**63) - 1), str(2**70 + 1)])
@example(["0.00012345678901234567", "12345678901234567890.5", "12345678901234567890e-3", "1e1", "-0", "-0.0"])
@example(["1" * 400])
def test_numbers_keep_all_of_their_digits(texts):
    body = f"[{', '.join(texts)}]".encode()
    assert same(parse_json(body), json_alone(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON, st.booleans())
def test_what_was_written_is_read(content, ascii_only):
    assert same(parse_json(json.dumps(content, ensure_ascii=ascii_only).encode()), content)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"size": NaN}', "the body holds NaN, which is not JSON; write null for a missing value"),
        (b"[1, -Infinity]", "the body holds -Infinity, which is not JSON; write null for a missing value"),
        (b'{"a": "\xff"}', "the body is not UTF-8 (byte 7)"),
        (b'["\xed\xa0\x80"]', "the body is not UTF-8 (byte 2)"),
        (
            b'{"size": 1,\n}',
            "the body is not JSON: line 2, column 1: expecting property name enclosed in double quotes",
        ),
        (b"[" * 100_000, "the body is not JSON that can be read: too long a number or too deeply nested"),
        (b"[" * 5_000 + b"]" * 5_000, "the body is not JSON that can be read: too long a number or too deeply nested"),
        (b"9" * 5_000, "the body is not JSON that can be read: too long a number or too deeply nested"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_refused_body_is_a_sentence(body, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(body)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'[{"size": 1e999, "color": "red"}]', "row 1, column 'size': the number is too large"),
        (b'{"size": 1, "color": "a\\ud800"}', "row 1, column 'color': the text is not valid Unicode"),
    ],
)
def test_json_that_is_no_value_is_named(body, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        parse_rows(SCHEMA, parse_json(body))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (parse_rows, ROWS),
        (parse_rows, ["neither", "is an object"]),
        (parse_invocation, {"dataframe_records": ROWS}),
        (parse_invocation, {"dataframe_split": {"columns": ["size", "color"], "data": VALUES}}),
        (parse_invocation, {"instances": VALUES}),
        (parse_invocation, {"inputs": {"size": [1, None], "color": ["red", "blue"]}}),
    ],
)
def test_too_many_rows_are_refused(parse, body):
    with pytest.raises(TooManyRowsError, match="the body has 2 rows, but at most 1 are answered at once") as caught:
        parse(SCHEMA, body, 1)
    assert (caught.value.row, caught.value.column) == (None, None)
    if body != ["neither", "is an object"]:
        assert content(parse(SCHEMA, body, 2)) == VALUES


def test_replicas_parse_and_encode_without_torch_and_ray():
    program = (
        "import sys, orchestrator.serving.http.bodies, orchestrator.data.columnar\n"
        "print([name for name in ('torch', 'ray', 'mlflow', 'fastapi') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_refusal_can_be_written_whatever_was_in_the_request():
    error = InvalidRequestError("not a number: \ud800", 0, "size")
    assert refusal(error)["error"]["message"].encode() == b"not a number: ?"
