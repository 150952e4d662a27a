"""Columns of all types: the same in a Parquet file, a folder of them and a data frame, in training and afterwards."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, Schema, load_table, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.data.normalise import plain_series, stacked
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind

ROWS = 60
GENERATOR = np.random.default_rng(0)
CODES = GENERATOR.integers(0, 9, ROWS)
VALUES = GENERATOR.normal(0, 10, ROWS).round(2)
DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=int(code)) for code in CODES]
DECIMALS = [decimal.Decimal(f"{value:.2f}") for value in VALUES]
SPANS = [datetime.timedelta(seconds=float(value)) for value in VALUES]

# kinds of the columns that each becomes
TYPES: dict[str, tuple[pa.Array, dict[str, str]]] = {
    "decimal128": (pa.array(DECIMALS, pa.decimal128(12, 2)), {"c": "numeric"}),
    "decimal256": (pa.array(DECIMALS, pa.decimal256(50, 2)), {"c": "numeric"}),
    "decimals of a dictionary": (pa.array(DECIMALS, pa.decimal128(12, 2)).dictionary_encode(), {"c": "numeric"}),
    "duration": (pa.array(SPANS, pa.duration("us")), {"c": "numeric"}),
    "integers, some missing": (pa.array([None if c == 3 else int(c) for c in CODES]), {"c": "numeric"}),
    "truth values, some missing": (pa.array([None if c == 3 else bool(c % 2) for c in CODES]), {"c": "boolean"}),
    "texts of a dictionary": (pa.array([f"p{c}" for c in CODES]).dictionary_encode(), {"c": "categorical"}),
    "integers of a dictionary": (pa.array(CODES).dictionary_encode(), {"c": "categorical"}),
    "numerals of a dictionary": (pa.array(map(str, CODES)).dictionary_encode(), {"c": "categorical"}),
    "date32": (pa.array(DAYS, pa.date32()), {"c": "datetime"}),
    "time stamps with a zone": (pa.array(DAYS).cast(pa.timestamp("ns", "Europe/Berlin")), {"c": "datetime"}),
    "bytes that are texts": (pa.array([f"b{c}".encode() for c in CODES]), {"c": "categorical"}),
    "bytes that are none": (pa.array([bytes([255, 200 + int(c)]) for c in CODES]), {}),
    "views of texts": (pa.array([f"p{c}" for c in CODES], pa.string_view()), {"c": "categorical"}),
    "lists of one length": (
        pa.array([[float(v), float(c)] for v, c in zip(VALUES, CODES, strict=True)]),
        {"c.0": "numeric", "c.1": "numeric"},
    ),
    "vectors": (
        pa.array([[float(c), None] for c in CODES], pa.list_(pa.float32(), 2)),
        {"c.0": "numeric"},
    ),
    "matrices": (
        pa.array([[[float(v)], [float(c)]] for v, c in zip(VALUES, CODES, strict=True)]),
        {"c.0.0": "numeric", "c.1.0": "numeric"},
    ),
    "lists of several lengths": (pa.array([[1.0] * int(c) for c in CODES]), {}),
    "lists of texts": (pa.array([[f"a{c}", "b"] for c in CODES]), {}),
    "records": (
        pa.array([{"a": v, "b": {"t": f"t{c}"}} for v, c in zip(DECIMALS, CODES, strict=True)]),
        {"c.a": "numeric", "c.b.t": "categorical"},
    ),
    "records with a map": (
        pa.array(
            [{"a": float(c), "m": [("k", 1)]} for c in CODES],
            pa.struct([("a", pa.float64()), ("m", pa.map_(pa.string(), pa.int64()))]),
        ),
        {"c.a": "numeric"},
    ),
}


def table_with(column: Any) -> pa.Table:
    return pa.table({"c": column, "base": VALUES, "y": np.where(CODES > 4, "yes", "no")})


def kinds_of(schema: Schema) -> dict[str, str]:
    return {column.name: column.kind.value for column in schema.columns if column.name != "base"}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_read_alike_from_a_file_a_folder_and_frames(name: str, tmp_path: Path) -> None:
    column, expected = TYPES[name]
    table = table_with(column)
    folder = tmp_path / "folder"
    folder.mkdir()
    pq.write_table(table, tmp_path / "t.parquet")
    pq.write_table(table, folder / "t.parquet", row_group_size=ROWS // 2)
    # pandas has pairs for maps, and knows no views
    frames = [] if "map" in name else [table.to_pandas()]
    if "views" not in name:
        frames.append(table.to_pandas(types_mapper=pd.ArrowDtype))
    options = DataOptions(target="y")
    found = [open_dataset(source, options) for source in (tmp_path / "t.parquet", folder, *frames)]

    assert [kinds_of(each.schema) for each in found] == [expected] * len(found)
    assert len({json.dumps(each.schema.to_json()) for each in found}) == 1
    assert len({tuple(map(str, each.notes)) for each in found}) == 1


PANDAS: dict[str, tuple[Any, str]] = {
    "periods": (pd.Series(pd.PeriodIndex([pd.Period(f"2024-{1 + c}", "M") for c in CODES])), "datetime"),
    "intervals": (pd.cut(pd.Series(VALUES), 5), "categorical"),
    "categories that are texts": (pd.Series([f"p{c}" for c in CODES], dtype="category"), "categorical"),
    "objects: decimals": (pd.Series(DECIMALS, dtype=object), "numeric"),
    "objects: decimals and none": (
        pd.Series([None if c == 3 else decimal.Decimal(int(c)) for c in CODES], dtype=object),
        "numeric",
    ),
    "objects: decimals and floats": (
        pd.Series([float(c) if c % 2 else decimal.Decimal(int(c)) for c in CODES], dtype=object),
        "numeric",
    ),
    "objects: fractions": (pd.Series([fractions.Fraction(int(c) + 1, 7) for c in CODES], dtype=object), "numeric"),
    "objects: dates": (pd.Series(DAYS, dtype=object), "datetime"),
    "objects: durations": (pd.Series(SPANS, dtype=object), "numeric"),
    "objects: truth values": (pd.Series([None if c == 3 else bool(c % 2) for c in CODES], dtype=object), "boolean"),
    "durations": (pd.Series(pd.to_timedelta(VALUES, unit="s")), "numeric"),
    "sparse numbers": (pd.Series(pd.arrays.SparseArray(VALUES)), "numeric"),
}


@pytest.mark.parametrize("name", PANDAS)
def test_types_of_pandas_are_what_they_mean(name: str) -> None:
    series, kind = PANDAS[name]
    frame = pd.DataFrame({"c": series, "base": VALUES, "y": np.where(CODES > 4, "yes", "no")})
    assert kinds_of(open_dataset(frame, DataOptions(target="y")).schema) == {"c": kind}


def test_a_number_of_seconds_is_a_duration_as_in_texts_and_requests_if_it_is_wished(tmp_path: Path) -> None:
    for spans in (SPANS, [datetime.timedelta(days=int(code)) for code in CODES]):
        frame = pd.DataFrame({"c": spans, "base": VALUES, "y": np.where(CODES > 4, "yes", "no")})
        frame.to_csv(tmp_path / "t.csv", index=False)
        wish = {"c": ColumnWish(kind="duration")}
        found = [
            open_dataset(frame, DataOptions(target="y", columns=wish)),
            open_dataset(tmp_path / "t.csv", DataOptions(target="y")),
        ]
        assert found[0].schema == found[1].schema
        plain = open_dataset(frame, DataOptions(target="y"))
        encoded = [each.encoder.transform(each.schema, frame).arrays["numeric"] for each in (plain, found[0])]
        assert (encoded[0] == encoded[1]).all()
        encoder = ColumnarEncoder(found[0].schema, found[0].encoder)
        texts = load_table(tmp_path / "t.csv").frame["c"].tolist()
        expected = found[0].encoder.transform(found[0].schema, frame).arrays["numeric"]
        for cells in (texts, [span.total_seconds() for span in spans]):
            assert (encoder.encode({"c": cells, "base": VALUES.tolist()}, ROWS).arrays["numeric"] == expected).all()


def test_models_of_before_take_a_duration_as_a_number_of_seconds() -> None:
    seconds = [span.total_seconds() for span in SPANS]
    column = Column("c", ColumnKind.NUMERIC)
    assert KINDS[column.kind].parse(column, plain_series(pd.Series(SPANS, name="c")))[None].tolist() == seconds
    column = Column("c", ColumnKind.CATEGORICAL)
    assert KINDS[column.kind].json_values(column, pd.Series([SPANS[0].total_seconds()])) == [f"{seconds[0]}"]
    keys = KINDS[column.kind].parse(column, plain_series(pd.Series([datetime.timedelta(hours=1)], name="c"))).keys
    assert keys == ["3600"]


def test_what_cannot_be_a_feature_is_left_out_with_the_true_reason() -> None:
    frame = table_with(TYPES["lists of several lengths"][0]).to_pandas()
    frame["z"] = [1 + 2j] * ROWS
    frame["m"] = [[1, "a"]] * ROWS
    notes = list(map(str, open_dataset(frame, DataOptions(target="y")).notes))
    assert notes == [
        "column 'c' holds lists of different lengths (0 to 8): left out",
        "column 'z' holds complex numbers: left out",
        "column 'm' holds lists or records that are not alike: left out",
    ]


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            [(at % 2, at) for at in range(40)],
            "lists of 2, but one value is predicted; choose a part with --target",
        ),
        ([np.arange(3) + at for at in range(40)], "and leave the others out with --ignore 'c.1'"),
        ([{"a": at % 2} for at in range(40)], "records, but one value is predicted; choose a part with --target 'c.a'"),
        (
            [[1.0] * (at % 3) for at in range(40)],
            "lists of different lengths (0 to 2), which cannot be predicted; make",
        ),
        ([("a", "b")] * 40, "holds lists of texts, which cannot be predicted; make a column with one number or label"),
        ([{1, at % 2} for at in range(40)], "holds lists or records that are not alike, which cannot be predicted"),
        (
            [f"[{at}, {at * 2}]" for at in range(40)],
            "texts such as '[0, 0]', which look like lists or records",
        ),
    ],
)
def test_a_target_of_lists_is_refused_with_the_reason_and_the_way_out(cells: list[Any], sentence: str) -> None:
    frame = pd.DataFrame({"c": pd.Series(cells, dtype=object), "x": [at * 7 % 31 for at in range(40)]})
    with pytest.raises(DataError) as caught:
        open_dataset(frame, DataOptions(target="c"))
    assert str(caught.value).startswith("the data frame: the target column 'c' holds ")
    assert sentence in str(caught.value)


def test_the_part_that_the_sentence_names_is_predicted() -> None:
    cells = pd.Series([(at // 3 % 2, at) for at in range(40)], dtype=object)
    frame = pd.DataFrame({"c": cells, "x": [at * 7 % 31 for at in range(40)]})
    found = open_dataset(frame, DataOptions(target="c.0", ignore=("c.1",))).schema
    assert (found.target.name, [column.name for column in found.columns]) == ("c.0", ["x"])


def test_classes_that_look_like_lists_are_said() -> None:
    frame = pd.DataFrame({"c": ["(0, 1)", "(1, 1)"] * 20, "x": [at * 7 % 31 for at in range(40)]})
    dataset = open_dataset(frame, DataOptions(target="c"))
    assert dataset.schema.target.classes == ("(0, 1)", "(1, 1)")
    assert "column 'c' holds texts such as '(0, 1)', which look like lists or records: each text is a class" in map(
        str, dataset.notes
    )
    money = pd.DataFrame({"c": [f"({at},234.50)" for at in range(1, 41)], "x": range(40)})
    assert open_dataset(money, DataOptions(target="c")).schema.target.task.kind == "regression"


def test_a_part_of_a_record_can_be_the_target_and_be_named_by_options() -> None:
    frame = table_with(TYPES["records"][0]).to_pandas()
    found = open_dataset(frame, DataOptions(target="c.b.t", ignore=("c.a",)))
    assert found.schema.target.name == "c.b.t"
    assert kinds_of(found.schema) == {"y": "categorical"}


def test_what_the_user_ignores_is_not_expanded(tmp_path: Path) -> None:
    table = table_with(TYPES["lists of one length"][0])
    pq.write_table(table, tmp_path / "t.parquet")
    for source in (table.to_pandas(), tmp_path / "t.parquet", tmp_path):
        found = open_dataset(source, DataOptions(target="y", ignore=("c",)))
        assert (kinds_of(found.schema), found.notes) == ({}, ())


def test_columns_whose_names_are_taken_are_not_made() -> None:
    frame = table_with(TYPES["lists of one length"][0]).to_pandas()
    frame["c.1"] = VALUES
    found = open_dataset(frame, DataOptions(target="y"))
    assert kinds_of(found.schema) == {"c.1": "numeric"}
    assert "holds lists, of which no more than" in str(found.notes[0])


def test_what_training_has_expanded_is_expanded_in_other_rows() -> None:
    frame = table_with(TYPES["lists of one length"][0]).to_pandas()
    frame["r"] = [{"a": float(v), "t": f"t{c}"} for v, c in zip(VALUES, CODES, strict=True)]
    found = open_dataset(frame, DataOptions(target="y"))
    schema = Schema.from_json(json.loads(json.dumps(found.schema.to_json())))
    assert schema == found.schema

    nested = found.encoder.transform(schema, frame)
    flat = frame.assign(**{"c.0": VALUES, "c.1": CODES, "r.a": VALUES, "r.t": [f"t{c}" for c in CODES]})
    plain = found.encoder.transform(schema, flat.drop(columns=["c", "r"]))
    as_objects = found.encoder.transform(schema, pd.DataFrame(json.loads(frame.to_json(orient="records"))))
    for name in ("numeric", "categorical"):
        np.testing.assert_array_equal(nested[name], plain[name])
        np.testing.assert_array_equal(nested[name], as_objects[name])


def test_a_list_of_another_length_is_named_by_row() -> None:
    frame = table_with(TYPES["lists of one length"][0]).to_pandas()
    found = open_dataset(frame, DataOptions(target="y"))
    other = pd.DataFrame({"c": [[1.0, 2.0], [1.0, 2.0, 3.0]], "base": [1.0, 2.0]})
    with pytest.raises(InvalidValueError, match=r"row 2, column 'c': a list of 3 instead of 2"):
        found.encoder.transform(found.schema, other)
    with pytest.raises(InvalidValueError, match="row 1, column 'c': 'a' is not a list"):
        found.encoder.transform(found.schema, pd.DataFrame({"c": ["a"], "base": [1.0]}))


def test_a_missing_list_is_missing_values() -> None:
    frame = table_with(TYPES["lists of one length"][0]).to_pandas()
    found = open_dataset(frame, DataOptions(target="y"))
    for cells in ([None, [1.0, 2.0]], [None, None]):
        rows = pd.DataFrame({"c": pd.Series(cells, dtype=object), "base": [1.0, 1.0]})
        flat = pd.DataFrame({"c.0": [c and c[0] for c in cells], "c.1": [c and c[1] for c in cells], "base": 1.0})
        one, other = (found.encoder.transform(found.schema, each) for each in (rows, flat))
        np.testing.assert_array_equal(one["numeric"], other["numeric"])


@pytest.mark.parametrize(
    "nested",
    [
        {"column": "c", "shape": None},
        {"column": "c", "shape": {"length": 0, "item": None}},
        {"column": "c", "shape": {"length": True, "item": None}},
        {"column": "c", "shape": {"length": 2048, "item": {"length": 2048, "item": None}}},
        {"shape": {"length": 2, "item": None}},
    ],
)
def test_a_schema_with_shapes_that_cannot_be_is_refused(nested: dict[str, Any]) -> None:
    found = open_dataset(table_with(TYPES["lists of one length"][0]).to_pandas(), DataOptions(target="y"))
    with pytest.raises((KeyError, TypeError, ValueError)):
        Schema.from_json(found.schema.to_json() | {"nested": [nested]})


def test_a_schema_without_nested_columns_is_written_as_before() -> None:
    found = open_dataset(table_with(pa.array(VALUES)).to_pandas(), DataOptions(target="y"))
    assert set(found.schema.to_json()) == {"columns", "target"}


def test_pieces_without_a_value_do_not_change_the_type_of_others() -> None:
    empty = pd.Series([None, None], dtype=object)
    nullable = {"int64": "Int64", "bool": "boolean"}
    for dtype in ("int64", "float64", "bool", "str", "datetime64[us]"):
        other = pd.Series([1, 0]).astype(dtype)
        found = stacked([pd.DataFrame({"c": empty}), pd.DataFrame({"c": other})])
        assert found["c"].dtype == nullable.get(dtype, dtype)
    codes = [pd.DataFrame({"c": pd.Series(values, dtype="category")}) for values in ([1, 2], [2, 3])]
    assert isinstance(stacked([*codes, pd.DataFrame({"c": empty})])["c"].dtype, pd.CategoricalDtype)


numbers = st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=30, max_size=30, unique=True)


@given(numbers, st.data())
@settings(max_examples=25, deadline=None)
def test_decimals_are_the_numbers_that_a_text_of_them_is(values: list[decimal.Decimal], data: st.DataObject) -> None:
    """Every type that holds numbers gives the same schema and the same encoded values as the plain numbers do."""
    plain = [float(str(value)) for value in values]
    other: Any = data.draw(
        st.sampled_from(
            [
                pd.Series(values, dtype=object),
                pd.Series(values, dtype=pd.ArrowDtype(pa.decimal128(20, 2))),
                pd.Series(plain, dtype="Float64"),
                pd.Series(plain, dtype="double[pyarrow]"),
                pd.Series(map(str, values), dtype="str"),
                pd.Series(pd.arrays.SparseArray(plain)),
            ]
        )
    )
    target = ["a", "b"] * 15
    one = open_dataset(pd.DataFrame({"x": plain, "y": target}), DataOptions(target="y"))
    two = open_dataset(pd.DataFrame({"x": other, "y": target}), DataOptions(target="y"))
    assert (one.schema, one.encoder, one.digest) == (two.schema, two.encoder, two.digest)


def test_numbers_that_are_said_to_be_categories_are_classes() -> None:
    codes = [place % 40 for place in range(400)]
    frame = pd.DataFrame({"x": [place * 7 % 31 / 2 for place in range(400)], "y": pd.Categorical(codes)})
    task = open_dataset(frame, DataOptions(target="y")).schema.target.task
    assert (task.kind, task.classes) == ("multiclass", tuple(range(40)))
    few = open_dataset(frame[:120], DataOptions(target="y")).schema.target.task
    assert few.kind == "regression"
