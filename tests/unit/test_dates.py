"""Dates, times and durations as people write them are read right, everywhere alike, or refused in a sentence."""

from datetime import datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.columns.date_notation import DateNotation
from orchestrator.columns.date_texts import DateOrder
from orchestrator.columns.raw_column import Beside, RawColumn
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, Schema, load_table, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind, read_column, recognise

ROWS = 120
RANDOM = np.random.default_rng(3)
DAYS = [datetime(2019, 1, 1) + timedelta(days=int(day)) for day in RANDOM.integers(0, 1500, ROWS)]
TIMES = [
    day + timedelta(seconds=int(second)) for day, second in zip(DAYS, RANDOM.integers(0, 86_400, ROWS), strict=True)
]
MINUTES = [moment.replace(second=0) for moment in TIMES]
MONTHS = [day.replace(day=1) for day in DAYS]
GERMAN = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]
FRENCH = ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."]
SPANISH = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]


def ordinal(day):
    return f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def unpadded(moment, form):
    return moment.strftime(form).replace("/0", "/").replace(" 0", " ").removeprefix("0")


# what is written, and the moments that it stands for
WRITTEN = {
    "month name": (DAYS, lambda day: day.strftime("%d-%b-%Y")),
    "full name": (DAYS, lambda day: f"{day:%B} {day.day}, {day.year}"),
    "SAS": (DAYS, lambda day: day.strftime("%d%b%Y").upper()),
    "ordinal": (DAYS, lambda day: f"{ordinal(day.day)} of {day:%B} {day.year}"),
    "German": (DAYS, lambda day: f"{day.day}. {GERMAN[day.month - 1]} {day.year}"),
    "French": (DAYS, lambda day: f"{day.day} {FRENCH[day.month - 1]} {day.year}"),
    "Spanish": (DAYS, lambda day: f"{day.day} de {SPANISH[day.month - 1]} de {day.year}"),
    "two-digit year": (DAYS, lambda day: day.strftime("%d-%b-%y")),
    "day first, two digits": (DAYS, lambda day: day.strftime("%d/%m/%y")),
    "month first, two digits": (DAYS, lambda day: unpadded(day, "%m/%d/%y")),
    "year first, two digits": (DAYS, lambda day: day.strftime("%y-%m-%d")),
    "dots": (DAYS, lambda day: day.strftime("%d.%m.%y")),
    "year with dots": (DAYS, lambda day: day.strftime("%Y.%m.%d")),
    "dashes": (MINUTES, lambda moment: moment.strftime("%d-%m-%Y %H:%M")),
    "AM and PM": (MINUTES, lambda moment: unpadded(moment, "%m/%d/%y %I:%M %p")),
    "a.m.": (MINUTES, lambda moment: moment.strftime("%Y-%m-%d %I:%M ") + f"{moment:%p}".lower()[0] + ".m."),
    "weekday": (TIMES, lambda moment: moment.strftime("%A, %d %B %Y at %H:%M:%S")),
    "ctime": (TIMES, lambda moment: moment.strftime("%a %b %d %H:%M:%S %Y")),
    "ISO basic": (TIMES, lambda moment: moment.strftime("%Y%m%dT%H%M%SZ")),
    "mixed": (TIMES, lambda moment: moment.strftime("%d %b %Y %H:%M:%S") if moment.second % 2 else f"{moment}"),
    "compact": (DAYS, lambda day: int(day.strftime("%Y%m%d"))),
    "compact text": (TIMES, lambda moment: moment.strftime("%Y%m%d%H%M%S")),
    "year and month": (MONTHS, lambda day: day.strftime("%Y-%m")),
    "month and year": (MONTHS, lambda day: day.strftime("%m/%Y")),
    "name and year": (MONTHS, lambda day: day.strftime("%b %Y")),
    "name and two digits": (MONTHS, lambda day: day.strftime("%b-%y")),
    "month with dot": (MONTHS, lambda day: day.strftime("%m.%Y")),
    "epoch": (TIMES, lambda moment: int((moment - datetime(1970, 1, 1)).total_seconds())),
    "epoch text": (TIMES, lambda moment: str(int((moment - datetime(1970, 1, 1)).total_seconds()) * 1000)),
}


