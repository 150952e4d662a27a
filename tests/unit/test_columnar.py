"""Cells without a data frame give the bits that the data frame gives, and the same refusals."""

import math
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import mixed_frame

from orchestrator.columns.clock_notation import DurationNotation
from orchestrator.columns.date_notation import DATETIME_FORMATS, DateNotation
from orchestrator.columns.date_texts import DateOrder
from orchestrator.data import DataOptions, Schema, open_dataset
from orchestrator.data.columnar import MEMORY_CELLS, ColumnarEncoder
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.errors import InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind
from orchestrator.features.datetime import DATETIME_PARTS
from orchestrator.features.fitted import CategoricalFeature, NumericFeature, TextFeature
from orchestrator.tasks import Target
from orchestrator.tasks.binary import Binary

TARGET = Target("label", Binary(("no", "yes")))
NUMBER_TEXTS = [" 3 ", "1_000", "nan", "?", "NA", "", "٣", "1e999", "-inf", "0x10", "true", "F", "-0", "1,5", "+.5e1"]
DATE_TEXTS = [
    "2024-01-31",
    "2024-01-31T12:30:15",
    "2024-01-31 12:30",
    "2024-01-31T12:30:15.123",
    "2024-01-31T12:30:15.123456",
    "2024-01-31T12:30:15.123456789",
    "2024-01-31T12:30:15.1Z",
    "2024-01-31T12:30:15+02:00",
    "2024-01-31T24:00:00",
    "2024-02-30",
    "0000-01-01",
    "0001-01-01",
    "3020-01-01",
    "9999-12-31T23:59:59.999999",
    "20240131",
    "2024-01",
    "2024",
    "2024-W05",
    "2024-01-31T12",
    "٢٠٢٤-01-31",
    " 2024-01-31",
    "2024-01-31\n",
    "now",
    "Today ",
    "31.01.2024",
    "01/31/2024",
    "31/01/2024 12:30",
    "31-Jan-2024",
    "Wed, 31 Jan 2024 12:30:15 -0500",
    "1/31/24 2:30 PM",
    "05/06/24",
    "12. März 2024",
    "2024-01-31 25:00",
    "2024031",
    "14:30",
    "2:30 pm",
    "37:30",
    "1:23:45",
    "PT1H30M",
    "-1 days +23:59:00",
]

NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, -1.7e308, 2**53 + 1, 2**63, 2**64, 10**400, -(10**400)]),
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.sampled_from(NUMBER_TEXTS + DATE_TEXTS + ["red", " red", "RED", "True", "x" * 70]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=4),
)
PLAIN_CELLS = {
    ColumnKind.NUMERIC: st.one_of(st.none(), st.integers(-1000, 1000), st.floats(-1e9, 1e9), st.just("7")),
    ColumnKind.BOOLEAN: st.one_of(st.none(), st.booleans(), st.sampled_from(["true", "F", 0, 1])),
    ColumnKind.CATEGORICAL: st.one_of(st.sampled_from(["red", "3", 3, 3.0, True, 1, "true", None, "violet"])),
    ColumnKind.DATETIME: st.one_of(
        st.none(),
        st.datetimes().map(lambda moment: moment.isoformat(" ")),
        st.dates().map(lambda day: day.isoformat()),
    ),
    ColumnKind.TIME_OF_DAY: st.one_of(st.none(), st.sampled_from(["14:30", "2:30 PM", "07:05:09.25", "14h30", ""])),
    ColumnKind.DURATION: st.one_of(
        st.none(), st.sampled_from(["1:23:45", "37:30", "PT1H30M", "-1 days +23:00:00", 90])
    ),
    ColumnKind.TEXT: st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["Über ﬁne words", "a b a b", 3.0])),
}
NOTATIONS = {
    ColumnKind.DATETIME: [
        None,
        DateNotation(formats=("%d %b %Y",)),
        DateNotation(formats=("%d/%m/%y",), order=DateOrder.DAY, missing=("x",)),
        DateNotation(formats=("%m-%d-%Y %I:%M %p",), order=DateOrder.MONTH),
        DateNotation(formats=("%Y%j",), exact=True),
        DateNotation(formats=(), epoch="s"),
    ],
    ColumnKind.DURATION: [None, DurationNotation("m")],
}
CATEGORIES = st.lists(st.sampled_from(["red", "3", "true", "1", "0", "a b", " odd", "1e+22", "x" * 70]), unique=True)
MEANS = st.one_of(st.sampled_from([0.0, -0.0]), st.floats(-1e6, 1e6), st.floats(-1.7e308, 1.7e308))
STDS = st.one_of(st.just(1.0), st.floats(1e-300, 1e300))


