"""What a user says of columns counts more than what would be guessed: on the command line, in YAML and in Python."""

import inspect
import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

import orchestrator
from orchestrator import ColumnWish
from orchestrator.cli import main
from orchestrator.cli.column_options import KIND_OPTIONS, VALUES, WORDS, with_columns
from orchestrator.columns.features_wish import PLAIN_FEATURES, FeaturesWish
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.columns.target_wish import BEFORE, TargetWish
from orchestrator.columns.wish import CATEGORICAL, IGNORE, all_wishes, option_of
from orchestrator.config import ColumnsConfig, SweepConfig
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import ConfigError, DataError, TrackingError, UsageError
from orchestrator.features import ColumnKind
from orchestrator.jobs import packed_sweep
from orchestrator.sweeps.plan import data_options
from orchestrator.tracking import tags
from orchestrator.tracking.origin import describe_origin, kept_origin, read_origin


def table(rows=60):
    random = np.random.default_rng(0)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    return pd.DataFrame(
        {
            "size": random.normal(size=rows).round(3),
            "code": random.choice([1, 2, 3], rows),
            "day": pd.date_range("2020-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
            "flag": random.choice(["t", "f"], rows),
            "remark": [" ".join(random.choice(words, 8)) for _ in range(rows)],
            "y": random.choice(["p", "q"], rows),
        }
    )


def kinds(**options):
    dataset = open_dataset(table(), DataOptions(target="y", **options))
    return {column.name: column.kind.value for column in dataset.schema.columns}, dataset.notes


def flags(**given):
    nothing = dict.fromkeys((*KIND_OPTIONS, *VALUES, *WORDS, CATEGORICAL, IGNORE), ())
    return with_columns({**nothing, "target": None, "task": None, "columns_file": None, **given})


def test_a_wish_is_obeyed_and_the_others_stay_as_they_are():
    plain, _ = kinds()
    wished, notes = kinds(columns={"code": ColumnWish(kind="categorical"), "remark": ColumnWish(kind="ignore")})
    assert plain == {"size": "numeric", "code": "numeric", "day": "datetime", "flag": "boolean", "remark": "text"}
    assert wished == {"size": "numeric", "code": "categorical", "day": "datetime", "flag": "boolean"}
    assert notes == ()
    assert kinds(categorical=("code",), ignore=("remark",))[0] == wished


def test_every_kind_can_be_wished_of_a_column_that_is_one():
    plain, _ = kinds()
    assert kinds(columns={name: ColumnWish(kind=kind) for name, kind in plain.items()})[0] == plain
    # all texts can be categories
    assert kinds(categorical=tuple(plain))[0] == dict.fromkeys(plain, "categorical")


def test_what_cannot_be_obeyed_is_one_sentence():
    with pytest.raises(DataError, match="the column 'remark' cannot be read as numeric: row 1, column 'remark'"):
        kinds(columns={"remark": ColumnWish(kind="numeric")})


def test_free_text_can_be_left_out_aloud_and_one_column_of_it_kept():
    found, notes = kinds(ignore_text=True)
    assert "remark" not in found
    assert [str(note) for note in notes] == ["column 'remark' is free text: left out (--text 'remark' keeps it)"]
    assert kinds(ignore_text=True, columns={"remark": ColumnWish(kind="text")})[0]["remark"] == "text"
    assert kinds(ignore_text=True, categorical=("remark",))[0]["remark"] == "categorical"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"columns": {"siz": ColumnWish(kind="numeric")}},
            "--numeric siz: there is no such column; did you mean 'size'",
        ),
        ({"columns": {"dy": ColumnWish(kind="datetime")}}, "--date dy: there is no such column; did you mean 'day'"),
        ({"columns": {"siz": ColumnWish(missing=("9",))}}, "--na siz: there is no such column; did you mean 'size'"),
        ({"columns": {"siz": ColumnWish(values=("NA",))}}, "--value siz: there is no such column; did you mean"),
        ({"columns": {"siz": ColumnWish(date_format="%d")}}, "--date-format siz: there is no such column; did you"),
        ({"columns": {"y": ColumnWish(kind="numeric")}}, "--numeric y: that is the target column; say with --task"),
        (
            {"columns": {"y": ColumnWish(date_format="%d")}},
            "--date-format y: that is the target column, which is",
        ),
        (
            {"columns": {"flag": ColumnWish(date_format="%d")}},
            "--date-format flag: the column is read as boolean, which makes nothing of that; say also "
            "--date flag or --duration flag, or",
        ),
        (
            {"columns": {"remark": ColumnWish(missing=("alpha",))}},
            "--na remark: the column is read as text, .* say also .*--categorical remark, or leave it out",
        ),
        (
            {"columns": {"size": ColumnWish(kind="categorical", decimal=",")}},
            "--decimal size: the column is read as",
        ),
        ({"columns": {"y": ColumnWish(kind="ignore")}}, "--ignore y: that is the target column$"),
        ({"categorical": ("y",)}, "--categorical y: that is the target column; say with --task what it is"),
        (
            {"categorical": ("size",), "ignore": ("size",)},
            "--categorical size and --ignore size: a column is one or the",
        ),
        ({"columns": {"size": ColumnWish(kind="datetime")}, "categorical": ("size",)}, "--date size and --categorical"),
        (
            {"ignore_text": True, "columns": {"remark": ColumnWish(values=("NA",))}},
            "--value remark: the column is free text, and is left out; say also --numeric remark or",
        ),
        ({"columns": {"size": ColumnWish(missing=("9",), values=("9",))}}, "--na size=9 and --value size=9: a word is"),
        (
            {"columns": {"size": ColumnWish(kind="ignore", missing=("9",))}},
            "--na size and --ignore size: a column that",
        ),
    ],
)
def test_wishes_that_cannot_be_are_one_sentence(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        kinds(**options)


def test_a_wish_about_cells_of_a_row_number_is_refused_with_what_keeps_it():
    frame = table().assign(key=range(60))
    wish = ColumnWish(missing=("9",))
    with pytest.raises(
        UsageError, match=r"--na key: the column counts rows .* and is left out; say also --numeric key"
    ):
        open_dataset(frame, DataOptions(target="y", columns={"key": wish}))
    kept = open_dataset(frame, DataOptions(target="y", columns={"key": replace(wish, kind="numeric")}))
    assert [feature.indicator for feature in kept.encoder.numeric if feature.column == "key"] == [True]


def test_a_column_of_a_folder_that_is_left_out_by_a_wish_is_not_read(tmp_path):
    frame = table(200)
    frame["nested"] = [{"a": 1}] * 200
    (tmp_path / "rows").mkdir()
    frame.to_parquet(tmp_path / "rows" / "a.parquet")
    wishes = {"nested": ColumnWish(kind="ignore"), "code": ColumnWish(kind="categorical")}
    dataset = open_dataset(tmp_path / "rows", DataOptions(target="y", columns=wishes))
    found = {column.name: column.kind.value for column in dataset.schema.columns}
    assert found["code"] == "categorical"
    assert "nested" not in found


# ---- the command line


def test_flags_become_one_value_by_column_and_field():
    found = flags(numeric=("a", "b"), datetime=("c",), date_format=("c=%d/%m/%Y",), missing=("a=9", "a=99", "x=y=-"))
    assert found["columns"] == {
        "a": {"kind": "numeric", "missing": ["9", "99"]},
        "b": {"kind": "numeric"},
        "c": {"kind": "datetime", "date_format": "%d/%m/%Y"},
        # the last sign divides: names have more of them than words
        "x=y": {"missing": ["-"]},
    }
    assert set(found) == {"target", "task", "columns", "categorical", "ignore"}
    assert "columns" not in flags()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"numeric": ("a",), "datetime": ("a",)}, "--numeric a and --date a: a column is one or the other"),
        ({"numeric": ("a",), "categorical": ("a",)}, "--numeric a and --categorical a: a column is one or the other"),
        ({"boolean": ("a",), "ignore": ("a",)}, "--boolean a and --ignore a: a column is one or the other"),
        ({"missing": ("a",)}, "--na a: write COLUMN=VALUE"),
        ({"values": ("=NA",)}, "--value =NA: write COLUMN=VALUE"),
        ({"date_format": ("a=%d", "a=%m")}, "--date-format a: %d and %m; say one of them"),
        ({"missing": ("a=NA",), "values": ("a=NA",)}, "--na a=NA and --value a=NA: a word is missing or a value"),
    ],
)
def test_flags_that_contradict_each_other_are_one_sentence(given, sentence):
    with pytest.raises(UsageError, match=sentence):
        flags(**given)