def recognised(cells, **options):
    frame = options.pop("beside", None)
    others = Beside([] if frame is None else [RawColumn("data.csv", frame[name]) for name in frame])
    return recognise(RawColumn("data.csv", pd.Series(cells, name="x"), ColumnWish(**options), others))


def parsed(column, cells, dtype=None):
    return KINDS[column.kind].parse(column, pd.Series(cells, name="x", dtype=dtype))


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_the_date(name):
    moments, write = WRITTEN[name]
    cells = [write(moment) for moment in moments]
    column = recognised(cells).column
    assert column is not None
    assert column.kind is ColumnKind.DATETIME
    plain = Column("x", ColumnKind.DATETIME, "ISO8601")
    expected = parsed(plain, pd.to_datetime(moments))
    for found in (parsed(column, cells), parsed(column, cells, object), parsed(column, list(map(str, cells)))):
        assert {part: values.tolist() for part, values in found.items()} == {
            part: values.tolist() for part, values in expected.items()
        }
    assert read_column(column.to_json()) == column
    # what is given back is read as the same, and is what is described
    back = KINDS[column.kind].json_values(column, pd.Series(cells, name="x"))
    assert parsed(column, back)["days"].tolist() == expected["days"].tolist()
    described = Draft202012Validator(KINDS[column.kind].json_schema(column, ()))
    assert all(map(described.is_valid, back))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2067, 12, 31)), min_size=3, max_size=20), st.data())
def test_a_date_does_not_depend_on_how_it_is_written_or_on_the_rows_beside_it(moments, data):
    moments = [moment.replace(microsecond=0) for moment in moments]
    forms = ["%d-%b-%Y %H:%M:%S", "%B %d, %Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y%m%d%H%M%S"]
    texts = [moment.strftime(data.draw(st.sampled_from(forms))) for moment in moments]
    column = Column("x", ColumnKind.DATETIME, notation=DateNotation(formats=("%d %b %Y",)))
    together = parsed(column, texts)["days"].tolist()
    assert together == [parsed(column, [text])["days"][0] for text in texts]
    plain = Column("x", ColumnKind.DATETIME, "ISO8601")
    assert together == parsed(plain, [moment.isoformat() for moment in moments])["days"].tolist()


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2024",
        "29/02/2023",
        "13/13/2024",
        "12/03/0024",
        "2024-13-01",
        "2024-02-30",
        "12-Foo-2024",
        "12 Mar 2024 25:00",
        "12 Mar 2024 14:30 PM",
        "12 Mar 2024 10",
        "Mar 12 10:00:00",
        "0 Mar 2024",
        "2024",
        "1.2.5",
        "now",
    ],
)
@pytest.mark.parametrize("order", [None, *DateOrder])
def test_what_is_no_date_is_refused(text, order):
    column = Column("x", ColumnKind.DATETIME, notation=DateNotation(formats=("%d %b %Y",), order=order))
    with pytest.raises(InvalidValueError, match=r"row 2, column 'x': .* is not a date as %d %b %Y"):
        parsed(column, ["12 Mar 2024", text])


def test_two_digit_years_are_those_of_posix():
    column = recognised(["01-Jan-69", "31-Dec-68", "05-May-99", "05-May-00"]).column
    assert parsed(column, ["01-Jan-69", "31-Dec-68"])["year"].tolist() == [1969, 2068]


# -- day or month first ------------------------------------------------------------------------------------------------


def test_figures_of_months_are_dated_the_first():
    cells = [day.strftime("01/%m/%Y") for day in DAYS]
    found = recognised(cells)
    assert found.column.datetime_format == "%d/%m/%Y"
    (note,) = found.notes
    assert "read with the day first, because so each of them is the first of a month" in str(note)
    assert "--date-format 'x=%m/%d/%Y'" in note.option
    assert recognised(cells, date_format="%m/%d/%Y").column.datetime_format == "%m/%d/%Y"


