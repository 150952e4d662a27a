"""What columns and targets are taken for."""

import weakref

import numpy as np
import pandas as pd
import pytest

from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.data.guessing import LARGE_ROWS, RawColumns, guess_columns, guess_schema, guess_target
from orchestrator.errors import DataError, UsageError
from orchestrator.features import ColumnKind

ROWS = 60


def frame(**columns):
    base = {
        "x": np.linspace(0, 1, ROWS),
        "label": ["yes", "no"] * (ROWS // 2),
    }
    return pd.DataFrame({**base, **columns})


def schema_of(data, target="label", **options):
    return guess_schema(load_table(data), DataOptions(target=target, **options))


def kind_of(values, **options):
    found = schema_of(frame(c=values), **options)
    kinds = {column.name: column for column in found.schema.columns}
    return kinds.get("c"), list(map(str, found.notes))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([at // 2 for at in range(ROWS)], ColumnKind.NUMERIC),
        ([f"{i}.5" for i in range(ROWS)], ColumnKind.NUMERIC),
        (["1", "", "NA", "3"] * (ROWS // 4), ColumnKind.NUMERIC),
        (["red", "green", None] * (ROWS // 3), ColumnKind.CATEGORICAL),
        ([True, False] * (ROWS // 2), ColumnKind.BOOLEAN),
        (["true", "FALSE"] * (ROWS // 2), ColumnKind.BOOLEAN),
        (list(pd.date_range("2024-01-01", periods=ROWS)), ColumnKind.DATETIME),
        ([f"2024-01-{1 + i % 28:02d} 10:00:00" for i in range(ROWS)], ColumnKind.DATETIME),
        ([f"{1 + i % 12}/{1 + i % 28}/2023" for i in range(ROWS)], ColumnKind.DATETIME),
    ],
)
def test_kinds_are_inferred(values, kind):
    column, _ = kind_of(values)
    assert column.kind is kind


def test_day_first_dates_are_recognised_when_only_they_fit():
    column, _ = kind_of([f"{1 + i % 28}.{1 + i % 12}.2023" for i in range(ROWS)])
    assert column.datetime_format == "%d.%m.%Y"
    column, _ = kind_of([f"{1 + i % 28}/{1 + i % 12}/2023" for i in range(ROWS)])
    assert column.datetime_format == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([1] * ROWS, "same value in every row"),
        ([None] * ROWS, "is empty"),
        ([""] * ROWS, "is empty"),
        ([f"id{i}" for i in range(ROWS)], "identifier"),
    ],
)
def test_useless_columns_are_dropped_aloud(values, note):
    column, notes = kind_of(values)
    assert column is None
    assert any(note in sentence and "'c'" in sentence for sentence in notes)


def test_categorical_and_ignore_override():
    column, _ = kind_of(list(range(ROWS)), categorical=["c"])
    assert column.kind is ColumnKind.CATEGORICAL
    column, _ = kind_of([f"id{i}" for i in range(ROWS)], categorical=["c"])
    assert column.kind is ColumnKind.CATEGORICAL
    column, _ = kind_of([1] * ROWS, ignore=["c"])
    assert column is None


def test_free_text_is_told_with_a_way_out():
    text = [f"this is the review number {i} of many" for i in range(ROWS)]
    column, notes = kind_of(text)
    assert column.kind is ColumnKind.TEXT
    assert "column 'c' has texts of 8 words on average: read as free text (--categorical 'c' reads" in notes[0]
    assert kind_of(text, ignore=["c"])[0] is None


def test_infinity_is_refused_with_its_row():
    values = [0.5] * ROWS
    values[6] = float("inf")
    with pytest.raises(DataError, match="row 7, column 'c': the value is infinite"):
        kind_of(values)


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["a", "b"], "binary", ("a", "b")),
        (["a", "b", "c"], "multiclass", ("a", "b", "c")),
        ([0, 1], "binary", (0, 1)),
        ([0.0, 1.0], "binary", (0, 1)),
        (["1", "2", "10"], "multiclass", (1, 2, 10)),
        (["007", "008"], "binary", ("007", "008")),
        ([True, False], "binary", (False, True)),
        (list(np.linspace(0, 1, 20)), "regression", ()),
        (list(range(60)), "regression", ()),
    ],
)
def test_the_task_and_its_classes_are_inferred(labels, task, classes):
    data = pd.DataFrame({"x": np.arange(ROWS) * 0.5, "label": (labels * ROWS)[:ROWS]})
    schema = schema_of(data).schema
    assert (schema.target.task.kind, schema.target.task.classes) == (task, classes)


def test_the_task_can_be_overridden():
    data = pd.DataFrame({"x": np.arange(ROWS) * 0.5, "label": [3, 4, 5] * (ROWS // 3)})
    assert schema_of(data).schema.target.task.kind == "multiclass"
    assert schema_of(data, task="regression").schema.target.task.kind == "regression"
    with pytest.raises(UsageError, match="3 classes; use --task multiclass"):
        schema_of(data, task="binary")


@pytest.mark.parametrize(
    ("target", "labels", "error", "sentence"),
    [
        ("lable", ["a", "b"], UsageError, "did you mean 'label'"),
        (None, ["a", "b"], UsageError, "--target"),
        ("label", ["a"], DataError, r"only one class \(a\)"),
        ("label", [None], DataError, "is empty"),
        ("label", [f"id{i}" for i in range(ROWS)], DataError, "too many to be classes"),
        ("label", [0.5, float("inf"), 0.5], DataError, "row 2, column 'label': the value is infinite"),
    ],
)
def test_an_unusable_target_is_a_sentence(target, labels, error, sentence):
    data = pd.DataFrame({"x": np.arange(ROWS) * 0.5, "label": (labels * ROWS)[:ROWS]})
    with pytest.raises(error, match=sentence):
        schema_of(data, target)


def test_text_in_a_regression_target_names_its_row():
    data = pd.DataFrame({"x": np.arange(ROWS) * 0.5, "label": [str(i) for i in range(ROWS - 20)] + ["many"] * 20})
    with pytest.raises(
        DataError, match=r"33 % of its cells are words, .*row 41, column 'label': 'many' is not a number"
    ):
        schema_of(data, task="regression")


def test_a_word_among_the_numbers_of_a_target_is_a_mistake_unless_the_task_is_given():
    labels = [str(i % 9) for i in range(ROWS)]
    labels[6] = "unknown"
    data = pd.DataFrame({"x": np.arange(ROWS) * 0.5, "label": labels})
    with pytest.raises(DataError, match=r"looks like numbers, but row 7, column 'label': 'unknown' is not a number"):
        schema_of(data)
    assert schema_of(data, task="multiclass").schema.target.task.kind == "multiclass"


def test_options_that_name_no_column_suggest_one():
    with pytest.raises(UsageError, match="--ignore y: there is no such column"):
        schema_of(frame(), ignore=["y"])
    with pytest.raises(
        UsageError, match=r"--categorical X2.*did you mean 'x'|--categorical X2: there is no such column"
    ):
        schema_of(frame(), categorical=["X2"])


def test_rows_without_a_target_are_dropped_and_counted():
    data = frame()
    data.loc[[0, 5, 7], "label"] = None
    dataset = open_dataset(data, DataOptions(target="label"))
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == ROWS - 3
    assert any("3 rows have no value for the target" in str(note) for note in dataset.notes)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_too_few_rows_are_refused(rows):
    data = pd.DataFrame({"x": np.arange(rows) * 1.0, "label": (["a", "b"] * rows)[:rows]})
    with pytest.raises(DataError):
        open_dataset(data, DataOptions(target="label"))


def test_a_column_of_numbers_with_a_stray_text_is_explained():
    values = [str(i) for i in range(ROWS)]
    values[3] = "unknown!"
    values[4:] = [str(i % 7) for i in range(ROWS - 4)]
    column, notes = kind_of(values)
    assert column.kind is ColumnKind.CATEGORICAL
    assert any("row 4, column 'c': 'unknown!' is not a number" in note for note in notes)


def test_columns_of_a_large_table_are_let_go_of_one_by_one_and_still_speak_for_others():
    rows = LARGE_ROWS
    numbers = np.arange(rows)
    data = pd.DataFrame(
        {
            "price": [f"{at % 7},{at % 90 + 10}" for at in numbers],
            "mileage": [f"{at % 9 + 1}.{at % 800 + 100}" for at in numbers],
            "paid": [f"{at % 20 + 1}/{at % 12 + 1}/2021" for at in numbers],
            "sent": [f"{at % 11 + 1}/{at % 12 + 1}/2021" for at in numbers],
            "label": np.where(numbers % 3, "yes", "no"),
        }
    ).astype("str")
    options = DataOptions(target="label")
    table = load_table(data)
    columns = RawColumns.of(table, options)
    target = guess_target(table, columns, options)
    del table
    seen, held = [], []

    def use(column, raw):
        held.append(sum(one() is not None for one in seen))
        seen.append(weakref.ref(raw))

    guess = guess_columns(columns, target, options, use)
    # the last one is that of the loop itself
    assert max(held) <= 1
    few = schema_of(data.head(1000))
    assert guess.columns == list(few.schema.columns)
    assert [column.notation is not None for column in guess.columns] == [True, True, False, False]
    assert {column.datetime_format for column in guess.columns[2:]} == {"%d/%m/%Y"}
    assert [str(note) for note in guess.notes] == list(map(str, few.notes))
