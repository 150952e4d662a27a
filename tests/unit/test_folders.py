"""Folders and archives of files that are one table."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from orchestrator import prepare_dataset
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.data import DataOptions, is_streamed, load_table, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.data.file_decimals import OwnDecimals
from orchestrator.data.inspection import inspect_data
from orchestrator.data.sources import load_rows
from orchestrator.errors import DataError, UsageError
from orchestrator.serving.http.csv_bodies import parse_csv_rows

DRAWN = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "a": DRAWN.normal(size=120).round(3),
        "made": pd.date_range("2024-01-01", periods=120).strftime("%d/%m/%Y"),
        "kind": DRAWN.choice(list("pqr"), 120),
        "y": DRAWN.choice(["u", "v"], 120),
    }
)
FORMS = {
    "csv": lambda rows, path: rows.to_csv(f"{path}.csv", index=False),
    "compressed": lambda rows, path: rows.to_csv(f"{path}.csv.gz", index=False),
    "texts": lambda rows, path: rows.to_csv(f"{path}.txt", index=False, sep="|"),
    "json lines": lambda rows, path: rows.to_json(f"{path}.jsonl", orient="records", lines=True),
}


def write(folder, form="csv", frame=FRAME):
    folder.mkdir(exist_ok=True)
    for part in range(3):
        FORMS[form](frame.iloc[part * 40 : part * 40 + 40], folder / f"part-{part}")
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_files_of_a_folder_are_read_as_one_file_with_all_rows(tmp_path, form):
    FRAME.to_csv(tmp_path / "one.csv", index=False)
    one = prepare_dataset(tmp_path / "one.csv", "y")
    folder = write(tmp_path / "rows", form)
    found = prepare_dataset(folder, "y")
    assert (found.schema, found.digest, found.notes) == (one.schema, one.digest, ())
    assert found.name == "rows"
    assert not is_streamed(folder)
    assert len(load_rows(folder, found.schema.names).frame) == 120
    inspected = inspect_data(str(folder), DataOptions(target="y"))
    assert (inspected.rows, inspected.sampled) == (120, False)


@pytest.mark.parametrize("commas", [1, 2])
def test_files_with_another_decimal_mark_order_and_delimiter_are_read_as_those_with_points(tmp_path, commas):
    one = prepare_dataset(FRAME, "y")
    folder = tmp_path / "rows"
    folder.mkdir()
    for part in range(3):
        rows = FRAME.iloc[part * 40 : part * 40 + 40]
        if part < commas:
            rows = rows[["y", "kind", "a", "made"]].to_csv(index=False, sep=";", decimal=",")
            (folder / f"part-{part}.csv").write_text(rows, encoding="utf-8-sig")
        else:
            rows.to_csv(folder / f"part-{part}.csv", index=False, columns=["y", "kind", "a", "made"])
    found = prepare_dataset(folder, "y")
    assert np.array_equal(found.train.inputs["numeric"], one.train.inputs["numeric"])
    names, mark = (("part-0.csv", "comma") if commas == 1 else ("part-2.csv", "point")), found.notes[0]
    assert (mark.column, mark.done) == ("a", "each file is read with its own")
    assert f"a decimal {names[1]}" in mark.why
    assert f"(in {names[0]})" in mark.why


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("commas", [1, 2])
def test_what_can_be_read_in_two_ways_is_read_as_the_other_columns_of_its_file(tmp_path, commas, grouped):
    plain = pd.DataFrame(
        {
            "a": DRAWN.normal(size=120).round(2) + 0.001,
            "b": DRAWN.integers(1001, 9999, 120) / 1000,
            "whole": DRAWN.integers(1000, 999_999, 120),
            "y": FRAME["y"],
        }
    )
    one = prepare_dataset(plain, "y")
    wanted = one.encoder.transform(one.schema, plain)

    def written(rows, comma):
        texts = rows.assign(b=rows["b"].map("{:.3f}".format))
        if not comma:
            return texts.to_csv(index=False)
        texts["b"] = texts["b"].str.replace(".", ",")
        if grouped:
            texts["whole"] = texts["whole"].map("{:,}".format).str.replace(",", ".")
        return texts.to_csv(index=False, sep=";", decimal=",")

    folder = tmp_path / "rows"
    folder.mkdir()
    for part in range(3):
        (folder / f"{part}.csv").write_text(written(plain.iloc[part * 40 : part * 40 + 40], part < commas))
    found = prepare_dataset(folder, "y")
    assert np.array_equal(found.train.inputs["numeric"], one.train.inputs["numeric"])
    assert any("a point between thousands" in note.why for note in found.notes) == grouped
    # a file of rows to answer has its own marks, too, and so has a body
    for comma in (False, True):
        (tmp_path / "answer.csv").write_text(written(plain, comma))
        frame = load_rows(tmp_path / "answer.csv", found.schema.names).frame
        rows = OwnDecimals.of(found.schema.columns, frame).read(frame)
        cells, count, _ = parse_csv_rows(found.schema, (tmp_path / "answer.csv").read_bytes())
        body = ColumnarEncoder(found.schema, found.encoder).encode(cells, count)
        for inputs in (found.encoder.transform(found.schema, rows), body):
            assert np.array_equal(inputs["numeric"], wanted["numeric"])


def test_a_file_is_not_read_otherwise_unless_that_is_sure():
    found = prepare_dataset(FRAME, "y")
    for cells in (["1,234", "5,678"], ["1,5", "2.5"], ["1.5", "2.5"], ["x", "2"]):
        rows = pd.DataFrame({"a": cells}, dtype="str")
        assert not OwnDecimals.of(found.schema.columns, rows).notations
    rows = pd.DataFrame({"a": ["1,5", "x"]}, dtype="str")
    assert OwnDecimals.of(found.schema.columns, rows).read(rows) is rows


def test_a_folder_of_parquet_files_stays_there_but_can_be_answered(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    FRAME.to_parquet(folder / "x.parquet")
    FRAME.to_csv(folder / "x.csv")
    assert is_streamed(folder)
    notes = map(str, open_dataset(folder, DataOptions(target="y")).notes)
    assert any("1 CSV file is there, such as x.csv: passed over" in note for note in notes)
    assert len(load_rows(folder, ["a"]).frame) == 120


def test_an_archive_of_files_is_read_as_a_folder(tmp_path):
    folder = write(tmp_path / "rows")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
        archive.writestr("README.txt", "rows")
        archive.writestr("__MACOSX/part-0.csv", "x")
    table = load_table(tmp_path / "all.zip")
    pd.testing.assert_frame_equal(table.frame, load_table(folder).frame)
    assert [str(note) for note in table.notes] == ["the zip archive holds README.txt beside 3 CSV files: passed over"]


def test_names_of_folders_are_columns_and_what_is_hidden_or_empty_is_passed_over(tmp_path):
    for year in (2023, 2024):
        write(tmp_path / f"year={year}")
    (tmp_path / ".hidden.csv").write_text("x")
    (tmp_path / "year=2024" / "part-9.csv").touch()
    table = load_table(tmp_path)
    assert table.frame["year"].value_counts().to_dict() == {2023: 120, 2024: 120}
    assert "part-9.csv is an empty file: passed over" in map(str, table.notes)


def test_files_that_cannot_be_read_are_said(tmp_path):
    (tmp_path / "sales.xlsx").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"no Parquet, CSV or JSON file in it; save the sheet of sales\.xlsx as"):
        load_table(tmp_path)
    folder = write(tmp_path / "rows")
    (folder / "part-3.csv").symlink_to(tmp_path / "moved.csv")
    (folder / ".#part-0.csv").symlink_to("me@here")
    with pytest.raises(DataError, match=r"part-3\.csv: is a link to .*moved\.csv, which is not there"):
        load_table(folder)
    (tmp_path / "moved.csv").write_text("a,made,kind,y\n1,13/01/2024,p,u\n")
    assert len(load_table(folder).frame) == 121


def test_what_is_said_of_files_names_them(tmp_path):
    folder = write(tmp_path / "rows")
    (folder / "part-3.csv").write_text("A ,made,kind,y\n1.5,13/01/2024,p,u\n\n# end\n")
    said = [str(note) for note in load_table(folder).notes]
    assert "column 'a' is written 'A' here (in part-3.csv): read as the same column" in said
    assert any(note.startswith("line 4 begins with # (in part-3.csv): passed over") for note in said)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "a,made,y\n1,13/01/2024,u\n",
            r"part-3.csv: other columns than the files before: 'kind' is only in part-0.csv",
        ),
        (
            "a,made,kind,y,z\n1,13/01/2024,p,u,1\n",
            r"part-3.csv: .*: 'z' is not in part-0.csv; give files with the same",
        ),
        ("1.5,13/01/2024,p,u\n2.5,14/01/2024,p,u\n", r"part-3.csv"),
        ("a,made,kind,y\n1.5,13/01/2024\n", r"part-3.csv: line 2"),
    ],
)
def test_a_file_that_does_not_go_with_the_others_is_named(tmp_path, content, sentence):
    folder = write(tmp_path / "rows")
    (folder / "part-3.csv").write_text(content)
    with pytest.raises(DataError, match=sentence):
        load_table(folder)


def test_a_folder_without_rows_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a folder, but there is no Parquet, CSV or JSON file in it"):
        open_dataset(tmp_path, DataOptions(target="y"))
    (tmp_path / "x.csv").touch()
    with pytest.raises(UsageError, match="is a folder, but they are all empty"):
        load_table(tmp_path)
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "x.csv").unlink()
    with pytest.raises(UsageError, match="is for CSV files"):
        load_table(tmp_path, csv=CsvWish(delimiter=";"))


def test_a_folder_may_hold_the_rows_to_test_on(tmp_path):
    found = prepare_dataset(FRAME, "y", test=str(write(tmp_path / "rows")), equal_rows="apart")
    assert found.counts[2] == 120


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
@pytest.mark.parametrize("test_form", ["csv", "parquet", "frame"])
def test_rows_of_a_file_are_the_same_as_those_of_a_frame_whatever_their_types(tmp_path, form, test_form):
    frame = FRAME.assign(
        day=pd.date_range("2024-01-01", periods=120),
        flag=DRAWN.random(120) > 0.5,
        number=np.where(DRAWN.random(120) > 0.2, DRAWN.integers(0, 5, 120), np.nan),
    )

    def source(rows, form, name):
        if form == "frame":
            return rows
        path = tmp_path / f"{name}.{form}"
        rows.to_csv(path, index=False) if form == "csv" else rows.to_parquet(path)
        return str(path)

    with pytest.raises(DataError, match="of 40 test rows are the same in all columns as training rows"):
        prepare_dataset(source(frame, form, "train"), "y", test=source(frame.head(40), test_form, "test"))


@pytest.mark.parametrize("as_text", [False, True])
def test_numbers_of_the_type_category_that_are_no_classes_are_said(as_text):
    numbers = pd.Series(np.arange(120) % 40)
    frame = FRAME.assign(y=(numbers.astype(str) if as_text else numbers).astype("category"))
    dataset = prepare_dataset(frame, "y")
    assert dataset.schema.target.task.kind == "regression"
    assert "has the type category, but its 40 different numbers have too few rows each" in str(dataset.notes[0])
    assert not prepare_dataset(frame.assign(y=numbers), "y").notes