def test_other_columns_say_what_is_first():
    cells = [f"{day.day % 12 + 1:02}/{day.month:02}/{day.year}" for day in DAYS]
    sure = pd.Series([day.strftime("%d/%m/%Y") for day in DAYS])
    other = pd.Series([day.strftime("%m-%d-%Y") for day in DAYS])
    beside = pd.DataFrame({"x": cells, "other": other, "sure": sure})
    found = recognised(cells, beside=beside)
    assert found.column.datetime_format == "%d/%m/%Y"
    assert "as in other columns of the file" in str(found.notes[0])
    assert recognised(cells).column.datetime_format == "%m/%d/%Y"
    assert "as nothing speaks against it" in str(recognised(cells).notes[0])


def test_rows_in_order_say_what_is_first():
    days = sorted(day.replace(day=day.day % 12 + 1) for day in DAYS)
    found = recognised([day.strftime("%d/%m/%Y") for day in days])
    assert found.column.datetime_format == "%d/%m/%Y"
    assert "because so the rows are in order" in str(found.notes[0])


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y", "%d.%m.%Y"])
def test_what_is_sure_is_not_said(form):
    assert recognised([day.strftime(form) for day in DAYS]).notes == ()


@pytest.mark.parametrize(("form", "row"), [("%m/%d/%Y", "15/07/2024"), ("%m-%d-%y", "15-07-24")])
def test_a_row_that_contradicts_the_order_says_what_to_do(form, row):
    days = [day.replace(day=day.day % 12 + 1) for day in DAYS]
    column = recognised([day.strftime(form) for day in days], date_format=form).column
    with pytest.raises(InvalidValueError, match=r"the day first: .*--date-format 'x=%d/%m/%Y'"):
        parsed(column, [row])


def test_a_format_of_ones_own_is_followed():
    cells = [day.strftime("%Y-%j") for day in DAYS]
    column = recognised(cells, date_format="%Y-%j").column
    assert column.notation == DateNotation(formats=("%Y-%j",), exact=True)
    assert parsed(column, ["2024-060"])["month"].tolist() == [2]
    with pytest.raises(DataError, match=r"--date-format 'x=%d/%m/%Y': row 1, column 'x': '2.*' is not a date"):
        recognised(cells, date_format="%d/%m/%Y")


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells",
    [
        [day.year for day in DAYS],
        list(range(1_500_000_000, 1_500_000_000 + ROWS)),
        RANDOM.integers(10_000_000, 99_999_999, ROWS).tolist(),
        RANDOM.integers(0, 2_000_000_000, ROWS).tolist(),
        (RANDOM.integers(1_000_000, 2_000_000, ROWS) * 1000).tolist(),
        [20230101.5] * 3 + [20230102, 20230105],
        [20230101, 20239999, 20230203, 20230301],
        ["1.2.5", "1.10.3", "2.0.1"] * 10,
        ["2010-11", "2020-21", "1999-00", "2015-16"] * 10,
        ["Mon", "Tue"] * 10,
    ],
)
def test_what_is_no_date_stays_what_it_was(cells):
    column = recognised(cells).column
    # a counter is left out
    assert column is None or column.kind in (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL)


def test_numbers_that_are_dates_are_said_and_can_stay_numbers():
    for cells in ([int(day.strftime("%Y%m%d")) for day in DAYS], [int(moment.timestamp() * 1000) for moment in TIMES]):
        found = recognised(cells)
        assert "--numeric 'x'" in found.notes[0].option
        assert recognised(cells, kind="numeric").column.kind is ColumnKind.NUMERIC
        # with a missing value, pandas makes floats of them
        assert recognised([None, *map(float, cells)]).column == found.column


def test_true_is_not_a_second_after_1970():
    column = Column("x", ColumnKind.DATETIME, notation=DateNotation(formats=(), epoch="s"))
    for cell in (True, "true", 1e30):
        with pytest.raises(InvalidValueError, match="is not a date as seconds since 1970"):
            parsed(column, [1_700_000_000, cell], object)


# -- offsets -----------------------------------------------------------------------------------------------------------


