"""Training: the textbook's formulas, and what a trial promises."""

import dataclasses
import itertools
import os
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame

from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import ConfigError, TrainingDivergedError
from orchestrator.networks import build_network
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression
from orchestrator.training import BestWeights, Ranks, TrialSpec, feature_shape, spec_from_parameters, train_trial
from orchestrator.training.best import BestEpoch
from orchestrator.training.loop import EpochHooks, train_network
from orchestrator.training.optimization import build_optimizer
from orchestrator.training.rows import batch_bounds
from orchestrator.training.spec import OPTIMIZERS
from orchestrator.training.streams import trial_rows


@pytest.fixture(scope="module")
def iris():
    return open_dataset("sklearn:iris")


def weights(network):
    return {name: value.detach().numpy().astype(np.float64).copy() for name, value in network.state_dict().items()}


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def test_one_sgd_step_is_the_textbook_one(iris):
    """z1 = X W1' + b1, h = max(z1, 0), z2 = h W2' + b2, p = softmax(z2); dz2 = (p - Y) / n and back."""
    rows, rate = len(iris.train), 0.5
    spec = TrialSpec(
        architecture="mlp",
        settings={"depth": 1, "width": 4},
        optimizer="sgd",
        learning_rate=rate,
        batch_size=rows,
        epochs=1,
        seed=7,
    )
    torch.manual_seed(spec.seed)
    before = weights(build_network("mlp", feature_shape(iris), spec.settings))
    trained = BestWeights()
    report = next(train_trial(spec, iris, on_best=trained.keep))

    inputs, labels = iris.train.inputs["numeric"].astype(np.float64), np.eye(3)[iris.train.target]
    first, second = before["hidden.0.weight"], before["output.weight"]
    hidden_sum = inputs @ first.T + before["hidden.0.bias"]
    hidden = np.maximum(hidden_sum, 0)
    shares = softmax(hidden @ second.T + before["output.bias"])
    output_gradient = (shares - labels) / rows
    hidden_gradient = (output_gradient @ second) * (hidden_sum > 0)
    expected = {
        "output.weight": second - rate * output_gradient.T @ hidden,
        "output.bias": before["output.bias"] - rate * output_gradient.sum(axis=0),
        "hidden.0.weight": first - rate * hidden_gradient.T @ inputs,
        "hidden.0.bias": before["hidden.0.bias"] - rate * hidden_gradient.sum(axis=0),
    }
    assert set(expected) == set(trained.state)
    for name, value in expected.items():
        assert np.allclose(trained.state[name].numpy(), value, atol=1e-6), name
    assert report.train_loss == pytest.approx(-np.log(shares[labels == 1]).mean(), abs=1e-6)


def test_the_same_spec_gives_the_same_reports(iris):
    spec = TrialSpec(
        architecture="resnet", settings={"depth": 1, "width": 16, "dropout": 0.3}, epochs=3, batch_size=16, seed=3
    )

    def run(chosen):
        return [(report.train_loss, dict(report.validation)) for report in train_trial(chosen, iris)]

    assert run(spec) == run(spec)
    assert run(spec) != run(dataclasses.replace(spec, seed=4))


def test_the_best_epochs_weights_are_kept(iris):
    kept = []
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 1, "width": 8}, epochs=30, learning_rate=0.3, optimizer="sgd_momentum"
    )
    reports = list(train_trial(spec, iris, on_best=lambda _network: kept.append(True)))
    values = [report.validation["log_loss"] for report in reports]
    improvements = sum(value < min(values[:position], default=np.inf) for position, value in enumerate(values))
    assert len(kept) == improvements
    assert reports[-1].best_value == min(values)
    assert reports[-1].best_epoch == values.index(min(values)) + 1


def test_patience_ends_a_trial(iris):
    spec = TrialSpec(
        architecture="mlp",
        settings={"depth": 1, "width": 8},
        epochs=200,
        learning_rate=0.5,
        patience=3,
        metric="accuracy",
    )
    reports = list(train_trial(spec, iris))
    assert len(reports) < 200
    assert reports[-1].epoch - reports[-1].best_epoch == 3
    assert [report.last for report in reports] == [False] * (len(reports) - 1) + [True]