@st.composite
def columns_and_encoders(draw):
    columns, numeric, categorical, text = [], [], [], []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(ColumnKind), max_size=6))):
        name = f"column {number}"
        form = draw(st.sampled_from((None, *DATETIME_FORMATS))) if kind is ColumnKind.DATETIME else None
        notation = draw(st.sampled_from(NOTATIONS.get(kind, [None])))
        columns.append(Column(name, kind, None if notation else form, notation))
        if kind is ColumnKind.CATEGORICAL:
            categorical.append(CategoricalFeature(name, tuple(draw(CATEGORIES)), draw(st.sampled_from([0, 1, 7]))))
            continue
        if kind is ColumnKind.TEXT:
            text.append(TextFeature(name, 100))
            continue
        known = getattr(KINDS[kind], "parts", (None,))
        parts = draw(st.lists(st.sampled_from(known), unique=True)) if known != (None,) else [None]
        for part in parts:
            numeric.append(
                NumericFeature(
                    column=name,
                    part=part,
                    median=draw(MEANS),
                    mean=draw(MEANS),
                    std=draw(STDS),
                    indicator=draw(st.booleans()),
                )
            )
    dates = [column.name for column in columns if column.kind is ColumnKind.DATETIME]
    for since, name in draw(st.lists(st.sampled_from([*combinations(dates, 2)]), max_size=3)) if len(dates) > 1 else ():
        apart = {"median": draw(MEANS), "mean": draw(MEANS), "std": draw(STDS), "indicator": draw(st.booleans())}
        numeric.append(NumericFeature(column=name, part="days", since=since, **apart))
    if draw(st.booleans()):
        numeric = draw(st.permutations(numeric))
    return Schema(tuple(columns), TARGET), FeatureEncoder(
        numeric=tuple(numeric), categorical=tuple(categorical), text=tuple(text)
    )


def outcome(encode):
    try:
        arrays = encode().arrays.values()
    except InvalidValueError as error:
        return str(error), error.row, error.column
    assert all(array.flags.c_contiguous for array in arrays)
    return [(array.dtype, array.shape, array.tobytes()) for array in arrays]


def assert_same(schema, encoder, columns, rows):
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()}, index=range(rows))
    expected = outcome(lambda: encoder.transform(schema, frame))
    columnar = ColumnarEncoder(schema, encoder)
    # the second time from memory
    for _ in range(2):
        assert outcome(lambda: columnar.encode(columns, rows)) == expected
    return expected


@settings(max_examples=250)
@given(columns_and_encoders(), st.integers(0, 4), st.data())
def test_any_cells_give_the_same_bits_or_the_same_refusal(made, rows, data):
    schema, encoder = made
    columns = {
        column.name: data.draw(st.lists(CELLS | PLAIN_CELLS[column.kind], min_size=rows, max_size=rows))
        for column in schema.columns
    }
    assert_same(schema, encoder, columns, rows)


@settings(max_examples=200)
@given(columns_and_encoders(), st.integers(0, 8), st.data())
def test_usual_cells_give_the_same_bits(made, rows, data):
    schema, encoder = made
    schema = Schema(tuple(Column(column.name, column.kind) for column in schema.columns), TARGET)
    columns = {
        column.name: data.draw(st.lists(PLAIN_CELLS[column.kind], min_size=rows, max_size=rows))
        for column in schema.columns
    }
    assert isinstance(assert_same(schema, encoder, columns, rows), list)


