"""How sure probabilities are: fitted on validation rows, judged on others, and a part of the exported network."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from orchestrator.bundle import ModelBundle, ReadBundle
from orchestrator.bundle.files import read_folder
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.decided import decide
from orchestrator.evaluation.winner import make_winner
from orchestrator.serving.inference.prepared_model import load_prepared, prepare
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks._temperature import LEAST_ROWS
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.regression import Regression
from orchestrator.training import EpochReport, TrialSpec, trial_network

TASKS = [Binary(("a", "b")), Multiclass(("a", "b", "c"))]


def answered(task, seed, wrong, rows=400):
    """Outputs that are `wrong` times as sure as they should be, what is true, and what rows count."""
    random = np.random.default_rng(seed)
    outputs = random.normal(scale=1.5, size=(rows, task.outputs)).astype(np.float32)
    shares = task.probabilities(outputs)
    target = (random.random((rows, 1)) > shares.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return (outputs * np.float32(wrong)), target.astype(np.int64), random.integers(1, 4, rows).astype(float)


@settings(max_examples=12)
@given(st.sampled_from(TASKS), st.integers(0, 2**31), st.floats(0.3, 4))
def test_the_temperature_has_the_smallest_log_loss_and_must_be_better_on_other_rows(task, seed, wrong):
    outputs, target, weight = answered(task, seed, wrong)
    found = task.calibrate(outputs, target, weight)
    if not found.is_used:
        assert "better than none" in found.reason
        assert found.outputs is outputs
        return
    assert found.judged < found.judged_default

    def loss(values):
        return log_loss(target, task.probabilities(values), labels=range(len(task.classes)), sample_weight=weight)

    assert found.judged_default == pytest.approx(loss(outputs), rel=1e-6)
    assert found.judged == pytest.approx(loss(found.outputs), rel=1e-6)
    # better by more than chance would be
    each = [-np.log(task.probabilities(values)[np.arange(len(target)), target]) for values in (outputs, found.outputs)]
    gain, share = each[0] - each[1], weight / weight.sum()
    assert gain @ share > 0.5 * np.sqrt((share**2 * (gain - gain @ share) ** 2).sum())

    def smoothed(values):
        """Each row as often as it counts, and of so many rows one more that is right and one that is wrong."""
        shares, wrong = task.probabilities(values), 1 / (len(target) + 2)
        wanted = np.full_like(shares, wrong / (shares.shape[1] - 1))
        wanted[np.arange(len(target)), target] = 1 - wrong
        return -np.average((wanted * np.log(shares)).sum(axis=1), weights=weight)

    best = smoothed(found.applied(outputs))
    assert best <= min(smoothed(outputs / np.float32(found.value * other)) for other in (0.97, 1.03)) + 1e-7
    assert found.without(found.applied(outputs)) == pytest.approx(outputs, rel=1e-5)
    plain, moved = (task.predictions(TargetEncoder(), values) for values in (outputs, found.applied(outputs)))
    assert plain.values["label"] == moved.values["label"]


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_network_that_is_too_sure_is_found_out_and_by_how_much(task):
    outputs, target, _ = answered(task, 3, 2.5, rows=4000)
    assert task.calibrate(outputs, target).value == pytest.approx(2.5, rel=0.12)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_network_whose_validation_rows_are_all_right_is_not_made_surer_than_so_many_rows_can_show(task):
    """Without an end it would be: each row that is wrong later would then cost as much as a thousand."""
    random = np.random.default_rng(0)
    target = random.integers(0, len(task.classes), 300)
    outputs = np.full((300, task.outputs), -3.0, np.float32)
    outputs[np.arange(300), 0 if task.outputs == 1 else target] = 3
    if task.outputs == 1:
        outputs[target == 0] = -3
    found = task.calibrate(outputs, target)
    assert 0.05 < found.value < 1
    sure = task.probabilities(found.applied(outputs)).max(axis=1)
    assert sure == pytest.approx(1 - 1 / 302, abs=1e-4)


def test_few_rows_seldom_give_a_temperature_to_a_network_that_is_as_sure_as_it_should_be():
    def given(wrong):
        return [TASKS[0].calibrate(*answered(TASKS[0], seed, wrong, rows=160)[:2]) for seed in range(14)]

    found = given(1.0)
    assert sum(item.is_used for item in found) < sum(item.judged < item.judged_default for item in found) < 7
    assert any(item.reason.startswith("not enough better than none") for item in found)
    assert sum(item.is_used for item in given(2.5)) >= 13


def test_nothing_is_decided_without_probabilities_or_rows():
    assert Regression().calibrate(np.zeros((100, 1), np.float32), np.zeros(100)) is None
    few = TASKS[0].calibrate(*answered(TASKS[0], 1, 5.0, rows=LEAST_ROWS - 1))
    assert not few.is_used
    assert f"{LEAST_ROWS} of several classes are needed" in few.reason


class Sure(torch.nn.Module):
    """A network that is always too sure."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, numeric, categorical):
        return self.network(numeric, categorical) * 30


