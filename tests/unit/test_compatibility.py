"""Which version may answer the callers of another one: what was accepted stays accepted, in the same form."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.data import Schema
from orchestrator.errors import InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind
from orchestrator.serving.control.compatibility import breaking_changes, listed
from orchestrator.tasks import Target
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression

TARGET = Target("churn", Binary(("no", "yes")))
FORMATS = st.sampled_from([None, "ISO8601", "%d.%m.%Y", "%m/%d/%Y"])
COLUMNS = st.one_of(
    st.builds(Column, st.just("c"), st.sampled_from([kind for kind in ColumnKind if kind is not ColumnKind.DATETIME])),
    st.builds(Column, st.just("c"), st.just(ColumnKind.DATETIME), FORMATS),
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "?", "red", "7", "1e3", "true", "F", "2024-01-31", "20240131", "31.1.2024", "01/31/2024"]),
)


def schema(*columns, target=TARGET):
    return Schema(columns, target)


def accepts(column, cell):
    if column.kind is ColumnKind.CATEGORICAL:
        return True
    try:
        KINDS[column.kind].parse(column, pd.Series([cell], dtype=object))
    except InvalidValueError:
        return False
    return True


@given(COLUMNS, COLUMNS, CELLS)
def test_what_a_compatible_column_took_before_it_takes_after(before, after, cell):
    if not breaking_changes(schema(before), schema(after)) and accepts(before, cell):
        assert accepts(after, cell)


def test_a_column_that_no_longer_takes_what_it_took_breaks():
    text, number = Column("age", ColumnKind.CATEGORICAL), Column("age", ColumnKind.NUMERIC)
    assert breaking_changes(schema(text), schema(number)) == ("the column 'age' is numeric, was categorical",)
    assert breaking_changes(schema(number), schema(text)) == ()
    iso, german = Column("day", ColumnKind.DATETIME), Column("day", ColumnKind.DATETIME, "%d.%m.%Y")
    assert breaking_changes(schema(iso), schema(german)) == (
        "the column 'day' is datetime (%d.%m.%Y), was datetime (ISO8601)",
    )


def test_columns_may_go_but_not_come():
    one, two = Column("one", ColumnKind.NUMERIC), Column("two", ColumnKind.NUMERIC)
    assert breaking_changes(schema(one, two), schema(two)) == ()
    assert breaking_changes(schema(two), schema(one, two)) == ("requests need the column 'one', which is new",)


def test_other_answers_break():
    def changes(**values):
        return breaking_changes(schema(), schema(target=Target(**{**vars(TARGET), **values})))

    assert changes() == ()
    assert changes(name="price", task=Regression()) == (
        "'price' is predicted, was 'churn'",
        "the task is regression, was binary",
    )
    few, many = Target("churn", Quantile((0.1, 0.9))), Target("churn", Quantile((0.1, 0.5, 0.9)))
    assert breaking_changes(schema(target=few), schema(target=many)) == (
        "the quantiles are 0.1, 0.5, 0.9, were 0.1, 0.9",
    )
    # the order is that of the probabilities
    assert changes(task=Binary(("yes", "no"))) == ("the classes are 'yes', 'no', were 'no', 'yes'",)
    numbers, truths = Target("churn", Binary((0, 1))), Target("churn", Binary((False, True)))
    assert breaking_changes(schema(target=numbers), schema(target=truths)) == (
        "the classes are False, True, were 0, 1",
    )


def test_many_changes_are_cut_off():
    columns = [Column(f"c{number}", ColumnKind.NUMERIC) for number in range(9)]
    sentence = listed(breaking_changes(schema(), schema(*columns)))
    assert sentence.count("which is new") == 5
    assert sentence.endswith("; and 4 more")