def test_the_parts_are_those_of_the_local_time_and_the_days_those_of_utc():
    cells = ["2024-03-01T23:30:00-05:00", "2024-03-02T01:30:00+02:00", "2024-03-02T04:30:00Z"]
    column = recognised(cells).column
    found = parsed(column, cells)
    assert found["hour"].tolist() == [23, 1, 4]
    assert found["day"].tolist() == [1, 2, 2]
    assert found["day_of_week"].tolist() == [4, 5, 5]
    assert np.diff(found["days"] * 24).round(6).tolist() == [-5, 5]
    assert KINDS[column.kind].json_values(column, pd.Series(cells)) == [*cells[:2], "2024-03-02T04:30:00+00:00"]


def test_time_stamps_with_a_zone_are_what_their_texts_are():
    stamps = pd.Series(pd.to_datetime(TIMES, utc=True).tz_convert("Europe/Berlin"), name="x")
    texts = [stamp.isoformat(" ") for stamp in stamps]
    column = recognised(stamps).column
    assert column == recognised(texts).column
    typed, written = parsed(column, stamps), parsed(column, texts)
    assert all((typed[part] == written[part]).all() for part in typed)
    assert typed["hour"].tolist() == [stamp.hour for stamp in stamps]
    assert recognised(pd.Series(pd.to_datetime(TIMES, utc=True), name="x")).column.notation is None


def test_a_model_of_before_has_the_parts_of_utc():
    column = Column("x", ColumnKind.DATETIME, "ISO8601")
    assert parsed(column, ["2024-03-01T23:30:00-05:00"])["hour"].tolist() == [4]


# -- odd cells ---------------------------------------------------------------------------------------------------------


def test_a_few_texts_that_are_no_dates_are_missing_and_said():
    cells = [day.strftime("%d/%m/%Y") for day in DAYS]
    cells[5], cells[9] = "31/02/2024", "00/00/0000"
    found = recognised(cells)
    assert "in 2 rows texts that are none: '31/02/2024' (1), '00/00/0000' (1)" in str(found.notes[0])
    assert np.flatnonzero(np.isnan(parsed(found.column, cells)["days"])).tolist() == [5, 9]
    # others are refused
    with pytest.raises(InvalidValueError, match="'30/02/2024' is not a date"):
        parsed(found.column, ["30/02/2024"])
    many = recognised(["no date" if at % 3 else cell for at, cell in enumerate(cells)])
    assert many.column.kind is not ColumnKind.DATETIME


def test_what_the_user_calls_missing_is_missing():
    cells = [day.strftime("%d/%m/%Y") for day in DAYS]
    column = recognised([*cells, "Never"], missing=("never",)).column
    assert np.isnan(parsed(column, ["Never"])["days"]).all()


# -- times of the day and durations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda moment: moment.strftime("%H:%M"),
        lambda moment: unpadded(moment, "%I:%M %p"),
        lambda moment: moment.strftime("%Hh%M"),
        lambda moment: moment.strftime("%H:%M:00"),
        lambda moment: time(moment.hour, moment.minute),
    ],
)
def test_times_of_the_day(write):
    cells = [write(moment) for moment in MINUTES]
    found = recognised(cells)
    assert found.column.kind is ColumnKind.TIME_OF_DAY
    assert found.notes == ()
    values = parsed(found.column, cells)
    assert values["seconds"].tolist() == [moment.hour * 3600 + moment.minute * 60 for moment in MINUTES]
    midnight = parsed(found.column, ["00:00", "12:00", "23:59:59"])
    assert midnight["time_of_day_cos"].round(3).tolist() == [1, -1, 1]
    back = KINDS[found.column.kind].json_values(found.column, pd.Series(cells))
    assert parsed(found.column, back)["seconds"].tolist() == values["seconds"].tolist()


LENGTHS = [timedelta(seconds=int(seconds)) for seconds in RANDOM.integers(3600, 400_000, ROWS)]


