"""True and false in words and marks, targets with a mark and nothing, and values that differ in case."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.columns.spellings import are_one_word
from orchestrator.columns.truth_notation import FALSE_WORDS, TRUE_WORDS, TruthNotation
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import ColumnarEncoder, DataOptions, Schema, open_dataset
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import KINDS, Column

ROWS = 100
BASE = np.random.default_rng(7).normal(size=ROWS).round(3)
FLAGS = np.random.default_rng(8).random(ROWS) < 0.4


def table(true, false, flags=FLAGS):
    return pd.DataFrame({"base": BASE, "x": [true if flag else false for flag in flags], "y": ["a", "b"] * (ROWS // 2)})


def opened(source, kind="boolean", **wish):
    return open_dataset(source, DataOptions(target="y", columns={"x": ColumnWish(kind=kind, **wish)}))


def column(found):
    return next(column for column in found.schema.columns if column.name == "x")


def encoded(found):
    return np.concatenate([getattr(found, part).inputs["numeric"] for part in ("train", "validation", "test")])


PAIRS = [
    ("oui", "non"),
    ("ja", "nein"),
    ("J", "N"),
    ("on", "off"),
    ("s\xed", "no"),
    ("\u0434\u0430", "\u043d\u0435\u0442"),
    ("Yes", "No"),
    ("sim", "n\xe3o"),
    ("\u306f\u3044", "\u3044\u3044\u3048"),
    ("\u2713", "\u2717"),
    ("+", "-"),
    ("Positive", "negative"),
    ("\u2713", None),
    ("x", None),
]


@pytest.mark.parametrize(("true", "false"), PAIRS)
def test_words_for_true_and_false_are_what_they_mean_in_files_frames_and_requests(tmp_path, true, false):
    plain = opened(table("true", "false"))
    frame = table(true, false)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for source in (frame, tmp_path / "rows.csv"):
        found = opened(source)
        assert np.array_equal(encoded(found), encoded(plain))
        assert [note.column for note in found.notes] == (["x"] if false is None else [])
        assert Schema.from_json(json.loads(json.dumps(found.schema.to_json()))) == found.schema
    cells = [true, false, true.upper(), f" {true} ", True, 0, "false"]
    rows = {"base": [0.0] * len(cells), "x": cells}
    answered = ColumnarEncoder(found.schema, found.encoder).encode(rows, len(cells))["numeric"]
    meant = {"base": [0.0] * len(cells), "x": [True, False, True, True, True, False, False]}
    assert np.array_equal(answered, ColumnarEncoder(plain.schema, plain.encoder).encode(meant, len(cells))["numeric"])
    assert np.array_equal(answered, found.encoder.transform(found.schema, pd.DataFrame(rows))["numeric"])
    schema = Draft202012Validator(KINDS[column(found).kind].json_schema(column(found), ()))
    assert all(map(schema.is_valid, cells)) and not schema.is_valid("perhaps")


def test_unknown_words_are_refused_with_the_way_to_say_which_is_true():
    with pytest.raises(DataError, match=r"'m' is none of the known words .* --value 'x=m' that this word is true"):
        opened(table("f", "m"))
    with pytest.raises(DataError, match=r"'maybe' is none of the known words .* --na 'x=maybe'"):
        opened(table("yes", "no").replace({"x": {"no": "maybe"}}))
    found = opened(table("f", "m"), values=("m",))
    assert np.array_equal(encoded(found), encoded(opened(table("false", "true"))))
    some = table("yes", "no")
    some.loc[3, "x"] = "maybe"
    assert np.isnan(KINDS["boolean"].parse(column(opened(some, missing=("maybe",))), some["x"])[None][3])


def test_a_later_word_is_refused_with_those_that_are_known():
    found = opened(table("oui", "non"))
    with pytest.raises(InvalidValueError, match=r"'x': 'peut-\xeatre' is neither oui .true. nor non .false."):
        KINDS["boolean"].parse(column(found), pd.Series(["oui", "peut-\xeatre"], name="x"))


def test_two_words_stay_a_category_and_plain_truth_values_have_no_notation():
    assert column(open_dataset(table("oui", "non"), DataOptions(target="y"))).kind.value == "categorical"
    for true, false in (("true", "false"), ("T", "F"), ("1", "0"), (True, False)):
        assert column(opened(table(true, false))) == Column("x", KINDS["boolean"].kind)


@pytest.mark.parametrize("number", [float, np.float64])
@pytest.mark.parametrize(("share", "kind"), [(0.1, "numeric"), (0.6, "categorical")])
def test_truth_among_the_numbers_of_a_frame_is_what_it_is_in_a_file(tmp_path, number, share, kind):
    cells = [
        flag < share if abs(flag - share) < share else number(flag) for flag in np.random.default_rng(9).random(ROWS)
    ]
    frame = pd.DataFrame({"base": BASE, "x": pd.Series(cells, dtype=object), "y": ["a", "b"] * (ROWS // 2)})
    frame.loc[3, "x"] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    found, in_file = (open_dataset(source, DataOptions(target="y")) for source in (frame, tmp_path / "rows.csv"))
    assert found.schema == in_file.schema
    assert [note for note in found.notes if note.column] == [note for note in in_file.notes if note.column]
    assert found.digest == in_file.digest


def test_truth_with_missing_cells_is_no_number():
    frame = table(True, False).astype({"x": object})
    frame.loc[::9, "x"] = np.nan
    assert column(open_dataset(frame, DataOptions(target="y"))).kind == "boolean"


def test_no_word_means_both():
    assert not TRUE_WORDS & FALSE_WORDS


@pytest.mark.parametrize(
    "content", [{"true": ["a"], "false": ["a"]}, {"true": ["A"]}, {"true": [3]}, {"true": ["a"], "more": 1}]
)
def test_a_damaged_notation_is_refused(content):
    with pytest.raises((TypeError, ValueError)):
        TruthNotation.from_json(content)


def test_more_words_for_the_same_are_accepted():
    few, many = (TruthNotation(true=("oui",), false=words) for words in (("non",), ("non", "no")))
    assert many.accepts(few) and not few.accepts(many) and few.accepts(None)
    assert not TruthNotation(true=("x",), blank=True).accepts(None)


@pytest.mark.parametrize("label", ["x", "\u2713", "yes", "1"])
def test_a_target_of_a_mark_and_nothing_is_binary_aloud(tmp_path, label):
    frame = table(label, None).drop(columns="y")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for source in (frame, tmp_path / "rows.csv"):
        found = open_dataset(source, DataOptions(target="x"))
        assert found.schema.target.task.kind == "binary" and sum(found.counts) == ROWS
        assert found.schema.target.task.classes == ("(blank)", label)
        assert f"read as two classes, '{label}' and '(blank)'" in "\n".join(map(str, found.notes))
        assert Schema.from_json(json.loads(json.dumps(found.schema.to_json()))) == found.schema
        codes = np.concatenate([getattr(found, part).target for part in ("train", "validation", "test")])
        assert codes.sum() == FLAGS.sum()


def test_a_target_with_one_class_and_a_few_empty_cells_is_refused():
    frame = table("x", None, np.arange(ROWS) > 1).drop(columns="y")
    with pytest.raises(DataError, match=r"only one class \(x\)"):
        open_dataset(frame, DataOptions(target="x"))


@pytest.mark.parametrize(
    ("spellings", "rows", "are_one"),
    [
        (["red", "RED", "Red"], [9, 9, 9], True),
        (["Dark Blue", "dark blue"], [9, 9], True),
        (["yes", "Yes", "YES"], [9, 9, 9], True),
        (["m", "M"], [9, 9], True),
        (["Area 51", "area 51"], [9, 9], True),
        (["New York, NY", "new york, ny"], [9, 9], True),
        (["Caf\xe9", "Cafe\u0301"], [9, 9], True),
        (["stra\xdfe", "STRASSE"], [9, 9], True),
        (["a", "a\u200b"], [9, 9], True),
        (["mA", "MA"], [90, 2], False),
        (["3 mA", "3 MA"], [9, 9], False),
        (["mbar", "Mbar"], [9, 9], False),
        (["Aa", "AA", "aa"], [9, 9, 9], False),
        (["Trp53", "TRP53"], [9, 9], False),
        (["Trp53", "TRP53"], [90, 2], True),
        (["Co", "CO"], [9, 9], False),
        (["kWh", "KWH"], [9, 9], False),
        (["DE", "de"], [90, 3], True),
    ],
)
def test_case_counts_unless_it_is_clearly_one_word_or_a_rare_spelling(spellings, rows, are_one):
    assert are_one_word(spellings, dict(zip(spellings, rows, strict=True))) is are_one


def test_what_differs_in_case_only_stays_apart_aloud_beside_words_that_do_not():
    cells = [("mA", "MA", "volt", "Volt")[place % 4] for place in range(ROWS)]
    found = open_dataset(pd.DataFrame({"base": BASE, "x": cells, "y": ["a", "b"] * 50}), DataOptions(target="y"))
    assert next(item.categories for item in found.encoder.categorical) == ("MA", "Volt", "mA")
    assert [note.done for note in found.notes] == [
        "each is read as its most frequent spelling",
        "read as different values, as mA and MA are",
    ]


@given(cells=st.lists(st.sampled_from(["1", "2", "2.0", "1.5"]), min_size=30, max_size=30))
def test_a_categorical_frame_is_encoded_as_its_file_with_the_option_is(tmp_path_factory, cells):
    if len(set(cells)) == 1:
        return
    frame = pd.DataFrame({"base": BASE[:30], "x": pd.Categorical(cells), "y": ["a", "b"] * 15})
    path = tmp_path_factory.mktemp("categorical") / "rows.csv"
    frame.to_csv(path, index=False)
    in_frame = open_dataset(frame, DataOptions(target="y", name="rows"))
    in_file = opened(path, "categorical")
    assert in_frame.schema == in_file.schema and in_frame.digest == in_file.digest


BITS = np.array([0.0, 1.0] * (ROWS // 2))
NUMBERS = pd.DataFrame(
    {
        "measure": BASE,
        "written": [f"{value:.2f} kg".replace(".", ",") for value in BASE],
        "signs": 2 * FLAGS - 1,
        "bit": FLAGS.astype(int),
        "gaps": np.where(np.arange(ROWS) < 10, np.nan, BITS),
        "y": ["a", "b"] * (ROWS // 2),
    }
)


def asked_with(name, cell):
    """A row in which a cell is another one, read as a data frame and as a request: its numbers or its refusal."""
    found = open_dataset(NUMBERS, DataOptions(target="y"))
    # a 1 that was there before is the same key as True
    rows = [{**json.loads(NUMBERS.drop(columns="y").iloc[[20]].to_json(orient="records"))[0], name: 1}] * 2
    rows[1] = {**rows[1], name: cell}
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    hot = ColumnarEncoder(found.schema, found.encoder)
    read = []
    for encode in (
        lambda: found.encoder.transform(found.schema, pd.DataFrame(rows[1:])),
        lambda: found.encoder.transform(found.schema, pd.DataFrame(rows).astype({name: object})),
        lambda: hot.encode(columns, 2),
        lambda: hot.encode(columns, 2),
    ):
        try:
            read.append(encode()["numeric"][-1].tolist())
        except InvalidValueError as error:
            read.append((str(error).partition(", ")[2], error.column))
    assert all(other == read[0] for other in read)
    return read[0]


@pytest.mark.parametrize("name", ["measure", "written", "signs"])
@pytest.mark.parametrize("cell", [True, False])
def test_a_truth_value_among_numbers_is_refused(name, cell):
    sentence, column = asked_with(name, cell)
    assert column == name
    assert f"'{name}': '{cell}' is not a number" in sentence


@pytest.mark.parametrize("name", ["bit", "gaps"])
@pytest.mark.parametrize("cell", [True, False])
def test_a_truth_value_is_1_or_0_in_a_column_that_had_nothing_else(name, cell):
    assert asked_with(name, cell) == asked_with(name, int(cell))
