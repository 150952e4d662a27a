"""`orchestrator init` writes a sweep that is the same until it is edited; `inspect` says which columns need a look."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from support import mixed_frame

from orchestrator.cli import main
from orchestrator.config import SweepConfig
from orchestrator.data import open_dataset
from orchestrator.sweeps.plan import data_options, make_plan
from orchestrator.sweeps.presets import with_preset


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rows(count=300):
    random = np.random.default_rng(0)
    frame = mixed_frame(count).assign(id=[f"k{number}" for number in range(count)])
    frame["copy"] = frame["color"]
    frame["code"] = frame["color"].map({name: place for place, name in enumerate(frame["color"].dropna().unique())})
    frame["rare"] = ["x"] * (count - 2) + ["y", "z"]
    frame["price"] = random.normal(size=count)
    frame["told"] = frame["price"] * 3 + random.normal(size=count) * 1e-3
    frame["later"] = [f"{label}{number % 3}" for number, label in enumerate(frame["label"])]
    return frame


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows().to_csv("rows.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("label", {}),
        ("price", {"--time-budget": "90s", "--metric": "mae", "--folds": "3", "--ignore": "color", "--na": "number=5"}),
        ("price", {"--task": "quantile", "--quantiles": "0.2,0.8", "--rare-categories": "none"}),
    ],
)
def test_a_written_file_plans_the_same_sweep_as_the_command_without_it(table, target, options):
    words = [word for pair in options.items() for word in pair]
    done = run("init", "rows.csv", "--target", target, *words)
    assert done.exit_code == 0, done.output
    given = {name[2:].replace("-", "_"): value for name, value in options.items()}
    if "na" in given:
        given["columns"] = {"number": {"missing": [given.pop("na").partition("=")[2]]}}
        given["ignore"] = [given["ignore"]]
    if "task" in given:
        given["task"] = {"kind": given["task"], "quantiles": given.pop("quantiles")}
    plain, read = (
        make_plan(with_preset(config), try_networks=lambda *_: None)
        for config in (
            SweepConfig.create(data="rows.csv", target=target, **given),
            SweepConfig.load(table / "sweep.yaml"),
        )
    )
    assert (read.dataset.digest, read.dataset.schema) == (plain.dataset.digest, plain.dataset.schema)
    assert (read.metric, read.name, read.points) == (plain.metric, plain.name, plain.points)
    assert (read.trials, read.epochs, read.workers) == (plain.trials, plain.epochs, plain.workers)
    assert read.sampler.space == plain.sampler.space
    said = {"target", "task", "metric", "columns", "categorical", "ignore"}
    assert read.config.model_dump(exclude=said) == plain.config.model_dump(exclude=said)
    text = (table / "sweep.yaml").read_text()
    assert re.search(r"# column 'id' is different in almost every row.*\n  id: \{kind: ignore\}", text)
    assert re.search(r"# its values are names, which come again; \d different, 0 missing\n", text)


def test_a_target_that_nobody_names_is_guessed_aloud(table):
    done = run("init", "rows.csv")
    assert "'label' is predicted, called as targets are" in done.stderr
    assert yaml.safe_load((table / "sweep.yaml").read_text())["target"] == "label"
    rows().drop(columns=["label"]).to_csv("rows.csv", index=False)
    assert "'later' is predicted, the last column; --target names another" in run("init", "rows.csv", "--force").stderr
    pd.DataFrame({"a": range(90), "when": pd.date_range("2020", periods=90)}).to_csv("rows.csv", index=False)
    done = run("init", "rows.csv", "-o", "new.yaml")
    assert (done.exit_code, (table / "new.yaml").exists()) == (2, False)
    assert "say which column to predict with --target (columns: a, when)" in done.stderr


def test_nothing_is_overwritten_and_nothing_half_written(table):
    (table / "sweep.yaml").write_text("mine")
    for words, sentence in [
        ([], "--output sweep.yaml: exists; --force replaces it, -o names another file"),
        (["-o", "no/x.yaml"], "--output no/x.yaml: there is no folder no"),
        (["--force", "--target", "lable"], "did you mean 'label'?"),
        (["-o", ".", "--force"], "--output .: is a folder; name a file"),
    ]:
        done = run("init", "rows.csv", *words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert sentence in done.stderr
    assert sorted(path.name for path in table.iterdir()) == ["rows.csv", "sweep.yaml"]
    assert (table / "sweep.yaml").read_text() == "mine"
    assert run("init", "rows.csv", "--force").exit_code == 0
    assert open_dataset("rows.csv", data_options(SweepConfig.load(table / "sweep.yaml")))


def test_columns_that_deserve_a_look_are_said_with_what_they_do(table):
    rows(2000).to_csv("rows.csv", index=False)
    found = json.loads(run("inspect", "rows.csv", "--target", "price", "--json").stdout)
    said = {note["column"]: note["why"] for note in found["suspicions"]}
    assert said == {
        "copy": "has the same cells as 'color'",
        "code": "has one value for each value of 'color'",
        "rare": "has the value 'x' in 99.9 % of the rows",
        "told": said["told"],
    }
    assert re.fullmatch(r"tells (99\.\d|100\.0) % of the variance of the target 'price' alone", said["told"])
    found = json.loads(run("inspect", "rows.csv", "--target", "label", "--json").stdout)
    said = {note["column"]: note["why"] for note in found["suspicions"]}
    assert said["later"] == "tells 100.0 % of the labels of the target 'label' alone"
    assert {"number", "price", "flag"}.isdisjoint(said)
    label = next(column for column in found["columns"] if column["kind"] == "target")
    counts = rows(2000)["label"].value_counts()
    assert {bar["label"]: bar["rows"] for bar in label["spread"]} == counts.to_dict()
    assert (
        f"{counts.index[0]} {100 * counts.iloc[0] / 2000:.1f} %"
        in run("inspect", "rows.csv", "--target", "label").stdout
    )


def test_the_page_about_data_has_all_columns_and_needs_no_network(table):
    frame = rows().rename(columns={"rare": "<script>alert(1)</script>"})
    frame["text"] = [f"the row number {place} is one of many" for place in range(len(frame))]
    frame.to_csv("rows.csv", index=False)
    done = run("inspect", "rows.csv", "--target", "label", "--html", "page.html")
    assert done.exit_code == 0, done.output
    page = (table / "page.html").read_text()
    assert "<script>alert" not in page
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page, re.DOTALL)[1])
    # a chart for the target, and one for each column but the identifier
    assert len(charts) == len(frame.columns) - 1
    assert sum(charts["target"]["data"][0]["x"]) == len(frame)
    assert "Columns to look at" in page
    for words, sentence in [(["--html", "no/x.html"], "--html no/x.html: there is no folder no")]:
        assert sentence in run("inspect", "rows.csv", *words).stderr


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("rwos.csv", "rwos.csv: no such file; did you mean rows.csv?"),
        ("no/rows.csv", "no/rows.csv: no such file\n"),
        ("https://example.org/rows.csv", "https://example.org/rows.csv: is an address, not a file; load it down"),
        ("book.xlsx", "book.xlsx: unknown file type; it is a spreadsheet; save its sheet as CSV"),
        ("sweep.yaml", "sweep.yaml: unknown file type; if it says what a sweep is, give it with --config"),
    ],
)
def test_what_is_no_table_is_answered_with_the_way_on(table, source, sentence):
    for name in ("book.xlsx", "sweep.yaml"):
        (table / name).write_text("x")
    done = run("inspect", source)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr
