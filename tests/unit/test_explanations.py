"""Explanations against what they must be: closed forms of linear models, all coalitions, models that are known."""

import json
from dataclasses import replace
from itertools import chain, combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from golden import record
from hypothesis import given, settings
from hypothesis import strategies as st
from support import quick_network

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.cores import on_all_cores
from orchestrator.cli import main
from orchestrator.cli.explanation_tables import MOST_LINES, _say_more, _show_row, show_explanation
from orchestrator.columns.notes import DataWarning
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import InvalidValueError, UsageError
from orchestrator.explanations import ExplainedModel, explain
from orchestrator.explanations.mixing import MixedRows, distinct_rows
from orchestrator.explanations.model import log_odds
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs

WORDS = ("good soft slow bright old warm round cheap loud thin " * 3).split()


def everything(rows=160, seed=0):
    """Columns of all kinds: two dates, two texts, a list, missing cells."""
    random = np.random.default_rng(seed)
    text = [" ".join(random.choice(WORDS, 6)) + f" {number}" for number in range(rows)]
    other = [" ".join(random.choice(WORDS, 7)) + f" n{number}" for number in range(rows)]
    number = random.normal(5, 3, rows)
    return pd.DataFrame(
        {
            "number": np.where(random.random(rows) < 0.1, np.nan, number),
            "color": np.where(random.random(rows) < 0.1, None, random.choice(["red", "green", "blue"], rows)),
            "flag": random.choice([True, False], rows),
            "asked": pd.date_range("2020-01-01", periods=rows, freq="31h").strftime("%Y-%m-%d %H:%M:%S"),
            "given": (pd.Timestamp("2021-01-01") + pd.to_timedelta(random.integers(0, 300, rows), "D")).strftime(
                "%Y-%m-%d"
            ),
            "remark": text,
            "reply": other,
            "place": [list(map(float, random.normal(0, 1, 2))) for _ in range(rows)],
            "label": np.select([number > 7, number > 4], ["high", "middle"], "low"),
        }
    )


@pytest.fixture(scope="module")
def everywhere():
    frame = everything()
    dataset = open_dataset(frame, DataOptions(target="label"))
    return frame, make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"})


def numbers(columns, rows=120, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(0, 2, (rows, columns)), columns=[f"x{place}" for place in range(columns)])
    return frame.assign(y=frame.sum(axis=1) + random.normal(0, 1, rows))


def made(frame, function, **options):
    """A model whose network is a function of its inputs as float64 arrays, which gives [rows]."""
    dataset = open_dataset(frame, DataOptions(target="y", **options))

    def network(inputs):
        return np.asarray(function(inputs), np.float32).reshape(len(inputs), -1)

    return ExplainedModel(
        schema=dataset.schema,
        encoder=dataset.encoder,
        target_encoder=type(dataset.target_encoder)(),
        network=network,
        background=dataset.background,
        metric=dataset.schema.target.task.find_metric().name,
    )


def small_network(columns, seed=1):
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(columns, 6)), random.normal(size=6)
    return lambda inputs: np.tanh(inputs[NUMERIC] @ first) @ second


def coalitions(value, columns):
    """The values by definition: `value(frozenset of columns)` of all coalitions, with no code of the estimators."""
    found = np.zeros(columns)
    for column in range(columns):
        others = [place for place in range(columns) if place != column]
        for group in chain.from_iterable(combinations(others, size) for size in range(columns)):
            share = factorial(len(group)) * factorial(columns - len(group) - 1) / factorial(columns)
            found[column] += share * (value(frozenset((*group, column))) - value(frozenset(group)))
    return found


def by_definition(model, row):
    """SHAP values of a row of numbers from answers to whole tables of mixed rows."""
    background = model.background.frame().astype(float)
    names = list(background.columns)
    known = {}

    def value(group):
        if group not in known:
            mixed = background.copy()
            for place in group:
                mixed[names[place]] = row[names[place]]
            inputs = model.encoder.transform(model.schema, mixed)
            known[group] = float(model.network(inputs).astype(np.float64).mean())
        return known[group]

    return coalitions(value, len(names))


@pytest.mark.parametrize("columns", [4, 12])
def test_shap_of_a_linear_model_is_its_closed_form(columns):
    weights = np.linspace(-2, 3, columns)
    frame = numbers(columns)
    model = made(frame, lambda inputs: inputs[NUMERIC] @ weights)
    rows = frame.head(5)
    found = explain(model, rows)
    assert found.exact == (columns == 4)
    scaled, compared = (
        model.encoder.transform(model.schema, each)[NUMERIC] for each in (rows, model.background.frame())
    )
    assert np.abs(found.contributions - weights * (scaled - compared.mean(axis=0))).max() < 1e-5


