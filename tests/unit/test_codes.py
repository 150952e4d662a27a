"""Numbers that are names, and labels in several spellings: one rule for files, frames and cells of requests."""

# letters of several alphabets
# ruff: noqa: RUF001

import json
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.columns.code_notation import CodeNotation, folded
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, Schema, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.features import ColumnKind

ROWS = 200
MEASURE = np.random.default_rng(7).normal(size=ROWS).round(6)
ANSWER = np.where(MEASURE > 0, "yes", "no")


def cycle(*cells, rows=ROWS):
    return [cells[(5 * at + at // 7) % len(cells)] for at in range(rows)]


def table(cells, name="code"):
    return pd.DataFrame({name: cells, "x": MEASURE, "y": ANSWER})


def opened(source, target="y", **options):
    return open_dataset(source, DataOptions(target=target, **options))


def as_csv(tmp_path, frame):
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    return path


def column(dataset, name="code"):
    return next((item for item in dataset.schema.columns if item.name == name), None)


def categories(dataset, name="code"):
    return next(item.categories for item in dataset.encoder.categorical if item.column == name)


def about_columns(dataset):
    """Notes, but for those about the table, which has many equal rows."""
    return [note for note in dataset.notes if note.column is not None]


def sentences(dataset):
    return "\n".join(map(str, dataset.notes))


def request(dataset, cells, name="code"):
    """Codes of cells as they come over HTTP, checked against those of a data frame."""
    columns = {name: cells, "x": [0.0] * len(cells)}
    found = ColumnarEncoder(dataset.schema, dataset.encoder).encode(columns, len(cells))
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object), "x": columns["x"]})
    assert (found["categorical"] == dataset.encoder.transform(dataset.schema, frame)["categorical"]).all()
    return found["categorical"][:, 0].tolist()


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (cycle("7", "07", "007", "12", "012"), "zeros in front"),
        (cycle("01067", "10115", "80331", " 04109"), "zeros in front"),
        (cycle("01.11", "10.20", "47.10", "62.01"), "zeros in front"),
        (cycle("1234567890123456789", "1234567890123456790", "1234567890123456793"), "more digits"),
        (cycle("4006381333931", "4012345678901", "5901234123457", "9780306406157", "4006381333948"), "barcodes"),
        (cycle("+49761203111", "+4930123456", "+43123456789"), "phones"),
    ],
)
def test_numbers_that_are_names_are_categories_aloud_and_stay_apart(tmp_path, cells, reason):
    frame = table(cells)
    datasets = [opened(as_csv(tmp_path, frame)), opened(frame)]
    for dataset in datasets:
        assert column(dataset).kind is ColumnKind.CATEGORICAL
        assert categories(dataset) == tuple(sorted({str(cell).strip().removeprefix("+") for cell in cells})) or (
            categories(dataset) == tuple(sorted({cell.strip() for cell in cells}))
        )
        assert reason in sentences(dataset)
        assert "--numeric 'code'" in sentences(dataset)
    assert datasets[0].schema == datasets[1].schema
    assert datasets[0].digest == datasets[1].digest


def test_zeros_in_front_keep_codes_apart_over_http_too(tmp_path):
    dataset = opened(as_csv(tmp_path, table(cycle("7", "07", "007"))))
    codes = request(dataset, ["7", "07", "007", 7, 7.0, "0007", None])
    assert len({*codes[:3], 0, 1}) == 5
    assert codes[3:] == [codes[0], codes[0], 0, 1]


