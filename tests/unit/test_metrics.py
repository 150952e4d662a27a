"""Metrics have scikit-learn's definitions."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from orchestrator.errors import ConfigError
from orchestrator.tasks._classification import classification_metrics
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.regression import Regression, regression_metrics


@given(
    classes=st.integers(2, 4),
    labels=st.lists(st.integers(0, 3), min_size=4, max_size=60),
    seed=st.integers(0, 1000),
)
def test_classification_metrics_are_scikit_learns(classes, labels, seed):
    target = np.array(labels) % classes
    shares = np.random.default_rng(seed).dirichlet(np.ones(classes), len(target))
    predicted = shares.argmax(axis=1)
    found = classification_metrics(target, shares)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["accuracy"] == sk.accuracy_score(target, predicted)
        assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(target, predicted))
        average = "binary" if classes == 2 else "macro"
        f1 = sk.f1_score(target, predicted, labels=range(classes), average=average, zero_division=0)
        assert found["f1"] == pytest.approx(f1)
        assert found["log_loss"] == pytest.approx(sk.log_loss(target, shares, labels=range(classes)))
        if len(set(target)) == classes:
            scores = shares[:, 1] if classes == 2 else shares
            assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(target, scores, multi_class="ovr"))
        elif len(set(target)) == 1:
            assert "roc_auc" not in found


@given(
    target=hnp.arrays(np.float64, 12, elements=st.floats(-1e6, 1e6)),
    predicted=hnp.arrays(np.float64, 12, elements=st.floats(-1e6, 1e6)),
)
def test_regression_metrics_are_scikit_learns(target, predicted):
    found = regression_metrics(target, predicted)
    assert found["rmse"] == sk.root_mean_squared_error(target, predicted)
    assert found["mae"] == sk.mean_absolute_error(target, predicted)
    assert found["r2"] == sk.r2_score(target, predicted)


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
