"""`orchestrator inspect`: what a data set or a model is, without training, and a file of columns to be given back."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support import mixed_frame, quick_model

import orchestrator
from orchestrator.bundle import make_bundle
from orchestrator.cli import main
from orchestrator.cli.column_options import KIND_OPTIONS, VALUES, WORDS, with_columns
from orchestrator.columns.wish import CATEGORICAL, IGNORE, ColumnWish
from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, open_dataset
from orchestrator.sweeps.plan import data_options

ODD_NAMES = ["a: b", "# c", "yes", "5", "two\nlines", "ünï'cöde\"", "- d", "x=y", "{e}", " "]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rows(count=80):
    frame = mixed_frame(count).assign(same=1, id=[f"k{number}" for number in range(count)])
    frame["born"] = pd.date_range("1990-01-01", periods=count).strftime("%d/%m/%Y")
    frame["remark"] = [f"the row number {number} is one of many" for number in range(count)]
    return frame


def read_back(path, target=None):
    """The options of a command that gets a file of columns, as those for a data set."""
    nothing = dict.fromkeys((*KIND_OPTIONS, *VALUES, *WORDS, CATEGORICAL, IGNORE), ())
    given = with_columns({**nothing, "target": target, "task": None, "columns_file": path})
    return data_options(SweepConfig.create(data="x.csv", **{name: value for name, value in given.items() if value}))


def test_columns_target_and_notes_are_shown_and_given_as_objects(tmp_path):
    rows().to_csv(tmp_path / "rows.csv", index=False)
    shown = run("inspect", tmp_path / "rows.csv", "--target", "label")
    assert shown.exit_code == 0, shown.output
    assert "rows.csv: 80 rows, 9 columns\ntarget 'label': binary" in shown.stdout
    assert "note: column 'same' has the same value in every row: left out" in shown.stdout
    found = json.loads(run("inspect", tmp_path / "rows.csv", "--target", "label", "--json").stdout)
    columns = {column["name"]: column for column in found["columns"]}
    assert {name: column["kind"] for name, column in columns.items()} == {
        "number": "numeric",
        "color": "categorical",
        "flag": "boolean",
        "day": "datetime",
        "label": "target",
        "same": "left out",
        "id": "left out",
        "born": "datetime",
        "remark": "text",
    }
    frame = rows()
    assert columns["number"]["missing"] == int(frame["number"].isna().sum()) > 0
    assert columns["color"]["distinct"] == 3
    assert columns["color"]["missing"] == int(frame["color"].isna().sum()) > 0
    assert columns["id"]["examples"] == ["k0", "k1", "k2"]
    assert "%d/%m/%Y" in columns["born"]["written"]
    assert (found["rows"], found["sampled"], found["target"]["task"]) == (80, False, "binary")
    dataset = open_dataset(tmp_path / "rows.csv", DataOptions(target="label"))
    assert found["notes"] == [note.to_json() for note in dataset.notes]


def test_a_source_may_know_its_target():
    found = json.loads(run("inspect", "sklearn:iris", "--json").stdout)
    assert found["target"]["task"] == "multiclass"


def test_without_a_target_all_columns_are_features(tmp_path):
    rows().to_parquet(tmp_path / "rows.parquet")
    found = json.loads(run("inspect", tmp_path / "rows.parquet", "--json").stdout)
    assert found["target"] is None
    assert next(column["kind"] for column in found["columns"] if column["name"] == "label") == "categorical"


def test_words_of_missing_values_are_counted_and_cells_of_all_types_shown(tmp_path):
    frame = pd.DataFrame({"a": ["1", " NA ", "?", "2"] * 5, "b": [True, None, False, True] * 5, "y": [1.5, 2.5] * 10})
    frame.to_parquet(tmp_path / "rows.parquet")
    found = json.loads(run("inspect", tmp_path / "rows.parquet", "--json").stdout)["columns"]
    assert [(column["missing"], column["distinct"]) for column in found] == [(10, 2), (5, 2), (0, 2)]
    assert found[1]["examples"] == ["True", "False"]


def test_cells_in_a_notation_are_counted_as_they_are_read(tmp_path):
    frame = pd.DataFrame(
        {
            "price": ["1.234,50 €", "7,25 €", "7,250 €", "-"] * 10,
            "country": ["NA", "DE", "FR", "DE"] * 10,
            "label": ["Yes", "yes ", "No", "no"] * 10,
        }
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    source = [tmp_path / "rows.csv", "--target", "label", "--json"]
    found = {column["name"]: column for column in json.loads(run("inspect", *source).stdout)["columns"]}
    assert (found["price"]["missing"], found["price"]["distinct"]) == (10, 2)
    assert found["price"]["examples"] == ["1.234,50 €", "7,25 €"]
    assert "decimal ," in found["price"]["written"]
    assert (found["country"]["missing"], found["country"]["distinct"]) == (0, 3)
    assert (found["label"]["kind"], found["label"]["distinct"]) == ("target", 2)
    # and read back, with words of one's own
    wished = run(
        "inspect", *source[:3], "--na", "country=NA", "--na", "price=7,25 €", "-o", tmp_path / "c.yaml", "--json"
    )
    again = {column["name"]: column["missing"] for column in json.loads(wished.stdout)["columns"]}
    assert (again["country"], again["price"]) == (10, 20)
    read = open_dataset(tmp_path / "rows.csv", read_back(tmp_path / "c.yaml"))
    asked = {"country": ColumnWish(missing=("NA",)), "price": ColumnWish(missing=("7,25 €",))}
    assert read.digest == open_dataset(tmp_path / "rows.csv", DataOptions(target="label", columns=asked)).digest
    assert read.digest != open_dataset(tmp_path / "rows.csv", DataOptions(target="label")).digest


def test_nothing_heavy_is_imported(tmp_path):
    rows().to_csv(tmp_path / "rows.csv", index=False)
    network, dataset = quick_model(mixed_frame(100), "label")
    make_bundle(network, dataset, {}).save(tmp_path / "bundle")
    for source in ("rows.csv", "bundle"):
        code = (
            f"import sys; sys.argv = ['orchestrator', 'inspect', {source!r}]\n"
            "from orchestrator.cli import main\n"
            "try: main()\nexcept SystemExit as error: assert not error.code\n"
            "print(sorted({'torch', 'ray', 'mlflow', 'sklearn', 'optuna', 'onnxruntime'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


# ---- the file of columns


@pytest.mark.parametrize("form", ["rows.csv", "rows.parquet", "folder"])
def test_what_is_written_and_given_back_reads_the_same(tmp_path, form):
    frame, source = rows(300), tmp_path / form
    if form == "folder":
        source.mkdir()
    write = frame.to_csv if form == "rows.csv" else frame.to_parquet
    write(source / "a.parquet" if form == "folder" else source, index=False)
    done = run("inspect", source, "--target", "label", "-o", tmp_path / "columns.yaml")
    assert done.exit_code == 0, done.output
    plain = open_dataset(source, DataOptions(target="label"))
    again = open_dataset(source, read_back(tmp_path / "columns.yaml"))
    assert again.schema == plain.schema
    assert again.digest == plain.digest
    # what is said is no guess
    assert again.notes == ()
    assert len(plain.notes) == 4
    assert "days from" in str(plain.notes[-1])
    # as a part of a configuration, too
    config = SweepConfig.load(tmp_path / "columns.yaml", {"data": str(source)})
    assert open_dataset(source, data_options(config)).digest == plain.digest


def test_an_edited_kind_is_obeyed_and_so_are_wishes_of_the_inspection(tmp_path):
    rows().to_csv(tmp_path / "rows.csv", index=False)
    path = tmp_path / "columns.yaml"
    options = ["--ignore", "color", "--na", "number=5", "-o", path]
    assert run("inspect", tmp_path / "rows.csv", "--target", "label", *options).exit_code == 0
    text = path.read_text()
    assert "# column 'id' is different in almost every row" in text
    read = read_back(path)
    assert read.columns["color"].is_ignored
    assert read.columns["number"].missing == ("5",)
    assert "remark: {kind: text}" in text
    for before, after in (
        ("remark: {kind: text}", "remark: {kind: ignore}"),
        ("id: {kind: ignore}", "id: {kind: text}"),
    ):
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    kinds = {
        column.name: column.kind.value for column in open_dataset(tmp_path / "rows.csv", read_back(path)).schema.columns
    }
    assert "remark" not in kinds
    assert kinds["id"] == "text"


def test_a_file_without_a_target_can_be_used_with_one(tmp_path):
    rows().to_csv(tmp_path / "rows.csv", index=False)
    assert run("inspect", tmp_path / "rows.csv", "-o", tmp_path / "columns.yaml").exit_code == 0
    plain = open_dataset(tmp_path / "rows.csv", DataOptions(target="label"))
    again = open_dataset(tmp_path / "rows.csv", read_back(tmp_path / "columns.yaml", "label"))
    assert again.digest == plain.digest


def test_names_of_all_kinds_come_back(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.normal(size=30) for name in ODD_NAMES}).assign(label=["p", "q"] * 15)
    frame.to_parquet(tmp_path / "rows.parquet")
    done = run("inspect", tmp_path / "rows.parquet", "--target", "label", "-o", tmp_path / "columns.yaml")
    assert done.exit_code == 0, done.output
    assert list(read_back(tmp_path / "columns.yaml").columns) == list(open_columns(tmp_path / "rows.parquet"))


def open_columns(path):
    return [column.name for column in open_dataset(path, DataOptions(target="label")).schema.columns]


def test_a_task_with_options_is_written_with_them(tmp_path):
    path = tmp_path / "columns.yaml"
    options = ["--task", "quantile", "--quantiles", "0.2,0.8", "-o", path]
    done = run("inspect", "sklearn:diabetes", *options)
    assert done.exit_code == 0, done.output
    assert read_back(path).task == {"kind": "quantile", "quantiles": [0.2, 0.8]}


# ---- a model


def test_a_model_says_what_it_reads_and_by_which_rule(tmp_path, store):
    with pytest.warns(orchestrator.DataWarning):
        result = orchestrator.train(rows(), target="label", name="t", parameters={"epochs": 1}, tracking_uri=store)
    result.bundle.save(tmp_path / "bundle")
    for source in (tmp_path / "bundle", "models:/t@champion"):
        done = run("inspect", source, "--tracking-uri", store, "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        columns = {column["name"]: column for column in found["columns"]}
        assert columns["color"]["encoded"] == "3 categories, others as unknown"
        assert columns["number"]["encoded"].startswith("mean ")
        assert columns["number"]["encoded"].endswith(" and marked")
        assert columns["born"]["encoded"].startswith("days: mean ")
        assert columns["remark"]["encoded"] == "tokens of 65536 buckets"
        assert found["notes"] == [note.to_json() for note in result.notes]
        assert found["metrics"]["test"] == dict(result.test)
        assert found["target"] == result.bundle.schema.target.to_json()
    shown = run("inspect", tmp_path / "bundle")
    assert "target 'label': binary" in shown.stdout
    assert "note: column 'same' has the same value in every row: left out" in shown.stdout
    assert "test " in shown.stdout


# ---- mistakes


def test_mistakes_are_one_sentence_and_end_with_two(tmp_path):
    rows().to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "there.yaml").write_text("")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "schema.json").write_text("{")
    source = tmp_path / "rows.csv"
    for arguments, sentence in [
        (["absent.csv"], "Error: absent.csv: no such file"),
        ([source, "--target", "lable"], "there is no target column 'lable'; did you mean 'label'?"),
        ([source, "--numeric", "colour"], "--numeric colour: there is no such column; did you mean 'color'?"),
        ([source, "--numeric", "color"], "the column 'color' cannot be read as numeric"),
        ([source, "-o", tmp_path / "there.yaml"], "there.yaml: exists; choose another name"),
        ([source, "-o", tmp_path / "no" / "x.yaml"], "there is no folder"),
        ([tmp_path / "bundle"], "encoder.json is missing"),
        ([tmp_path / "bundle", "--target", "y"], "is a model, whose columns are known; such options are for data"),
        (["models:/absent@champion", "--tracking-uri", f"sqlite:///{tmp_path}/x.db"], "no registered model 'absent'"),
        (["sklearn:irs"], "did you mean sklearn:iris"),
    ]:
        found = run("inspect", *arguments)
        assert (found.exit_code, found.stdout) == (2, ""), found.output
        assert sentence in found.stderr
        assert "Traceback" not in found.stderr