@settings(max_examples=15)
@given(
    codes=st.lists(st.integers(100, 99_999), min_size=3, max_size=20, unique=True),
    first=st.integers(0, 20),
    kept=st.booleans(),
)
def test_codes_that_lost_their_zeros_in_some_rows_are_the_same_codes(codes, first, kept):
    whole = [f"{code:05d}" for code in codes]
    # so many have lost them in their first row
    lost = [code.lstrip("0") if place < first else code for place, code in enumerate(whole)]
    cells = [*lost, *(whole * ROWS)[: ROWS - len(lost)]]
    short = sorted({code for code in lost if len(code) < 5})
    values = tuple(short[:1]) if kept else ()
    dataset = opened(table(cells), columns={"code": ColumnWish(kind="categorical", values=values)})
    if not any(code.startswith("0") for code in whole) or 2 * len(short) >= len(codes):
        return
    apart = set(values) & {code for code in cells if len(code) < 5}
    assert set(categories(dataset)) <= {*whole, *apart}
    told = [code for code in short if code not in values]
    assert ("of which" in sentences(dataset)) == bool(told)
    assert request(dataset, [whole[0], whole[0].lstrip("0")])[0] == request(dataset, [whole[0]])[0]


def test_codes_of_several_lengths_are_different_codes():
    for cells in (cycle("7", "07", "007"), cycle("030", "0351", "089"), cycle("7", "12", "345", "01234", "99")):
        dataset = opened(table(cells))
        assert set(categories(dataset)) == set(cells)
        assert "of which" not in sentences(dataset)


@pytest.mark.parametrize(
    ("name", "cells", "why_not"),
    [
        ("measure", ["05", *(str(10 + at // 2 * 3) for at in range(ROWS - 1))], "--categorical 'measure' keeps them"),
        ("share", cycle("0.25", "0.5", "0.125"), None),
        ("count", cycle("10", "20", "0"), None),
        ("big", [str(10**17 * number) for number in cycle(3, 5, 7)], None),
    ],
)
def test_numbers_that_are_no_names_stay_numbers(tmp_path, name, cells, why_not):
    dataset = opened(as_csv(tmp_path, table(cells, name)))
    assert column(dataset, name).kind is not ColumnKind.CATEGORICAL
    assert (why_not in sentences(dataset)) if why_not else not about_columns(dataset)


def test_names_say_what_postal_codes_are_once_pandas_has_taken_their_zeros():
    for name in ("zip_code", "ZipCode", "PLZ", "Postal Code"):
        dataset = opened(table(cycle(1067, 10115, 80331), name))
        assert column(dataset, name).kind is ColumnKind.CATEGORICAL
        assert "by its name" in sentences(dataset)
    assert column(opened(table(cycle(1067, 10115, 80331), "recipients")), "recipients").kind is ColumnKind.NUMERIC


@given(st.lists(st.sampled_from(["plain", "point", "float", "blank"]), min_size=ROWS, max_size=ROWS))
@settings(max_examples=10, deadline=None)
def test_a_code_without_zeros_is_the_same_however_it_is_written(forms):
    written = {
        "plain": str,
        "point": lambda number: f"{number}.0",
        "float": float,
        "blank": lambda number: f" {number} ",
    }
    numbers = cycle(1, 2, 3, 10)
    plain = opened(table(numbers), categorical=("code",))
    other = opened(
        table(pd.Series([written[form](number) for form, number in zip(forms, numbers, strict=True)], dtype=object)),
        categorical=("code",),
    )
    assert plain.schema == other.schema
    assert plain.digest == other.digest
    assert (plain.train.inputs["categorical"] == other.train.inputs["categorical"]).all()
    codes = request(plain, [10, 10.0, "10", "10.0", " 10. ", "+10", "010"])
    assert codes[:6] == [codes[0]] * 6
    assert codes[6] == 0


def test_a_categorical_of_integers_is_a_category_without_a_note():
    dataset = opened(table(pd.Categorical(cycle(3, 1, 2))))
    assert categories(dataset) == ("1", "2", "3")
    assert not about_columns(dataset)


@pytest.mark.parametrize("missing", [False, True])
def test_classes_written_as_floats_are_classes_in_a_file_as_in_a_frame(tmp_path, missing):
    labels = [float(label) for label in cycle(0, 1, 2)]
    if missing:
        labels[5] = labels[50] = None
    frame = pd.DataFrame({"x": MEASURE, "y": labels})
    path = as_csv(tmp_path, frame)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "rows.parquet")
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "folder" / "a.parquet", row_group_size=70)
    sources = [path, frame, pd.read_csv(path, dtype=str), tmp_path / "rows.parquet", tmp_path / "folder"]
    schemas = [opened(source).schema for source in sources]
    assert schemas[0].target.task.kind == "multiclass"
    assert schemas[0].target.task.classes == (0, 1, 2)
    assert all(schema == schemas[0] for schema in schemas)


def test_codes_with_zeros_are_classes_however_many(tmp_path):
    frame = pd.DataFrame({"x": MEASURE, "y": [f"{label:04d}" for label in cycle(*range(30))]})
    dataset = opened(as_csv(tmp_path, frame))
    assert dataset.schema.target.task.classes[:2] == ("0000", "0001")
    assert "--task regression" in sentences(dataset)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (cycle("None", "Mild", "Severe"), ("Mild", "None", "Severe")),
        (cycle("yes", "None"), ("None", "yes")),
        (cycle("NA", "EU", "AS"), ("AS", "EU", "NA")),
        (cycle("none", "partial", "full", ""), ("full", "none", "partial")),
        (cycle("N/A", "a", "b"), ("N/A", "a", "b")),
        # a second word beside "no" is what is not known
        (cycle("yes", "no", "NA"), ("no", "yes")),
        (cycle("NaN", "a", "b"), ("a", "b")),
        (["NA", *cycle("a", "b", "c")[1:]], ("a", "b", "c")),
        (["NA", "NA", "NA", *cycle("1", "2", "3")[3:]], (1, 2, 3)),
    ],
)
def test_a_frequent_word_for_none_is_a_class_and_a_rare_one_is_missing(tmp_path, labels, classes):
    frame = pd.DataFrame({"x": MEASURE, "y": labels})
    datasets = [opened(as_csv(tmp_path, frame)), opened(frame)]
    for dataset in datasets:
        assert dataset.schema.target.task.classes == classes
        known = [label for label in labels if label in set(map(str, classes))]
        assert sum(dataset.counts) == len(known)
        if any(label in ("NA", "None", "none", "N/A") for label in labels):
            assert "column 'y' has the word" in sentences(dataset)
    assert (
        datasets[0].schema
        == datasets[1].schema
        == Schema.from_json(json.loads(json.dumps(datasets[0].schema.to_json())))
    )


