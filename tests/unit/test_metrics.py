"""Metrics have scikit-learn's definitions."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk
from support import mixed_frame

from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.errors import ConfigError, DataError
from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.winner import make_winner
from orchestrator.networks import build_network
from orchestrator.sweeps.plan import check_measured
from orchestrator.tasks import describe_metrics, metric_named
from orchestrator.tasks._scores import CLASSIFICATION, REGRESSION
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.regression import Regression
from orchestrator.training import BestWeights, TrialSpec, feature_shape, train_trial


@given(
    classes=st.integers(2, 4),
    labels=st.lists(st.integers(0, 3), min_size=4, max_size=60),
    seed=st.integers(0, 1000),
    digits=st.sampled_from((1, 2, 16)),
    weighted=st.booleans(),
)
def test_classification_metrics_are_scikit_learns(classes, labels, seed, digits, weighted):
    target = np.array(labels) % classes
    # few digits give equal scores
    shares = np.round(np.random.default_rng(seed).dirichlet(np.ones(classes), len(target)), digits) + 1e-3
    shares /= shares.sum(axis=1, keepdims=True)
    # rows that count more are as rows that are there more often
    times = np.random.default_rng(seed).integers(0, 3, len(target)) if weighted else np.ones(len(target), int)
    if not times.any():
        return
    found = {name: score(target, shares, times.astype(float)) for name, score in CLASSIFICATION.items()}
    target, shares = np.repeat(target, times), np.repeat(shares, times, axis=0)
    predicted = shares.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        average = "binary" if classes == 2 else "macro"
        wanted = {
            "accuracy": sk.accuracy_score(target, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(target, predicted),
            "f1": sk.f1_score(target, predicted, labels=range(classes), average=average, zero_division=0),
            "log_loss": sk.log_loss(target, shares, labels=range(classes)),
            "mcc": sk.matthews_corrcoef(target, predicted),
        }
        kappa = sk.cohen_kappa_score(target, predicted, weights="quadratic", labels=range(classes))
        present = np.unique(target)
        if len(present) > 1:
            parts = [1] if classes == 2 else present
            for name, one in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
                wanted[name] = np.mean([one(target == part, shares[:, part]) for part in parts])
        wanted["brier"] = (
            sk.brier_score_loss(target, shares[:, 1])
            if classes == 2
            else np.mean(((shares - np.eye(classes)[target]) ** 2).sum(axis=1))
        )
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
    assert (found["roc_auc"] is None) == (found["average_precision"] is None) == ("roc_auc" not in wanted)
    if np.isfinite(kappa):
        assert found["quadratic_kappa"] == pytest.approx(kappa, abs=1e-9)


@given(seed=st.integers(0, 1000), rows=st.integers(2, 30))
def test_regression_metrics_are_scikit_learns(seed, rows):
    generator = np.random.default_rng(seed)
    target, found = generator.lognormal(size=rows), generator.lognormal(size=rows)
    times = generator.integers(1, 3, rows)
    scores = {name: score(target, found, times.astype(float), 1.0) for name, score in REGRESSION.items()}
    target, found = np.repeat(target, times), np.repeat(found, times)
    wanted = {
        "rmse": sk.root_mean_squared_error(target, found),
        "mae": sk.mean_absolute_error(target, found),
        "r2": sk.r2_score(target, found),
        "mape": sk.mean_absolute_percentage_error(target, found),
        "rmsle": sk.root_mean_squared_log_error(target, found),
    }
    assert scores == pytest.approx(wanted)
    counts = np.ones(len(target) + 1)
    assert REGRESSION["mape"](np.append(target, 0.0), np.append(found, 1.0), counts, 1.0) is None
    assert REGRESSION["rmsle"](np.append(target, -1.0), np.append(found, 1.0), counts, 1.0) is None


@given(logits=hnp.arrays(np.float32, (5, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_probabilities_are_finite_and_sum_to_one(logits):
    for task, values in ((Multiclass(("a", "b", "c")), logits), (Binary(("a", "b")), logits[:, :1])):
        shares = task.probabilities(values)
        assert np.isfinite(shares).all()
        assert np.allclose(shares.sum(axis=1), 1)
        assert shares.shape[1] == max(2, values.shape[1])


def test_the_direction_of_a_metric_is_known():
    assert Binary().find_metric().name == "roc_auc"
    assert Multiclass().find_metric().better(0.1, 0.2)
    assert Regression().find_metric("r2").better(0.9, 0.8)


def test_an_unknown_metric_is_a_sentence():
    with pytest.raises(ConfigError, match="did you mean roc_auc"):
        Binary().find_metric("rocauc")
    with pytest.raises(ConfigError, match="it has: rmse, mae, r2"):
        Regression().find_metric("accuracy")


MORE = [
    (task, name) for task in (Binary(("a", "b")), Multiclass((1, 2, 3)), Regression()) for name in task.more_metrics
]


@pytest.mark.parametrize(("task", "name"), MORE, ids=lambda item: getattr(item, "kind", item))
def test_a_metric_that_is_asked_for_chooses_epochs_and_is_measured_on_the_test_rows(task, name):
    frame = mixed_frame(rows=120)
    number = np.random.default_rng(0).integers(0, 3, len(frame)) + 1
    frame["label"] = {"binary": frame["label"], "multiclass": number, "regression": number + frame["number"].abs()}[
        task.kind
    ]
    dataset = open_dataset(frame, DataOptions(target="label", task=task.kind))
    metric = dataset.schema.target.task.find_metric(name)
    check_measured(dataset, metric)
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8}, metric=name, epochs=3, batch_size=16)
    best = BestWeights()
    reports = list(train_trial(spec, dataset.without_test(), on_best=best.keep))
    values = [report.validation[name] for report in reports]
    assert reports[-1].best_value == (max if metric.maximize else min)(values)
    network = build_network("mlp", feature_shape(dataset), spec.settings)
    network.load_state_dict(best.state)
    validation = Answers.of(network, dataset.rows(Part.VALIDATION))
    winner = make_winner(
        spec,
        reports[-1],
        dataset=dataset,
        metric=metric,
        network=network,
        validation=validation,
        test_rows=dataset.rows(Part.TEST),
    )
    assert winner.test[name] == pytest.approx(winner.bundle.metrics["test"][name])
    # who does not ask for it does not pay for it
    assert name not in dataset.schema.target.task.evaluate(
        dataset.target_encoder, validation.outputs, validation.target
    )
    assert metric_named(name) == metric
    assert name in describe_metrics()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("mape", 0.0, r"mape of 'y' cannot be computed: the target is 0, by which it would divide, in \d+ rows; leave"),
        ("rmsle", -3.0, r"rmsle of 'y' cannot be computed: the target is below 0, where .* in \d+ rows; leave such"),
    ],
)
def test_a_metric_that_the_targets_do_not_have_is_refused_before_any_trial(name, value, sentence):
    target = np.where(np.arange(90) % 3 == 0, value, np.linspace(1, 50, 90))
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=90), "y": target})
    dataset = open_dataset(frame, DataOptions(target="y", task="regression"))
    with pytest.raises(DataError, match=sentence):
        check_measured(dataset, Regression().find_metric(name))
    with pytest.raises(ConfigError, match=r"whole numbers, such as grades, but they are texts \(a, b, c"):
        Multiclass(("a", "b", "c")).find_metric("quadratic_kappa")
