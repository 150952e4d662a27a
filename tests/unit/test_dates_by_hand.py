"""Dates as people and other programs write them: without zeros, with years of two digits, of other calendars."""

# ruff: noqa: RUF001

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.date_notation import DateNotation
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.features import KINDS, ColumnKind, recognise

RANDOM = np.random.default_rng(11)
ROWS = 80
DAYS = [datetime(2019, 1, 1) + timedelta(days=int(day)) for day in RANDOM.integers(0, 1700, ROWS)]
BIRTHS = [datetime(1931, 1, 1) + timedelta(days=int(day)) for day in RANDOM.integers(0, 33_000, ROWS)]
GREEK = ["ΙΑΝ", "Φεβ", "Μαρτίου", "Απρ", "Μαΐου", "Ιούνιος", "ΙΟΥΛΙΟΥ", "Αυγ", "Σεπτ", "Οκτωβρίου", "Νοε", "ΔΕΚ"]


def found(cells, name="x", **wish):
    return recognise(RawColumn("d.csv", pd.Series(cells, name=name, dtype="str"), ColumnWish(**wish)))


def moments(column, cells):
    days = KINDS[column.kind].parse(column, pd.Series(cells, name=column.name))["days"]
    return (pd.Timestamp("1970-01-01") + pd.to_timedelta(days, unit="D")).round("s").tolist()


def texts(recognised):
    return " ".join(map(str, recognised.notes))


@pytest.mark.parametrize(
    "write",
    [
        lambda day: f"{day.day}.{day.month}.{day:%y}",
        lambda day: f"{day.day}. {day.month}. {day:%y}",
        lambda day: f"{day.month}-{day.day}-{day:%y}",
        lambda day: f"{day.day}-{day.month}-{day:%y}",
        lambda day: f"{day.day}.{day.month}.{day:%y} 10:15",
        lambda day: f"{day:%d%b%Y:00:38:14}".upper(),
        lambda day: f"{day:%d%b%y:00:38:14}".upper(),
        lambda day: f"{day.day} {GREEK[day.month - 1]} {day.year}",
    ],
)
def test_dates_of_people_and_programs_are_read(write):
    cells = [write(day) for day in DAYS]
    recognised = found(cells)
    assert recognised.column.kind is ColumnKind.DATETIME
    # what may be a version is said
    assert bool(recognised.notes) == (len(cells[0]) < 13 and ":" not in cells[0] and max(map(len, cells)) < 11)
    assert not found(cells, "date").notes
    assert [moment.date() for moment in moments(recognised.column, cells)] == [day.date() for day in DAYS]


def test_hours_in_one_number_are_no_seconds_since_1970():
    cells = [f"{day:%Y%m%d}{hour:02d}" for hour, day in enumerate(DAYS[:24])]
    recognised = found(cells)
    assert recognised.column.notation.formats == ("%Y%m%d%H",) and recognised.column.notation.epoch is None
    assert moments(recognised.column, cells)[:2] == [DAYS[0], DAYS[1] + timedelta(hours=1)]


@pytest.mark.parametrize(
    ("lows", "highs"),
    [((1, 1, 10), (4, 12, 30)), ((1, 0, 0), (4, 20, 30)), ((1, 1, 1), (20, 12, 13)), ((1, 1, 10), (20, 13, 16))],
)
def test_numbers_of_versions_are_no_dates(lows, highs):
    parts = RANDOM.integers(lows, highs, (ROWS, 3))
    recognised = found([".".join(map(str, row)) for row in parts])
    assert recognised.column is None or recognised.column.kind is ColumnKind.CATEGORICAL


def test_what_may_be_a_version_says_how_it_is_read_as_a_date():
    cells = [f"{day.day % 9 + 1}.{day.month}.{day:%y}" for day in DAYS]
    assert "--date 'x'" in texts(found(cells))
    assert found(cells, kind="datetime").column.notation.formats == found(cells, "date").column.notation.formats


@pytest.mark.parametrize(
    ("name", "form"),
    [("dob", "%m/%d/%y"), ("Born", "%d-%b-%y"), ("geb_datum", "%d.%m.%y"), ("Fødselsdato", "%d.%m.%y")],
)
def test_births_are_never_in_the_future(name, form):
    cells = [day.strftime(form) for day in BIRTHS]
    recognised = found(cells, name)
    assert moments(recognised.column, cells) == BIRTHS
    assert f"--date-format '{name}={form}'" in texts(recognised)
    notation = recognised.column.notation
    assert DateNotation.from_json(notation.to_json()) == notation and notation.last_year is not None
    wished = found(cells, name, date_format=form)
    assert max(moments(wished.column, cells)) > datetime.now(tz=UTC).replace(tzinfo=None)


def test_births_of_requests_are_those_of_frames():
    frame = pd.DataFrame({"dob": [f"{day:%m/%d/%y}" for day in BIRTHS], "x": RANDOM.normal(size=ROWS)})
    frame["y"] = [day.year for day in BIRTHS]
    data = open_dataset(frame, DataOptions(target="y", name="a"))
    some = frame.drop(columns="y")[:9]
    rows = ColumnarEncoder(data.schema, data.encoder).encode(some.to_dict("list"), len(some))
    plain = data.encoder.transform(data.schema, some)
    assert all(np.array_equal(rows[name], plain[name], equal_nan=True) for name in plain.arrays)


def test_years_to_come_are_said_where_nothing_says_that_they_are_past():
    assert "yet to come" in texts(found([f"{day:%d.%m.%y}" for day in BIRTHS]))
    assert not found([f"{day:%d.%m.%y}" for day in DAYS]).notes
    assert not found([f"{day:%d.%m.%y}" for day in DAYS], "dob").notes


@pytest.mark.parametrize(("years", "what"), [(543, "Thai"), (-621, "Persian"), (-579, "Islamic")])
def test_other_calendars_are_said(years, what):
    cells = [f"{day.year + years}-{day.month:02d}-{min(day.day, 28):02d}" for day in DAYS]
    assert what in texts(found(cells))


def test_an_order_that_changes_is_said_as_what_it_is():
    cells = [day.strftime("%m/%d/%Y" if row % 2 else "%d/%m/%Y") for row, day in enumerate(DAYS[:20])] * 4
    recognised = found(cells)
    assert recognised.column.kind is ColumnKind.CATEGORICAL
    assert "the day first" in texts(recognised) and "several answers" not in texts(recognised)


def test_the_day_between_year_and_month_is_said_with_its_format():
    cells = [f"{day:%Y-%d-%m}" for day in DAYS]
    assert "--date-format 'x=%Y-%d-%m'" in texts(found(cells))
    assert moments(found(cells, date_format="%Y-%d-%m").column, cells) == DAYS