def test_a_word_is_missing_or_a_class_if_the_user_says_so():
    frame = pd.DataFrame({"x": MEASURE, "y": cycle("None", "Mild", "Severe")})
    dataset = opened(frame, columns={"y": ColumnWish(missing=("None",))})
    assert dataset.schema.target.task.classes == ("Mild", "Severe")
    frame.loc[3:, "y"] = cycle("a", "b")[3:]
    frame.loc[:2, "y"] = "NaN"
    dataset = opened(frame, columns={"y": ColumnWish(values=("NaN",))})
    assert dataset.schema.target.task.classes == ("NaN", "a", "b")


def test_namibia_is_a_country(tmp_path):
    dataset = opened(as_csv(tmp_path, table(cycle("DE", "NA", "ZA", ""))))
    assert categories(dataset) == ("DE", "NA", "ZA")
    assert "--na 'code=NA'" in sentences(dataset)
    codes = request(dataset, ["NA", "na", "DE", "", None, "n/a", "FR"])
    assert codes == [3, 3, 2, 1, 1, 1, 0]
    assert categories(opened(as_csv(tmp_path, table(cycle("Berlin", "NA", "Bern"))))) == ("Berlin", "Bern")


def test_north_america_is_a_region():
    dataset = opened(table(cycle("NA", "EMEA", "APAC")))
    assert categories(dataset) == ("APAC", "EMEA", "NA")
    assert "has NA among other regions" in sentences(dataset)


def decomposed(text):
    return unicodedata.normalize("NFD", text)


def full_width(text):
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


SPELLINGS = [str.upper, str.lower, lambda text: f"{text}  ", decomposed, full_width, lambda text: f"\ufeff{text}"]


