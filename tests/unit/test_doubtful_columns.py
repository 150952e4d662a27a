"""Columns that look like something that they are not: read right or said, and never in two ways at once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.columns.number_answers import labelled_answers, several_codes
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import ColumnarEncoder, DataOptions, load_table, open_dataset
from orchestrator.data.guessing import guess_schema
from orchestrator.errors import DataError
from orchestrator.features import KINDS

ROWS = 120
BASE = np.random.default_rng(7).normal(size=ROWS).round(3)
LONG = np.random.default_rng(8).integers(10**8, 10**9, ROWS).tolist()


def cycle(*cells):
    return [cells[(5 * at + at // 7) % len(cells)] for at in range(ROWS)]


def table(cells):
    return pd.DataFrame({"base": BASE[: len(cells)], "x": cells, "y": ["a", "b"] * (len(cells) // 2)})


def guessed(cells, **wish):
    options = DataOptions(target="y", columns={"x": ColumnWish(**wish)} if wish else {})
    found = guess_schema(load_table(table(cells)), options)
    column = next((column for column in found.schema.columns if column.name == "x"), None)
    return column, [note for note in found.notes if note.column == "x"]


def said(cells, **wish):
    column, notes = guessed(cells, **wish)
    return None if column is None else str(column.kind), "\n".join(map(str, notes))


def numbers(cells, **wish):
    column, _ = guessed(cells, **wish)
    return KINDS[column.kind].parse(column, pd.Series(cells, name="x"))[None].tolist()


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    [
        (cycle("2.1", "2.10", "10.4", "1.9"), "categorical", "versions"),
        (cycle("3.1", "3.2", "3.10", "4.11", "4.2"), "categorical", "versions"),
        (cycle("7", "7.1", "7.10", "8.0"), "categorical", "versions"),
        (cycle("3E53", "1E05", "12D3"), "categorical", "digits and letters"),
        (cycle("2E2", "1E1", "2E3", "9E4"), "categorical", "digits and letters"),
        (cycle("4053", "3E53", "1205", "7E10"), "categorical", "digits and letters"),
        ([f"49{number}" for number in LONG], "numeric", "11 digits in all rows"),
        (cycle(*(str(10234567 + 7919 * place) for place in range(30))), "numeric", "8 digits in all rows"),
        (cycle("4.5", "4.50", "3.75", "2.5"), "numeric", "are the same number"),
        (cycle("100", "3E5", "2000", "4E6"), "numeric", "'3E5': read as 300000"),
    ],
)
def test_numbers_that_may_be_names_are_codes_or_said(tmp_path, cells, kind, words):
    found, sentences = said(cells)
    assert found == kind and words in sentences
    path = tmp_path / "rows.csv"
    table(cells).to_csv(path, index=False)
    in_file = open_dataset(path, DataOptions(target="y"))
    assert in_file.schema == open_dataset(table(cells), DataOptions(target="y")).schema


@pytest.mark.parametrize(
    "cells",
    [
        [f"{1 + place * 0.37:.2f}" for place in range(ROWS)],
        [str(round(1 + place * 0.37, 2)) for place in range(ROWS)],
        cycle("1.50", "2.5", "3.75", "19.99"),
        cycle("7", "7.0", "8", "9.0"),
        ["%.6e" % (1.7**place) for place in range(ROWS)],
        ["%.2E" % (1.7**place) for place in range(ROWS)],
        cycle("1E-05", "1E+02", "3E-09"),
        cycle("1e5", "20000", "5e4", "1e6"),
        [f"{number // 10}0" for number in LONG],
        [str(number // 10 ** (number % 3)) for number in LONG],
    ],
)
def test_measures_stay_numbers_without_a_word(cells):
    assert said(cells) == ("numeric", "")


def test_versions_are_classes_of_a_target():
    found = guess_schema(load_table(table(cycle("2.1", "2.10", "10.4", "1.9"))), DataOptions(target="x"))
    target = found.schema.target
    assert target.task.kind == "multiclass" and "2.10" in target.classes and "2.1" in target.classes
    assert "--task regression" in str(found.notes[0])


@pytest.mark.parametrize(
    ("cells", "numbers_of"),
    [
        (("1 - not at all", "2", "3", "4", "5 - very much"), (1, 2, 3, 4, 5)),
        (("1 \u2013 low", "2", "3 \u2013 high"), (1, 2, 3)),
        (("1 (low)", "2", "3 (neutral)", "4", "5 (high)"), (1, 2, 3, 4, 5)),
        (("0=never", "1", "2", "3=daily"), (0, 1, 2, 3)),
        (("1: low", "2", "3: high"), (1, 2, 3)),
        (("1. tr\xe8s peu", "2", "3. beaucoup"), (1, 2, 3)),
    ],
)
def test_labels_at_the_ends_of_a_scale_are_taken_off_aloud(cells, numbers_of):
    column, notes = guessed(cycle(*cells))
    assert column.kind.value == "numeric" and "numbers with labels" in str(notes[0])
    assert numbers(cycle(*cells)) == cycle(*map(float, numbers_of))
    found = open_dataset(table(cycle(*cells)), DataOptions(target="y"))
    rows = {"base": [0.0] * len(cells), "x": list(cells)}
    encoded = ColumnarEncoder(found.schema, found.encoder).encode(rows, len(cells))
    plain = ColumnarEncoder(found.schema, found.encoder).encode(rows | {"x": list(numbers_of)}, len(cells))
    assert np.array_equal(encoded["numeric"], plain["numeric"])


@pytest.mark.parametrize(
    "cells", [("1 - low", "2 - middle", "3 - high"), ("1=low", "2=middle", "3=high"), ("1. no", "2. yes", "9. other")]
)
def test_a_scale_with_labels_all_over_is_a_category_and_a_number_if_asked(cells):
    assert said(cycle(*cells)) == ("categorical", "")
    assert numbers(cycle(*cells), kind="numeric") == cycle(*(float(cell[0]) for cell in cells))


@pytest.mark.parametrize(
    "texts", [["5 - 7", "3"], ["1 - kg", "2"], ["1 (est)", "2 (est)", "3"], ["1 - a", "1 - b", "2"], ["1.5 - a", "2"]]
)
def test_other_texts_with_numbers_are_no_labelled_answers(texts):
    assert labelled_answers(texts) is None


@pytest.mark.parametrize(
    "cells",
    [
        ("101,303", "202", "101,202", "303,101", "303"),
        ("101 202", "303 101", "202 303", "202 101"),
        ("1,2,4", "1,2", "3", "2,1", "4,1,2", "3,2"),
        ("a;b;c", "a", "b;a", "c;b", "c", "b;c;a"),
        ("TV, Web", "Web, TV", "Print, TV, Web", "Web", "TV, Print", "Print, Web"),
        ("1|2", "2|1|3", "3", "2|3", "3|1"),
    ],
)
def test_several_answers_in_a_cell_are_categories_aloud(cells):
    kind, sentences = said(cycle(*cells))
    assert kind == "categorical" and "several answers in one cell" in sentences


@pytest.mark.parametrize(
    "texts",
    [
        ["1,000", "2,500", "10,000"],
        ["100,000", "150,000", "200,000"],
        [f"{100_537 * n:,}" for n in range(1, 9)],
        ["101"],
    ],
)
def test_thousands_are_no_answers(texts):
    assert not several_codes(texts)


@pytest.mark.parametrize(
    "cells", [("1,5", "2,3", "4", "3,1"), ("Boston, MA", "Austin, TX", "Salem, MA", "Dallas, TX"), ("120/80", "80/120")]
)
def test_a_mark_alone_makes_no_answers(cells):
    assert "several answers" not in said(cycle(*cells))[1]


@pytest.mark.parametrize("letters", ["ABCDFKM", "abkm", "FM"])
def test_letters_that_tell_things_apart_are_no_millions(letters):
    seats = [f"{1 + place % 6}{letters[place % len(letters)]}" for place in range(ROWS)]
    assert said(seats)[0] == "categorical"
    with pytest.raises(DataError, match="'x' cannot be read as numeric: its numbers end with different letters"):
        guessed(seats, kind="numeric")


def test_a_column_that_is_left_out_has_one_reason():
    amounts = [f"{place}.{place % 90 + 10} {('kg', 'lb')[place % 2]}" for place in range(ROWS)]
    column, notes = guessed(amounts)
    assert (
        column is None
        and len(notes) == 1
        and "different units (kg, lb), so it looks like an identifier" in str(notes[0])
    )


AMOUNT = np.random.default_rng(9).integers(1000, 99_999_999, ROWS).tolist()
FULL_WIDTH = {code: code + 0xFEE0 for code in map(ord, "0123456789.,%")}
ARABIC = {ord("0") + digit: 0x660 + digit for digit in range(10)} | {ord("."): 0x66B, ord(","): 0x66C, ord("%"): 0x66A}


def indian(number):
    head, tail = str(number)[:-3], str(number)[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


@pytest.mark.parametrize(
    ("write", "factor"),
    [
        (lambda n: f"\uffe5{n:,}", 1),
        (lambda n: f"{n:,}\u5186", 1),
        (lambda n: f"{n}\u4e07\u5186", 10**4),
        (lambda n: f"{n / 100:.2f}\u5104\u5186", 10**6),
        (lambda n: f"{n:,}\uc6d0", 1),
        (lambda n: f"\u20b9 {indian(n)}/-", 1),
        (lambda n: f"Rs. {indian(n)}/-", 1),
        (lambda n: f"KES {n:,}/=".replace("KES", "INR"), 1),
        (lambda n: f"{n:,} \u0440\u0443\u0431.".replace(",", "\xa0"), 1),
        (lambda n: f"{n:,}".replace(",", " "), 1),
        (lambda n: f"{n} {('Eur', 'eur', 'EUR')[n % 3]}", 1),
        (lambda n: f"{n} lakh", 10**5),
        (lambda n: f"\u20b9{n} {('Cr', 'Crore')[n % 2]}", 10**7),
        (lambda n: f"USD {n / 10:.1f}bn", 10**8),
        (lambda n: f"\u20ac{n / 10:.1f}m", 10**5),
        (lambda n: f"{n / 10:,.1f}".translate(str.maketrans(",.", ".,")) + " Mio. \u20ac", 10**5),
        (lambda n: f"HK${n:,}.00", 1),
        (lambda n: f"{n:,}.50".translate(FULL_WIDTH), None),
        (lambda n: f"{n:,}.50".translate(ARABIC), None),
        (lambda n: f"\uff08{n}\uff09", -1),
        (lambda n: f"{n}%".translate(ARABIC), 1),
    ],
)
def test_amounts_of_many_countries_are_numbers(write, factor):
    cells = list(map(write, AMOUNT))
    meant = [number + 0.5 if factor is None else number * factor for number in AMOUNT]
    column, notes = guessed(cells)
    assert column is not None and column.kind.value == "numeric" and notes
    assert numbers(cells) == pytest.approx(meant, rel=1e-12)
    assert [column.notation.read_cell(cell) for cell in cells] == numbers(cells)


DEGREES = (BASE * 30).tolist()


@pytest.mark.parametrize(
    "write",
    [
        lambda n: f"{abs(n):.3f}\xb0 {'S' if n < 0 else 'N'}",
        lambda n: f"{abs(n):.3f}\xb0{'W' if n < 0 else 'E'}",
        lambda n: f"{'S' if n < 0 else 'N'}{abs(n):.3f}",
        lambda n: f"{abs(n):.3f} {'O' if n < 0 else 'E'}".replace(".", ","),
        lambda n: f"{abs(n):.3f} {'DR' if n < 0 else 'CR'}",
        lambda n: f"$ {abs(n):,.3f} {'Dr' if n < 0 else 'Cr'}",
        lambda n: f"{abs(n):.3f}{' DR' if n < 0 else ''}",
        lambda n: f"{abs(n):.3f} {'S' if n < 0 else 'H'}".replace(".", ","),
        lambda n: f"{abs(n):.3f} {'Soll' if n < 0 else 'Haben'}".replace(".", ","),
    ],
)
def test_places_and_debits_have_signs_aloud(tmp_path, write):
    cells = list(map(write, DEGREES))
    column, notes = guessed(cells)
    assert column.kind.value == "numeric" and "read as -" in str(notes[0])
    assert numbers(cells) == pytest.approx(DEGREES)
    table(cells).to_csv(tmp_path / "rows.csv", index=False)
    assert open_dataset(tmp_path / "rows.csv", DataOptions(target="y")).schema.columns[1] == column


@pytest.mark.parametrize("letters", ["CD", "SH", "EW"])
def test_codes_with_two_letters_have_no_signs(letters):
    sizes = [f"{30 + 2 * (place % 5)}{letters[place % 2]}" for place in range(ROWS)]
    assert said(sizes)[0] == "categorical"


def test_crores_are_no_credits():
    cells = [f"{number} Cr" if number % 2 else f"{number}00000" for number in AMOUNT]
    assert numbers(cells) == [number * 1e7 if number % 2 else number * 1e5 for number in AMOUNT]


@pytest.mark.parametrize("units", [("\xb5g", "\u03bcg", "ug"), ("\xb0C", "\u2103")])
def test_a_unit_in_several_characters_is_one(units):
    cells = [f"{value:.1f} {units[place % len(units)]}" for place, value in enumerate(BASE)]
    assert numbers(cells) == [float(f"{value:.1f}") for value in BASE]


@pytest.mark.parametrize("word", ["inf", "-inf", "Infinity", "1e400", "\u221e", "-1.8e+309"])
def test_an_infinite_cell_is_missing_aloud_everywhere(tmp_path, word):
    cells = [word if place % 9 == 4 else f"{2 + place * 0.37:.2f}" for place in range(ROWS)]
    column, notes = guessed(cells)
    assert f"'{word}' (13) among its numbers" in str(notes[0])
    assert np.isnan(numbers(cells)).tolist() == [cell == word for cell in cells]
    path = tmp_path / "rows.csv"
    table(cells).to_csv(path, index=False)
    in_file = open_dataset(path, DataOptions(target="y"))
    assert in_file.schema.columns[1] == column
    rows = {"base": [0.0] * 3, "x": [word, "3.5", 4]}
    assert ColumnarEncoder(in_file.schema, in_file.encoder).encode(rows, 3)["numeric"][:, -1].tolist()[1:] == [0, 0]


def test_infinite_numbers_of_a_frame_are_missing_as_in_a_file(tmp_path):
    frame = table([np.inf if place % 9 == 4 else round(2 + place * 0.37, 2) for place in range(ROWS)])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    in_file, in_frame = (open_dataset(source, DataOptions(target="y")) for source in (tmp_path / "rows.csv", frame))
    assert in_file.schema == in_frame.schema and in_file.digest == in_frame.digest
    assert in_file.notes == in_frame.notes and "'inf' (13)" in str(in_frame.notes[0])
    for part in ("train", "validation", "test"):
        one, other = (getattr(found, part).inputs["numeric"] for found in (in_file, in_frame))
        assert np.array_equal(one, other)
    encoder = ColumnarEncoder(in_frame.schema, in_frame.encoder)
    row = encoder.encode({"base": [0.0], "x": [float("inf")]}, 1)["numeric"]
    assert np.array_equal(row, encoder.encode({"base": [0.0], "x": [None]}, 1)["numeric"])


def test_infinite_targets_are_left_out_aloud():
    frame = table([f"{2 + place * 0.37:.2f}" for place in range(ROWS)])
    for infinite in ("inf", "1e999"):
        frame.loc[5, "x"] = infinite
        found = open_dataset(frame, DataOptions(target="x"))
        assert sum(found.counts) == ROWS - 1
        assert any(f"'{infinite}' (1)" in str(note) and "left out" in str(note) for note in found.notes)


def with_some(value, others, every=10):
    return [value if place % every == 3 else other for place, other in enumerate(others)]


TEMPERATURES = [f"{20 + 10 * value:.1f}" for value in BASE]
AGES = [str(18 + place % 63) for place in range(ROWS)]


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (with_some("-999", TEMPERATURES), "-999"),
        (with_some("-9999.0", TEMPERATURES), "-9999"),
        (with_some("99999", TEMPERATURES), "99999"),
        (with_some("1e+20", TEMPERATURES), "1e+20"),
        (with_some("999", AGES), "999"),
        (with_some("-1", AGES), "-1"),
        (with_some("-99", AGES), "-99"),
        (with_some("-9,999.00 kg", [f"{age}.50 kg" for age in AGES]), "-9999"),
        (with_some("9", cycle("1", "2", "3", "4", "5")), "9"),
        (with_some("-1", [str(1 + place % 300) for place in range(ROWS)], every=4), "-1"),
    ],
)
def test_numbers_that_may_stand_for_missing_ones_are_said_and_can_be_made_missing(cells, shown):
    column, notes = guessed(cells)
    note = next(note for note in notes if "far from its other numbers" in note.why)
    assert note.why.startswith(f"has {shown} in ") and f"--na 'x={shown}'" in note.option
    assert not np.isnan(KINDS[column.kind].parse(column, pd.Series(cells, name="x"))[None]).any()
    assert np.isnan(numbers(cells, missing=(shown,))).sum() == cells.count(cells[3])
    assert not any("far from" in str(note) for note in guessed(cells, missing=(shown,))[1])


@pytest.mark.parametrize(
    "cells",
    [
        with_some("99", AGES),
        with_some("0", TEMPERATURES),
        with_some("-1", [f"{value:.1f}" for value in BASE]),
        with_some("-1", [str(place % 9) for place in range(ROWS)]),
        cycle("-1", "0", "1"),
        with_some("90", [str(min(90, place)) for place in range(ROWS)]),
        [str(int(2.0 ** (place % 14))) for place in range(ROWS)],
        with_some("999", TEMPERATURES, every=100),
    ],
)
def test_plain_extremes_are_not_said(cells):
    assert "far from" not in said(cells)[1]


WHOLE = st.integers(1, 10**6)
FORMS = [
    WHOLE.map(str),
    WHOLE.map("{:,}".format),
    WHOLE.map(lambda number: f"{number / 100:.2f}"),
    WHOLE.map(lambda number: f"{number / 100:.2f}".replace(".", ",")),
    WHOLE.map(lambda number: f"{number} {'SH'[number % 2]}"),
    WHOLE.map(lambda number: f"{number} {('kg', 'lb')[number % 2]}"),
    WHOLE.map(lambda number: f"\u20ac{number}"),
    WHOLE.map(lambda number: f"{number % 30}{'ABM'[number % 3]}"),
    WHOLE.map(lambda number: f"{number % 9}E{number % 40}"),
    WHOLE.map(lambda number: f"{number % 5}.{number % 12}"),
    WHOLE.map(lambda number: f"0{number}"),
    st.sampled_from(["n.d.", "-", "missing", "", "inf", "-999"]),
    st.sampled_from(["1 - low", "2", "3 - high"]),
    st.sampled_from(["101,202", "303", "202,303"]),
    st.sampled_from(["red", "Red", "mA", "MA", "x"]),
    st.sampled_from(["2021-03-04", "04.03.2021", "14:30", "1:02:03"]),
    st.text("ab 1", min_size=1, max_size=30),
]


@st.composite
def columns(draw):
    forms = draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=3))
    weights = [draw(st.sampled_from([1, 5, 40])) for _ in forms]
    every = [form for form, weight in zip(forms, weights, strict=True) for _ in range(weight)]
    few = draw(st.booleans())
    cells = [draw(every[place % len(every)]) for place in range(8 if few else 60)]
    return (cells * 8)[:60]


KIND_WORDS = {
    "numbers": "numeric",
    "categories": "categorical",
    "free text": "text",
    "dates": "datetime",
    "durations": "duration",
}


@settings(max_examples=150, deadline=None)
@given(cells=columns(), kind=st.sampled_from([None, None, "numeric", "categorical", "boolean"]))
def test_no_two_notes_contradict_each_other_or_the_schema(cells, kind):
    try:
        column, notes = guessed(cells, **({} if kind is None else {"kind": kind}))
    except DataError as error:
        assert "\n" not in str(error)
        return
    left_out = [note for note in notes if note.done == "left out"]
    assert len(left_out) == (column is None)
    for note in notes:
        for words, meant in KIND_WORDS.items():
            if f"read as {words}" in str(note).partition(" (--")[0]:
                assert column is not None and column.kind.value == meant, str(note)


PLACES = [(number % 90, 7 * number % 60, 11 * number % 60) for number in range(ROWS)]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([f"{a}\u00b0{b}'{c}\"" for a, b, c in PLACES], "degrees, minutes and seconds"),
        ([f"{a}\u00b0 {b}.{c}' N" for a, b, c in PLACES], "degrees, minutes and seconds"),
        ([f"{a}.{b}\u00d710^-{c % 9}" for a, b, c in PLACES], "powers of ten"),
        ([f"{a}.{b}x10^{c % 9}" for a, b, c in PLACES], "powers of ten"),
        ([f"{a}x{b}" for a, b, _ in PLACES], "several numbers in each cell"),
        ([f"{a}x{b}x{c}cm" for a, b, c in PLACES], "several numbers in each cell"),
        ([f"{a / 2} \u00d7 {b}" for a, b, _ in PLACES], "several numbers in each cell"),
        ([f"{a}'{b}\"" for a, b, _ in PLACES], "feet and inches"),
        ([f"{a} {b}/64" for a, b, _ in PLACES], "fractions"),
        ([f"{a}\u00bd" if c else str(a) for a, _, c in PLACES], "fractions"),
        ([f"{a}.{b}\u00b10.{c}" for a, b, c in PLACES], "numbers with how exact they are"),
        ([f"{a} : {b + 60}" for a, b, _ in PLACES], "two numbers in each cell"),
        ([f"{a}.{b}/100" for a, b, _ in PLACES], "two numbers in each cell"),
    ],
)
def test_cells_of_several_numbers_are_left_out_with_the_true_reason(cells, reason):
    _, notes = guessed(cells)
    (note,) = (note for note in notes if reason in note.why)
    assert not any("identifier" in note.why for note in notes)
    assert "not read as numbers" in note.why


@pytest.mark.parametrize("write", ["{a}-{b}{c}", "0x{a}{b}{c}", "{a}.{b}.{c}.1", "A{a}x{b}{c}", "192.168.{a}.{b}"])
def test_what_only_looks_like_several_numbers_is_an_identifier_as_before(write):
    _, (note,) = guessed([f"{write.format(a=a, b=b, c=c)}{row}" for row, (a, b, c) in enumerate(PLACES)])
    assert "is different in almost every row" in note.why


@pytest.mark.parametrize("kind", [str, int, float])
def test_years_and_months_are_numbers_that_may_be_dates(kind):
    cells = [kind(201501 + 100 * (row % 9) + row % 12) for row in range(ROWS)]
    found, words = said(cells)
    assert (found, "may be years and months, such as 201501" in words) == ("numeric", True)
    assert "--date-format 'x=%Y%m'" in words
    if kind is not float:
        assert said(cells, date_format="%Y%m") == ("datetime", "")
    assert said(cells, kind="numeric")[1] == ""
    # one number that is none
    assert "months" not in said([*cells[:-1], kind(201513)])[1]
    assert "months" not in said([kind(cell) for cell in cycle(201501, 201502)])[1]


@pytest.mark.parametrize(("form", "what"), [("%d%m%Y", "%d%m%Y"), ("%m%d%Y", "%m%d%Y"), ("%H%M%Y", "")])
def test_eight_digits_that_end_with_a_year_are_said_with_the_format_that_reads_them(form, what):
    days = pd.date_range("2021-01-01 12:34", periods=90, freq="11D")
    frame = pd.DataFrame({"d": days.strftime(form), "x": np.arange(90) % 7 / 2, "y": list("ab" * 45)})
    notes = " ".join(map(str, open_dataset(frame, DataOptions(target="y")).notes))
    assert (f"may be dates as {what}" in notes) is bool(what)
    if what:
        assert f"--date-format 'd={what}' reads dates" in notes
        read = open_dataset(frame, DataOptions(target="y", columns={"d": ColumnWish(date_format=what)})).schema
        assert read.columns[0].kind == "datetime"
