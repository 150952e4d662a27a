"""Cells among numbers that mean something else: words for true and false, codes, sentinels, the other decimal mark."""

import json

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.rows_wish import RowsWish
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import ColumnarEncoder, DataOptions, load_table, open_dataset
from orchestrator.data.guessing import guess_schema
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind

ROWS = 80
RAIN = [f"{value:.1f}" for value in np.random.default_rng(7).gamma(1, 8, ROWS)]
GRADES = [str(value) for value in np.random.default_rng(8).integers(40, 100, ROWS)]


def guessed(cells, target="y", **wishes):
    frame = pd.DataFrame(
        {"base": np.linspace(0, 1, len(cells)), "x": cells, "y": (["a", "b"] * len(cells))[: len(cells)]}
    )
    columns = {"x": ColumnWish(**wishes)} if wishes else {}
    found = guess_schema(load_table(frame), DataOptions(target=target, columns=columns))
    column = {column.name: column for column in found.schema.columns}.get("x", found.schema.target)
    return column, [str(note) for note in found.notes if note.column == "x"]


def numbers_of(column, cells):
    return KINDS[column.kind].parse(column, pd.Series(cells, name="x"))[None]


def every(step, word, cells):
    """Every so many cells, a word instead."""
    return [word if place % step == 0 else cell for place, cell in enumerate(cells)]


# -- words for true and false ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "cells"),
    [("T", RAIN), ("F", GRADES), ("TRUE", GRADES), ("false", RAIN), (" t ", [f"{x} mm" for x in RAIN])],
)
def test_a_word_for_true_or_false_among_numbers_is_no_number(word, cells):
    column, notes = guessed(every(10, word, cells))
    assert column.kind is ColumnKind.NUMERIC
    assert f"has '{word}' (8) among its numbers" in notes[-1]
    assert "count as missing" in notes[-1]
    assert np.isnan(numbers_of(column, [word.lower()])).all()
    for plain in (guessed(cells)[0], Column("x", ColumnKind.NUMERIC)):
        with pytest.raises(InvalidValueError, match="is not a number"):
            numbers_of(plain, [word])


def test_a_target_has_no_row_for_such_a_word():
    target, notes = guessed(every(10, "F", RAIN), "x")
    assert target.task.kind == "regression"
    assert "these rows are left out" in notes[-1]
    target, _ = guessed((["F", "70", "80", "95", "88"] * ROWS)[:ROWS], "x")
    assert target.classes == ("70", "80", "88", "95", "F")


@pytest.mark.parametrize("cells", [["T", "F", "F"], ["TRUE", "0", "1"], ["t", "f", "1"], [True, False, "true"]])
def test_true_and_false_alone_or_with_their_numbers_are_as_they_were(cells):
    column, notes = guessed((cells * ROWS)[:ROWS])
    assert (column, notes) == (Column("x", ColumnKind.BOOLEAN), [])
    assert numbers_of(column, ["T", "false", "0", 1, True, None]).tolist()[:5] == [1, 0, 0, 1, 1]