def test_shap_of_a_small_network_is_that_of_all_coalitions():
    frame = numbers(8)
    model = made(frame, small_network(8))
    rows = frame.head(2)
    wanted = np.array([by_definition(model, row) for _, row in rows.iterrows()])
    exact, drawn = explain(model, rows), explain(model, rows, permutations=8)
    assert exact.exact and not drawn.exact
    assert np.abs(exact.contributions - wanted).max() < 1e-6
    # an estimate: near, and nearer with more orders
    few = np.abs(explain(model, rows, permutations=1).contributions - wanted).mean()
    assert np.abs(drawn.contributions - wanted).mean() < few < 0.15 * np.abs(wanted).mean()


@settings(max_examples=15, deadline=None)
@given(columns=st.integers(1, 11), seed=st.integers(0, 50), permutations=st.sampled_from([None, 1, 2]))
def test_shap_values_add_up_whatever_was_drawn(columns, seed, permutations):
    frame = numbers(columns, rows=30, seed=seed).round(0)
    model = made(frame, small_network(columns, seed), columns={})
    found = explain(model, frame.head(4), permutations=permutations, seed=seed)
    total = found.values.sum(axis=1) + found.baseline
    assert np.abs(total - found.rows.predictions).max() < 1e-9


def test_all_kinds_of_columns_are_one_feature_each_and_mixed_rows_are_encoded_as_rows_are(everywhere):
    frame, bundle = everywhere
    model = bundle.explained
    assert list(model.columns) == [name for name in frame.columns if name != "label"]
    assert bundle.encoder.dates_apart == {"asked", "given"}
    random = np.random.default_rng(3)
    mixed = MixedRows(model, frame)
    places = random.integers(0, len(frame), (40, len(mixed.names)))
    table = pd.DataFrame({name: frame[name].iloc[places[:, at]].tolist() for at, name in enumerate(mixed.names)})
    wanted, found = bundle.encoder.transform(bundle.schema, table), mixed.encode(places)
    assert wanted.arrays.keys() == found.arrays.keys() == {NUMERIC, CATEGORICAL, TEXT}
    for name in wanted.arrays:
        assert np.array_equal(wanted[name], found[name]), name
    assert np.abs(mixed.evaluate(places) - bundle.predict(table).iloc[:, 1:].to_numpy()).max() < 1e-6


def test_shap_explains_what_is_predicted_of_all_kinds_of_columns(everywhere):
    frame, bundle = everywhere
    rows = frame.tail(6)
    found = bundle.explain(rows)
    predicted = bundle.predict(rows)
    for row, label in enumerate(predicted["label"]):
        assert found.rows.outputs[found.rows.shown[row]] == f"probability_{label}"
    assert np.abs(found.rows.predictions - predicted.iloc[:, 1:].to_numpy()).max() < 1e-6
    assert (
        np.abs(
            found.contributions.sum(axis=1) + found.baseline[found.rows.shown] - predicted.iloc[:, 1:].max(axis=1)
        ).max()
        < 1e-6
    )
    # of all classes they sum to nothing, as the probabilities sum to one
    assert np.abs(found.values.sum(axis=2)).max() < 1e-9
    table = found.to_frame()
    assert list(table.columns) == ["row", "output", "prediction", "baseline", "column", "value", "contribution"]
    assert table["row"].unique().tolist() == rows.index.tolist()
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["rows"][0]["contributions"][0]["contribution"] == pytest.approx(
        np.abs(found.contributions[0]).max() * np.sign(content["rows"][0]["contributions"][0]["contribution"])
    )
    assert isinstance(
        next(part["value"] for part in content["rows"][0]["contributions"] if part["column"] == "place"), list
    )


def test_one_class_and_log_odds_can_be_asked_for(everywhere):
    frame, bundle = everywhere
    found = bundle.explain(frame.head(3), output="low", scale="log-odds")
    chance = bundle.predict(frame.head(3))["probability_low"].to_numpy()
    assert (
        np.abs(found.contributions.sum(axis=1) + found.baseline[found.rows.shown] - np.log(chance / (1 - chance))).max()
        < 1e-5
    )
    with pytest.raises(UsageError, match=r"no output or class 'lo'; there are: probability_high.*did you mean low"):
        bundle.explain(frame.head(3), output="lo")
    sure = log_odds(np.array([[1.0, 1e-30], [1e-30, 1.0]]))
    assert sure == pytest.approx(np.log(1e30) * np.array([[1, -1], [-1, 1]]))