def test_divergence_is_an_error_that_says_when():
    dataset = open_dataset("sklearn:diabetes")
    spec = TrialSpec(
        architecture="mlp",
        settings={"depth": 4, "width": 32},
        optimizer="sgd",
        learning_rate=1e6,
        epochs=50,
        metric="rmse",
    )
    with pytest.raises(TrainingDivergedError, match=r"became (infinite|not a number) in epoch \d+|infinite or not"):
        list(train_trial(spec, dataset))


@pytest.mark.parametrize("optimizer", ["sgd", "sgd_momentum", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_every_optimizer_and_schedule_learns(iris, optimizer, schedule):
    rate = 0.01 if optimizer.startswith("adam") else 0.1
    spec = TrialSpec(
        architecture="mlp",
        settings={"depth": 1, "width": 16},
        optimizer=optimizer,
        schedule=schedule,
        learning_rate=rate,
        warmup_epochs=1,
        gradient_clip=1.0,
        batch_size=16,
        epochs=15,
    )
    reports = list(train_trial(spec, iris))
    assert reports[-1].train_loss < 0.5 * reports[0].train_loss
    assert (reports[-1].learning_rate < 0.01 * rate) == (schedule == "cosine")


@pytest.mark.parametrize(
    ("source", "target", "metric"),
    [("sklearn:breast_cancer", None, "roc_auc"), ("sklearn:wine", None, "f1"), ("sklearn:diabetes", None, "r2")],
)
def test_every_task_learns(source, target, metric):
    dataset = open_dataset(source, DataOptions(target=target))
    spec = TrialSpec(
        architecture="mlp",
        settings={"depth": 1, "width": 16},
        metric=metric,
        epochs=20,
        batch_size=32,
        learning_rate=0.01,
    )
    reports = list(train_trial(spec, dataset))
    assert reports[-1].best_value > {"roc_auc": 0.95, "f1": 0.9, "r2": 0.3}[metric]


def test_all_kinds_of_columns_are_learned_from():
    dataset = open_dataset(mixed_frame(600), DataOptions(target="label"))
    spec = TrialSpec(
        architecture="resnet", settings={"depth": 1, "width": 16}, metric="roc_auc", epochs=10, batch_size=32
    )
    assert list(train_trial(spec, dataset))[-1].best_value > 0.8


@given(rows=st.integers(1, 300), batch_size=st.integers(1, 64))
def test_batches_cover_every_row_once_and_are_never_one_row(rows, batch_size):
    bounds = batch_bounds(rows, batch_size)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == rows
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(bounds))
    if batch_size > 1 and rows > 1:
        assert min(stop - start for start, stop in bounds) > 1


def test_batch_norm_trains_with_a_left_over_row():
    rows = 81  # 51 training rows: three batches of 16 and three left, or 50 + 1
    frame = pd.DataFrame({"x": np.arange(rows) * 1.0, "y": np.arange(rows) % 2})
    dataset = open_dataset(frame, DataOptions(target="y"))
    spec = TrialSpec(
        architecture="resnet",
        settings={"depth": 1, "width": 4},
        metric="accuracy",
        epochs=1,
        batch_size=len(dataset.train) - 1,
    )
    assert len(list(train_trial(spec, dataset))) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer": "adma"}, "did you mean adam"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"learning_rate": "fast"}, "learning_rate must be a number"),
    ],
)
def test_an_impossible_spec_is_a_sentence(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        TrialSpec(architecture="mlp", **changes)


@given(
    rate=st.floats(1e-6, 1),
    depth=st.integers(1, 5),
    seed=st.integers(0, 2**31 - 1),
    optimizer=st.sampled_from(["adam", "sgd"]),
)
def test_specs_survive_json_and_flat_parameters(rate, depth, seed, optimizer):
    spec = TrialSpec(architecture="mlp", settings={"depth": depth}, learning_rate=rate, optimizer=optimizer, seed=seed)
    assert TrialSpec.from_json(spec.to_json()) == spec
    flat = {name: value for name, value in spec.parameters.items() if name not in ("metric", "seed")}
    assert spec_from_parameters(flat, spec.metric, seed) == spec


class Recorder(torch.nn.Module):
    """A linear network that writes down the type its matrix product has."""

    def __init__(self, dataset):
        super().__init__()
        shape = feature_shape(dataset)
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)
        self.seen = {True: set(), False: set()}

    def forward(self, numeric, categorical):
        outputs = self.layer(numeric)
        self.seen[self.training].add(outputs.dtype)
        return outputs


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_training_computes_in_the_precision_asked_for_and_validation_in_fp32(iris, precision, dtype):
    spec = TrialSpec(
        architecture="mlp", precision=precision, epochs=3, batch_size=16, learning_rate=0.05, gradient_clip=1.0
    )
    torch.manual_seed(0)
    network = Recorder(iris)
    ranks = Ranks()
    reports = list(
        train_network(
            spec,
            iris,
            network,
            rows=trial_rows(iris, ("numeric", "categorical"), spec, device="cpu", ranks=ranks, stream=None),
            ranks=ranks,
            hooks=EpochHooks(),
            device="cpu",
        )
    )
    assert network.seen == {True: {dtype}, False: {torch.float32}}
    assert all(value.dtype is torch.float32 for value in network.state_dict().values())
    assert reports[-1].train_loss < reports[0].train_loss


