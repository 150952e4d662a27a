"""From which probability on a row gets the positive label: how it is chosen, where it is kept, and who goes by it."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as scikit

from orchestrator.bundle import ModelBundle, ReadBundle
from orchestrator.bundle.files import read_folder
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.errors import BundleError, ConfigError, UsageError
from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.winner import make_winner
from orchestrator.serving.inference.prepared_model import load_prepared, prepare
from orchestrator.tasks import TargetEncoder, plain_task, read_task
from orchestrator.tasks._thresholds import GOODNESS, LEAST_ROWS, LabelCost, ScoredRows, best_threshold, decide
from orchestrator.tasks.binary import Binary
from orchestrator.training import BestWeights, TrialSpec, train_trial, trial_network

COST = {"false_positive": 1.0, "false_negative": 5.0}
SCIKIT = {
    "f1": lambda *both, **more: scikit.f1_score(*both, zero_division=0.0, **more),
    "balanced_accuracy": scikit.balanced_accuracy_score,
    "mcc": scikit.matthews_corrcoef,
    "quadratic_kappa": lambda *both, **more: scikit.cohen_kappa_score(*both, weights="quadratic", **more),
}


def rows_of(seed, count=200, share=0.2):
    random = np.random.default_rng(seed)
    positive = random.random(count) < share
    positive[:LEAST_ROWS], positive[-LEAST_ROWS:] = True, False
    logits = random.normal(size=count) + 1.5 * positive - 1.5
    return ScoredRows(1 / (1 + np.exp(-logits)), positive, random.integers(1, 4, count).astype(float))


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from(sorted(SCIKIT)), st.floats(0.05, 0.95))
def test_figures_of_a_threshold_are_scikit_learns(seed, name, place):
    rows = rows_of(seed)
    said = rows.score > place
    wanted = SCIKIT[name](rows.positive, said, sample_weight=rows.weight)
    assert rows.figure(GOODNESS[name], said) == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(0.1, 10), st.floats(0.1, 10))
def test_the_cost_of_labels_is_counted_row_by_row(seed, wrong, missed):
    rows, cost = rows_of(seed), LabelCost(wrong, missed)
    said = rows.score > 0.4
    total = sum(
        weight * (wrong if label and not truth else missed if truth and not label else 0.0)
        for weight, label, truth in zip(rows.weight, said, rows.positive, strict=True)
    )
    assert -rows.figure(cost.goodness, said) == pytest.approx(total / rows.weight.sum())
    # both directions of a wrong label
    assert cost.threshold == pytest.approx(wrong / (wrong + missed))


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([*sorted(GOODNESS), "cost"]))
def test_a_threshold_is_taken_only_if_it_is_better_on_rows_that_did_not_choose_it(seed, by):
    rows, goodness = rows_of(seed), {**GOODNESS, "cost": LabelCost(**COST).goodness}[by]
    default = LabelCost(**COST).threshold if by == "cost" else 0.5
    sign = -1 if by == "cost" else 1
    found = decide(rows, goodness, by=by, default=default, sign=sign)
    assert found.judged_default == pytest.approx(sign * rows.figure(goodness, rows.score > default))
    if found.threshold == default:
        assert sign * found.judged <= sign * found.judged_default
    else:
        assert sign * found.judged > sign * found.judged_default
        assert found.threshold == best_threshold(rows, goodness)
        assert found.judged == pytest.approx(sign * rows.figure(goodness, found.said == 1))


@settings(max_examples=15)
@given(st.integers(0, 2**31))
def test_a_cost_moves_its_own_threshold_only_for_more_than_chance(seed):
    rows, cost = rows_of(seed), LabelCost(**COST)
    random = np.random.default_rng(seed)
    one, other = random.random((2, len(rows.score))) < 0.5
    plain = ScoredRows(rows.score, rows.positive, np.ones(len(rows.score)))
    each = [
        np.where(said & ~rows.positive, cost.false_positive, np.where(~said & rows.positive, cost.false_negative, 0.0))
        for said in (one, other)
    ]
    wanted = (each[0] - each[1]).std() / np.sqrt(len(one))
    assert plain.error(cost.goodness, one, other) == pytest.approx(wanted)
    found = decide(rows, cost.goodness, by="cost", default=cost.threshold, sign=-1, expected=True)
    if found.threshold == cost.threshold:
        assert ("no other one is enough better" in found.reason) == (found.judged < found.judged_default)
    else:
        assert found.judged < found.judged_default


def test_few_rows_of_a_class_decide_nothing():
    rows = ScoredRows(np.linspace(0.1, 0.4, 50), np.arange(50) >= 50 - LEAST_ROWS + 1, np.ones(50))
    found = decide(rows, GOODNESS["f1"], by="f1", default=0.5, sign=1)
    assert (found.threshold, found.judged) == (0.5, None)
    assert f"{LEAST_ROWS - 1} validation rows of one class cannot tell" in found.reason


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.floats(0.01, 0.99))
def test_labels_follow_the_threshold_and_probabilities_do_not(seed, place):
    outputs = np.random.default_rng(seed).normal(size=(30, 1)).astype(np.float32)
    task = Binary(("no", "yes"))
    plain, moved = (task.predictions(TargetEncoder(threshold=value), outputs) for value in (0.5, place))
    assert (plain.values["probabilities"] == moved.values["probabilities"]).all()
    shares = moved.values["probabilities"][:, 1]
    assert moved.values["label"] == ["yes" if share > place else "no" for share in shares]
    target = (np.arange(30) % 3 == 0).astype(np.int64)
    before, after = ({**task.measure("mcc", TargetEncoder(threshold=value), outputs, target)} for value in (0.5, place))
    assert after["accuracy"] == pytest.approx(scikit.accuracy_score(target, shares > place))
    assert after["f1"] == pytest.approx(scikit.f1_score(target, shares > place, zero_division=0.0))
    assert after["mcc"] == pytest.approx(scikit.matthews_corrcoef(target, shares > place))
    assert (before["roc_auc"], before["log_loss"]) == (after["roc_auc"], after["log_loss"])


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"cost": "false_positive=1"}, "cost must say what both kinds of wrong labels cost"),
        ({"cost": "false_positive=1,false_negative=0"}, "as numbers above 0"),
        ({"cost": "false_positive=1,false_positive=2"}, "cost must say"),
        ({"cost": "1:5"}, "cost must say"),
        ({"cost": {"false_positive": True, "false_negative": 5}}, "cost must say"),
        ({"cost": [1, 5]}, "cost must say"),
        ({"threshold": 1}, "threshold must be a number between 0 and 1, but is 1"),
        ({"threshold": "half"}, "threshold must be a number between 0 and 1"),
        ({"cost": COST, "threshold": 0.3}, "say what wrong labels cost, or the threshold"),
        ({"kind": "multiclass", "cost": COST}, "a multiclass task has no option 'cost'"),
    ],
)
def test_what_cannot_be_a_cost_or_a_threshold_is_a_sentence(wish, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_task(wish)


def test_a_cost_alone_says_which_task_it_is_and_stays_with_it():
    text = plain_task({"cost": "false_positive=1, false_negative=5"})
    assert text == {"kind": "binary", "cost": COST} == plain_task({"kind": "binary", "cost": COST})
    assert read_task({"threshold": "0.2"}) == Binary(threshold=0.2)
    known = Binary(("a", "b"), cost=LabelCost(**COST))
    assert Binary.from_json(json.loads(json.dumps(known.to_json()))) == known
    # nothing new where nothing new is asked for
    assert Binary(("a", "b")).to_json() == {"classes": ["a", "b"]}


def table(rows=400):
    random = np.random.default_rng(5)
    x = random.normal(size=rows)
    y = random.random(rows) < 1 / (1 + np.exp(-2 * x + 2.5))
    return pd.DataFrame({"x": x, "noise": random.normal(size=rows), "y": np.where(y, "yes", "no")})


def finished(metric, task=None):
    dataset = open_dataset(table(), DataOptions(target="y", task=task))
    found = dataset.schema.target.task.find_metric(metric)
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8}, metric=metric, epochs=5, batch_size=64)
    best = BestWeights()
    report = list(train_trial(spec, dataset.without_test(), on_best=best.keep))[-1]
    network = trial_network(spec, dataset)
    network.load_state_dict(best.state)
    winner = make_winner(
        spec,
        report,
        dataset=dataset,
        metric=found,
        network=network,
        validation=Answers.of(network, dataset.rows(Part.VALIDATION)),
        test_rows=dataset.rows(Part.TEST),
    )
    return winner, report


@pytest.mark.parametrize(
    ("metric", "task", "by"),
    [
        ("f1", None, "f1"),
        ("roc_auc", {"cost": "false_positive=1,false_negative=9"}, "cost"),
        ("accuracy", {"threshold": 0.25}, "user"),
    ],
)
def test_a_model_answers_by_its_threshold_wherever_it_is_asked(tmp_path, metric, task, by):
    winner, report = finished(metric, task)
    about = winner.bundle.metrics["threshold"]
    assert (about["by"], about["positive"]) == (by, "yes")
    assert 0 < about["value"] < 0.45
    assert winner.decided["threshold"] == about
    assert winner.bundle.target_encoder.threshold == about["value"]
    winner.bundle.save(tmp_path / "bundle")
    loaded = ModelBundle.load(tmp_path / "bundle")
    frame = table()
    answers = loaded.predict(frame)
    wanted = np.where(answers["probability_yes"] > about["value"], "yes", "no")
    assert (answers["label"] == wanted).all()
    assert (answers["label"] != np.where(answers["probability_yes"] > 0.5, "yes", "no")).any()
    read = ReadBundle.of(read_folder(tmp_path / "bundle"), tmp_path / "bundle")
    prepare(read, tmp_path / "prepared", "onnxruntime" if by == "f1" else "torch")
    assert load_prepared(tmp_path / "prepared").answer(frame).values["label"] == list(wanted)
    if metric == "roc_auc":
        # what does not look at labels is what the trial reported
        assert winner.validation == report.best_value
    if by == "f1":
        assert winner.validation == pytest.approx(about["judged"])
        assert winner.test["f1"] == pytest.approx(about["test"])


def test_a_metric_of_probabilities_leaves_a_model_as_it_was():
    winner, report = finished("log_loss")
    assert "threshold" not in winner.bundle.metrics
    assert winner.bundle.target_encoder.to_json() == {"mean": 0.0, "std": 1.0}
    assert winner.validation == pytest.approx(winner.bundle.metrics["temperature"]["judged"])
    assert winner.validation < report.best_value


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, "0.5", None])
def test_a_damaged_threshold_is_not_loaded(tmp_path, value):
    winner, _ = finished("accuracy", {"threshold": 0.25})
    winner.bundle.save(tmp_path / "bundle")
    path = tmp_path / "bundle" / "encoder.json"
    content = json.loads(path.read_text())
    content["target"]["threshold"] = value
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"encoder\.json: damaged"):
        ModelBundle.load(tmp_path / "bundle")


def test_a_cost_of_three_classes_is_refused():
    frame = pd.DataFrame({"x": range(60), "y": ["a", "b", "c"] * 20})
    with pytest.raises(UsageError, match="--cost is for a target of two classes, but the target column 'y' has 3"):
        open_dataset(frame, DataOptions(target="y", task={"cost": COST}))
