"""Times of the day, durations, and pairs of numbers that are neither."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.clock_notation import DurationNotation
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, Schema, load_table, open_dataset
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, ColumnKind, read_column, recognise

RANDOM = np.random.default_rng(7)
ROWS = 120
MONTH, YEAR, DAY = 2_629_746, 31_556_952, 86_400


def numbers(low, high):
    return RANDOM.integers(low, high, ROWS).tolist()


def recognised(cells, name="x", **options):
    return recognise(RawColumn("data.csv", pd.Series(cells, name=name), ColumnWish(**options)))


def seconds(column, cells):
    found = KINDS[column.kind].parse(column, pd.Series(cells, name="x"))
    return found["seconds" if column.kind is ColumnKind.TIME_OF_DAY else None].tolist()


@pytest.mark.parametrize(
    "cells",
    [
        [f"{one}:{other}" for one, other in zip(numbers(15, 26), numbers(15, 26), strict=True)],
        [f"{one}:{other}" for one, other in zip(numbers(12, 24), numbers(12, 24), strict=True)],
        [f"{one:02}:{other:02}" for one, other in zip(numbers(0, 24), numbers(0, 24), strict=True)],
        ["25:21", "18:25", "23:26", "20:22"] * 10,
        ["16:10", "21:12", "32:11", "14:12"] * 10,
    ],
)
def test_scores_and_ratios_are_categories_aloud(cells):
    found = recognised(cells)
    assert found.column.kind is ColumnKind.CATEGORICAL
    assert "look like scores or ratios (--" in str(found.notes[0])
    kind = "time_of_day" if "--time-of-day" in found.notes[0].option else "duration"
    assert recognised(cells, kind=kind).column.kind == kind


@pytest.mark.parametrize("cells", [["16:9", "4:3", "21:9", "1:1"], ["3:1", "10:1", "5:2"], ["3:16", "12:4", "1:1"]])
def test_numbers_of_one_digit_behind_a_colon_are_no_times(cells):
    assert recognised(cells * 9).column.kind is ColumnKind.CATEGORICAL


@pytest.mark.parametrize(
    ("cells", "kind", "word"),
    [
        (["06:00", "14:00", "22:30"] * 9, "time_of_day", None),
        ([f"{hour}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)], "time_of_day", None),
        (["9:15", "12:45", "17:30"] * 9, "time_of_day", "scores"),
        ([f"{hour:02}:{minute}" for hour in range(24) for minute in (15, 45)], "time_of_day", "scores"),
        (["24:00", "08:00", "12:30"] * 9, "time_of_day", None),
        (["4:03", "21:09", "16:09"] * 9, "time_of_day", "ratios"),
        (["12:05", "75:00", "30:40"] * 9, "duration", "minutes and seconds"),
        (["70:30", "80:20", "50:50"] * 9, "categorical", "scores"),
        ([f"{n % 9 + 1}:{n % 60:02} h" for n in range(60)], "time_of_day", "duration"),
        (["20.15 Uhr", "8.30 Uhr", "17.05 Uhr"] * 9, "time_of_day", None),
        (["-0:54", "0:12", "1:45"] * 9, "duration", "minutes and seconds"),
        (["1h17", "2h05", "0h45"] * 9, "duration", "time of the day"),
        (["08h30", "14h15", "20h00"] * 9, "time_of_day", None),
        (["1h17", "45min", "2h"] * 9, "duration", None),
    ],
)
def test_what_stays_open_is_said(cells, kind, word):
    found = recognised(cells)
    assert found.column.kind == kind
    assert (word in str(found.notes[0])) if word is not None else found.notes == ()


def test_the_user_says_what_is_first():
    cells = ["24:47", "39:03", "20:26"]
    assert seconds(recognised(cells, kind="duration").column, cells)[0] == 24 * 3600 + 47 * 60
    column = recognised(cells, kind="duration", date_format="%M:%S").column
    assert seconds(column, cells) == [24 * 60 + 47, 39 * 60 + 3, 20 * 60 + 26]
    assert read_column(column.to_json()) == column
    with pytest.raises(DataError, match=r"--date-format 'x=%S': durations are written as %H:%M or %M:%S"):
        recognised(cells, kind="duration", date_format="%S")


@pytest.mark.parametrize("zone", ["+02:00", "-05:00", "Z", " CET", " UTC+1"])
def test_times_with_an_offset_are_the_local_times(zone):
    cells = [f"{place % 24:02}:{place * 7 % 60:02}{zone}" for place in range(ROWS)]
    found = recognised(cells)
    assert found.column.kind is ColumnKind.TIME_OF_DAY and not found.notes
    assert seconds(found.column, cells[1:3]) == [3600 + 420, 7200 + 840]


def test_times_with_different_offsets_are_said():
    cells = [f"{place % 24:02}:{place * 7 % 60:02}{'+02:00' if place % 2 else 'Z'}" for place in range(ROWS)]
    assert "has times with different offsets ('z', '+02:00'): read as the local" in str(recognised(cells).notes[0])


def test_the_end_of_the_day_is_a_time():
    column = recognised(["24:00", "08:00", "12:30"] * 9).column
    found = KINDS[column.kind].parse(column, pd.Series(["24:00"], name="x"))
    assert (found["seconds"][0], found["time_of_day_cos"][0]) == (DAY, 1)
    with pytest.raises(InvalidValueError, match="'24:01' is not a time of the day"):
        seconds(column, ["24:01"])


@pytest.mark.parametrize("word", ["-", "unknown", "n.d."])
def test_placeholders_among_times_are_missing_and_counted(word):
    for cells in (["06:00", "14:05", "22:30", word] * 9, ["1:02:03", "30:00:59", "4:05:06", word] * 9):
        found = recognised(cells)
        assert "in 9 rows texts that are none" in str(found.notes[-1])
        assert np.isnan(seconds(found.column, cells)).sum() == 9
    many = recognised(["06:00", "14:05", word, word, word] * 9)
    assert many.column.kind is ColumnKind.CATEGORICAL
    assert "60 % of its cells stand for a missing value" in str(many.notes[0])


@pytest.mark.parametrize(
    ("text", "expected", "beside"),
    [
        ("3:59.122", 239.122, ["4:01.5", "3:07"]),
        ("2 yrs 3 mos", 2 * YEAR + 3 * MONTH, ["10 mos", "1 yr"]),
        ("2y 3m", 2 * YEAR + 3 * MONTH, ["10m", "1y"]),
        ("5 Jahre, 1 Monat", 5 * YEAR + MONTH, ["3 Monate", "2 Jahre"]),
        ("3 years and 2 months", 3 * YEAR + 2 * MONTH, ["1 month", "2 years"]),
        ("4 mons 2 days", 4 * MONTH + 2 * DAY, ["3 mons 1 day", "9 mons 8 days"]),
        ("P1Y2M3D", YEAR + 2 * MONTH + 3 * DAY, ["P2Y", "P10M"]),
        ("P3DT4H", 3 * DAY + 4 * 3600, ["PT30M", "P2W"]),
        ("1 day 02:03:04", DAY + 7384, ["2 days 00:00:01", "00:00:09"]),
        ("6M", 6 * MONTH, ["12M", "3M"]),
        ("1Y", YEAR, ["3M", "6M"]),
        ("1W", 7 * DAY, ["1M", "2Y"]),
        ("1h", 3600, ["30m", "45m"]),
        ("90m", 5400, ["2h", "1d"]),
    ],
)
def test_units_of_durations(text, expected, beside):
    cells = [text, *beside] * 7
    found = recognised(cells)
    assert found.column.kind is ColumnKind.DURATION
    assert seconds(found.column, cells)[0] == expected
    assert read_column(found.column.to_json()) == found.column
    back = KINDS[found.column.kind].json_values(found.column, pd.Series(cells))
    assert seconds(found.column, back) == seconds(found.column, cells)
    # few rows and many are read alike
    assert recognised(cells[:3]).column == recognised(cells * 40).column == found.column


def test_what_an_m_is_is_said():
    terms = recognised(["3M", "6M", "12M"] * 9)
    assert "an M as a month (--numeric 'x' reads numbers)" in str(terms.notes[0])
    assert recognised(["3M", "6M", "12M"] * 9, kind="numeric").column.kind is ColumnKind.NUMERIC
    assert recognised(["1M", "2M", "5M", "10M"] * 9).column.kind is ColumnKind.NUMERIC
    assert recognised(["1M", "2M", "24M"] * 9, name="loan_term").column.kind is ColumnKind.DURATION
    assert recognised([f"{number / 10}M" for number in range(10, 90)]).column.kind is ColumnKind.NUMERIC
    assert recognised(["S", "M", "L", "3XL"] * 9).column.kind is ColumnKind.CATEGORICAL


@pytest.mark.parametrize("unit", ["months", "min", "weeks", "ms", "h"])
def test_numbers_of_one_unit_stay_numbers(unit):
    assert recognised([f"{number} {unit}" for number in numbers(1, 90)]).column.kind is ColumnKind.NUMERIC


# -- as the target -----------------------------------------------------------------------------------------------------


def table(target):
    return pd.DataFrame({"x": RANDOM.normal(size=ROWS), "y": target})


def test_the_seconds_of_durations_are_predicted_aloud_wherever_they_are(tmp_path):
    lengths = pd.to_timedelta(numbers(0, 90_000), unit="s")
    frame = table(lengths)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "folder").mkdir()
    frame.to_parquet(tmp_path / "folder" / "part.parquet", row_group_size=40)
    sources = [frame, tmp_path / "rows.csv", tmp_path / "rows.parquet", tmp_path / "folder"]
    datasets = [open_dataset(source, DataOptions(target="y")) for source in sources]
    assert len({str(dataset.schema.to_json()) for dataset in datasets}) == 1
    target = datasets[0].schema.target
    assert (target.task.kind, target.notation) == ("regression", DurationNotation())
    assert Schema.from_json(datasets[0].schema.to_json()) == datasets[0].schema
    assert all("their seconds are predicted" in str(dataset.notes) for dataset in datasets)
    seconds = lengths.total_seconds().to_numpy()
    for source in sources[1:3]:
        assert target.plain(load_table(source).frame["y"]).tolist() == seconds.tolist()
    rows = np.concatenate([part.target for part in (datasets[0].train, datasets[0].validation, datasets[0].test)])
    encoder = datasets[0].target_encoder
    found = rows.astype(np.float64) * encoder.std + encoder.mean
    assert np.allclose(np.sort(found), np.sort(seconds), atol=0.1)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([f"{n // 60}h {n % 60}m" for n in range(70, 190)], "'1h 10m' as 4200"),
        ([f"{n // 60}:{n % 60:02}:30" for n in range(70, 190)], "'1:10:30' as 4230"),
        ([*["-"] * 3, *(f"PT{n}M" for n in range(70, 187))], "'PT70M' as 4200"),
        ([f"{20 + n}:{n % 60:02}" for n in range(120)], "'20:00' as 72000"),
    ],
)
def test_it_is_said_what_is_predicted_of_a_duration(cells, expected):
    dataset = open_dataset(table(cells), DataOptions(target="y"))
    assert dataset.schema.target.task.kind == "regression"
    assert expected in str(dataset.notes)
    assert (
        open_dataset(table(cells), DataOptions(target="y", task="multiclass")).schema.target.task.kind == "multiclass"
    )


def test_few_durations_and_few_dates_are_classes():
    for cells in (["1h", "30m", "2h 10m"] * 40, ["2024-01-01", "2024-05-01", "2024-09-01"] * 40):
        assert open_dataset(table(cells), DataOptions(target="y")).schema.target.task.kind == "multiclass"


DAYS = pd.date_range("2020-01-01", periods=ROWS).to_series(index=range(ROWS))


@pytest.mark.parametrize("task", [None, "regression"])
@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (DAYS, "dates, which .* the days from a fixed date"),
        (DAYS.dt.strftime("%d.%m.%Y"), "dates"),
        (DAYS.dt.strftime("%d-%b-%Y").where(DAYS.dt.day > 5, "-"), "dates"),
        ([f"{n % 24:02}:{n % 60:02}" for n in range(ROWS)], "times of the day, which .* the minutes since midnight"),
    ],
)
def test_dates_and_times_are_refused_as_targets_in_a_sentence(task, cells, what):
    with pytest.raises(DataError, match=f"the target column 'y' has {what}"):
        open_dataset(table(cells), DataOptions(target="y", task=task))
