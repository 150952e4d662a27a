"""Sweeps as estimators of scikit-learn. All of its checks: tests/benchmarks/estimator_checks.py."""

import functools
import pickle
import pickletools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from support import mixed_frame

from orchestrator import AutoMLClassifier, AutoMLRegressor
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import OrchestratorError
from orchestrator.estimators.labels import labels_of
from orchestrator.journal.folder import sweeps_home

# they cost milliseconds, or one training
CHEAP = {
    "check_classifiers_one_label",
    "check_classifiers_regression_target",
    "check_complex_data",
    "check_estimator_sparse_array",
    "check_estimators_empty_data_messages",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_get_params_invariance",
    "check_n_features_in",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))


def tiny(estimator, **options):
    """One that trains few small networks, in this process."""
    few = {"trials": 2, "epochs": 3, "architecture": "mlp", "ensemble": "none", "random_state": 0}
    return estimator(**{**few, **options})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [AutoMLClassifier, AutoMLRegressor])
def test_cheap_checks_of_scikit_learn_pass(estimator):
    seen = set()
    for candidate, check in estimator_checks_generator(tiny(estimator)):
        name = check.func.__name__ if isinstance(check, functools.partial) else check.__name__
        if name in CHEAP:
            check(candidate)
            seen.add(name)
    assert len(seen) > 10


@pytest.mark.filterwarnings("ignore")
def test_a_frame_of_all_kinds_is_learned_and_the_model_is_pickled_as_plain_data():
    frame = mixed_frame()
    rows, labels = frame.drop(columns="label"), frame["label"]
    model = tiny(AutoMLClassifier, trials=3).fit(rows, labels, sample_weight=np.ones(len(rows)))
    assert list(model.classes_) == ["high", "low"]
    assert list(model.feature_names_in_) == ["number", "color", "flag", "day"]
    shares = model.predict_proba(rows)
    assert shares.shape == (200, 2)
    assert model.score(rows, labels) == np.mean(model.classes_[shares.argmax(axis=1)] == labels) > 0.6
    assert set(model.test_scores_) > {"accuracy", model.metric_}
    # nothing is left of the sweep
    assert not [entry for entry in sweeps_home().names() if "sweep.json" in entry]

    content = pickle.dumps(model)
    used = {str(argument) for opcode, argument, _ in pickletools.genops(content) if isinstance(argument, str)}
    assert "orchestrator.estimators.classifier" in used
    assert not [name for name in used if name.partition(".")[0] == "torch"]
    again = pickle.loads(content)
    np.testing.assert_allclose(again.predict_proba(rows), shares, atol=1e-6)
    assert not hasattr(clone(again), "bundle_")
    with pytest.raises(ValueError, match="number"):
        again.predict(rows.assign(number="many"))


@pytest.mark.filterwarnings("ignore")
def test_it_is_the_end_of_a_pipeline_in_a_grid_search():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 3))
    pipeline = make_pipeline(StandardScaler(), tiny(AutoMLRegressor, trials=1))
    found = GridSearchCV(pipeline, {"automlregressor__epochs": [30]}, cv=2).fit(rows, 3 * rows[:, 0])
    assert found.best_score_ > 0.3
    assert found.best_estimator_[-1].bundle_.schema.columns[0].name == "x0"


def test_what_cannot_be_is_a_value_error_of_ours():
    rows, labels = np.eye(20), np.tile([0, 1], 10)
    for options, words in (({"trials": 0}, "trials"), ({"space": "tabluar"}, "tabular"), ({"folds": 1.5}, "folds")):
        with pytest.raises(ValueError, match=words) as caught:
            AutoMLClassifier(**options).fit(rows, labels)
        assert isinstance(caught.value, OrchestratorError)
    with pytest.raises(ValueError, match="register_model needs a tracking_uri"):
        AutoMLClassifier(register_model=True).fit(rows, labels)


@given(
    st.sets(
        st.one_of(st.text(max_size=4), st.sampled_from(["NA", "na", "1", "01", "yes", "Yes "])), min_size=2, max_size=5
    )
)
@settings(max_examples=8, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_whatever_classes_are_called_a_sweep_tells_them_apart(texts):
    labels = labels_of(np.array(sorted(texts), dtype=object))
    target = np.repeat(labels, 6)
    frame = pd.DataFrame({"x": np.arange(len(target)) % 7, "y": target})
    task = "binary" if len(labels) == 2 else "multiclass"
    dataset = open_dataset(frame, DataOptions(target="y", task=task))
    places = dataset.schema.target.task.encode(dataset.target_encoder, pd.Series(labels))
    assert sorted(places) == list(range(len(labels)))
