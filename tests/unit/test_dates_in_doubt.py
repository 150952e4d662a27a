"""What can be a date or something else is decided by the whole column, and said."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.raw_column import Beside, RawColumn
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind, read_column, recognise

RANDOM = np.random.default_rng(5)
ROWS = 160
DAYS = [datetime(2019, 1, 1) + timedelta(days=int(day)) for day in RANDOM.integers(0, 1800, ROWS)]
ISO = [day.strftime("%Y-%m-%d") for day in DAYS]
EVERY_YEAR = [datetime(2000, day.month, day.day) for day in DAYS]
ITALIAN = ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"]
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
CZECH = [
    "ledna",
    "února",
    "března",
    "dubna",
    "května",
    "června",
    "července",
    "srpna",
    "září",
    "října",
    "listopadu",
    "prosince",
]


def recognised(cells, **options):
    frame = options.pop("beside", None)
    others = Beside([] if frame is None else [RawColumn("data.csv", frame[name]) for name in frame])
    return recognise(RawColumn("data.csv", pd.Series(cells, name="x"), ColumnWish(**options), others))


def parsed(column, cells):
    return KINDS[column.kind].parse(column, pd.Series(cells, name="x"))


def moments_of(column, cells):
    return (pd.Timestamp("1970-01-01") + pd.to_timedelta(parsed(column, cells)["days"], unit="D")).round("s").tolist()


def often(word, cells=tuple(ISO), share=0.25):
    cells, places = list(cells), RANDOM.permutation(ROWS)[: int(share * ROWS)]
    for place in places:
        cells[place] = word
    return cells, places


# -- days without a year -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda day: f"{day:%b} {day.day}",
        lambda day: f"{day:%d-%b}",
        lambda day: f"{day:%B} {day.day}th",
        lambda day: f"{day.day}. {GERMAN[day.month - 1]}",
        lambda day: f"{day.day} {ITALIAN[day.month - 1]}",
        lambda day: f"{day.day}. {CZECH[day.month - 1]}",
        lambda day: f"{day:%d.%m.}",
        lambda day: f"--{day:%m-%d}",
        lambda day: f"{day.month}月{day.day}日",
    ],
)
def test_a_day_without_a_year_comes_again_every_year(write):
    cells = [write(day) for day in DAYS]
    found = recognised(cells)
    assert found.column.kind is ColumnKind.DATETIME
    assert "days without a year" in str(found.notes[0])
    assert moments_of(found.column, cells) == EVERY_YEAR
    # it has no weekday
    assert not parsed(found.column, cells)["day_of_week"].any()
    assert read_column(found.column.to_json()) == found.column
    back = KINDS[found.column.kind].json_values(found.column, pd.Series(cells))
    assert moments_of(found.column, back) == EVERY_YEAR


@pytest.mark.parametrize("low", [13, 1])
def test_numbers_up_to_31_behind_a_month_are_days_aloud(low):
    cells = [f"{day:%b} {low + (31 - low + day.day) % (29 - low):02}" for day in DAYS]
    cells[:3] = ["May 30", "Jan 31", f"Jun {low:02}"]
    found = recognised(cells)
    assert found.column.notation.yearless
    assert found.notes[0].option == "--date-format 'x=%b %y' reads months of a year"
    assert not recognised(cells, date_format="%b %y").column.notation.yearless


@pytest.mark.parametrize("form", ["%b-%y", "%b '%y", "%b %y"])
def test_months_of_a_few_years_need_no_word(form):
    found = recognised([day.strftime(form) for day in DAYS])
    assert not found.column.notation.yearless
    assert found.notes == ()


def test_other_columns_say_whether_it_is_a_year():
    cells = [f"{day:%b %y}" for day in DAYS[:12]]
    years, none = pd.Series(ISO[:12]), pd.Series(["1985-03-04", "1991-05-06"] * 6)
    assert not recognised(cells, beside=pd.DataFrame({"x": cells, "o": years})).column.notation.yearless
    assert recognised(cells, beside=pd.DataFrame({"x": cells, "o": none})).column.notation.yearless


@pytest.mark.parametrize(
    "cells",
    [[f"Set {number}" for number in range(1, 13)], ["SEP2", "MAR1", "DEC1", "SEP9"], ["1.1.", "1.2.", "2.3.", "12.4."]],
)
def test_sets_genes_and_sections_are_no_days(cells):
    found = recognised(cells * 5)
    assert found.column.kind is not ColumnKind.DATETIME


def test_a_format_without_a_year_is_followed():
    cells = [f"{day:%d/%m}" for day in DAYS]
    column = recognised(cells, date_format="%d/%m").column
    assert moments_of(column, cells) == EVERY_YEAR
    assert moments_of(column, ["29/02"]) == [datetime(2000, 2, 29)]
    with pytest.raises(InvalidValueError, match="'31/04' is not a date as %d/%m"):
        parsed(column, ["31/04"])


# -- where there is no date --------------------------------------------------------------------------------------------

EVERYWHERE = ["-", "—", "0000-00-00", "1900-01-00", "00.00.0000", "0/0/0000", "TBD", "unknown", "#N/A", "NaT", "n.d."]


@pytest.mark.parametrize("word", [*EVERYWHERE, "open", "ongoing", "Today", "not yet", "laufend", "0001-01-01"])
def test_a_quarter_of_placeholders_is_missing_and_counted(word):
    cells, places = often(word)
    found = recognised(cells)
    assert found.column.kind is ColumnKind.DATETIME
    assert np.flatnonzero(np.isnan(parsed(found.column, cells)["days"])).tolist() == sorted(places)
    if word not in ("#N/A", "NaT"):
        assert f"in 40 rows texts that are none: '{word}' (40): they are missing values" in str(found.notes[0])
    if word in EVERYWHERE:
        # what stands for nothing everywhere is no notation of a column
        assert found.column == recognised(ISO).column


@pytest.mark.parametrize(("word", "share"), [("-", 0.6), ("open", 0.6), ("see file", 0.3)])
def test_too_many_are_a_category_aloud_and_the_option_is_obeyed(word, share):
    cells, places = often(word, share=share)
    found = recognised(cells)
    assert found.column is None or found.column.kind is ColumnKind.CATEGORICAL
    assert f"'{word}', and more than" in str(found.notes[0])
    assert found.notes[0].option.startswith("--date 'x' reads dates")
    column = recognised(cells, kind="datetime").column
    assert np.isnan(parsed(column, cells)["days"]).sum() == len(places)


def test_a_few_dates_beside_missing_ones_are_dates():
    found = recognised(["2023-01-02", "NaT"] * 20 + ["2023-05-06"] * 5)
    assert found.column == Column("x", ColumnKind.DATETIME, "ISO8601")


def test_what_cannot_be_dates_is_refused_in_a_sentence():
    with pytest.raises(DataError, match=r"cannot be read as dates: 400 different cells are no dates, such as 'word 0'"):
        recognised([*ISO, *(f"word {number}" for number in range(400))], kind="datetime")
    with pytest.raises(DataError, match=r"cannot be read as dates: row 1, column 'x': 1 is not a date"):
        recognised([1, 2, 3], kind="datetime")
    with pytest.raises(DataError, match=r"'31/02/2024' is not a date as %d/%m/%Y"):
        recognised([*(day.strftime("%d/%m/%Y") for day in DAYS), "-", "31/02/2024"], date_format="%d/%m/%Y")


def test_words_are_missing_where_a_format_is_given():
    cells, places = often("-", [day.strftime("%d/%m/%Y") for day in DAYS])
    cells[places[0]] = "Open"
    found = recognised(cells, date_format="%d/%m/%Y")
    assert "'-' (39), 'Open' (1)" in str(found.notes[0])
    assert np.isnan(parsed(found.column, cells)["days"]).sum() == len(places)


@pytest.mark.parametrize("write", [lambda day: day.strftime("%Y%m%d"), lambda day: str(int(day.timestamp()))])
def test_zeros_among_dates_that_are_numbers_are_missing(write):
    cells, places = often("0", [write(day) for day in DAYS])
    for found_in in (cells, list(map(int, cells))):
        found = recognised(found_in)
        assert found.column.kind is ColumnKind.DATETIME
        assert "'0' (40)" in str(found.notes[1])
        assert np.flatnonzero(np.isnan(parsed(found.column, found_in)["days"])).tolist() == sorted(places)


def test_numbers_that_are_dates_may_have_the_point_of_a_frame_with_missing_ones(tmp_path):
    frame = pd.DataFrame({"x": [float(day.strftime("%Y%m%d")) for day in DAYS], "y": ["a", "b"] * (ROWS // 2)})
    frame.loc[::7, "x"] = np.nan
    frame.to_csv(tmp_path / "rows.csv", index=False)
    datasets = [open_dataset(source, DataOptions(target="y")) for source in (frame, tmp_path / "rows.csv")]
    assert np.array_equal(datasets[0].train.inputs["numeric"], datasets[1].train.inputs["numeric"])
    (column,) = datasets[1].schema.columns
    assert column.kind is ColumnKind.DATETIME
    assert parsed(column, ["20240131.0", "20240131", 20240131.0])["day"].tolist() == [31, 31, 31]
    with pytest.raises(InvalidValueError):
        parsed(column, ["20240131.5"])


@pytest.mark.parametrize("end", ["9999-12-31", "2999-12-31", "9999-12-31 23:59:59"])
def test_an_end_that_never_comes_is_missing_aloud_in_files_and_frames(tmp_path, end):
    cells, places = often(end)
    frame = pd.DataFrame({"x": pd.to_datetime(cells, format="ISO8601").astype("M8[us]"), "y": ["a", "b"] * (ROWS // 2)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    sources = [frame, tmp_path / "rows.csv", tmp_path / "rows.parquet"]
    datasets = [open_dataset(source, DataOptions(target="y")) for source in sources]
    assert len({str(dataset.schema.to_json()) for dataset in datasets}) == 1
    assert all("dates far from all others" in str(dataset.notes[0]) for dataset in datasets)
    (column,) = datasets[0].schema.columns
    for rows in (frame, load_table(tmp_path / "rows.csv").frame):
        assert np.flatnonzero(np.isnan(KINDS[column.kind].parse(column, rows["x"])["days"])).tolist() == sorted(places)
    # however it is written
    assert np.isnan(parsed(column, [end.replace(" ", "T")])["days"]).all()
    kept = recognised(cells, values=(end.replace(" ", "T"),))
    assert (kept.column.notation, kept.notes) == (None, ())


def test_the_first_day_of_a_program_is_said():
    cells, _ = often("1900-01-01")
    found = recognised(cells)
    assert found.column.notation is None
    assert found.notes[0].option == "--na 'x=1900-01-01' reads it as a missing value"
    assert np.isnan(parsed(recognised(cells, missing=("1900-01-01",)).column, cells)["days"]).sum() == ROWS // 4
    # as are births, of which each is another
    born = [f"{1900 + number}-01-01" for number in range(80)]
    assert recognised(born).notes == ()


def test_numbers_of_excel_among_dates_are_read_aloud():
    for form, share in (("%d/%m/%Y", 0.1), ("%m/%d/%Y", 0.4)):
        cells = [day.strftime(form) for day in DAYS]
        for place in RANDOM.permutation(ROWS)[: int(share * ROWS)]:
            cells[place] = str((DAYS[place] - datetime(1899, 12, 30)).days)
        found = recognised(cells)
        assert moments_of(found.column, cells) == DAYS
        assert "read as days that Excel counts" in str(found.notes[-1])
        back = KINDS[found.column.kind].json_values(found.column, pd.Series(cells))
        assert moments_of(found.column, back) == DAYS
    assert recognised(RANDOM.integers(44_000, 46_000, ROWS)).column.kind is ColumnKind.NUMERIC


def test_days_of_excel_need_a_name_or_the_word_of_the_user():
    cells = RANDOM.integers(44_000, 46_000, ROWS).tolist()
    expected = [datetime(1899, 12, 30) + timedelta(days=cell) for cell in cells]
    found = recognise(RawColumn("data.csv", pd.Series(cells, name="order_date")))
    assert moments_of(found.column, cells) == expected
    assert found.notes[0].option == "--numeric 'order_date' keeps the numbers"
    assert moments_of(recognised(cells, kind="datetime").column, cells) == expected


@pytest.mark.parametrize(("form", "option"), [("%d/%m", "%d/%m"), ("%m-%d", "%m-%d"), ("%Y-%j", "%Y-%j")])
def test_what_is_not_read_as_a_date_but_could_be_is_said(form, option):
    cells = [day.strftime(form) for day in DAYS]
    found = recognised(cells)
    assert found.column is None or found.column.kind is ColumnKind.CATEGORICAL
    assert found.notes[0].option.startswith(f"--date-format 'x={option}' reads")
    expected = DAYS if "%Y" in form else EVERY_YEAR
    assert moments_of(recognised(cells, date_format=option).column, cells) == expected


@pytest.mark.parametrize("cells", [["1/2", "3/4", "5/8"], ["120/80", "140/95"], ["2023-001", "2023-020"]])
def test_what_can_be_no_date_is_not_said(cells):
    assert not any("date-format" in str(note) for note in recognised(cells * 20).notes)


def test_a_date_long_after_all_others_is_said():
    cells, _ = often("2099-12-31")
    assert recognised(cells).notes[0].option == "--na 'x=2099-12-31' reads it as a missing value"
    assert recognised([f"{2030 + number}-12-31" for number in range(60)]).notes == ()


# -- other forms -------------------------------------------------------------------------------------------------------

FORMS = {
    "weeks": (lambda day: "{}-W{:02}-{}".format(*day.isocalendar()), lambda day: day),
    "weeks in German": (
        lambda day: f"KW {day.isocalendar()[1]}/{day.isocalendar()[0]}",
        lambda day: day - timedelta(days=day.weekday()),
    ),
    "Japanese": (lambda day: f"{day.year}年{day.month}月{day.day}日", lambda day: day),
    "Korean": (lambda day: f"{day.year}. {day.month:02}. {day.day:02}.", lambda day: day),
    "Italian": (lambda day: f"{day.day} {ITALIAN[day.month - 1]} {day.year}", lambda day: day),
    "Czech": (lambda day: f"{day.day}. {CZECH[day.month - 1]} {day.year}", lambda day: day),
    "Google": (lambda day: f"{day:%Y/%m/%d} 12:00:00 AM GMT+1", lambda day: day - timedelta(hours=1)),
    "JSON": (lambda day: f"/Date({int((day - datetime(1970, 1, 1)).total_seconds()) * 1000})/", lambda day: day),
    "web servers": (lambda day: f"[{day:%d/%b/%Y}:10:30:00 +0100]", lambda day: day + timedelta(hours=9.5)),
    "half of a web server's": (lambda day: f"[{day:%d/%b/%Y}:10:30:00", lambda day: day + timedelta(hours=10.5)),
    "Java": (lambda day: f"{day:%Y-%m-%d}T10:30+01:00[Etc/GMT-1]", lambda day: day + timedelta(hours=9.5)),
    "Kibana": (lambda day: f"{day:%b} {day.day}, {day.year} @ 12:00:00.000", lambda day: day + timedelta(hours=12)),
    "quarters": (
        lambda day: f"{(day.month + 2) // 3}Q{day:%y}",
        lambda day: datetime(day.year, (day.month + 2) // 3 * 3 - 2, 1),
    ),
    "half years": (
        lambda day: f"{day.year}-H{(day.month + 5) // 6}",
        lambda day: datetime(day.year, 1 + 6 * (day.month > 6), 1),
    ),
    "fiscal years": (lambda day: f"FY{day.year}", lambda day: datetime(day.year, 1, 1)),
    "the end of the day": (lambda day: f"{day:%Y-%m-%d} 24:00", lambda day: day + timedelta(days=1)),
    "Spanish with a time": (lambda day: f"{day:%d/%m/%Y} a las 10:30", lambda day: day + timedelta(hours=10.5)),
}


@pytest.mark.parametrize("name", FORMS)
def test_other_forms_are_read_and_written_back(name):
    write, expected = FORMS[name]
    cells = [write(day) for day in DAYS]
    found = recognised(cells)
    assert moments_of(found.column, cells) == [expected(day) for day in DAYS]
    assert bool(found.notes) == (name == "fiscal years")
    assert read_column(found.column.to_json()) == found.column
    back = KINDS[found.column.kind].json_values(found.column, pd.Series(cells))
    assert moments_of(found.column, back) == [expected(day) for day in DAYS]


@pytest.mark.parametrize("text", ["2023-W54", "2023-W00-1", "2021-W53-1", "Q5 2023", "2023-H3", "2023年13月1日"])
def test_weeks_and_quarters_that_no_year_has_are_refused(text):
    column = recognised([FORMS["Japanese"][0](day) for day in DAYS]).column
    with pytest.raises(InvalidValueError, match="is not a date"):
        parsed(column, [text])


# -- everywhere alike --------------------------------------------------------------------------------------------------


def test_cells_of_requests_are_read_as_frames_are():
    frame = pd.DataFrame(
        {
            "every year": [f"{day:%b} {day.day}" for day in DAYS],
            "end": often("9999-12-31")[0],
            "dash": often("-")[0],
            "excel": often("45000", [day.strftime("%d.%m.%Y") for day in DAYS])[0],
            "count": often("0", [str(int(day.timestamp())) for day in DAYS])[0],
            "term": RANDOM.choice(["3M", "6M", "1Y"], ROWS),
            "shift": often("-", [f"{day.day % 24:02}:{day.month:02}" for day in DAYS])[0],
            "label": np.where([day.month > 6 for day in DAYS], "late", "early"),
        }
    )
    dataset = open_dataset(frame, DataOptions(target="label"))
    frame = frame.drop(columns="label")
    expected = dataset.encoder.transform(dataset.schema, frame).arrays
    cells = {name: frame[name].tolist() for name in frame}
    encoder = ColumnarEncoder(dataset.schema, dataset.encoder)
    for _ in range(2):
        found = encoder.encode(cells, len(frame)).arrays
        assert all((values == found[name]).all() for name, values in expected.items())