@given(st.lists(st.sampled_from(SPELLINGS), min_size=ROWS // 4, max_size=ROWS // 4))
@settings(max_examples=10, deadline=None)
def test_all_spellings_of_a_label_are_one_label(ways):
    plain = cycle("Zürich", "New York", "Genève")
    cells = [ways[at // 4](cell) if at % 4 == 0 else cell for at, cell in enumerate(plain)]
    dataset, expected = opened(table(cells)), opened(table(plain))
    assert categories(dataset) == categories(expected)
    assert (dataset.train.inputs["categorical"] == expected.train.inputs["categorical"]).all()
    if set(map(str.strip, cells)) != set(plain):
        assert "spells the same in several ways" in sentences(dataset)
        # also as nobody has written it before
        assert request(dataset, ["zÜRICH", full_width("new  york"), decomposed("GENÈVE")]) == [4, 3, 2]
    labels = opened(pd.DataFrame({"x": MEASURE, "y": cells}))
    assert labels.schema.target.task.classes == ("Genève", "New York", "Zürich")
    assert (labels.train.target == opened(pd.DataFrame({"x": MEASURE, "y": plain})).train.target).all()


@pytest.mark.parametrize(
    ("spellings", "others"),
    [
        (["İstanbul", "istanbul", "İSTANBUL", "ISTANBUL"], ["Ankara"]),
        (["Diyarbakır", "DİYARBAKIR", "diyarbakır"], ["Diyarbakir"]),
        (["HAYIR", "Hayır", "hayır"], ["hayran"]),
        (["Straße", "STRASSE"], ["Platz"]),
    ],
)
def test_an_i_without_a_dot_is_another_letter(spellings, others):
    dataset = opened(table(cycle(*spellings, *others)))
    notation = column(dataset).notation
    assert len(set(map(notation.key, spellings))) == 1
    assert len(set(map(notation.key, [*spellings, *others]))) == 2


def test_labels_that_were_kept_apart_stay_so():
    notation = CodeNotation(labels=("istanbul", "İstanbul"))
    assert [notation.key(label) for label in notation.labels] == list(notation.labels)


def test_spellings_that_the_user_lists_stay_apart():
    frame = table(cycle("a", "A", "b"))
    assert categories(opened(frame, columns={"code": ColumnWish(values=("a", "A"))})) == ("A", "a", "b")


def test_plain_categories_have_no_notation_and_no_note():
    dataset = opened(table(cycle("red", "green", "blue", None)))
    assert column(dataset).notation is None
    assert dataset.schema.target.notation is None
    assert not about_columns(dataset)


@pytest.mark.parametrize("content", [{}, {"whole": 1}, {"whole": True, "labels": "a"}, {"whole": True, "other": []}])
def test_a_damaged_notation_is_refused(content):
    with pytest.raises((KeyError, ValueError)):
        CodeNotation.from_json(content)


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(text):
    assert folded(folded(text)) == folded(text)


def test_asked_for_classes_may_be_many():
    frame = pd.DataFrame({"x": np.arange(2400) % 7 / 7, "y": [f"c{at % 1200}" for at in range(2400)]})
    assert len(opened(frame, task="multiclass").schema.target.task.classes) == 1200


def test_a_folder_has_the_classes_of_a_category_as_a_file_has_them(tmp_path):
    generator = np.random.default_rng(3)
    labels = pd.Categorical(generator.integers(0, 40, 2 * ROWS * 3))
    frame = pd.DataFrame({"x": generator.normal(size=len(labels)), "y": labels})
    frame.to_parquet(tmp_path / "one.parquet")
    (tmp_path / "folder").mkdir()
    for part in range(2):
        frame.iloc[part::2].to_parquet(tmp_path / "folder" / f"{part}.parquet")
    tasks = [opened(tmp_path / name).schema.target.task for name in ("one.parquet", "folder")]
    assert tasks[0] == tasks[1] and tasks[0].classes == tuple(range(40))