@pytest.mark.parametrize("command", [["sweep"], ["plan"], ["train"], ["submit", "sweep"]])
def test_all_commands_that_read_data_have_the_options(command):
    shown = CliRunner().invoke(main, [*command, "--help"]).output
    wishes = [*KIND_OPTIONS, *VALUES, *WORDS, CATEGORICAL, IGNORE]
    for option in (*map(option_of, wishes), "--ignore-text", "--columns"):
        assert f"{option} " in shown, option
    assert {*VALUES, *WORDS, "kind"} == {item.name for item in fields(ColumnWish)}
    assert {*KIND_OPTIONS, CATEGORICAL} == {kind.value for kind in ColumnKind}


def test_mistakes_on_the_command_line_end_with_two(tmp_path):
    table().to_csv(tmp_path / "rows.csv", index=False)
    for options, sentence in [
        (
            ["--numeric", "size", "--date", "size"],
            "Error: --numeric size and --date size: a column is one or the other",
        ),
        (["--numeric", "siz"], "--numeric siz: there is no such column; did you mean 'size'?"),
        (["--columns", str(tmp_path / "absent.yaml")], "absent.yaml: no such file"),
    ]:
        found = CliRunner().invoke(main, ["train", str(tmp_path / "rows.csv"), "--target", "y", *options])
        assert found.exit_code == 2
        assert sentence in found.stderr
    found = CliRunner().invoke(main, ["train", "--from-trial", "a:1", "--numeric", "size"])
    assert found.exit_code == 2