def test_lime_of_a_linear_model_has_its_weights():
    weights = np.array([2.0, -1.0, 0.5, 0.0, 3.0])
    frame = numbers(5)
    found = explain(made(frame, lambda inputs: inputs[NUMERIC] @ weights), frame.head(3), method="lime")
    assert np.abs(found.weights - weights).max() < 0.02
    assert found.fidelity.min() > 0.999
    assert np.abs(found.local - found.rows.predictions[:, 0]).max() < 0.05


def test_lime_says_when_a_line_does_not_fit(everywhere, capsys):
    frame = numbers(3)
    model = made(frame, lambda inputs: np.sign(np.sin(9 * inputs[NUMERIC][:, 0])))
    with pytest.warns(DataWarning, match=r"around 3 of 3 rows is far from linear \(R2 below 0.5\)"):
        steep = explain(model, frame.head(3), method="lime")
    assert steep.fidelity.max() < 0.5
    show_explanation(steep, 3)
    assert capsys.readouterr().out.count(", so its weights say little") == 3
    rows, bundle = everywhere
    with pytest.warns(DataWarning, match=r"around 2 of 2 rows"):
        found = bundle.explain(rows.head(2), method="lime", samples=300)
    assert found.weights.shape == (2, 8)
    assert np.isfinite(found.to_frame()["weight"]).all()
    json.dumps(found.to_json(), allow_nan=False)


def test_shuffling_shows_what_the_metric_needs():
    frame = numbers(4, rows=300)
    model = made(frame, lambda inputs: inputs[NUMERIC] @ np.array([2.0, 0.0, 1.0, 0.0]))
    target = model.network(model.encoder.transform(model.schema, frame))[:, 0]
    found = explain(model, frame.assign(y=target.astype(float)), method="permutation", repeats=5)
    assert found.metric == "rmse"
    assert found.value == pytest.approx(0, abs=1e-5)
    assert found.columns[:2] == ("x0", "x2")
    # of two independent shuffles the rmse is sqrt(2) standard deviations times the weight
    assert found.importance[:2] == pytest.approx([2 * np.sqrt(2), np.sqrt(2)], rel=0.1)
    assert found.importance[2:] == pytest.approx([0, 0], abs=1e-6)
    assert (found.low <= found.importance).all() and (found.importance <= found.high).all()
    assert found.low[0] > found.high[1]
    better = explain(model, frame.assign(y=target.astype(float)), method="permutation", metric="r2", repeats=5)
    assert better.importance[0] > 0.5


def test_shuffling_needs_the_target(everywhere):
    frame, bundle = everywhere
    found = bundle.explain(frame.head(80), method="permutation", repeats=2)
    assert set(found.columns) == set(frame.columns) - {"label"}
    assert found.rows == 80
    for rows in (None, frame.drop(columns="label")):
        with pytest.raises(UsageError, match="needs DATA with the target column 'label'"):
            bundle.explain(rows, method="permutation")
    with pytest.raises(UsageError, match="'other', a class that the model does not know"):
        bundle.explain(frame.head(3).assign(label="other"), method="permutation")


def test_partial_dependence_and_interactions_of_a_known_function():
    frame = numbers(3)
    model = made(frame, lambda inputs: inputs[NUMERIC][:, 0] * inputs[NUMERIC][:, 1] + 2 * inputs[NUMERIC][:, 2])
    found = explain(model, method="pdp")
    assert found.rows == len(model.background) == 76
    line = next(item for item in found.columns if item.column == "x2")
    assert len(line.values) == 20
    assert list(line.values) == sorted(line.values)
    slope = np.diff(line.mean[:, 0]) / np.diff(line.values)
    assert slope == pytest.approx(np.full(19, 2 / model.encoder.numeric[2].std), rel=1e-3)
    # the curves of rows are parallel where nothing interacts, and are not where something does
    crossing = next(item for item in found.columns if item.column == "x0")
    assert (
        np.ptp(np.diff(line.curves[..., 0], axis=1), axis=0).max()
        < 1e-4
        < np.ptp(np.diff(crossing.curves[..., 0], axis=1), axis=0).max()
    )
    assert found.interactions[0].columns in (("x0", "x1"), ("x1", "x0"))
    assert found.interactions[0].share > 0.5
    assert found.interactions[1].size < 1e-5
    json.dumps(found.to_json(), allow_nan=False)