def test_requests_meet_the_same_words(tmp_path):
    frame = pd.DataFrame({"rain": RAIN, "flag": ["T", "F"] * (ROWS // 2), "y": ["a", "b"] * (ROWS // 2)})
    found = open_dataset(frame, DataOptions(target="y"))
    encoder = ColumnarEncoder(found.schema, found.encoder)
    cells = {"rain": ["5.0", 3, 2.5, None], "flag": ["false", "t", 1, True]}
    wanted = encoder.transform(pd.DataFrame({name: pd.Series(some, dtype=object) for name, some in cells.items()}))
    assert np.array_equal(encoder.encode(cells, 4)["numeric"], wanted["numeric"])
    with pytest.raises(InvalidValueError, match="row 1, column 'rain': 'True' is not a number"):
        encoder.encode({"rain": [True], "flag": ["T"]}, 1)
    with pytest.raises(InvalidValueError, match="row 1, column 'rain': 'T' is not a number"):
        encoder.encode({"rain": ["T"], "flag": ["T"]}, 1)


# -- codes that lost their zeros ---------------------------------------------------------------------------------------

PLACES = (["01067", "04109", "10115", "80331", "99084"] * ROWS)[:ROWS]


def test_a_code_that_lost_its_zeros_is_the_same_code(tmp_path):
    frame = pd.DataFrame({"place": PLACES, "base": np.arange(ROWS) * 0.5, "y": (["a", "b", "b"] * ROWS)[:ROWS]})
    found = open_dataset(frame, DataOptions(target="y"))
    assert any("later cells such as 1067 as 01067" in str(note) for note in found.notes)
    schema = type(found.schema).from_json(json.loads(json.dumps(found.schema.to_json())))
    assert schema == found.schema
    right = found.encoder.transform(schema, frame)["categorical"]
    numbers = frame.assign(place=frame["place"].astype(int))
    numbers.to_csv(tmp_path / "rows.csv")
    for other in (
        numbers,
        numbers.astype({"place": float}),
        numbers.astype({"place": float}).astype({"place": str}),
        pd.read_csv(tmp_path / "rows.csv"),
    ):
        assert np.array_equal(found.encoder.transform(schema, other)["categorical"], right)
    rows = {name: numbers[name].tolist() for name in ("place", "base")}
    assert np.array_equal(ColumnarEncoder(schema, found.encoder).encode(rows, ROWS)["categorical"], right)
    numbers.assign(base=numbers["base"] + 0.2).to_csv(tmp_path / "test.csv", index=False)
    tested = open_dataset(frame, DataOptions(target="y", rows=RowsWish(test=str(tmp_path / "test.csv"))))
    assert np.array_equal(tested.test.inputs["categorical"], right)


@pytest.mark.parametrize(
    "cells", [["7", "07", "007", "12"], ["12", "34", "56"], ["0101.21", "0201.30"], ["a", "01", "1"]]
)
def test_codes_of_several_lengths_stay_as_they_are(cells):
    column, _ = guessed(((*cells, cells[0]) * ROWS)[:ROWS], kind="categorical")
    parsed = KINDS[column.kind].parse(column, pd.Series(["1", "7", "003", "7.5"]))
    assert parsed.keys == ["1", "7", "003", "7.5"]


def test_a_target_of_codes_meets_shorter_ones():
    target, _ = guessed(PLACES, "x")
    assert target.classes == ("01067", "04109", "10115", "80331", "99084")
    assert target.plain(pd.Series([1067, 4109.0, 99084])).tolist() == ["01067", "04109", "99084"]


# -- words that are too many, and points between thousands -------------------------------------------------------------


@pytest.mark.parametrize("word", ["-", "--", "ND", "k.A."])
@pytest.mark.parametrize("number", ["12.34", "345", "€ 4000"])
def test_numbers_among_too_many_placeholders_are_said(word, number):
    cells = [word if place % 5 else number.replace("4", str(1 + place // 5)) for place in range(ROWS)]
    column, notes = guessed(cells)
    assert column.kind is ColumnKind.CATEGORICAL
    assert f"80 % of its cells are words that stand for a missing value, such as '{word}'" in notes[0]
    assert "--numeric 'x' reads numbers" in notes[0]
    assert guessed(cells, kind="numeric")[0].kind is ColumnKind.NUMERIC
    target, notes = guessed(cells, "x")
    assert target.task.kind == "multiclass"
    assert f"(--na 'x={word}' --task regression leaves such rows out and predicts numbers)" in notes[0]
    frame = pd.DataFrame({"base": np.arange(ROWS), "x": cells})
    wish = DataOptions(target="x", task="regression", columns={"x": ColumnWish(missing=(word,))})
    assert guess_schema(load_table(frame), wish).schema.target.task.kind == "regression"


THOUSANDS = [f"{1 + place % 9}.{100 + place * 7 % 900}" for place in range(ROWS)]


@pytest.mark.parametrize(
    "cells",
    [
        THOUSANDS,
        [cell if place % 3 == 0 else str(100 + place * 11 % 900) for place, cell in enumerate(THOUSANDS)],
        every(60, "4.117", [str(100 + place * 11 % 900) for place in range(ROWS)]),
        (["12.000", "12.500", "9.250", "11.750"] * ROWS)[:ROWS],
    ],
)
def test_points_that_may_stand_between_thousands_are_said(cells, tmp_path):
    frame = pd.DataFrame({"base": np.arange(ROWS), "x": cells, "y": (["a", "b", "b"] * ROWS)[:ROWS]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for target in ("x", "y"):
        found = guess_schema(load_table(tmp_path / "rows.csv"), DataOptions(target=target))
        (note,) = [str(note) for note in found.notes if note.column == "x"]
        assert "and no cell says which: read as" in note
        assert "(--decimal 'x=,' reads" in note
    for other in ([*cells[:-1], "4.25"], [f"0{cell}" if "." in cell else f"{cell}.5" for cell in cells]):
        assert not any("--decimal" in note for note in guessed(other)[1])


# -- both decimal marks ------------------------------------------------------------------------------------------------


def test_a_file_to_test_on_has_the_same_decimal_mark(tmp_path):
    rows = pd.DataFrame({"base": np.arange(ROWS) * 2, "x": np.arange(ROWS) / 8, "y": (["a", "b", "b"] * ROWS)[:ROWS]})
    rows.to_csv(tmp_path / "comma.csv", sep=";", decimal=",", index=False)
    rows.assign(base=rows["base"] + 1).to_csv(tmp_path / "point.csv", sep=";", index=False)
    rows.assign(base=rows["base"] + 1).to_parquet(tmp_path / "numbers.parquet")
    for data, test, other in (("comma.csv", "point.csv", "point"), ("point.csv", "comma.csv", "comma")):
        with pytest.raises(DataError, match=f"the numbers of the column 'x' have a decimal {other}, but those of"):
            open_dataset(tmp_path / data, DataOptions(target="y", rows=RowsWish(test=str(tmp_path / test))))
    found = open_dataset(
        tmp_path / "comma.csv", DataOptions(target="y", rows=RowsWish(test=str(tmp_path / "numbers.parquet")))
    )
    assert found.schema.columns[-1].kind is ColumnKind.NUMERIC


def test_both_decimal_marks_in_a_column_are_said():
    cells = [f"{place % 9}{',.'[place % 2]}5" for place in range(ROWS)]
    for target in ("x", "y"):
        notes = guessed(cells, target)[1]
        assert "some of its numbers have a decimal comma and others a point" in notes[0]


# -- numbers that stand for a missing one, and codes that look like measures -------------------------------------------


@pytest.mark.parametrize("code", ["1.797e308", "-3.4e38", "-200", "999.9", "99.99", "9999.9", "-99.9", "999.99"])
@pytest.mark.parametrize("typed", [str, float])
def test_more_numbers_that_may_stand_for_a_missing_one_are_said(code, typed):
    cells = [typed(cell) for cell in every(8, code, [str(place * 7 % 100 / 10) for place in range(ROWS)])]
    for target in ("x", "y"):
        note = guessed(cells, target)[1][-1]
        assert "in 10 rows, far from its other numbers" in note
        option = note.split("--na 'x=")[1].split("'")[0]
        assert np.isnan(numbers_of(guessed(cells, missing=(option,))[0], cells)[::8]).all()


def test_several_codes_for_missing_ones_are_said_together():
    few = [str(1 + place * 7 % 60) for place in range(ROWS)]
    note = guessed(every(10, "999", every(8, "998", every(7, "997", few))))[1][-1]
    assert note.endswith("(--na 'x=997' --na 'x=998' --na 'x=999' make them missing)")
    many = [str(1000 + place * 7 % 8000) for place in range(ROWS)]
    assert "--na 'x=99998' --na 'x=99999'" in guessed(every(10, "99999", every(8, "99998", many)))[1][-1]
    for plain in ([place * 7 % 50 * 2 + 1 for place in range(ROWS)], [90 + place * 7 % 10 for place in range(ROWS)]):
        assert guessed(list(map(str, plain)))[1] == []


def test_codes_with_points_are_categories_or_said():
    codes = ["0101.21", "0201.30", "0302.11", "0405.10", "1201.90"]
    column, notes = guessed((codes * ROWS)[:ROWS])
    assert column.kind is ColumnKind.CATEGORICAL
    assert "codes with zeros in front" in notes[0]
    column, notes = guessed([f"0{100 + place}.{place % 89 + 10}" for place in range(ROWS)])
    assert column.kind is ColumnKind.NUMERIC
    assert "zeros in front" in notes[0]


def test_barcodes_that_excel_has_shortened_are_said():
    cells = [f"4.00{600 + place % 50}E+12" for place in range(ROWS)]
    frame = pd.DataFrame({"EAN": cells, "mass": cells, "y": (["a", "b", "b"] * ROWS)[:ROWS]})
    notes = [str(note) for note in guess_schema(load_table(frame), DataOptions(target="y")).notes]
    assert ["EAN" in note and "their last digits are lost" in note for note in notes] == [True]


# -- more than a number ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    ["'{}", "'{}.5'", "{}/120", "From ${}", "{}_000", "{}/abc", "up to € {}"],
)
def test_cells_with_more_than_a_number_are_said(form):
    cells = [form.format(100 + place % 20) for place in range(ROWS)]
    column, notes = guessed(cells)
    assert column.kind is ColumnKind.CATEGORICAL
    assert f"there is more than a number in them, such as '{cells[0]}'" in notes[0]
    assert "there is more than a number in them" in guessed(cells, "x")[1][0]


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ("${}/hr", 100),
        ("£1,{} pcm", 1100),
        ("${},000/yr", 100_000),
        ("{}/month", 100),
        ("${} per night", 100),
        ("{}.5k € / Monat", 100_500),
        ("{}·5", 100.5),
    ],
)
def test_what_an_amount_is_for_stands_beside_it(form, number):
    cells = [form.format(100 + place % 20) for place in range(ROWS)]
    column, notes = guessed(cells)
    assert column.kind is ColumnKind.NUMERIC
    assert column.notation.read_cell(cells[0]) == numbers_of(column, cells)[0] == number
    assert f"'{cells[0]}'" in notes[0]


def test_amounts_for_different_things_are_said():
    cells = [f"${100 + place % 20}/{'mo' if place % 3 else 'month' if place % 2 else 'yr'}" for place in range(ROWS)]
    column, notes = guessed(cells)
    assert column.kind is ColumnKind.CATEGORICAL
    assert "its amounts are for different things (/mo, /yr)" in notes[0]
    _, notes = guessed(every(4, "$70", [f"${100 + place % 20} a month" for place in range(ROWS)]))
    assert "has 'a month' in only 75 % of its numbers: the others are read as if they had it, too" in notes[1]


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ("2024-01-{0:02} - 2024-02-{0:02}", "dates"),
        ("{0:02}.01.-{0:02}.02.2024", "dates"),
        ("Jan {0} – Mar {0}, 2024", "dates"),  # noqa: RUF001
        ("2024-01-{0:02}/2024-02-{0:02}", "dates"),
        ("0{1}:{0:02}-1{1}:30", "times"),
    ],
)
@pytest.mark.parametrize("different", [3, 80])
def test_ranges_are_called_so(form, what, different):
    cells = [form.format(1 + place % 28 % different, place * different // ROWS // 28 % 3) for place in range(ROWS)]
    _, notes = guessed(cells)
    done = "left out" if len(set(cells)) > 0.95 * ROWS else "read as categories"
    assert f"has ranges of {what}, such as '{cells[0]}', which are not read: {done}" in notes[0]


def test_bands_of_numbers_are_categories_without_a_word_and_ranges_of_many_are_said():
    assert guessed([["18-25", "26-35", "36-45"][place % 3] for place in range(ROWS)])[1] == []
    assert (
        "has ranges of numbers, such as '$10-$50'"
        in guessed([f"${10 + place}-${50 + place}" for place in range(ROWS)])[1][0]
    )


@pytest.mark.parametrize("step", [2, 40])
def test_percentages_beside_shares_are_said(step):
    shares = [f"{(1 + place % 90) / 100}" for place in range(ROWS)]
    column, notes = guessed(every(step, "50 %", shares))
    assert numbers_of(column, ["50 %", "0.5"]).tolist() == [50, 0.5]
    assert any(f"has percentages such as '50 %' beside numbers up to 1 such as '{shares[1]}'" in note for note in notes)
    for cells in (every(step, "50 %", [str(place + 1.5) for place in range(ROWS)]), every(step, "0.9 %", shares)):
        assert not any("percentages" in note for note in guessed(cells)[1])


@pytest.mark.parametrize("target", ["y", "x"])
def test_grades_of_schools_are_no_negative_numbers(target):
    column, _ = guessed(["2+", "1-", "1", "2-", "1+", "3", "2", "3-"] * (ROWS // 8), target)
    assert getattr(column, "kind", None) is ColumnKind.CATEGORICAL or "1-" in column.classes
    # as programs of accountants write signs
    assert numbers_of(guessed([f"{100 + place}{'+-'[place % 2]}" for place in range(ROWS)])[0], ["7-"]) == [-7]


@pytest.mark.parametrize("form", ["A{}", "Flat {}", "{}-X", "v{}.1", "{}/7/{}"])
def test_names_with_numbers_are_categories_without_a_word(form):
    assert guessed([form.format(100 + place % 20, place) for place in range(ROWS)])[1] in ([], [IDENTIFIER])


IDENTIFIER = (
    "column 'x' is different in almost every row, so it looks like an identifier: left out (--categorical 'x' keeps it)"
)


@pytest.mark.parametrize("form", ["${} million", "€{} EUR", "{} km/h", "12{},000"])
def test_what_is_read_as_numbers_stays_so(form):
    assert guessed([form.format(100 + place % 20) for place in range(ROWS)])[0].kind is ColumnKind.NUMERIC


@pytest.mark.parametrize("formula", ['="{}"', '"=""{}"""'])
def test_formulas_of_excel_are_their_content(tmp_path, formula):
    lines = [f"{place},{formula.format(f'0{1000 + place % 9}')},{'abb'[place % 3]}" for place in range(ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join([f"base,{formula.format('x')},y", *lines]))
    table = load_table(tmp_path / "rows.csv")
    assert list(table.frame.columns) == ["base", "x", "y"]
    assert table.frame["x"].tolist() == [f"0{1000 + place % 9}" for place in range(ROWS)]
    assert str(table.notes[-1]) == "column 'x' has formulas such as =\"01000\": read as their content"


@pytest.mark.parametrize("cent", ["{}¢", "{} ct", "{} Cents"])
@pytest.mark.parametrize("sign", ["$", "€"])
def test_cents_beside_their_currency_are_hundredths(cent, sign):
    cells = [cent.format(10 + place) if place % 3 == 0 else f"{sign}{place}.50" for place in range(ROWS)]
    column, notes = guessed(cells)
    wanted = [(10 + place) / 100 if place % 3 == 0 else place + 0.5 for place in range(ROWS)]
    assert np.allclose(numbers_of(column, cells), wanted, rtol=1e-15)
    assert [column.notation.read_cell(cell) for cell in cells] == numbers_of(column, cells).tolist()
    assert type(column.notation).from_json(json.loads(json.dumps(column.notation.to_json()))) == column.notation
    assert not any("currencies" in note for note in notes)
    assert any("read as 0.1" in note for note in notes)
    # alone, they are what is counted
    column, _ = guessed([cent.format(10 + place % 40) for place in range(ROWS)])
    assert numbers_of(column, [cent.format(39)]).tolist() == [39]