def test_accumulated_parts_give_the_whole_batchs_step(iris):
    def run(accumulation):
        spec = TrialSpec(
            architecture="mlp",
            settings={"depth": 1, "width": 8},
            epochs=3,
            batch_size=32,
            accumulation=accumulation,
            seed=1,
        )
        return [[report.train_loss, *report.validation.values()] for report in train_trial(spec, iris)]

    np.testing.assert_allclose(run(5), run(1), rtol=1e-5)


def test_a_compiled_network_learns_the_same(iris, monkeypatch):
    # what torch traces, without half a minute of a C++ compiler: `tests/gpu/run.sh` has all of it
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))

    def run(compiled):
        spec = TrialSpec(
            architecture="mlp", settings={"depth": 1, "width": 8}, epochs=2, batch_size=32, compile=compiled, seed=1
        )
        best = BestWeights()
        losses = [
            [report.train_loss, *report.validation.values()] for report in train_trial(spec, iris, on_best=best.keep)
        ]
        return losses, set(best.state)

    (compiled, names), (plain, plain_names) = run(True), run(False)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    assert names == plain_names
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_steps_like_torchs_own(optimizer):
    spec = TrialSpec(
        architecture="mlp", settings={}, optimizer=optimizer, learning_rate=0.05, weight_decay=0.01, momentum=0.8
    )
    own = {
        "sgd": torch.optim.SGD,
        "sgd_momentum": partial(torch.optim.SGD, momentum=0.8),
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
    }[optimizer]
    weights = [torch.nn.Parameter(torch.arange(6.0)) for _ in range(2)]
    pair = [build_optimizer(spec, weights[:1]), own(weights[1:], lr=0.05, weight_decay=0.01, fused=True)]
    for _ in range(3):
        for weight, each in zip(weights, pair, strict=True):
            each.zero_grad()
            (weight.sin() * torch.linspace(-1, 2, 6)).sum().backward()
            each.step()
    assert torch.equal(*weights)
    states = [each.state_dict() for each in pair]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    assert str(states[0]["state"]) == str(states[1]["state"])