def test_a_file_of_columns_gives_what_the_options_do_not(tmp_path):
    path = tmp_path / "columns.yaml"
    path.write_text(
        "target: y\ntask: multiclass\n"
        "columns:\n  a: {kind: date, missing: [9, '-']}\n  b: {kind: ignore}\n  y: {kind: text}\n"
    )
    found = flags(columns_file=path)
    assert (found["target"], found["task"]) == ("y", "multiclass")
    # the file may describe the target as one of the columns
    assert found["columns"] == {"a": {"kind": "datetime", "missing": ["9", "-"]}, "b": {"kind": "ignore"}}
    found = flags(columns_file=path, target="z", numeric=("a",), categorical=("b",), missing=("c=?",))
    assert found["target"] == "z"
    assert found["columns"] == {
        "a": {"kind": "numeric", "missing": ["9", "-"]},
        "c": {"missing": ["?"]},
        "y": {"kind": "text"},
    }


# ---- YAML and Python


def test_wishes_survive_yaml_and_only_those_that_are_given_are_written(tmp_path):
    wishes = {
        "a": {"kind": "date", "date_format": "%d.%m.%Y"},
        "b": {"values": "NA", "missing": [999, 1.5]},
        5: {"kind": "text"},
    }
    config = SweepConfig.create(data="x.csv", columns=wishes, ignore_text=True)
    assert config.columns == {
        "a": ColumnWish(kind="datetime", date_format="%d.%m.%Y"),
        "b": ColumnWish(values=("NA",), missing=("999", "1.5")),
        "5": ColumnWish(kind="text"),
    }
    config.save(tmp_path / "sweep.yaml")
    assert SweepConfig.load(tmp_path / "sweep.yaml") == config
    assert config.model_dump(mode="json")["columns"]["a"] == {"kind": "datetime", "date_format": "%d.%m.%Y"}
    # what headers and packages of before had, they have
    assert not {"columns", "ignore_text"} & set(SweepConfig.create(data="x.csv").model_dump(mode="json"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  a: {kind: numbr}", r"line 4, columns\.a: there is no kind 'numbr' of columns .*did you mean numeric"),
        ("  a: {knd: numeric}", r"line 4, columns\.a\.knd: there is no such entry here as 'knd'; did you mean kind"),
        ("  a:\n    values: [NO]", r"line 4, columns\.a: the word False is what YAML makes of yes, no, .* in quotes"),
        ("  a: numeric", r"line 4, columns\.a: must have entries of its own, as in `name: value`, not 'numeric'"),
        ("  a: {missing: [x], values: [x]}", r"line 3, columns: --na a=x and --value a=x: a word is missing or"),
        ("  c: {kind: numeric}", r"line 3, columns: --numeric c and --categorical c: a column is one or the other"),
    ],
)
def test_what_is_wrong_in_a_file_has_its_line(tmp_path, text, sentence):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"data: x.csv\ncategorical: [c]\ncolumns:\n{text}\n")
    with pytest.raises(ConfigError, match=rf"sweep\.yaml, {sentence}") as caught:
        SweepConfig.load(path)
    assert "\n" not in str(caught.value)