def test_dependence_on_categories_dates_texts_and_lists(everywhere):
    frame, bundle = everywhere
    with pytest.warns(DataWarning, match=r"column 're(mark|ply)' has free texts, .*: its curve is left out"):
        found = bundle.explain(frame.head(30), method="pdp", output="high")
    assert found.output == "probability_high"
    assert {item.column for item in found.columns} == set(frame.columns) - {"label", "remark", "reply"}
    with pytest.warns(DataWarning, match="its curve says little"):
        assert len(bundle.explain(frame.head(30), method="pdp", columns=["remark"]).columns) == 1
    alone = open_dataset(frame[["remark", "label"]], DataOptions(target="label"))
    words = replace(bundle.explained, schema=alone.schema)
    with pytest.raises(UsageError, match=r"free texts only, .* use shap or permutation"):
        explain(words, frame.head(30), method="pdp")
    colors = next(item for item in found.columns if item.column == "color")
    assert set(colors.values) == {"red", "green", "blue", None}
    # the same ones for whatever rows, also those that no row has
    reds = frame[frame["color"] == "red"].head(10)
    few = bundle.explain(reds, method="pdp", output="high", columns=["color"]).columns[0]
    assert few.values == colors.values
    greens = bundle.predict(reds.assign(color="green"))["probability_high"]
    assert few.mean[few.values.index("green"), 0] == pytest.approx(greens.mean(), abs=1e-6)
    missing = bundle.predict(reds.assign(color=None))["probability_high"]
    assert few.mean[few.values.index(None), 0] == pytest.approx(missing.mean(), abs=1e-6)
    changed = bundle.predict(frame.head(30).assign(color=colors.values[1]))["probability_high"]
    assert colors.mean[1, 0] == pytest.approx(changed.mean(), abs=1e-6)
    assert bundle.explain(frame.head(30), method="pdp", columns=["flag"]).columns[0].column == "flag"
    with pytest.raises(UsageError, match="no column 'colour'; did you mean color"):
        bundle.explain(method="pdp", columns=["colour"])


@pytest.mark.parametrize("task", ["regression", {"kind": "quantile", "quantiles": [0.1, 0.5, 0.9]}])
def test_numbers_and_quantiles_are_explained_in_their_own_unit(task):
    frame = numbers(3)
    dataset = open_dataset(frame, DataOptions(target="y", task=task))
    bundle = make_bundle(quick_network(dataset), dataset, {"metric": "mae"})
    found, predicted = bundle.explain(frame.head(4)), bundle.predict(frame.head(4))
    assert list(found.rows.outputs) == list(predicted.columns)
    assert np.abs(found.values.sum(axis=1) + found.baseline - predicted.to_numpy()).max() < 1e-5
    with pytest.raises(UsageError, match="log-odds are of probabilities"):
        bundle.explain(frame.head(1), scale="log-odds")


def test_a_model_without_background_asks_for_rows():
    bundle = ModelBundle.load(record.HERE / "bundles" / "iris")
    rows = pd.DataFrame(bundle.example["rows"])
    with pytest.raises(UsageError, match=r"keeps no training rows.*give DATA"):
        bundle.explain()
    with pytest.raises(UsageError, match="give more rows, or a background of your own"):
        bundle.explain(rows.head(1))
    assert bundle.explain(rows).background == len(rows)
    assert bundle.explain(rows.head(1), background=rows).background == len(rows)


def test_wrong_rows_are_named_as_in_predictions(everywhere):
    frame, bundle = everywhere
    with pytest.raises(InvalidValueError, match="row 2, column 'number'"):
        bundle.explain(frame.head(3).astype({"number": object}).assign(number=[1, "wrong", 2]))
    with pytest.raises(InvalidValueError, match="'color' is missing"):
        bundle.explain(frame.head(3).drop(columns="color"))
    with pytest.raises(UsageError, match=r"no method 'shape'.*did you mean shap"):
        bundle.explain(frame.head(3), method="shape")


@pytest.fixture
def explained_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_KEEP_PREPARED", "0")
    rows = pd.DataFrame(ModelBundle.load(record.HERE / "bundles" / "iris").example["rows"])
    rows.assign(target=["setosa", "versicolor"] * 2 + ["virginica"]).to_csv(tmp_path / "rows.csv", index=False)

    def run(*arguments):
        command = ["explain", str(record.HERE / "bundles" / "iris"), str(tmp_path / "rows.csv"), *arguments]
        return CliRunner().invoke(main, command)

    return run, rows, tmp_path