def test_a_trial_imports_neither_torchs_compiler_nor_scikit_learn_and_threads_that_wait_sleep():
    lines = (
        "import sys",
        "import numpy as np",
        "import orchestrator.runtime.tune.actor",
        "from orchestrator.tasks.binary import Binary",
        "from orchestrator.tasks.target import TargetEncoder",
        "from orchestrator.training import TrialSpec",
        "import torch",
        "from orchestrator.training.optimization import Optimization",
        "layer = torch.nn.Linear(3, 1)",
        "spec = TrialSpec(architecture='mlp', settings={}, schedule='cosine')",
        "optimization = Optimization(spec, layer, 5, 'cpu')",
        "optimization.clear()",
        "optimization.backward(layer.weight.sum())",
        "optimization.step()",
        "optimization.restore(*optimization.state())",
        "task = Binary(('no', 'yes'))",
        "found = task.measure('mcc', TargetEncoder(), np.zeros((2, 1), np.float32), np.array([0, 1]))",
        "assert {'roc_auc', 'mcc'} < set(found), found",
        "assert not {'torch._dynamo', 'sklearn', 'scipy'} & set(sys.modules)",
    )
    environment = {**os.environ, "OMP_DISPLAY_ENV": "true"}
    del environment["OMP_WAIT_POLICY"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )
    # of each OpenMP that was loaded, by torch and others
    policies = re.findall(r"OMP_WAIT_POLICY ?= ?'(\w+)'", done.stderr)
    assert set(policies) == {"PASSIVE"}, done.stderr


ACCURACY = Binary.metrics["accuracy"]
EQUAL = [
    # accuracy and log_loss of each epoch, the best epoch and the last that was better
    ([(1.0, 0.9), (1.0, 0.2), (1.0, 0.4)], 2, 2),
    ([(1.0, 0.2), (1.0, 0.2), (1.0, 0.2)], 3, 1),
    ([(0.5, 0.1), (0.9, 0.8), (0.9, 0.8), (0.5, 0.0)], 3, 2),
    ([(float("nan"), 0.1), (0.9, 0.8)], 2, 2),
    ([(0.9, 0.8), (float("nan"), 0.1)], 1, 1),
]


@pytest.mark.parametrize(("epochs", "best", "improved"), EQUAL)
def test_of_equal_epochs_the_one_with_the_better_log_loss_is_the_best_then_the_later_one(epochs, best, improved):
    found = BestEpoch(0, ACCURACY.worst)
    for epoch, (accuracy, loss) in enumerate(epochs, start=1):
        found = found.after(epoch, accuracy, Binary().tie({"accuracy": accuracy, "log_loss": loss}), ACCURACY)
    accuracy, loss = epochs[best - 1]
    assert found == BestEpoch(best, accuracy, loss, improved)


def test_a_report_of_before_gives_way_to_better_values_only():
    found = BestEpoch(3, 0.9)
    assert found.after(4, 0.9, 0.0, ACCURACY) is found
    assert found.after(4, 0.91, 1.0, ACCURACY) == BestEpoch(4, 0.91, 1.0, 4)


def test_the_metric_of_ties_is_one_of_the_task():
    for task in (Binary, Multiclass, Regression, Quantile):
        assert task.tie_metric in task.metrics


def test_a_network_that_does_not_change_is_not_trained_on_for_ever(iris):
    spec = TrialSpec(
        architecture="mlp",
        settings={"depth": 1, "width": 8, "normalization": "layer"},
        epochs=50,
        patience=2,
        optimizer="sgd",
        learning_rate=1e-30,
        metric="accuracy",
    )
    reports = list(train_trial(spec, iris))
    assert [(report.best_epoch, report.improved_epoch) for report in reports] == [(1, 1), (2, 1), (3, 1)]


def test_the_weights_of_equal_epochs_are_those_with_the_best_log_loss():
    random = np.random.default_rng(0)
    labels = np.array(["no", "yes"] * 40)
    frame = pd.DataFrame({"x": (labels == "yes") * 10 + random.normal(size=80), "y": labels})
    dataset = open_dataset(frame, DataOptions(target="y", name="easy"))
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 1, "width": 8}, epochs=12, learning_rate=0.01, metric="roc_auc"
    )
    reports = list(train_trial(spec, dataset))
    equal = [report for report in reports if report.validation["roc_auc"] == 1.0]
    assert len(equal) > 1
    assert reports[-1].best_tie == min(report.validation["log_loss"] for report in equal)
    assert reports[-1].best_epoch > equal[0].epoch
