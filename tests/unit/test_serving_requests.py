"""Request bodies into rows: every documented form, and a named row and column for what does not fit."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.data import Column, ColumnKind, Schema, Target, Task
from orchestrator.serving.requests import (
    InvalidRequestError,
    parse_invocation,
    parse_json,
    parse_rows,
    refusal,
)

SCHEMA = Schema(
    (Column("size", ColumnKind.NUMERIC), Column("color", ColumnKind.CATEGORICAL)),
    Target("label", Task.BINARY, ("no", "yes")),
)
ROWS = [{"size": 1, "color": "red"}, {"size": None, "color": "blue"}]
VALUES = [[1, "red"], [None, "blue"]]


def content(frame):
    return [list(row) for row in frame[["size", "color"]].itertuples(index=False)]


def test_one_object_is_one_row():
    assert content(parse_rows(SCHEMA, ROWS[0])) == [[1, "red"]]


def test_rows_keep_their_order_and_types():
    frame = parse_rows(SCHEMA, [{"size": True, "color": 3}, {"size": "4", "color": 3.0}, {"size": 2**70, "color": ""}])
    assert content(frame) == [[True, 3], ["4", 3.0], [2**70, ""]]
    assert [type(value) for value in frame["size"]] == [bool, str, int]


def test_other_keys_and_their_order_do_not_matter():
    row = {"zzz": [1, {}], "color": "red", "label": "yes", "size": 1}
    assert content(parse_rows(SCHEMA, row)) == [[1, "red"]]


def test_no_rows_are_an_empty_frame_with_all_columns():
    for frame in (
        parse_rows(SCHEMA, []),
        parse_invocation(SCHEMA, {"dataframe_records": []}),
        parse_invocation(SCHEMA, {"dataframe_split": {"columns": ["size", "color"], "data": []}}),
        parse_invocation(SCHEMA, {"inputs": {"size": [], "color": []}}),
    ):
        assert list(frame.columns) == ["size", "color"]
        assert len(frame) == 0


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


@given(st.binary(max_size=50))
def test_any_bytes_are_json_or_refused(body):
    try:
        parse_json(body)
    except InvalidRequestError as error:
        assert json.dumps(refusal(error), ensure_ascii=False).encode()


def test_a_refusal_can_be_written_whatever_was_in_the_request():
    error = InvalidRequestError("not a number: \ud800", 0, "size")
    assert refusal(error)["error"]["message"].encode() == b"not a number: ?"
