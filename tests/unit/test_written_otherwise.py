"""One table, written in many ways: the same schema and the same encoded values as written plainly, everywhere."""

import csv
import gzip
import io
import zipfile
from datetime import date, timedelta

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.data.schema import Schema

ROWS = 60
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

ITALIAN = ("gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic")


def plain_table():
    """Numbers of several sizes with a few missing, a date, a category, a code with leading zeros, and a label."""
    generator = np.random.default_rng(7)
    price = np.round(generator.lognormal(7, 1.5, ROWS), 2)
    weight = np.round(generator.normal(60, 15, ROWS), 1)
    missing = generator.random(ROWS) < 0.05
    days = [date(2021, 1, 1) + timedelta(days=int(day)) for day in generator.integers(0, 1200, ROWS)]
    return pd.DataFrame(
        {
            "price": price,
            "weight": np.where(missing, np.nan, weight),
            "day": days,
            "colour": generator.choice(["red", "green", "dark blue"], ROWS),
            "branch": [f"{code:04d}" for code in generator.integers(1, 30, ROWS)],
            "label": np.where(price > np.median(price), "yes", "no"),
        }
    )


TABLE = plain_table()
PLAIN_NUMBER = ("", ".")


def written_number(value, places, thousands, decimal):
    if np.isnan(value):
        return ""
    return f"{value:,.{places}f}".replace(",", "\0").replace(".", decimal).replace("\0", thousands)


NUMBERS = st.sampled_from(
    [PLAIN_NUMBER, (",", "."), (".", ","), (" ", ","), ("\u202f", ","), ("\u00a0", ","), ("'", "."), ("\u2019", ".")]
)
AFFIXES = st.sampled_from(["{}", "$ {}", "${}", "{} \u20ac", "EUR {}", "{} USD"])
DATES = st.sampled_from(
    [
        lambda day: day.isoformat(),
        lambda day: day.strftime("%d.%m.%Y"),
        lambda day: day.strftime("%d/%m/%Y"),
        lambda day: day.strftime("%m/%d/%Y"),
        lambda day: f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year}",
        lambda day: f"{MONTHS[day.month - 1]} {day.day}, {day.year}",
        lambda day: day.strftime("%Y/%m/%d"),
        lambda day: f"{day.year}年{day.month}月{day.day}日",
        lambda day: "{}-W{:02}-{}".format(*day.isocalendar()),
        lambda day: f"{day.day} {ITALIAN[day.month - 1]} {day.year}",
        lambda day: f"/Date({(day - date(1970, 1, 1)).days * 86_400_000})/",
    ]
)


@st.composite
def notations(draw):
    """How the cells are written: texts of each column."""
    thousands, decimal = draw(NUMBERS)
    affix, written = draw(AFFIXES), draw(DATES)
    return {
        "price": [affix.format(written_number(value, 2, thousands, decimal)) for value in TABLE["price"]],
        "weight": [written_number(value, 1, "", decimal) for value in TABLE["weight"]],
        "day": [written(day) for day in TABLE["day"]],
        "colour": list(TABLE["colour"]),
        "branch": list(TABLE["branch"]),
        "label": list(TABLE["label"]),
    }


@st.composite
def dialects(draw):
    """A function from texts of columns to the bytes of a file."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    trailing, blank, repeated, announced = (draw(st.booleans()) for _ in range(4))
    pack = draw(st.sampled_from([None, "gzip", "zip"]))

    def write(columns):
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
        header = [*columns, *([""] if trailing else [])]
        if announced:
            stream.write(f"sep={delimiter}{line_end}")
        writer.writerow(header)
        for at, row in enumerate(zip(*columns.values(), strict=True)):
            if repeated and at in (20, 40):
                writer.writerow(header)
            if blank and at == 30:
                stream.write(line_end)
            writer.writerow([*row, *([""] if trailing else [])])
        content = stream.getvalue().encode(encoding)
        if pack == "gzip":
            return gzip.compress(content)
        if pack == "zip":
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("table.csv", content)
            return packed.getvalue()
        return content

    return write


def prepared(source):
    return open_dataset(load_table(source), DataOptions(target="label"))


def arrays(dataset):
    parts = (dataset.train, dataset.validation, dataset.test)
    return [array for part in parts for array in (*part.inputs.arrays.values(), part.target)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "plain.csv"
    TABLE.to_csv(path, index=False)
    return prepared(path)


def assert_as_plain(found, plain):
    assert [(column.name, column.kind) for column in found.schema.columns] == [
        (column.name, column.kind) for column in plain.schema.columns
    ]
    assert found.schema.target.task == plain.schema.target.task
    for one, other in zip(arrays(found), arrays(plain), strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)


@settings(max_examples=40)
@given(columns=notations(), write=dialects())
def test_a_table_is_read_alike_however_it_is_written(tmp_path_factory, plain, columns, write):
    path = tmp_path_factory.mktemp("written") / "table.csv"
    path.write_bytes(write(columns))
    found = prepared(path)
    assert_as_plain(found, plain)
    # a model that is loaded again, and the cells of a request
    schema = Schema.from_json(found.schema.to_json())
    assert schema == found.schema
    cells = {name: column for name, column in columns.items() if name != "label"}
    frame = load_table(path).frame
    encoded = found.encoder.transform(schema, frame).arrays
    answered = ColumnarEncoder(schema, found.encoder).encode(cells, ROWS).arrays
    for name, array in encoded.items():
        assert np.array_equal(array, answered[name]), name


@settings(max_examples=10)
@given(columns=notations())
def test_a_frame_and_a_parquet_file_of_texts_are_read_as_the_csv_file(tmp_path_factory, plain, columns):
    frame = pd.DataFrame(columns)
    assert_as_plain(prepared(frame), plain)
    path = tmp_path_factory.mktemp("written") / "table.parquet"
    frame.to_parquet(path)
    assert_as_plain(prepared(path), plain)
