"""What a row of each class counts in the training loss."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.columns.rows_wish import RowsWish
from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import ConfigError
from orchestrator.search import SearchSpace
from orchestrator.sweeps.plan import make_plan
from orchestrator.tasks import Target
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.regression import Regression
from orchestrator.training import TrialSpec, train_trial
from orchestrator.training.class_weights import check_class_weights, class_weights, plain_class_weights
from orchestrator.training.losses import batch_loss
from orchestrator.training.rows import Batch
from orchestrator.training.spec import spec_from_parameters

SETTINGS = {"depth": 1, "width": 8}


def table(rows=300):
    random = np.random.default_rng(4)
    x = random.normal(size=rows)
    rare = random.random(rows) < 1 / (1 + np.exp(3.2 - 1.2 * x))
    return pd.DataFrame({"x": x, "w": random.integers(1, 4, rows), "y": np.where(rare, "rare, or so", "usual")})


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(table(), DataOptions(target="y"))


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([Binary(("a", "b")), Multiclass(("a", "b", "c"))]), st.booleans())
def test_the_loss_is_that_of_rows_that_count_so_much(seed, task, weighed):
    random = np.random.default_rng(seed)
    outputs = torch.from_numpy(random.normal(size=(20, task.outputs)).astype(np.float32))
    target = torch.from_numpy(random.integers(0, len(task.classes), 20))
    weights = torch.from_numpy(random.uniform(0.5, 3, len(task.classes)).astype(np.float32))
    own = torch.from_numpy(random.uniform(0.5, 3, 20).astype(np.float32))
    found = batch_loss(task, 0.1, weights)(outputs, Batch({}, target, own if weighed else None))
    wanted = batch_loss(task, 0.1)(outputs, Batch({}, target, weights[target] * (own if weighed else 1)))
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("weight", [None, "w"])
def test_balanced_classes_count_the_same_together_and_rows_one_on_average(weight):
    frame = table()
    found = open_dataset(frame, DataOptions(target="y", rows=RowsWish(weight=weight)))
    training = found.some_training_rows(10**6)
    weights = class_weights("balanced", found.schema.target, training)
    counts = np.bincount(training.target, training.weight)
    assert weights[0] * counts[0] == pytest.approx(weights[1] * counts[1], rel=1e-5)
    assert weights @ counts / counts.sum() == pytest.approx(1)
    told = class_weights('{"rare, or so": 6, "usual": 2}', found.schema.target, training)
    assert told[0] / told[1] == pytest.approx(3)
    assert told @ counts / counts.sum() == pytest.approx(1)


def test_rare_classes_are_found_more_often(dataset):
    def measured(wish):
        spec = TrialSpec(
            architecture="mlp", settings=SETTINGS, learning_rate=0.03, epochs=12, batch_size=32, class_weights=wish
        )
        report = list(train_trial(spec, dataset.without_test()))[-1]
        return report.validation["balanced_accuracy"]

    assert measured("none") == 0.5
    assert measured("balanced") > 0.55
    assert measured({"rare, or so": 1, "usual": 1}) == 0.5
    assert measured({"rare, or so": 20, "usual": 1}) > 0.55


def test_trials_of_before_are_written_as_before():
    plain = TrialSpec(architecture="mlp")
    assert "class_weights" not in plain.to_json()
    told = spec_from_parameters({"architecture": "mlp", "class_weights": {False: 1, True: 2.5}}, "log_loss", 0)
    assert told.class_weights == '{"false": 1, "true": 2.5}'
    assert TrialSpec.from_json(told.to_json()) == told


@pytest.mark.parametrize("wish", ["some", "a=0", "a=1,a=2", "a=x", {"a": True}, {}, 3, None, "{", {"a": float("inf")}])
def test_what_are_no_class_weights_is_a_sentence(wish):
    with pytest.raises(ConfigError, match="class_weights must be none, balanced, or a number above 0 for each class"):
        TrialSpec(architecture="mlp", class_weights=wish)


@pytest.mark.parametrize(
    ("wish", "task", "sentence"),
    [
        ("balanced", Regression(), "class_weights is 'balanced', but a regression target has no classes"),
        ("yes=1,not=2", Binary(("no", "yes")), r"the target has no class 'not' \(it has: no, yes\)"),
        ("yes=1", Binary(("no", "yes")), "say what the class 'no' counts, too"),
    ],
)
def test_weights_must_be_those_of_the_target(wish, task, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check_class_weights(plain_class_weights(wish), Target("y", task))


@pytest.mark.parametrize("entry", ["good=1,bad=5", {"type": "categorical", "choices": ["none", "good=1,bad=5"]}])
def test_a_sweep_is_refused_before_its_first_trial(tmp_path, entry):
    table().to_csv(tmp_path / "t.csv", index=False)
    space = SearchSpace.model_validate({"parameters": {"class_weights": entry}, "architectures": {"mlp": {}}})
    config = SweepConfig.create(data=str(tmp_path / "t.csv"), target="y", trials=1)
    with pytest.raises(ConfigError, match="the target has no class 'good'"):
        make_plan(config, space=space, try_networks=lambda *_: None)