def test_options_are_put_over_the_wishes_of_a_configuration(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("data: x.csv\ncolumns:\n  a: {kind: date, missing: [x]}\n  b: {kind: text}\n")
    config = SweepConfig.load(path, {"columns": {"a": {"kind": "numeric"}, "c": {"values": ["NA"]}}})
    assert config.columns == {
        "a": ColumnWish(kind="numeric", missing=("x",)),
        "b": ColumnWish(kind="text"),
        "c": ColumnWish(values=("NA",)),
    }


def test_all_that_says_how_data_is_read_can_be_said_everywhere():
    said = {item.name for item in fields(DataOptions)} - {
        "split",
        "run",
        "rows",
        "fold_rows",
        "target_wish",
        "features",
    }
    said |= {item.name for wish in (RowsWish, TargetWish, FeaturesWish) for item in fields(wish)}
    assert said <= set(SweepConfig.model_fields)
    assert said <= set(inspect.signature(orchestrator.train).parameters)
    config = SweepConfig.create(
        data="x.csv",
        target="y",
        task="binary",
        ignore=["a"],
        ignore_text=True,
        columns={"b": {"kind": "text"}},
        group="g",
        weight="w",
        test="test.csv",
        rare_categories=5,
    )
    options = data_options(config)
    again = DataOptions.from_json(json.loads(json.dumps(options.to_json())), name="x")
    assert again.to_json() == options.to_json() != {}
    assert again.wishes == options.wishes
    assert again.features == options.features == FeaturesWish(rare_categories="5")
    assert again.rows == options.rows == RowsWish(group="g", weight="w", test="test.csv")
    # what trials of before say of their data
    assert DataOptions.from_json({"data": "x.csv", "target": "y"}, name="x") == DataOptions(
        target="y",
        name="x",
        rows=RowsWish(equal_rows="apart"),
        target_wish=BEFORE,
        features=PLAIN_FEATURES,
    )


def test_wishes_go_along_with_a_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table().to_csv("rows.csv", index=False)
    wishes = {"code": {"kind": "categorical"}, "size": {"missing": ["9"]}}
    config = SweepConfig.create(data="rows.csv", columns=wishes, tracking_uri="http://mlflow:5000")
    with packed_sweep(config) as package:
        assert SweepConfig.load(package.folder / "sweep.yaml").columns == config.columns


def test_a_trial_is_trained_again_on_the_same_reading(store, tmp_path):
    table().to_csv(tmp_path / "rows.csv", index=False)
    options = {"parameters": {"epochs": 1}, "tracking_uri": store, "register_model": False}
    wishes = {"code": {"kind": "categorical"}, "size": ColumnWish(kind="numeric")}
    result = orchestrator.train(str(tmp_path / "rows.csv"), target="y", columns=wishes, ignore_text=True, **options)
    kept = json.loads(MlflowClient(store).get_run(result.run_id).data.tags[tags.DATA])
    assert kept["columns"] == {"code": {"kind": "categorical"}, "size": {"kind": "numeric"}}
    again = orchestrator.reproduce(result.run_id, tracking_uri=store, register_model=False)
    assert (again.difference, again.reasons) == (None, ())
    assert [column.name for column in again.result.bundle.schema.columns] == ["size", "code", "day", "flag"]


def test_wishes_for_thousands_of_columns_are_kept_in_several_tags():
    wishes = {f"column {number}": ColumnWish(kind="numeric") for number in range(2000)}
    options = DataOptions(target="y", columns=wishes)
    labels = describe_origin("sklearn:iris", options)
    assert max(map(len, labels.values())) == 5000
    assert len(labels) > 10
    shuffled = {name: labels[name] for name in sorted(labels, reverse=True)} | {"other": "tag"}
    assert kept_origin(shuffled) == labels
    assert DataOptions.from_json(read_origin(shuffled), name="x").columns == wishes
    assert read_origin({}) == {}
    del labels["orchestrator.data.3"]
    with pytest.raises(TrackingError, match=r"orchestrator\.data is damaged"):
        read_origin(labels)


def test_wishes_are_checked_in_python():
    with pytest.raises(
        ConfigError, match=r"columns\.size\.knd: there is no such entry here as 'knd'; did you mean kind"
    ):
        orchestrator.train(table(), target="y", columns={"size": {"knd": "numeric"}})
    with pytest.raises(ConfigError, match=r"columns\.size: there is no kind 'nummeric'"):
        orchestrator.sweep(table(), target="y", columns={"size": {"kind": "nummeric"}})
    assert ColumnsConfig.create().columns == {}
    assert all_wishes({}, (), ()) == {}
