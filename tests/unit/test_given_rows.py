"""Rows as people give them in Python: data frames, dicts, lists and arrays."""

import warnings
from collections import namedtuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support import quick_model

from orchestrator import prepare_dataset
from orchestrator.bundle import make_bundle
from orchestrator.columns.notes import DataWarning
from orchestrator.data import load_table
from orchestrator.errors import DataError, UsageError

COLUMNS = ["a", "b", "c"]
FRAME = pd.DataFrame(
    {"a": np.arange(40) * 1.25, "b": ["p", "q"] * 20, "c": np.arange(40) % 7 * 0.5, "y": ["u", "v"] * 20}
)
ROWS = FRAME[COLUMNS].head(3)
Row = namedtuple("Row", COLUMNS)


def made(frame):
    network, dataset = quick_model(frame, "y")
    return make_bundle(network, dataset, {"metric": "roc_auc"})


@pytest.fixture(scope="module")
def bundle():
    return made(FRAME)


NAMED = {
    "a list of dicts": ROWS.to_dict("records"),
    "a dict of lists": ROWS.to_dict("list"),
    "a dict of arrays": {name: ROWS[name].to_numpy() for name in COLUMNS},
    "a dict of columns": dict(ROWS.items()),
    "rows of a frame": [row for _, row in ROWS.iterrows()],
    "named tuples": [Row(*row) for row in ROWS.itertuples(index=False)],
    "a table of arrow": pa.Table.from_pandas(ROWS),
    "a structured array": ROWS.to_records(index=False),
    "what is generated": (row for row in ROWS.to_dict("records")),
}
UNNAMED = {
    "an array": ROWS.to_numpy(),
    "a list of lists": ROWS.to_numpy().tolist(),
    "a list of tuples": list(map(tuple, ROWS.to_numpy())),
    "a list of arrays": list(ROWS.to_numpy()),
}


@pytest.mark.parametrize("rows", NAMED.values(), ids=NAMED)
def test_rows_with_names_are_answered_as_those_of_a_frame(bundle, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bundle.predict(rows)
    pd.testing.assert_frame_equal(found, bundle.predict(ROWS))


@pytest.mark.parametrize("rows", UNNAMED.values(), ids=UNNAMED)
def test_rows_without_names_have_the_order_of_the_model_which_is_said(bundle, rows):
    with pytest.warns(DataWarning, match="no names of columns: the cells are taken as a, b, c, in this order"):
        found = bundle.predict(rows)
    pd.testing.assert_frame_equal(found, bundle.predict(ROWS))


def test_one_row_may_be_a_dict_or_a_row_of_a_frame(bundle):
    first = bundle.predict(ROWS.head(1))
    pd.testing.assert_frame_equal(bundle.predict(ROWS.iloc[0].to_dict()), first)
    pd.testing.assert_frame_equal(bundle.predict(ROWS.iloc[0]), first)


def test_no_rows_have_no_answers(bundle):
    assert bundle.predict([]).empty
    assert bundle.explain(ROWS.to_dict("records"), method="shap").to_frame()["row"].nunique() == 3


REFUSED = {
    "another width": ([[1, 2]], "have 2 cells without names, but the model has 3 columns"),
    "one dimension": (np.arange(3), "no list of cells; give a data frame, a list of dicts"),
    "a list of cells": ([1.0, "p", 2.0], "row 1 is no list of cells"),
    "a text": ("a,b,c", "rows cannot be of the type str"),
    "nothing": (None, "rows cannot be None"),
    "columns of other lengths": ({"a": [1, 2], "b": ["p"], "c": [1, 2]}, "there are 1 to 2 cells"),
    "lists and cells": ({"a": [1, 2], "b": "p", "c": [1, 2]}, "'b' is no list"),
}


@pytest.mark.parametrize(("rows", "sentence"), REFUSED.values(), ids=REFUSED)
def test_other_things_are_refused_in_a_sentence(bundle, rows, sentence):
    with pytest.raises(DataError, match=sentence):
        bundle.predict(rows)


def test_dicts_and_lists_of_them_can_be_trained_on_but_not_cells_without_names():
    schema = prepare_dataset(FRAME, "y").schema
    assert prepare_dataset(FRAME.to_dict("records"), "y").schema == schema
    assert prepare_dataset(FRAME.to_dict("list"), "y").schema == schema
    with pytest.raises(DataError, match=r"no names of columns; give pandas.DataFrame\(rows"):
        load_table(FRAME.to_numpy())


LISTS = {
    "a text": "b",
    "a list": ["b"],
    "an array": np.array(["b"]),
    "an index": pd.Index(["b"]),
    "a set": {"b"},
    "what is generated": (name for name in ["b"]),
}


@pytest.mark.parametrize("names", LISTS.values(), ids=LISTS)
def test_columns_in_an_argument_may_be_one_or_any_kind_of_list(names):
    assert prepare_dataset(FRAME, "y", ignore=names).schema.names == ["a", "c"]


def test_a_number_alone_names_a_column():
    frame = FRAME.rename(columns={"c": 5})
    assert prepare_dataset(frame, "y", ignore=5).schema.names == ["a", "b"]
    kinds = {column.name: column.kind.value for column in prepare_dataset(frame, "y", categorical=5).schema.columns}
    assert kinds["5"] == "categorical"
    with pytest.raises(UsageError, match="--ignore 7: there is no such column"):
        prepare_dataset(frame, "y", ignore=7)


def test_labels_that_are_none_are_called_by_their_place():
    frame = FRAME.copy()
    frame.columns = pd.Index([None, float("nan"), "", "y"], dtype=object)
    table = load_table(frame)
    assert list(table.frame) == ["Unnamed: 0", "Unnamed: 1", "Unnamed: 2", "y"]
    said = [str(note).partition(" (--")[0] for note in table.notes]
    assert "column 'Unnamed: 1' (column 2 of the data frame) has no name: it is called so" in said
    assert len(made(frame).predict(frame.drop(columns="y"))) == 40


def test_a_model_of_before_finds_its_column_that_had_no_label():
    found = made(FRAME.rename(columns={"a": "nan"}))
    rows = FRAME[COLUMNS].set_axis(pd.Index([float("nan"), "b", "c"], dtype=object), axis=1)
    assert len(found.predict(rows)) == 40