def test_the_command_shows_and_writes_what_the_bundle_says(explained_rows):
    run, rows, folder = explained_rows
    bundle = ModelBundle.load(record.HERE / "bundles" / "iris")
    wanted = bundle.explain(rows.set_axis(range(1, 6)))
    shown = json.loads(run("--json").stdout)
    assert shown == json.loads(json.dumps(wanted.to_json()))
    assert run("-o", str(folder / "out.parquet")).exit_code == 0
    written = pd.read_parquet(folder / "out.parquet")
    assert written["contribution"].to_numpy() == pytest.approx(wanted.to_frame()["contribution"].to_numpy())
    table = run("--rows", "2,4", "--background", str(folder / "rows.csv")).stdout
    assert [line.split(":")[0] for line in table.splitlines() if line.startswith("row ")] == ["row 2", "row 4"]
    assert table.count("│") == 2 * len(rows.columns)
    assert "row 2: log-odds of probability_" in run("--rows", "2,4", "--log-odds").stdout


@pytest.mark.parametrize("method", ["shap", "lime", "permutation", "pdp"])
def test_the_command_has_a_table_for_each_method(explained_rows, method):
    found = explained_rows[0]("--method", method)
    assert found.exit_code == 0, found.output
    lines = [line.split()[0] for line in found.stdout.splitlines() if line.startswith(" ")]
    assert set(explained_rows[1].columns) <= set(lines)


def test_one_column_more_than_are_shown_is_one_other(capsys):
    names = tuple(f"x{place}" for place in range(MOST_LINES + 1))
    _show_row(names, (1,) * len(names), np.ones(len(names)), "adds")
    _say_more(len(names))
    shown = capsys.readouterr().out
    assert "1 other " in shown and "and 1 more column; " in shown


@pytest.mark.parametrize(("method", "taken"), [("lime", 1000), ("permutation", 1000), ("pdp", 100)])
def test_of_many_rows_some_are_taken_and_it_is_said(explained_rows, method, taken):
    run, _, folder = explained_rows
    rows = pd.read_csv(folder / "rows.csv")
    pd.concat([rows] * 202).to_csv(folder / "rows.csv", index=False)
    found = run("--method", method, *(["--samples", "10"] if method == "lime" else []))
    assert f"of {taken:,} of 1,010 rows" in found.stdout or f"on {taken:,} of 1,010 rows" in found.stdout
    drawn = "DATA has 1,010 rows: 1,000 of them are taken, drawn by chance (--rows 1-1010 takes all, and longer)"
    assert (drawn in found.stderr) == (method != "pdp")
    if method == "permutation":
        assert "on 1,010 rows" in run("--method", method, "--rows", "1-1010", "--repeats", "2").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rows", "7"], "--rows 7: there is no row 7, DATA has 5"),
        (["--rows", "2-x"], "--rows 2-x: write numbers of rows, counted from 1, such as 1,5-9"),
        (["--rows", "3-1"], "--rows 3-1: rows are counted from 1, and 3-1 has none"),
        (["--rows", "1"], "give more rows, or a background of your own (--background FILE)"),
        (["--samples", "50"], "--samples: is for --method lime; leave it out"),
        (["-o", "x.txt"], "give it a name that ends with"),
        (["--method", "permutation", "--metric", "rmse"], "has no metric 'rmse'"),
    ],
)
def test_what_cannot_be_is_one_sentence(explained_rows, arguments, sentence):
    found = explained_rows[0](*arguments)
    assert found.exit_code == 2
    assert sentence in found.output
    assert len(found.output.splitlines()) == 1


def test_rows_that_are_mixed_to_the_same_are_asked_once():
    frame, asked = numbers(12).round(), []

    def counted(inputs):
        asked.append(len(inputs))
        return inputs[NUMERIC].sum(axis=1)

    mixed = MixedRows(made(frame, counted), frame)
    places = np.tile(np.random.default_rng(0).integers(0, len(frame), (600, 12)), (3, 1))
    answers = mixed.evaluate(places)
    assert sum(asked) == 600 and len(asked) == 2
    assert (answers == np.tile(answers[:600], (3, 1))).all()


@pytest.mark.parametrize("largest", [2, 1000, 2**40])
def test_distinct_rows_however_large_their_numbers(largest):
    cells = np.random.default_rng(largest).integers(0, largest, (300, 9))
    cells = cells[np.random.default_rng(1).integers(0, 200, 500)]
    first, which = distinct_rows(cells)
    assert len(first) == len(np.unique(cells, axis=0))
    assert (cells[first][which] == cells).all()


def test_batches_that_are_computed_at_the_same_time_come_in_their_order():
    before = torch.get_num_threads()
    batches = [Inputs({NUMERIC: np.full((2, 1), number, np.float32)}) for number in range(40)]
    alone = []

    def network(inputs):
        alone.append(torch.get_num_threads())
        return inputs[NUMERIC]

    try:
        torch.set_num_threads(3)
        assert [float(found[0, 0]) for found in on_all_cores(network, batches)] == list(range(40))
        assert set(alone) == {1} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
