"""Splits and encoding: fitted on training rows only, the same ever after."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

import orchestrator
from orchestrator.data import DataOptions, FeatureEncoder, Schema, load_table, open_dataset
from orchestrator.data.encoder import fit_features
from orchestrator.data.splits import Holdout
from orchestrator.errors import InvalidValueError, UsageError


def mixed_frame(rows=200, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "number": np.where(random.random(rows) < 0.1, np.nan, random.normal(5, 3, rows)),
            "color": random.choice(["red", "green", "blue", None], rows),
            "flag": random.choice([True, False], rows),
            "day": pd.date_range("2020-01-01", periods=rows, freq="7h").strftime("%Y-%m-%d %H:%M:%S"),
            "label": random.choice(["a", "b", "c"], rows),
        }
    )


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(mixed_frame(), DataOptions(target="label"))


@given(
    classes=st.lists(st.integers(0, 4), min_size=10, max_size=200),
    stratified=st.booleans(),
)
def test_every_row_is_in_exactly_one_part(classes, stratified):
    labels = np.array(classes, dtype=np.int64)
    split = Holdout().positions(len(labels), labels if stratified else None)
    together = np.concatenate([split.train, split.validation, split.test])
    assert sorted(together.tolist()) == list(range(len(labels)))
    assert min(len(split.train), len(split.validation), len(split.test)) >= 1
    rare = {label for label in classes if classes.count(label) < 3}
    if stratified and set(classes) != rare:
        assert rare & set(labels[np.concatenate([split.validation, split.test])].tolist()) == set()


def test_the_test_part_is_the_one_of_the_textbook():
    labels = load_iris().target
    _, test = train_test_split(np.arange(150), test_size=0.2, random_state=42, stratify=labels)
    assert Holdout().positions(150, labels).test.tolist() == sorted(test.tolist())


def test_the_encoder_is_fitted_on_training_rows_only():
    table = load_table(mixed_frame())
    before = open_dataset(table, DataOptions(target="label"))
    split = Holdout().positions(200, pd.factorize(table.frame["label"], sort=True)[0])
    changed = table.frame.copy()
    others = np.concatenate([split.validation, split.test])
    changed.loc[others, "number"] = 1e6
    changed.loc[others, "color"] = "violet"
    after = open_dataset(changed, DataOptions(target="label"))
    assert after.encoder == before.encoder
    assert (after.train.inputs["numeric"] == before.train.inputs["numeric"]).all()


def test_training_inputs_are_standardised(dataset):
    scaled = dataset.train.inputs["numeric"][:, 0]
    assert abs(scaled.mean()) < 1e-6
    assert abs(scaled.std() - 1) < 1e-6


def test_missing_values_have_an_indicator_and_a_category(dataset):
    columns = [column.name for column in dataset.schema.columns]
    row = {"number": None, "color": None, "flag": True, "day": "2020-02-01 00:00:00"}
    numeric, categorical = dataset.encoder.transform(dataset.schema, pd.DataFrame([row])[columns]).arrays.values()
    assert numeric[0, 1] == 1
    assert categorical.tolist() == [[1]]


def test_unknown_categories_extra_columns_order_and_integers_work(dataset):
    rows = pd.DataFrame(
        {"number": [3.0, 4.0], "color": ["red", "blue"], "flag": [True, False], "day": ["2020-02-01"] * 2}
    )
    expected = dataset.encoder.transform(dataset.schema, rows)
    shuffled = pd.DataFrame(
        {"extra": [object(), 2], "day": rows["day"], "flag": ["true", 0], "color": rows["color"], "number": [3, 4]}
    )
    found = dataset.encoder.transform(dataset.schema, shuffled)
    for name, wanted in expected.arrays.items():
        assert np.array_equal(found[name], wanted)
    _, codes = dataset.encoder.transform(dataset.schema, rows.assign(color=["violet", "red"])).arrays.values()
    assert codes[0, 0] == 0


def test_a_missing_column_and_a_wrong_value_are_named(dataset):
    rows = mixed_frame(3)
    with pytest.raises(InvalidValueError, match="column 'color' is missing"):
        dataset.encoder.transform(dataset.schema, rows.drop(columns="color"))
    with pytest.raises(InvalidValueError, match="row 2, column 'number': 'many' is not a number") as caught:
        dataset.encoder.transform(dataset.schema, rows.assign(number=["1", "many", "3"]))
    assert (caught.value.row, caught.value.column) == (1, "number")
    with pytest.raises(InvalidValueError, match="row 1, column 'day'"):
        dataset.encoder.transform(dataset.schema, rows.assign(day="yesterday"))
    for word in ("now", " Today "):
        with pytest.raises(InvalidValueError, match="row 1, column 'day'"):
            dataset.encoder.transform(dataset.schema, rows.assign(day=word))


CELLS = st.one_of(
    st.none(), st.floats(allow_infinity=False), st.integers(-(10**9), 10**9), st.sampled_from(["1", " 2.5 ", "NA", ""])
)


@given(cells=st.lists(CELLS, min_size=1, max_size=30))
def test_numbers_do_not_depend_on_how_a_column_is_stored(cells, dataset):
    """A value is encoded alike alone, among others, as text and as an object."""
    base = {"color": "red", "flag": True, "day": "2020-02-01"}
    rows = pd.DataFrame([{**base, "number": cell} for cell in cells])
    rows["number"] = pd.Series(cells, dtype=object)
    together, _ = dataset.encoder.transform(dataset.schema, rows).arrays.values()
    for position in range(len(cells)):
        alone, _ = dataset.encoder.transform(dataset.schema, rows.iloc[[position]]).arrays.values()
        assert np.array_equal(alone[0], together[position])
    as_text = rows.assign(number=pd.Series(["" if cell is None else str(cell) for cell in cells], dtype="str"))
    assert np.array_equal(dataset.encoder.transform(dataset.schema, as_text)["numeric"], together)


def test_schema_and_encoder_survive_json(dataset):
    assert Schema.from_json(json.loads(json.dumps(dataset.schema.to_json()))) == dataset.schema
    # whether truth values are refused stands beside it in a bundle
    encoder = FeatureEncoder.from_json(json.loads(json.dumps(dataset.encoder.to_json())))
    assert dataclasses.replace(encoder, refuses_truth=True) == dataset.encoder


def test_huge_numbers_do_not_overflow():
    frame = pd.DataFrame({"x": [1e300, -1e300, 3e299, 0.0] * 5, "label": ["a", "b"] * 10})
    dataset = open_dataset(frame, DataOptions(target="label"))
    assert np.isfinite(dataset.train.inputs["numeric"]).all()


def test_the_digest_depends_on_content_not_on_storage(tmp_path):
    frame = mixed_frame()
    digest = open_dataset(frame, DataOptions(target="label")).digest
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    assert open_dataset(path, DataOptions(target="label")).digest == digest
    frame.to_parquet(tmp_path / "data.parquet")
    assert open_dataset(tmp_path / "data.parquet", DataOptions(target="label")).digest == digest
    frame.loc[0, "number"] = 99.0
    assert open_dataset(frame, DataOptions(target="label")).digest != digest
    assert open_dataset(mixed_frame(), DataOptions(target="label", ignore=("color",))).digest != digest


def test_example_rows_can_be_given_back(dataset):
    frame = pd.DataFrame(list(dataset.example))
    numeric, categorical = dataset.encoder.transform(dataset.schema, frame).arrays.values()
    assert np.allclose(numeric, dataset.train.inputs["numeric"][:5], atol=1e-6)
    assert np.array_equal(categorical, dataset.train.inputs["categorical"][:5])
    json.dumps(dataset.example, allow_nan=False)


def test_constant_training_columns_are_harmless():
    frame = pd.DataFrame({"x": [1.0] * 20, "label": ["a", "b"] * 10})
    schema = Schema.from_json(
        {
            "columns": [{"name": "x", "kind": "numeric"}],
            "target": {"name": "label", "task": "binary", "classes": ["a", "b"]},
        }
    )
    numeric, _ = fit_features(schema, frame).transform(schema, pd.DataFrame({"x": [1.0, 2.0]})).arrays.values()
    assert numeric.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_scikit_learns_data_sets_are_known(name):
    assert len(load_table(f"sklearn:{name}").frame) > 100


def test_an_unknown_source_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="did you mean sklearn:iris"):
        load_table("sklearn:irsi")
    with pytest.raises(UsageError, match="no such file"):
        load_table(tmp_path / "absent.json")
    (tmp_path / "data.xyz").write_text("{}")
    with pytest.raises(UsageError, match="unknown file type"):
        load_table(tmp_path / "data.xyz")


def test_a_data_set_is_prepared_with_arguments(tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5, 3.5] * 10, "code": [7, 8, 9] * 10, "y": ["no", "yes", None] * 10})
    frame.to_csv(tmp_path / "t.csv", index=False)
    schema = orchestrator.prepare_dataset(orchestrator.load_table(tmp_path / "t.csv"), "y", categorical=["code"]).schema
    assert {column.name: column.kind.value for column in schema.columns} == {"x": "numeric", "code": "categorical"}
    assert (schema.target.task.value, schema.target.classes) == ("binary", ("no", "yes"))
    assert orchestrator.prepare_dataset(frame, "x", ignore=["y"]).schema.target.task.value == "regression"
    days = frame.assign(day="2024-03-01")
    days.loc[::2, "day"] = "2024-04-02"
    wished = orchestrator.prepare_dataset(days, "y", columns={"day": {"kind": "date"}, "x": {"kind": "ignore"}})
    assert {column.name: column.kind.value for column in wished.schema.columns} == {
        "code": "numeric",
        "day": "datetime",
    }
