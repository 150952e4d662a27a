"""Names: of columns, whatever their labels are, and of models that are called as their data."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.names import name_of, same_names
from orchestrator.columns.notes import DataWarning
from orchestrator.config import SweepConfig, check_name
from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.errors import DataError, InvalidValueError, UsageError
from orchestrator.naming import made_name
from orchestrator.tracking.models import MODEL_URI

ROWS = 60
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(0, 1, (ROWS, 3))
Y = (X[:, 0] > 0).astype(int)


def frame_with(labels: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(np.column_stack([X, Y]), columns=pd.Index(labels, dtype=object))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (5, "5"),
        (5.0, "5.0"),
        (np.int64(5), "5"),
        (" a ", "a"),
        ("\ufeffa", "a"),
        (b"a", "a"),
        (("a", "b"), "a.b"),
        (("a", ""), "a"),
        (datetime.datetime(2024, 1, 2), "2024-01-02"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
    ],
)
def test_a_label_has_the_name_that_a_csv_file_would_give(label: Any, name: str) -> None:
    assert name_of(label) == name


@pytest.mark.parametrize("target", [3, "3", np.int64(3), 3.0])
def test_columns_that_are_numbers_are_named_by_them(target: Any) -> None:
    frame = pd.DataFrame(np.column_stack([X, Y]))
    found = open_dataset(frame, DataOptions(target=target, ignore=(1,)))  # type: ignore[arg-type]
    assert [column.name for column in found.schema.columns] == ["0", "2"]
    assert found.schema.target.name == "3"
    assert len(found.encoder.transform(found.schema, frame.drop(columns=3))) == ROWS


def test_columns_of_several_levels_are_joined_by_points(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "")]))
    frame["y", ""] = Y
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.parquet", tmp_path):
        for target in ("y", ("y", "")):
            found = open_dataset(source, DataOptions(target=target))
            assert [column.name for column in found.schema.columns] == ["a.x", "a.y", "b"]
    assert len(found.encoder.transform(found.schema, frame)) == ROWS


def test_a_model_of_before_finds_its_columns_of_several_levels() -> None:
    found = open_dataset(frame_with(["('a', 'x')", "b", "c", "y"]), DataOptions(target="y"))
    assert len(found.encoder.transform(found.schema, frame_with([("a", "x"), "b", "c", "y"]))) == ROWS


def test_blanks_around_names_do_not_matter() -> None:
    found = open_dataset(frame_with([" a", "b ", "c", " y "]), DataOptions(target="y"))
    assert [column.name for column in found.schema.columns] == ["a", "b", "c"]
    assert len(found.encoder.transform(found.schema, frame_with(["a", " b", "c", "y"]))) == ROWS


@pytest.mark.parametrize("other", ["AGE", "age ", "aGe"])
def test_a_column_that_is_written_otherwise_is_found_and_said(other: str) -> None:
    found = open_dataset(frame_with(["Age", "b", "c", "y"]), DataOptions(target="y"))
    with pytest.warns(DataWarning, match=rf"column 'Age' is written '{other.strip()}' here: read as the same column"):
        inputs = found.encoder.transform(found.schema, frame_with([other, "b", "c", "y"]))
    expected = found.encoder.transform(found.schema, frame_with(["Age", "b", "c", "y"]))
    np.testing.assert_array_equal(inputs["numeric"], expected["numeric"])


def test_a_column_that_two_names_could_mean_is_missing() -> None:
    found = open_dataset(frame_with(["Age", "b", "c", "y"]), DataOptions(target="y"))
    with pytest.raises(InvalidValueError, match="the column 'Age' is missing"):
        found.encoder.transform(found.schema, frame_with(["AGE", "age", "b", "c"]))
    with pytest.raises(InvalidValueError, match=r"the column 'Age' is missing; needed: Age, b, c; is 'Aged' meant for"):
        found.encoder.transform(found.schema, frame_with(["Aged", "b", "c", "y"]))
    both = open_dataset(frame_with(["Age", "age", "c", "y"]), DataOptions(target="y"))
    with pytest.raises(InvalidValueError, match=r"the column.* 'Age', 'age' are missing"):
        both.encoder.transform(both.schema, frame_with(["AGE", "b", "c", "y"]))


def test_composed_and_decomposed_letters_are_one_name() -> None:
    assert same_names(["gr\u00f6\u00dfe"], ["gro\u0308\u00dfe"]) == {"gr\u00f6\u00dfe": "gro\u0308\u00dfe"}


def test_a_target_in_another_case_is_found_and_said() -> None:
    found = open_dataset(frame_with(["a", "b", "c", "Good"]), DataOptions(target="good"))
    assert list(map(str, found.notes)) == ["column 'good' is written 'Good' here: read as the same column"]


@pytest.mark.parametrize("target", [4, "4", -1, "-1"])
def test_a_number_that_no_column_is_called_is_the_place_of_one(target: Any) -> None:
    found = open_dataset(frame_with(["a", "b", "c", "y"]), DataOptions(target=target))
    assert found.schema.target.name == "y"
    assert str(found.notes[0]) == f"no column is called '{target}': the fourth column, 'y', is predicted"


@pytest.mark.parametrize("target", [0, 5, -5, "x"])
def test_a_target_that_is_not_there_is_refused(target: Any) -> None:
    with pytest.raises(UsageError, match=f"there is no target column '{target}'"):
        open_dataset(frame_with(["a", "b", "c", "y"]), DataOptions(target=target))


def test_a_number_is_no_place_where_columns_are_called_by_numbers() -> None:
    with pytest.raises(UsageError, match="there is no target column '4'"):
        open_dataset(pd.DataFrame(np.column_stack([X, Y])), DataOptions(target=4))


def test_an_index_with_a_name_is_said_to_be_left_out(tmp_path: Path) -> None:
    frame = frame_with(["a", "b", "c", "y"]).set_index("a")
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.parquet"):
        found = open_dataset(source, DataOptions(target="y"))
        assert "'a' is the index of the data frame: left out (frame.reset_index() makes it a column)" in map(
            str, found.notes
        )
    with pytest.raises(UsageError, match=r"it is the index of the data frame, of which frame\.reset_index\(\)"):
        open_dataset(frame, DataOptions(target="a"))


def test_a_column_that_became_the_index_is_found_when_rows_are_answered() -> None:
    frame = frame_with(["a", "b", "c", "y"])
    found = open_dataset(frame, DataOptions(target="y"))
    one, other = (found.encoder.transform(found.schema, rows) for rows in (frame, frame.set_index("a")))
    np.testing.assert_array_equal(one["numeric"], other["numeric"])


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="the column name '1' occurs 2 times"):
        load_table(frame_with([1, "1", "c", "y"]))
    found = open_dataset(frame_with(["a", "b", "c", "y"]), DataOptions(target="y"))
    with pytest.raises(InvalidValueError, match="the column 'a' is there 2 times"):
        found.encoder.transform(found.schema, frame_with(["a", "a", "b", "c"]))


def test_a_configuration_takes_labels_that_are_no_texts() -> None:
    config = SweepConfig(data="x.csv", target=5, categorical=(1,), ignore=(("a", "b"),))  # type: ignore[arg-type]
    assert (config.target, config.categorical, config.ignore) == ("5", ("1",), ("a.b",))
    assert SweepConfig(data="x.csv").target is None


STEMS = {
    "sales@q1 (100%)": "sales_q1 (100)",
    "a b": "a b",
    "x:y": "x_y",
    "50%": "50",
    "a?b#c": "a_b_c",
    "umläut größe": "umläut größe",
    "nai\u0308ve": "na\u00efve",
    "名前": "名前",
    "it's": "it_s",
    'quote"': "quote",
    "tab\tname": "tab_name",
    " lead": "lead",
    "@": "data",
    "": "data",
    "2024-01-01": "2024-01-01",
    "very" * 60: ("very" * 60)[:100],
    "ä" * 200: "ä" * 50,
}


@pytest.mark.parametrize("stem", STEMS)
def test_a_name_that_is_made_can_be_used_everywhere(stem: str) -> None:
    name = made_name(stem)
    assert name == STEMS[stem]
    check_name(name)
    for uri in (f"models:/{name}@champion", f"models:/{name}/1"):
        match = MODEL_URI.fullmatch(uri)
        assert match is not None
        assert match["name"] == name


def test_a_name_that_was_made_is_said(tmp_path: Path) -> None:
    path = tmp_path / "sales@q1 (100%).csv"
    frame_with(["a", "b", "c", "y"]).to_csv(path, index=False)
    table = load_table(path)
    assert table.name == SweepConfig(data=str(path)).sweep_name == "sales_q1 (100)"
    assert list(map(str, table.notes)) == [
        "'sales@q1 (100%)' cannot be the name of a model everywhere: it is called 'sales_q1 (100)' "
        "(--name gives it another one)"
    ]
    assert load_table(path, "own").notes == ()
