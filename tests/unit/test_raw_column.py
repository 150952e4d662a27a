"""What a few cells say about a column saves time and never changes what all of them say."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.columns import codes, number_codes
from orchestrator.columns.date_notation import DATETIME_FORMATS
from orchestrator.columns.date_padded import padded_moments
from orchestrator.columns.distinct import distinct_texts
from orchestrator.columns.number_inference import Cells, decimal_of
from orchestrator.columns.raw_column import Beside, RawColumn
from orchestrator.columns.values import category_key, coded_texts, distinct_cells, to_numbers
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.errors import InvalidValueError
from orchestrator.features.fitted import NumericFeature

DIGITS = st.text("0123456789", min_size=1, max_size=18)
CELLS = st.one_of(
    DIGITS,
    st.builds(
        "{}{}.{}{}".format, st.sampled_from(["", "-", "+", "0", " "]), DIGITS, DIGITS, st.sampled_from(["", " "])
    ),
    st.sampled_from(
        ["", "NA", "nan", "-nan", " null ", "true", "F", "+49123456789", "4006381333931", "x", "1_0", ".5", "5."]
    ),
)
COLUMNS = st.lists(CELLS, min_size=1, max_size=8)


def raw(cells, dtype="str"):
    return RawColumn("rows.csv", pd.Series(cells, dtype=dtype, name="zip"))


@given(COLUMNS)
@example(["0000000000000001", "1.5"])
@example(["00001", "0.5", "3.25"])
def test_columns_that_are_passed_over_as_fractions_have_no_codes(cells):
    if codes._are_plain_fractions(raw(cells)):
        assert codes._zeros(raw(cells)) is None
        assert codes._other_codes(raw(cells)) is None


@given(
    st.lists(
        st.sampled_from(["2.1", "2.10", "3E5", "12", "3e05", "4A7", "", "-1.5", "100", "1.2345", "x"]),
        min_size=1,
        max_size=6,
    )
)
def test_first_cells_do_not_hide_versions_and_part_numbers(cells):
    column = raw(cells)
    ragged = number_codes._are_ragged(column.head)
    assert number_codes._begins_ragged(column) == ragged
    if not ragged and any(map(number_codes.EXPONENT.fullmatch, column.head)):
        assert (number_codes.why_written_so(column) is None) == (number_codes._part_numbers(column.counts) is None)


@given(COLUMNS)
def test_numbers_of_texts_and_of_objects_are_the_same(cells):
    def read(dtype):
        try:
            return to_numbers(pd.Series(cells, dtype=dtype), "x")
        except InvalidValueError as error:
            return str(error)

    np.testing.assert_equal(read("str"), read(object))


@given(COLUMNS)
def test_what_the_first_cells_show_is_so(cells):
    keys = set(map(category_key, cells))
    for dtype in ("str", object, "category"):
        column = raw(cells, dtype)
        assert column.is_empty == (keys == {None})
        assert column.is_constant == (len(keys) == 1)
        assert column.first_texts == distinct_texts(column.series).texts.to_pylist()
        assert column.head == column.counts


@given(
    st.lists(
        st.sampled_from(["2.1", "2.10", "1.234", "12", "1e5", "", "-0.5", "1.2345", "NA", "00.12", "5."]),
        min_size=1,
        max_size=6,
    )
)
def test_a_decimal_point_that_is_seen_at_once_is_that_of_all_cells(cells):
    column = raw(cells)
    assert column.decimal == decimal_of(Cells.of(column.series))


@given(st.lists(st.lists(st.none() | st.sampled_from("abc"), max_size=4), max_size=4))
def test_distinct_texts_are_those_of_all_chunks(chunks):
    texts = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
    flat = texts.to_pylist()
    codes_, known = coded_texts(texts, nulls="encode")
    assert known.to_pylist() == list(dict.fromkeys(flat))
    assert [known[code].as_py() for code in codes_.tolist()] == flat
    codes_, known = coded_texts(texts, nulls="mask")
    assert known.to_pylist() == [text for text in dict.fromkeys(flat) if text is not None]
    assert [None if code == len(known) else known[code].as_py() for code in codes_.tolist()] == flat


def test_texts_that_utf8_has_not_are_distinct_cells_too():
    series = pd.Series(["a", "\ud800", None, "a"], dtype=pd.StringDtype("python"))
    places, cells = distinct_cells(series)
    assert [category_key(cells[place]) for place in places.tolist()] == ["a", "\ud800", None, "a"]


def test_columns_that_are_encoded_together_are_encoded_as_alone():
    generator = np.random.default_rng(3)
    features = tuple(
        NumericFeature(column=str(at), part=None, median=at, mean=at / 2, std=1 + at, indicator=at % 3 == 0)
        for at in range(50)
    )
    cells = {str(at): np.where(generator.random(3000) < 0.1, np.nan, generator.normal(size=3000)) for at in range(50)}
    together = FeatureEncoder(numeric=features, categorical=()).encode(lambda name: {None: cells[name]}, 3000)
    alone = [
        FeatureEncoder(numeric=(feature,), categorical=())
        .encode(lambda name: {None: cells[name]}, 3000)
        .arrays["numeric"]
        for feature in features
    ]
    assert together.arrays["numeric"].tobytes() == np.hstack(alone).tobytes()


PADDED_FORMATS = [name for name in DATETIME_FORMATS if name != "ISO8601"]


@given(st.data())
def test_padded_dates_are_those_that_pandas_reads(data):
    name = data.draw(st.sampled_from(["ISO8601", *PADDED_FORMATS]))
    shape = "%Y-%m-%dT%H:%M:%S" if name == "ISO8601" else name
    widths = {"%Y": 4}
    pieces = [
        data.draw(st.text("0123456789", min_size=widths.get(part, 2), max_size=widths.get(part, 2)))
        if part.startswith("%")
        else part
        for part in re.split("(%.)", shape)
    ]
    valid = data.draw(
        st.datetimes(pd.Timestamp("1000-01-01").to_pydatetime()).map(lambda moment: moment.strftime(shape))
    )
    texts = pa.array([valid, "".join(pieces), ""], pa.large_string())
    for some in (texts, texts.take(pa.array([0, 2]))):
        found = padded_moments(some, name)
        if found is not None:
            cells = pd.Series([text or None for text in some.to_pylist()], dtype=object)
            stamps = pd.DatetimeIndex(pd.to_datetime(cells, format=name, utc=True, errors="coerce")).as_unit("us")
            assert found.tolist() == stamps.asi8.tolist()
    year = valid[shape.index("%Y") :][:4]
    assert (padded_moments(texts.take(pa.array([0, 2])), name) is not None) == ("1000" <= year <= "2999")


@given(st.lists(st.lists(st.sampled_from(["1.234", "12", "1,5", "0.25", "", "x"]), min_size=3, max_size=3), max_size=4))
def test_the_decimal_mark_of_other_columns_is_that_of_all_but_the_column_itself(columns):
    beside = Beside()
    beside.extend(
        RawColumn("f", pd.Series(cells, dtype="str", name=str(at)), beside=beside) for at, cells in enumerate(columns)
    )
    for column in beside:
        marks = {other.decimal for other in beside if other is not column} - {None}
        assert column.decimal_elsewhere() == (marks.pop() if len(marks) == 1 else None)
