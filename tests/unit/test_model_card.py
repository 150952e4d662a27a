"""What is found out about a finished model, and the card that says it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support import quick_network
from test_explanations import everything, made, numbers

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.files import CARD_FILE, LIMITS
from orchestrator.cli import main
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.data.labelled import LABELLED_ROWS, most_labelled
from orchestrator.errors import BundleError, StorageError
from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.misses import furthest
from orchestrator.evaluation.winner_description import WinnerDescription, read_description
from orchestrator.evaluation.worst_rows import explain_worst
from orchestrator.explanations import explain, importance, overview
from orchestrator.explanations.overview import CURVE_COLUMNS, REPEATS, Overview, overview_of
from orchestrator.inputs import CATEGORICAL, NUMERIC
from orchestrator.reports.card import SECTION, CardSource, model_card, short_card, summary_in
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import DESCRIPTION_FILE


@pytest.mark.parametrize("streamed", [False, True])
def test_labelled_rows_are_test_rows_as_they_stand_in_the_data(tmp_path, streamed):
    frame = everything(400).drop(columns="place" if streamed else [])
    if streamed:
        frame.to_parquet(tmp_path / "rows.parquet", row_group_size=100, index=False)
    dataset = open_dataset(tmp_path if streamed else frame, DataOptions(target="label"))
    rows = dataset.some_test_rows()
    tests = {
        (row.tobytes(), int(target))
        for part in dataset.rows(Part.TEST)
        for row, target in zip(part.inputs[NUMERIC], part.target, strict=True)
    }
    encoded = dataset.encoder.transform(dataset.schema, rows.rows.frame())
    whole = zip(encoded[NUMERIC], rows.target, strict=True)
    assert {(row.tobytes(), int(target)) for row, target in whole} == tests
    if not streamed:
        # trials, which get such a data set, never see them
        assert dataset.without_test().some_test_rows() is None


def test_of_many_rows_or_columns_fewer_are_kept():
    rows = 3000
    dataset = open_dataset(numbers(2, rows), DataOptions(target="y"))
    assert len(dataset.some_test_rows()) == LABELLED_ROWS < 0.2 * rows
    assert most_labelled(4000) == 50


def test_the_column_that_decides_is_the_first_and_the_others_lose_nothing():
    frame = numbers(12, 400)
    model = made(frame, lambda inputs: inputs[NUMERIC][:, 3])
    rows = open_dataset(frame, DataOptions(target="y")).some_test_rows()
    found = overview_of(model, rows, seconds=60.0)
    assert found.why_not == ""
    assert found.importance.columns[0] == "x3"
    assert (found.importance.importance[1:] == 0).all() and found.importance.low[0] > 0
    assert found.importance.drops.shape == (12, REPEATS)
    assert found.importance.rows == len(rows)
    assert len(found.curves) == CURVE_COLUMNS
    curve = found.curves[0]
    assert curve.column == "x3" and list(curve.mean) == sorted(curve.mean)
    assert Overview.from_json(found.to_json()).to_json() == found.to_json()


def test_of_a_sorted_table_the_rows_are_drawn_and_not_the_first_ones():
    frame = numbers(3, 1500).sort_values("x0", ignore_index=True)
    rows = open_dataset(frame, DataOptions(target="y")).some_test_rows()
    found = overview_of(made(frame, lambda inputs: inputs[NUMERIC][:, 0]), rows, seconds=60.0)
    (curve,) = [curve for curve in found.curves if curve.column == "x0"]
    assert min(curve.values) < frame["x0"].quantile(0.1) and max(curve.values) > frame["x0"].quantile(0.9)


def test_a_report_and_an_explanation_show_the_same_categories():
    frame = numbers(1, 400).assign(kind=["often", "seldom", "often", "often"] * 100)
    frame.loc[[7, 8], "kind"] = ["once", "once too"]
    model = made(frame, lambda inputs: inputs[CATEGORICAL][:, 0].astype(float) + inputs[NUMERIC][:, 0])
    rows = open_dataset(frame, DataOptions(target="y")).some_test_rows()
    (curve,) = [curve for curve in overview_of(model, rows, seconds=60.0).curves if curve.column == "kind"]
    # 100 rows hold the rare ones only by chance
    for explained in (None, frame.iloc[200:230]):
        (told,) = explain(model, explained, method="pdp", columns=["kind"]).columns
        assert told.values == curve.values
    known = set(model.encoder.categorical[0].categories)
    assert set(curve.values) == known >= {"often", "seldom"} and curve.values[0] == "often"


def test_a_row_that_is_right_and_sure_is_not_among_the_worst(bundle):
    dataset, model = open_dataset(everything(), DataOptions(target="label")), bundle[0].explained
    test = dataset.test
    sure = np.full((len(test), 3), -50.0, np.float32)
    sure[np.arange(len(test)), test.target.astype(int)] = 50.0
    sure[7] = np.roll(sure[7], 1)
    kept = KeptAnswers.of(dataset.schema.target, model.target_encoder, sure, test.target, None)
    assert furthest(kept, 3).tolist() == [7]


def test_what_takes_too_long_is_not_done(monkeypatch):
    frame = numbers(40, 400)
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    for module in (overview, importance):
        monkeypatch.setattr(module, "time", clock)

    def slow(inputs):
        clock.now += 0.001 * len(inputs)
        return inputs[NUMERIC][:, 3]

    rows = open_dataset(frame, DataOptions(target="y")).some_test_rows()
    model = made(frame, slow)
    assert len(rows) == 80
    # 80 rows in 40 columns, shuffled twice, take 6.5 s, and no time is left for curves
    found = overview_of(model, rows, seconds=12.0)
    assert (found.importance.rows, found.importance.drops.shape) == (80, (40, 2))
    found = overview_of(model, rows, seconds=8.0)
    assert found.importance.rows == 57
    assert found.importance.columns[0] == "x3"
    assert found.seconds < 9
    nothing = overview_of(model, rows, seconds=4.0)
    assert nothing.importance is None and "longer than 2.8 s" in nothing.why_not
    assert "no test rows" in overview_of(model, None, seconds=1.0).why_not
    # what becomes slower meanwhile is left in the middle
    begun = clock.now

    def slower(inputs):
        clock.now += (0.001 if clock.now - begun < 0.2 else 0.02) * len(inputs)
        return inputs[NUMERIC][:, 3]

    nothing = overview_of(made(frame, slower), rows, seconds=10.0)
    assert "longer than 6.9 s" in nothing.why_not
    assert nothing.seconds < 9


def test_the_worst_rows_are_explained_as_they_stand_in_the_data(bundle):
    dataset, model = open_dataset(everything(), DataOptions(target="label")), bundle[0].explained
    rows = dataset.some_test_rows()
    found = explain_worst(model, rows, seconds=60.0)
    assert len(found) == 3
    outputs = model.network(dataset.test.inputs)
    kept = KeptAnswers.of(dataset.schema.target, model.target_encoder, outputs, dataset.test.target, None)
    assert [row.place for row in found] == furthest(kept, 3).tolist()
    frame = rows.rows.frame()
    for row in found:
        assert row.baseline + sum(adds for _, _, adds in row.columns) == pytest.approx(row.prediction, abs=1e-6)
        values = {name: value for name, value, _ in row.columns}
        plain = [name for name in frame.columns if name in values]
        assert len(plain) > 5
        assert all(values[name] == frame[name].iloc[row.place] for name in plain)
    described = WinnerDescription(worst=found)
    assert WinnerDescription.unpacked(described.packed()) == described
    # a model that keeps no rows shows none, and what takes too long is left out
    assert explain_worst(replace(model, background=None), rows, seconds=60.0) == ()
    assert explain_worst(model, rows, seconds=1e-6) == ()
    assert explain_worst(model, None, seconds=60.0) == ()


@pytest.fixture(scope="module")
def bundle():
    frame = everything()
    dataset = open_dataset(frame, DataOptions(target="label"))
    metrics = {
        "metric": "log_loss",
        "maximize": False,
        "validation": 0.5,
        "test": {"accuracy": 0.75, "log_loss": 0.6},
        "data_digest": "d1ge57",
        "rows": {"train": 100, "validation": 28, "test": 32},
        "trial": {"architecture": "mlp", "settings": {"depth": 1}},
        "best_epoch": 3,
    }
    made_bundle = make_bundle(quick_network(dataset), dataset, metrics)
    found = overview_of(made_bundle.explained, dataset.some_test_rows(), seconds=60.0)
    winner = WinnerDescription(intervals={"accuracy": (0.6, 0.9)}, overview=found)
    source = CardSource(
        model="models:/a@champion", data="a|b.csv", sweep="a-1", rows=RowsWish(group="re`mark"), winner=winner
    )
    return replace(made_bundle, card=model_card(made_bundle.content, source)), winner


def test_a_card_says_what_the_model_says_of_itself(bundle):
    card = bundle[0].card
    assert summary_in(card).startswith("Predicts `label` (multiclass of 3 classes) from")
    assert "| accuracy |  | 0.75 | 0.6 to 0.9 | larger |" in card
    assert "| log\\_loss | 0.5 | 0.6 |  | smaller |" in card
    assert "d1ge57" in card and "100 train, 28 validation, 32 test" in card
    # names cannot end a cell or a piece of code
    assert "| data | a\\|b.csv |" in card
    assert "rows with the same `re'mark` are on one side" in card
    for column in ("number", "color", "place", "remark"):
        assert f"| {column} |" in card
    assert "What was guessed about it" in card
    assert 'mlflow.pyfunc.load_model("models:/a@champion")' in card


def test_a_bundle_has_its_card_and_is_read_without_one(bundle, tmp_path):
    made_bundle = bundle[0]
    made_bundle.save(tmp_path / "a")
    assert ModelBundle.load(tmp_path / "a").card == made_bundle.card
    shown = CliRunner().invoke(main, ["card", str(tmp_path / "a")])
    assert shown.output == made_bundle.card.rstrip("\n") + "\n"
    (tmp_path / "a" / CARD_FILE).unlink()
    assert ModelBundle.load(tmp_path / "a").card == ""
    shown = CliRunner().invoke(main, ["card", str(tmp_path / "a"), "-o", str(tmp_path / "card.md")])
    assert shown.exit_code == 0
    assert "| accuracy |  | 0.75 |  | larger |" in (tmp_path / "card.md").read_text()
    (tmp_path / "a" / CARD_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(BundleError, match=r"model_card.md: is no text in UTF-8"):
        ModelBundle.load(tmp_path / "a")
    with pytest.raises(BundleError, match="are allowed"):
        replace(made_bundle, card="x" * (LIMITS[CARD_FILE] + 1)).save(tmp_path / "b")


def test_a_model_that_says_nonsense_of_itself_has_no_card_but_a_sentence(bundle, tmp_path):
    replace(bundle[0], card="", metrics={"test": 3}).save(tmp_path / "a")
    shown = CliRunner().invoke(main, ["card", str(tmp_path / "a")])
    assert shown.exit_code == 2 and shown.output.startswith("Error: metrics.json of ")
    assert "Traceback" not in shown.output


@settings(max_examples=30)
@given(length=st.integers(400, 6000))
def test_a_short_card_fits_and_consists_of_whole_sections(bundle, length):
    card = bundle[0].card
    found = short_card(card, length)
    assert len(found) <= length
    if length >= len(card):
        assert found == card
        return
    titles = [part.partition("\n")[0] for part in card.split(SECTION)]
    kept = [part.partition("\n")[0] for part in found.split(SECTION)]
    assert kept == [title for title in titles if title in kept]
    assert CARD_FILE in found


def test_what_is_found_out_is_read_as_it_was_written(bundle, tmp_path):
    storage = Storage.at(tmp_path)
    assert read_description(storage) is None
    storage.write(DESCRIPTION_FILE, bundle[1].packed())
    found = read_description(storage)
    assert found.intervals == bundle[1].intervals
    assert found.packed() == bundle[1].packed()
    storage.write(DESCRIPTION_FILE, bundle[1].packed().replace(b"accuracy", b"accurate"))
    with pytest.raises(StorageError, match=rf"{DESCRIPTION_FILE}: damaged"):
        read_description(storage)


def test_a_card_says_that_a_network_holds_something_of_training_rows(bundle):
    content = bundle[0].content
    source = CardSource(model="models:/a@champion")
    members = {
        "accepted": True,
        "reason": "better",
        "members": [
            {"trial": 0, "architecture": name, "weight": 0.5, "validation": 0.5, "adds": 0.1}
            for name in ("mlp", "modern_nca")
        ],
    }
    for more, said in (
        ({}, False),
        ({"trial": {"architecture": "modern_nca", "settings": {}}}, True),
        ({"ensemble": members}, True),
        ({"ensemble": {**members, "accepted": False}}, False),
    ):
        card = model_card(replace(content, metrics={**content.metrics, **more}), source)
        assert ("`modern_nca` answers with training rows" in card) == said


def test_texts_have_an_importance_and_no_curve(bundle):
    found = bundle[1].overview
    assert "remark" in found.importance.columns
    assert found.curves and "remark" not in {curve.column for curve in found.curves}