@pytest.mark.parametrize(
    "write",
    [
        lambda length: f"{length // timedelta(hours=1)}:{length.seconds // 60 % 60:02}:{length.seconds % 60:02}",
        lambda length: f"PT{length // timedelta(hours=1)}H{length.seconds // 60 % 60}M{length.seconds % 60}S",
        lambda length: str(pd.Timedelta(length)),
        str,
        lambda length: f"{length // timedelta(hours=1)}h {length.seconds // 60 % 60}m {length.seconds % 60}s",
        lambda length: f"{length // timedelta(minutes=1)} minutes and {length.seconds % 60} seconds",
    ],
)
def test_durations(write):
    cells = [write(length) for length in LENGTHS]
    found = recognised(cells)
    assert found.column == Column("x", ColumnKind.DURATION)
    assert found.notes == ()
    expected = [length.total_seconds() for length in LENGTHS]
    assert parsed(found.column, cells)[None].tolist() == expected
    back = KINDS[found.column.kind].json_values(found.column, pd.Series(cells))
    assert parsed(found.column, back)[None].tolist() == expected


def test_minutes_are_first_where_there_are_hours_beside_them():
    column = recognised(["59:30", "1:02:03", "37:05", "2:00:00"] * 10).column
    assert parsed(column, ["59:30", "1:02:03"])[None].tolist() == [3570, 3723]
    assert read_column(column.to_json()) == column


@pytest.mark.parametrize(("form", "letters"), [("{}{}", "MS"), ("{},50 {}", "SH"), ("{}{}", "DMS")])
def test_a_number_with_a_capital_letter_is_no_duration(form, letters):
    column = recognised([form.format(number, letters[number % len(letters)]) for number in range(10, 70)]).column
    assert column is None or column.kind is not ColumnKind.DURATION


def test_a_number_with_one_letter_is_a_duration_aloud():
    found = recognised([f"{1 + number}{'hm'[number % 2]}" for number in range(60)])
    assert found.column.kind is ColumnKind.DURATION
    assert "has numbers with one letter, such as '1h'" in str(found.notes[0])


def test_what_can_be_a_time_or_a_duration_is_said():
    found = recognised([f"{hour}:{minute:02}:{hour + 7:02}" for hour in range(5) for minute in range(20)])
    assert found.column.kind is ColumnKind.DURATION
    assert "--time-of-day 'x'" in found.notes[0].option
    with pytest.raises(InvalidValueError, match=r"'1:99:00' is not a duration such as"):
        parsed(found.column, ["1:99:00"])


# -- everywhere alike --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AM and PM", "German", "compact", "epoch", "mixed"])
def test_files_frames_and_cells_are_read_alike(tmp_path, name):
    moments, write = WRITTEN[name]
    frame = pd.DataFrame(
        {
            "at": [write(moment) for moment in moments],
            "for": [str(pd.Timedelta(length)) for length in LENGTHS],
            "clock": [moment.strftime("%H:%M") for moment in moments],
            "label": np.where([moment.month > 6 for moment in moments], "late", "early"),
        }
    )
    (tmp_path / "folder").mkdir()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_parquet(tmp_path / "folder" / "part.parquet", row_group_size=50)
    sources = [frame, tmp_path / "rows.csv", tmp_path / "rows.parquet", tmp_path / "folder"]
    datasets = [open_dataset(source, DataOptions(target="label")) for source in sources]
    assert len({str(dataset.schema.to_json()) for dataset in datasets}) == 1
    assert Schema.from_json(datasets[0].schema.to_json()) == datasets[0].schema
    dataset = datasets[0]
    expected = dataset.encoder.transform(dataset.schema, frame)
    texts = load_table(tmp_path / "rows.csv").frame
    cells = ColumnarEncoder(dataset.schema, dataset.encoder).encode(
        {name: frame[name].tolist() for name in ("at", "for", "clock")}, len(frame)
    )
    for other in (dataset.encoder.transform(dataset.schema, texts), cells):
        assert all((values == other[name]).all() for name, values in expected.arrays.items())
    # what is shown as an example can be given back
    example = pd.DataFrame(dataset.example)
    assert len(dataset.encoder.transform(dataset.schema, example)["numeric"]) == len(example)
