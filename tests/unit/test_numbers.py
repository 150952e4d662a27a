"""Numbers as people write them: the same numbers as the plain ones, in a table, in a request and in a target."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.columns.number_notation import NumberNotation
from orchestrator.columns.number_texts import FACTORS, INFINITE
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import ColumnarEncoder, DataOptions, load_table, open_dataset
from orchestrator.data.guessing import guess_schema
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind

ROWS = 120
VALUES = np.random.default_rng(7).uniform(0.5, 99_999, ROWS).round(2).tolist()
SMALL = np.random.default_rng(8).uniform(0.5, 60, ROWS).round(1).tolist()
WHOLE = np.random.default_rng(9).integers(1000, 9_000_000, ROWS).tolist()
SIGNED = [-value if place % 3 == 0 else value for place, value in enumerate(VALUES)]


def american(value, digits=2):
    return f"{value:,.{digits}f}"


def european(value, digits=2):
    return american(value, digits).translate(str.maketrans(",.", ".,"))


def indian(number):
    head, tail = str(number)[:-3], str(number)[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


def market_value(number):
    return f"€{number / 1e6:.1f}M" if number >= 1e6 else f"€{number / 1e3:.0f}K"


def guessed(cells, **wishes):
    frame = pd.DataFrame(
        {"base": np.linspace(0, 1, len(cells)), "x": cells, "y": (["a", "b"] * len(cells))[: len(cells)]}
    )
    columns = {"x": ColumnWish(**wishes)} if wishes else {}
    found = guess_schema(load_table(frame), DataOptions(target="y", columns=columns))
    column = {column.name: column for column in found.schema.columns}.get("x")
    return column, [str(note) for note in found.notes if note.column == "x"]


def numbers_of(column, cells):
    return KINDS[column.kind].parse(column, pd.Series(cells, name="x"))[None]


WRITTEN = {
    "Switzerland": ([f"CHF {american(value).replace(',', chr(39))}" for value in VALUES], VALUES),
    "typographic apostrophe": ([american(value).replace(",", "\u2019") for value in VALUES], VALUES),
    "India": (list(map(indian, WHOLE)), WHOLE),
    "Brazil": ([f"R$ {european(value)}" for value in VALUES], VALUES),
    "Poland": ([european(value).replace(".", "\u202f") + "\xa0zł" for value in VALUES], VALUES),
    "points and blanks": (
        [european(value).replace(".", ". "[place % 2]) for place, value in enumerate(VALUES)],
        VALUES,
    ),
    "accounting": ([f"({american(-value)})" if value < 0 else american(value) for value in SIGNED], SIGNED),
    "minus behind": ([f"{european(-value)}-" if value < 0 else european(value) for value in SIGNED], SIGNED),
    "true minus": ([str(value).replace("-", "\u2212") for value in SIGNED], SIGNED),
    "minus before the currency": ([f"-${-value}" if value < 0 else f"${value}" for value in SIGNED], SIGNED),
    "percent": ([f"{value} %" for value in SMALL], SMALL),
    "a unit": ([f"{value} km/h" for value in SMALL], SMALL),
    "a glued unit": ([f"{value}kg".replace(".", ",") for value in SMALL], SMALL),
    "one month, two months": (
        [f"{number} month{'s' * (number > 1)}" for number in range(1, ROWS + 1)],
        range(1, ROWS + 1),
    ),
    "millions": (
        list(map(market_value, WHOLE)),
        [
            round(number / 1e6, 1) * 10 * 1e5 if number >= 1e6 else float(f"{number / 1e3:.0f}") * 1e3
            for number in WHOLE
        ],
    ),
    "at least": ([f"{number:,}+" for number in WHOLE], WHOLE),
    "limits": (["<>~"[place % 3] * (place % 5 == 0) + str(value) for place, value in enumerate(SMALL)], SMALL),
    "12,-": (
        [f"{int(value)},-" if place % 4 else f"{int(value)},50" for place, value in enumerate(SMALL)],
        [int(value) + (0 if place % 4 else 0.5) for place, value in enumerate(SMALL)],
    ),
    "a unit in capitals": ([f"{number % 90 + 1}KG" for number in WHOLE], [number % 90 + 1 for number in WHOLE]),
    "a unit of its own": ([f"{value}Megapixels" for value in SMALL], SMALL),
    "a multiple": ([f"{value}x" for value in SMALL], SMALL),
    "percent of a volume": ([f"{value}% vol." for value in SMALL], SMALL),
    "exponents of thousandths": ([f"{value:.3E}".replace(".", ",") for value in SMALL], SMALL),
    "exponents": ([f"{value:.2e}".replace(".", ",") for value in SMALL], SMALL),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_are_what_they_are_written_for_in_tables_and_in_requests(name):
    cells, wanted = WRITTEN[name]
    column, notes = guessed(cells)
    assert column.kind is ColumnKind.NUMERIC
    assert notes
    np.testing.assert_allclose(numbers_of(column, cells), np.array(wanted, np.float64), rtol=1e-12)
    # an object column, as a request is read, and every cell alone
    assert numbers_of(column, pd.Series(cells, dtype=object)).tolist() == numbers_of(column, cells).tolist()
    assert [column.notation.read_cell(cell) for cell in cells] == numbers_of(column, cells).tolist()
    described = Draft202012Validator(KINDS[column.kind].json_schema(column, ()))
    assert all(map(described.is_valid, cells))


@pytest.mark.parametrize(
    "cells",
    [
        [f"192.168.{place % 250}.{place * 7 % 250}" for place in range(ROWS)],
        [f"1.{place % 9}.{place % 5}" for place in range(ROWS)],
        [f"{place % 30}{'ABCDEF'[place % 6]}" for place in range(ROWS)],
        [f"030 {100 + place} {200 + place}" for place in range(ROWS)],
        [f"{10 * (place % 5)}-{10 * (place % 5) + 10}" for place in range(ROWS)],
        [f"{place % 24}:30" for place in range(ROWS)],
        [f"{place % 12 + 1} {('am', 'pm')[place % 2]}" for place in range(ROWS)],
        [f"{place % 28 + 1} March" for place in range(ROWS)],
        [
            f"{place} {('Main', 'Oak', 'Elm', 'Park', 'High', 'Mill', 'Lake')[place % 7]} Street"
            for place in range(ROWS)
        ],
        ["123X"[place % 4] for place in range(ROWS)],
        [("<=50K", ">50K", "<=50K.", ">50K.")[place % 4] for place in range(ROWS)],
        [("<10", "<20", "<30", ">30")[place % 4] for place in range(ROWS)],
        ["2345"[place % 4] + "more" * (place % 4 == 3) for place in range(ROWS)],
    ],
)
def test_other_texts_with_digits_are_no_numbers(cells):
    column, _ = guessed(cells)
    assert column is None or column.kind is not ColumnKind.NUMERIC


def test_plain_numbers_have_neither_notation_nor_note():
    for cells in (VALUES, list(map(str, VALUES)), [f"{value / 100:.3f}" for value in SMALL], list(map(str, WHOLE))):
        column, notes = guessed(cells)
        assert column == Column("x", ColumnKind.NUMERIC)
        assert not [note for note in notes if "numbers such as" in note]


def test_one_cell_decides_what_all_others_leave_open():
    three = [f"{value:.3f}".replace(".", ",") for value in SMALL if value >= 1]
    column, _ = guessed([*three, "0,961"])
    assert numbers_of(column, three[:2]).tolist() == [float(cell.replace(",", ".")) for cell in three[:2]]
    column, _ = guessed([*three, "1,234,567"])
    assert numbers_of(column, three[:2]).tolist() == [float(cell.replace(",", "")) for cell in three[:2]]


def test_what_stays_open_is_told_with_the_option_that_does_otherwise():
    cells = [f"{place % 900 + 1},{place * 37 % 1000:03d}" for place in range(ROWS)]
    column, notes = guessed(cells)
    assert numbers_of(column, ["1,234"]).tolist() == [1234]
    assert "can be 1000 or 1, and no cell says which: read as 1000 (--decimal 'x=,' reads 1)" in notes[0]
    column, _ = guessed(cells, decimal=",")
    assert numbers_of(column, ["1,234"]).tolist() == [1.234]


def test_other_columns_decide_what_one_leaves_open():
    frame = pd.DataFrame(
        {
            "price": [european(value) for value in VALUES],
            "mileage": [european(number % 900_000 + 1000, 0) for number in WHOLE],
            "weight": [f"{value + 1:.3f}".replace(".", ",") for value in SMALL],
            "y": ["a", "b"] * (ROWS // 2),
        }
    )
    found = guess_schema(load_table(frame), DataOptions(target="y"))
    _, mileage, weight = found.schema.columns
    assert numbers_of(mileage, ["1.234"]).tolist() == [1234]
    assert numbers_of(weight, ["35,720"]).tolist() == [35.72]
    assert any("mileage" in str(note) and "other columns" in str(note) for note in found.notes)
    alone = guess_schema(load_table(frame[["mileage", "y"]]), DataOptions(target="y"))
    assert alone.schema.columns[0].notation is None


def test_a_machines_point_is_no_thousands_mark_in_a_column_of_decimal_commas():
    column, _ = guessed([f"{value:.2f}".replace(".", ",") for value in SMALL])
    for text in ("35.72", "35.720"):
        with pytest.raises(
            InvalidValueError, match=f"row 2, column 'x': '{text}' is not a number as the column has them"
        ):
            numbers_of(column, ["1,5", text])
    assert numbers_of(column, ["1.234,5", "1.234.567", "35"]).tolist() == [1234.5, 1234567, 35]
    # a number of JSON is one, whatever texts look like
    assert numbers_of(column, pd.Series([35.72, "35,72", None, True], dtype=object)).tolist()[:2] == [35.72, 35.72]


def test_a_column_with_both_decimal_marks_is_told_and_not_guessed():
    cells = [f"{value:.2f}".replace(".", ",."[place % 2]) for place, value in enumerate(SMALL)]
    column, notes = guessed(cells)
    assert column is None or column.kind is ColumnKind.CATEGORICAL
    assert any("some of its numbers have a decimal comma and others a point" in note for note in notes)


def spoiled(share, words):
    every = round(1 / share)
    return [
        words[place // every % len(words)] if place % every == 1 else str(value) for place, value in enumerate(VALUES)
    ]


def test_words_among_numbers_are_missing_and_counted():
    cells = spoiled(0.1, ["n.d.", "#REF!", "\u2014", "pending lab"])
    column, notes = guessed(cells)
    numbers = numbers_of(column, cells)
    assert np.isnan(numbers).sum() == 12
    assert "has 'n.d.' (3), '#REF!' (3), '\u2014' (3), 'pending lab' (3) among its numbers, 12 rows of 120" in notes[0]
    # known words are missing whether training saw them or not, others are refused
    assert np.isnan(numbers_of(column, ["Pending Lab", "TBD", "?", "-", ""])).all()
    with pytest.raises(InvalidValueError, match="'sold' is not a number"):
        numbers_of(column, ["sold"])


@pytest.mark.parametrize("word", ["oops", "n.d."])
def test_a_word_among_numbers_of_a_frame_is_missing_as_in_a_file(tmp_path, word):
    cells = pd.Series(np.random.default_rng(3).normal(size=200).round(3), dtype=object)
    cells[17], cells[40] = word, 12
    frame = pd.DataFrame({"x": cells, "y": np.arange(200) % 2})
    frame.to_csv(tmp_path / "x.csv", index=False)
    of_frame, of_file = (open_dataset(source, DataOptions(target="y")) for source in (frame, tmp_path / "x.csv"))
    assert of_frame.schema == of_file.schema
    assert of_frame.notes == of_file.notes
    assert f"has '{word}' (1) among its numbers" in str(of_frame.notes[0])
    assert np.array_equal(of_frame.train.inputs["numeric"], of_file.train.inputs["numeric"])


def test_too_many_words_make_it_a_category_aloud():
    column, notes = guessed(spoiled(0.5, ["basement", "attic"]))
    assert column is None or column.kind is ColumnKind.CATEGORICAL
    assert any(
        "50 % of its cells are words, such as 'basement', and more than 20 % are too many" in note for note in notes
    )
    column, _ = guessed(spoiled(0.5, ["basement", "attic"]), kind="numeric")
    assert column.kind is ColumnKind.NUMERIC
    assert np.isnan(numbers_of(column, ["attic"])).all()


def test_a_long_remark_among_numbers_is_no_word_for_a_missing_one():
    column, notes = guessed([*map(str, SMALL[:-1]), "see the remark " * 40])
    assert column.kind is ColumnKind.CATEGORICAL
    assert any("a text of 599 characters is among its numbers" in note for note in notes)


@pytest.mark.parametrize(
    "content",
    [
        {"decimal": ";"},
        {"decimal": ",", "symbols": ["1"]},
        {"decimal": ",", "symbols": [""]},
        {"decimal": ",", "symbols": [5]},
        {"decimal": ",", "symbols": ["x" * 300] * 10},
        {"decimal": ",", "factors": ["dozen"]},
        {"decimal": ",", "missing": ["x"] * 1000},
        {"decimal": ",", "more": 1},
        {},
    ],
)
def test_a_notation_of_elsewhere_is_checked(content):
    with pytest.raises((KeyError, TypeError, ValueError)):
        NumberNotation.from_json(content)


def test_known_words_are_answered_by_a_plain_column_too():
    column, _ = guessed(list(map(str, VALUES)))
    assert column.notation is None
    assert np.isnan(numbers_of(column, ["n.d.", "\u2014", "Unknown"])).all()


def test_units_and_currencies_are_not_mixed_without_a_word():
    column, notes = guessed([f"{value} {('g', 'kg')[place % 2]}" for place, value in enumerate(SMALL)])
    assert column.kind is ColumnKind.CATEGORICAL
    assert "its numbers have different units (g, kg)" in notes[0]
    # nothing that would be refused is offered
    assert "--numeric" not in notes[0]
    some_words = [str(value) if place % 3 else f"word {place}" for place, value in enumerate(SMALL)]
    assert any("--numeric 'x' reads numbers" in note for note in guessed(some_words)[1])
    column, notes = guessed([f"{'$€'[place % 2]}{value}" for place, value in enumerate(SMALL)])
    assert column.kind is ColumnKind.NUMERIC
    assert any("several currencies ('$' (60), '€' (60)): the numbers are taken as they stand" in note for note in notes)
    with pytest.raises(InvalidValueError):
        numbers_of(column, ["£5"])


def test_a_point_of_a_word_is_no_doubt_about_a_number():
    column, notes = guessed([f"ca. {value}" for value in range(100, 160)])
    assert column.kind is ColumnKind.NUMERIC
    assert not any("--decimal" in note for note in notes)


def test_a_word_of_the_user_is_missing_also_as_a_number():
    for cells in (VALUES, list(map(str, VALUES))):
        column, _ = guessed(cells, missing=("-999",))
        assert np.isnan(numbers_of(column, ["-999", "-999.0"])).all()
        assert np.isnan(numbers_of(column, [-999, -999.0])).all()


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ([f"${american(value)}" for value in VALUES], VALUES[0]),
        ([f"{european(value)} €" for value in VALUES], VALUES[0]),
        ([f"({american(-value)})" if value < 0 else american(value) for value in SIGNED], SIGNED[0]),
    ],
)
def test_a_target_of_written_numbers_is_a_regression_in_plain_numbers(cells, first):
    cells = [*cells[:-2], "", "n.d."]
    frame = pd.DataFrame({"x": np.linspace(0, 1, ROWS), "price": cells})
    dataset = open_dataset(frame, DataOptions(target="price"))
    assert dataset.schema.target.task.kind == "regression"
    assert sum(dataset.counts) == ROWS - 2
    assert dataset.schema.target.plain(pd.Series(cells[:1], name="price")).tolist() == [first]
    wanted = SIGNED if first < 0 else VALUES
    plain = pd.DataFrame({"x": np.linspace(0, 1, ROWS), "price": [*wanted[:-2], None, None]})
    assert dataset.target_encoder == open_dataset(plain, DataOptions(target="price")).target_encoder


def test_a_target_in_several_currencies_is_refused():
    frame = pd.DataFrame({"x": SMALL, "price": [f"{'$€'[place % 2]}{value}" for place, value in enumerate(SMALL)]})
    with pytest.raises(DataError, match="amounts in several currencies"):
        open_dataset(frame, DataOptions(target="price"))


def test_few_whole_numbers_with_a_unit_are_classes_and_amounts_are_not():
    for form, task in (("{} stars", "multiclass"), ("${}", "regression")):
        frame = pd.DataFrame({"x": SMALL, "y": [form.format(place % 5 + 1) for place in range(ROWS)]})
        assert open_dataset(frame, DataOptions(target="y")).schema.target.task.kind == task


SYMBOLS = st.sampled_from(
    [
        *((symbols, ()) for symbols in ((), ("€", "EUR"), ("kg",), ("%",), ("m2", "m²"), ("Rs.",))),
        (("CR", "DR"), ("DR",)),
        (("N", "S", "\xb0 S"), ("S", "\xb0 S")),
    ]
)
NOTATIONS = SYMBOLS.flatmap(
    lambda symbols: st.builds(
        NumberNotation,
        decimal=st.sampled_from(",."),
        thousands=st.booleans(),
        symbols=st.just(symbols[0]),
        factors=st.sampled_from([(), tuple(FACTORS), ("K", "M")]),
        missing=st.sampled_from([(), ("sold", "-999"), ("\xe4",), INFINITE]),
        negative=st.just(symbols[1]),
        values=st.sampled_from([(), (("1 - low", 1.0), ("x", 7))]),
    )
)
CHARACTERS = "01234,.' -+()<%kMxS\xb0\u2019\u2212\u2014\u20ac\xa0\u202f\x1c\n\u0663\xe4\xc4"
CHARACTERS += "\uff0c\uff0e\uff08\u066b\uff05"
WORDS = ["456", "000", "EUR", "kg", "Mio.", "e3", "E-2", "m2", "Rs.", "sold", "n.d.", "true", "nan"]
WORDS += ["CR", "DR", "1 - low", "inf", "e309", "/-"]
PIECES = st.sampled_from([*CHARACTERS, *WORDS])
TEXTS = st.lists(PIECES, max_size=7).map("".join)


@settings(max_examples=250, deadline=None)
@given(NOTATIONS, st.lists(TEXTS, max_size=5))
@example(NumberNotation(decimal=","), ["1.234", "1.234,5", "1.234.567", "12,-", "(5)", "5-", "--5", "1,5e3"])
@example(NumberNotation(symbols=("m2",)), ["12m2", "m2 12", "-m2 1,234.5", "1 m2 2"])
def test_a_column_a_cell_and_json_schema_read_the_same(notation, texts):
    assert NumberNotation.from_json(notation.to_json()) == notation
    numbers, read = notation.read_texts(pa.array(texts, pa.string()))
    column = Column("x", ColumnKind.NUMERIC, notation=notation)
    described = Draft202012Validator(KINDS[column.kind].json_schema(column, ()))
    for text, number, is_read in zip(texts, numbers.tolist(), read.tolist(), strict=True):
        cell = notation.read_cell(text)
        assert (cell is not None) == is_read == described.is_valid(text), text
        assert cell is None or cell == number or (math.isnan(cell) and math.isnan(number)), text


FORMS = st.sampled_from(
    [
        european,
        lambda value: european(value).replace(".", "\xa0"),
        lambda value: f"{european(value)} €",
        lambda value: f"${american(value)}",
        lambda value: american(value).replace(",", "'"),
        lambda value: f"({american(-value)})" if value < 0 else f"{american(value)}",
        lambda value: f"{european(value, 1)} %",
    ]
)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), FORMS)
def test_a_table_in_any_notation_gives_the_encoded_rows_of_the_plain_one(seed, form):
    def dataset_of(cells):
        frame = pd.DataFrame({"x": cells, "y": (["a", "b"] * len(cells))[: len(cells)]})
        return frame, open_dataset(frame, DataOptions(target="y"))

    random = np.random.default_rng(seed)
    values = [*(random.uniform(-1, 1, 40) * 10 ** random.integers(1, 7)).round(1).tolist(), 0.5, -1234.5, 7.3]
    frame, written = dataset_of(list(map(form, values)))
    _, plain = dataset_of(values)
    assert [column.kind for column in written.schema.columns] == [column.kind for column in plain.schema.columns]
    assert written.encoder == plain.encoder
    assert written.train.inputs.arrays["numeric"].tobytes() == plain.train.inputs.arrays["numeric"].tobytes()
    cells = {"x": frame["x"].tolist()}
    columnar = ColumnarEncoder(written.schema, written.encoder).encode(cells, len(frame))
    table = written.encoder.transform(written.schema, frame)
    assert columnar.arrays["numeric"].tobytes() == table.arrays["numeric"].tobytes()


def test_a_file_a_folder_and_a_frame_are_read_the_same(tmp_path):
    frame = pd.DataFrame(
        {
            "amount": [european(value).replace(".", ".\xa0"[place % 2]) for place, value in enumerate(VALUES)],
            "share": [f"{value} %".replace(".", ",") if place % 9 else "n.d." for place, value in enumerate(SMALL)],
            "price": [f"{european(value)} €" for value in SIGNED],
        }
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    frame.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_parquet(folder / "part.parquet", row_group_size=ROWS // 2)
    sources = (frame, tmp_path / "rows.csv", tmp_path / "rows.parquet", folder)
    whole, *others = (open_dataset(source, DataOptions(target="price")) for source in sources)
    assert [column.kind for column in whole.schema.columns] == [ColumnKind.NUMERIC] * 2
    assert whole.schema.target.task.kind == "regression"
    for dataset in others:
        assert dataset.schema == whole.schema
        assert [note for note in dataset.notes if note.column] == [note for note in whole.notes if note.column]
    assert others[0].digest == others[1].digest == whole.digest