@settings(max_examples=200)
@given(st.lists(CELLS, max_size=5), st.sampled_from([ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.DATETIME]))
@example([0.0, -0.0], ColumnKind.NUMERIC)
@example([-0.0, "-0"], ColumnKind.NUMERIC)
@example([10**400], ColumnKind.NUMERIC)
@example(["x", math.inf], ColumnKind.NUMERIC)
@example([math.inf, "x"], ColumnKind.NUMERIC)
@example([1, True, 20240131, "20240131"], ColumnKind.DATETIME)
@example(["2024-01-31T12:30:15.123456789", "3020-01-01"], ColumnKind.DATETIME)
def test_one_column_gives_the_same_bits_or_the_same_refusal(cells, kind):
    parts = DATETIME_PARTS if kind is ColumnKind.DATETIME else (None,)
    encoder = FeatureEncoder(
        numeric=tuple(
            NumericFeature(column="x", part=part, median=0.5, mean=0.0, std=3.0, indicator=part != "year")
            for part in parts
        ),
        categorical=(),
    )
    assert_same(Schema((Column("x", kind),), TARGET), encoder, {"x": cells}, len(cells))


@given(st.lists(CELLS, max_size=8), CATEGORIES)
def test_one_category_column_gives_the_same_codes(cells, categories):
    encoder = FeatureEncoder(numeric=(), categorical=(CategoricalFeature("x", tuple(categories)),))
    assert_same(Schema((Column("x", ColumnKind.CATEGORICAL),), TARGET), encoder, {"x": cells}, len(cells))


def test_a_fitted_encoder_gives_the_same_bits_for_its_rows():
    frame = mixed_frame(300)
    dataset = open_dataset(frame, DataOptions(target="label"))
    rows = frame.drop(columns="label").astype(object).where(frame.drop(columns="label").notna(), None)
    columns = {name: rows[name].tolist() for name in rows}
    assert isinstance(assert_same(dataset.schema, dataset.encoder, columns, len(rows)), list)


@pytest.mark.parametrize("absent", [["x"], ["x", "y"]])
def test_missing_columns_are_named(absent):
    schema = Schema((Column("x", ColumnKind.NUMERIC), Column("y", ColumnKind.CATEGORICAL)), TARGET)
    encoder = FeatureEncoder(
        numeric=(NumericFeature(column="x", part=None, median=0.0, mean=0.0, std=1.0, indicator=True),),
        categorical=(CategoricalFeature("y", ("a",)),),
    )
    columns = {name: ["a"] for name in ("x", "y", "other") if name not in absent}
    expected = assert_same(schema, encoder, columns, 1)
    assert expected[2] == "x"
    assert "missing" in expected[0]


def test_a_date_does_not_depend_on_the_other_rows():
    day = Column("day", ColumnKind.DATETIME)
    encoder = FeatureEncoder(
        numeric=(NumericFeature(column="day", part="days", median=0.0, mean=0.0, std=1e6, indicator=False),),
        categorical=(),
    )
    columnar = ColumnarEncoder(Schema((day,), TARGET), encoder)
    together, _ = columnar.encode({"day": ["3020-01-01", "2024-01-31T12:30:15.123456789"]}, 2).arrays.values()
    alone, _ = columnar.encode({"day": ["3020-01-01"]}, 1).arrays.values()
    assert together[0] == alone[0]


def test_memory_is_bounded_and_never_forgets_the_table():
    categories = tuple(f"category {number}" for number in range(MEMORY_CELLS + 10))
    encoder = FeatureEncoder(
        numeric=(NumericFeature(column="x", part=None, median=0.0, mean=0.0, std=1.0, indicator=False),),
        categorical=(CategoricalFeature("c", categories),),
    )
    schema = Schema((Column("x", ColumnKind.NUMERIC), Column("c", ColumnKind.CATEGORICAL)), TARGET)
    columnar = ColumnarEncoder(schema, encoder)
    count = 3 * MEMORY_CELLS
    for length in (1, 100):
        texts = [f"{number:0{length}}" for number in range(count)]
        numbers, codes = columnar.encode({"x": texts, "c": texts}, count).arrays.values()
        assert numbers[:, 0].tolist() == [min(number, 10_000) for number in range(count)]
        assert not codes.any()
    remembered = [columnar._parsed, columnar._codes[0][1]]
    assert [len(memory) for memory in remembered] == [MEMORY_CELLS, len(categories)]
    assert all(len(str(cell)) < 100 for memory in remembered for cell in memory)
    _, codes = columnar.encode({"x": [0] * len(categories), "c": list(categories)}, len(categories)).arrays.values()
    assert codes[:, 0].tolist() == list(range(2, len(categories) + 2))
