"""Columns that look like something that they are not: read right or said, and never in two ways at once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.columns.number_answers import labelled_answers, several_codes
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import ColumnarEncoder, DataOptions, load_table, open_dataset
from orchestrator.data.guessing import guess_columns, guess_target
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
    found = guess_columns(load_table(table(cells)), "y", options)
    column = next((column for column in found.columns if column.name == "x"), None)
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
    frame = table(cycle("2.1", "2.10", "10.4", "1.9"))
    target, _, notes = guess_target(load_table(frame), DataOptions(target="x"))
    assert target.task.kind == "multiclass" and "2.10" in target.classes and "2.1" in target.classes
    assert "--task regression" in str(notes[0])


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
    amounts = [f"{place}.{place % 90 + 10} {'SH'[place % 2]}" for place in range(ROWS)]
    column, notes = guessed(amounts)
    assert (
        column is None and len(notes) == 1 and "different units (S, H), so it looks like an identifier" in str(notes[0])
    )


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


KIND_WORDS = {"numbers": "numeric", "categories": "categorical", "free text": "text"}


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
