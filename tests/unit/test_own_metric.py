"""A user's own metric, `module:function`: found, called with arrays that users know, and never needed by a model."""

import sys

import numpy as np
import pandas as pd
import pytest

from orchestrator.columns.rows_wish import RowsWish
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.errors import ConfigError
from orchestrator.evaluation.answers import Answers
from orchestrator.evaluation.winner import make_winner
from orchestrator.sweeps.plan import check_measured
from orchestrator.tasks import Metric, TargetEncoder, metric_named
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression
from orchestrator.training import BestWeights, TrialSpec, train_trial, trial_network

MODULE = """
import numpy as np

def hits(target, prediction):
    return np.mean(target == prediction)
hits.maximize = True

def heavy(target, prediction, weight):
    return np.average(target == prediction, weights=weight)
heavy.maximize = True

def surprise(target, prediction, *, probabilities):
    return -np.log(probabilities.max(axis=1)).sum()
surprise.maximize = False

def distance(target, prediction):
    return abs(target - prediction).max()
distance.maximize = False

def width(target, prediction, quantiles):
    return (quantiles[:, -1] - quantiles[:, 0]).mean()
width.maximize = False

def silent(target, prediction):
    return 1.0

def broken(target, prediction):
    raise KeyError("no such thing")
broken.maximize = True

def text(target, prediction):
    return "1.0"
text.maximize = True

def nothing(target, prediction):
    return np.nan
nothing.maximize = True

def short(target):
    return 1.0
short.maximize = True

number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "our_metrics.py").write_text(MODULE)
    (tmp_path / "half_a_module.py").write_text("import no_such_package_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in ("our_metrics", "half_a_module"):
        sys.modules.pop(name, None)


def measured(task, name, target, encoder=None, seed=0, weight=None):
    outputs = np.random.default_rng(seed).normal(size=(len(target), task.outputs)).astype(np.float32)
    encoder = encoder or TargetEncoder()
    found = task.measure(f"our_metrics:{name}", encoder, outputs, target, weight)[f"our_metrics:{name}"]
    said = task.predictions(encoder, outputs).values
    shares = task.shares(encoder, outputs)
    assert task.figure(f"our_metrics:{name}", encoder, shares, target, weight) == found
    return found, said


@pytest.mark.parametrize("classes", [("no", "yes"), (3, 7), (False, True)])
def test_labels_are_those_of_the_data_and_follow_the_threshold(classes):
    task, target = Binary(classes), np.arange(40) % 2
    weight = np.arange(1.0, 41.0)
    encoder = TargetEncoder(threshold=0.2)
    wanted = [classes[code] for code in target]
    found, said = measured(task, "hits", target, encoder)
    assert found == np.mean([one == other for one, other in zip(said["label"], wanted, strict=True)])
    found, said = measured(task, "heavy", target, encoder, weight=weight)
    hits = [one == other for one, other in zip(said["label"], wanted, strict=True)]
    assert found == pytest.approx(np.average(hits, weights=weight))


def test_what_a_function_names_it_gets():
    task, target = Multiclass(("a", "b", "c")), np.arange(30) % 3
    found, said = measured(task, "surprise", target)
    assert found == pytest.approx(-np.log(said["probabilities"].max(axis=1)).sum())
    encoder, numbers = TargetEncoder(mean=10.0, std=4.0), np.linspace(-1, 1, 30).astype(np.float32)
    found, said = measured(Regression(), "distance", numbers, encoder)
    assert found == pytest.approx(np.abs(numbers * 4.0 + 10.0 - said["value"]).max())
    found, said = measured(Quantile(quantiles=(0.1, 0.5, 0.9)), "width", numbers, encoder)
    assert found == pytest.approx((said["quantiles"][:, 2] - said["quantiles"][:, 0]).mean())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_such_module:hits", "importing no_such_module raised ModuleNotFoundError"),
        ("half_a_module:hits", "importing half_a_module raised ModuleNotFoundError: No module named 'no_such_package"),
        ("our_metrics:hit", "our_metrics has no function named hit"),
        ("our_metrics:", "our_metrics has no function named"),
        (":hits", "importing  raised ValueError"),
        ("our_metrics:number", "our_metrics has no function named number"),
        ("our_metrics:silent", "say which way is better, in its module: silent.maximize = True, or False for an error"),
    ],
)
def test_what_cannot_be_a_metric_is_a_sentence(name, sentence):
    with pytest.raises(ConfigError, match=f"metric {name}: {sentence}"):
        Binary(("a", "b")).find_metric(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", "our_metrics:broken raised KeyError: 'no such thing'"),
        ("text", "our_metrics:text must return a finite number, but returned 1.0"),
        ("nothing", "our_metrics:nothing must return a finite number, but returned nan"),
        ("short", "our_metrics:short raised TypeError"),
    ],
)
def test_a_function_that_fails_is_said_before_the_first_trial(name, sentence):
    frame = pd.DataFrame({"x": np.arange(60.0), "y": ["a", "b"] * 30})
    dataset = open_dataset(frame, DataOptions(target="y"))
    metric = dataset.schema.target.task.find_metric(f"our_metrics:{name}")
    with pytest.raises(ConfigError, match=sentence):
        check_measured(dataset, metric)


def test_a_name_in_a_record_runs_no_code():
    assert metric_named("os:getcwd", maximize=False) == Metric("os:getcwd", maximize=False)
    with pytest.raises(ConfigError, match="there is no metric 'our_metrics:hits'"):
        metric_named("our_metrics:hits")
    assert "our_metrics" not in sys.modules


@pytest.mark.parametrize("folds", [None, 3])
def test_a_model_is_chosen_and_measured_by_it(folds):
    random = np.random.default_rng(3)
    x = random.normal(size=200)
    y = np.where(x + random.normal(size=200) > 0.5, "yes", "no")
    options = DataOptions(target="y", rows=RowsWish(folds=None if folds is None else str(folds)))
    dataset = open_dataset(pd.DataFrame({"x": x, "y": y}), options)
    task = dataset.schema.target.task
    metric = task.find_metric("our_metrics:hits")
    assert metric == Metric("our_metrics:hits", maximize=True)
    check_measured(dataset, metric)
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8}, metric=metric.name, epochs=4, batch_size=32)
    best = BestWeights()
    report = list(train_trial(spec, dataset.without_test(), on_best=best.keep))[-1]
    assert report.best_value > 0.5
    network = trial_network(spec, dataset)
    network.load_state_dict(best.state)
    answers = Answers.of(network, dataset.rows(Part.VALIDATION))
    winner = make_winner(
        spec,
        report,
        dataset=dataset,
        metric=metric,
        network=network,
        validation=answers,
        test_rows=dataset.rows(Part.TEST),
    )
    assert winner.test[metric.name] == pytest.approx(winner.test["accuracy"])
    assert winner.bundle.metrics["metric"] == metric.name