@pytest.mark.parametrize(("classes", "execution"), [(2, "onnxruntime"), (3, "torch")])
def test_the_exported_network_gives_the_probabilities_and_labels_stay(tmp_path, classes, execution):
    random = np.random.default_rng(2)
    x = random.normal(size=600)
    y = np.clip(np.floor(x + random.normal(size=600) + classes / 2), 0, classes - 1).astype(int)
    dataset = open_dataset(pd.DataFrame({"x": x, "y": y}), DataOptions(target="y"))
    task = dataset.schema.target.task
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8}, metric="log_loss")
    torch.manual_seed(1)
    network = Sure(trial_network(spec, dataset)).eval()
    validation = Answers.of(network, dataset.rows(Part.VALIDATION))
    tested = Answers.of(network, dataset.rows(Part.TEST))
    value = task.evaluate(TargetEncoder(), validation.outputs, validation.target)["log_loss"]
    report = EpochReport(
        epoch=1,
        train_loss=1.0,
        validation={},
        learning_rate=0.1,
        seconds=1.0,
        examples_per_second=1.0,
        best_epoch=1,
        best_value=value,
        last=True,
    )
    common = {"dataset": dataset, "network": network, "validation": validation}
    winner = make_winner(spec, report, metric=task.find_metric("log_loss"), test_rows=dataset.rows(Part.TEST), **common)
    about = winner.bundle.metrics["temperature"]
    assert about["value"] > 2
    assert winner.validation == pytest.approx(about["judged"], rel=1e-6)
    assert winner.validation < value
    assert winner.test["log_loss"] == pytest.approx(about["test"], rel=1e-6)
    before = task.evaluate(TargetEncoder(), tested.outputs, tested.target)
    assert about["test_default"] == pytest.approx(before["log_loss"], rel=1e-4)
    assert winner.test["accuracy"] == before["accuracy"]
    # an average of networks is less sure than each of them, and only one of them answers a row of validation
    folded = replace(dataset, folds=(object(),))
    decided = decide(network, folded, task.find_metric("log_loss"), validation, value)
    assert (decided.network, decided.value, decided.validation) == (network, value, validation)
    assert decided.about(tested)["temperature"]["value"] == 1
    # what ranks rows is as it was
    plain = make_winner(
        spec,
        replace(report, best_value=0.5),
        metric=task.find_metric("roc_auc"),
        test_rows=dataset.rows(Part.TEST),
        **common,
    )
    assert plain.validation == 0.5
    winner.bundle.save(tmp_path / "bundle")
    frame = pd.DataFrame({"x": x})
    answers = ModelBundle.load(tmp_path / "bundle").predict(frame)
    raw = replace(winner.bundle, network=network).outputs(frame)
    wanted = task.probabilities(raw / np.float32(about["value"]))
    assert answers.filter(like="probability").to_numpy() == pytest.approx(wanted, abs=1e-5)
    assert (answers["label"] == task.probabilities(raw).argmax(axis=1)).all()
    prepare(ReadBundle.of(read_folder(tmp_path / "bundle"), tmp_path / "bundle"), tmp_path / "prepared", execution)
    served = load_prepared(tmp_path / "prepared").answer(frame)
    assert np.asarray(served.values["probabilities"]) == pytest.approx(wanted, abs=1e-5)
    assert served.values["label"] == list(answers["label"])
