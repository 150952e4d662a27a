"""Reference models: each task and kind of input has them, they keep to their time, and a report shows them."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from orchestrator.data import load_table, open_dataset
from orchestrator.data.dataset import DataOptions
from orchestrator.errors import StorageError
from orchestrator.evaluation import references
from orchestrator.evaluation.kept_answers import KeptAnswers
from orchestrator.evaluation.reference_models import (
    Deadline,
    OutOfTimeError,
    fit_boosted_trees,
    fit_constant,
    fit_linear,
)
from orchestrator.evaluation.references import (
    CONSTANT_CLASS,
    REFERENCES_FILE,
    Reference,
    keep_references,
    measure_references,
    read_references,
)
from orchestrator.reports.sections.references import verdicts
from orchestrator.storage import Storage
from orchestrator.tasks import metric_named

ROWS = 240


def a_table(target):
    """A number, a category and a text of which each says something about the target."""
    random = np.random.default_rng(0)
    number, kind = random.normal(size=ROWS), random.integers(3, size=ROWS)
    mood = random.integers(2, size=ROWS)
    words = np.array(["a dull and boring film again", "a wonderful and moving film today"])
    texts = [f"{words[one]} number {place}" for place, one in enumerate(mood)]
    value = number + kind + 2 * mood
    labels = {"number": value, "pair": np.where(value > 2, "high", "low"), "three": np.digitize(value, [1, 3])}[target]
    return pd.DataFrame({"number": number, "kind": np.array(["a", "b", "c"])[kind], "text": texts, "y": labels})


def opened(target, **options):
    return open_dataset(load_table(a_table(target), "a"), DataOptions(target="y", **options))


def measured(dataset, seconds=3600.0):
    """References beside a winner that always answers the same."""
    task, test = dataset.schema.target.task, dataset.test
    outputs = np.repeat(task.constant_outputs(dataset.train.target)[None], len(test), axis=0)
    kept = KeptAnswers.of(dataset.schema.target, dataset.target_encoder, outputs, test.target, test.weight)
    names = task.evaluate(dataset.target_encoder, outputs, test.target, test.weight)
    return measure_references(dataset, task.find_metric(), kept, names, seconds), names, task.find_metric()


@pytest.mark.parametrize("target", ["number", "pair", "three"])
def test_references_are_measured_on_the_same_rows_and_better_than_always_the_same(target):
    (constant, linear, trees), names, metric = measured(opened(target))
    # the winner is the constant itself
    assert constant.test == pytest.approx(names)
    assert constant.ahead == pytest.approx((0, 0, 0))
    for found in (linear, trees):
        assert set(found.test) == set(names)
        assert metric.better(found.test[metric.name], constant.test[metric.name])
        # the winner is worse on all draws of rows
        assert found.ahead[2] < 0
        assert found.interval[0] <= found.test[metric.name] <= found.interval[1]


def test_what_does_not_fit_into_its_time_is_left_out_with_the_reason():
    (constant, *others), _, _ = measured(opened("pair"), seconds=0.0)
    assert constant.test
    assert all(not each.test and each.about == "left out: no time was left" for each in others)
    (_, *others), _, _ = measured(opened("pair"), seconds=0.5)
    assert all(each.about.startswith("left out: references had 0.5 s, which is too little") for each in others)
    dataset = opened("three")
    for fit in (fit_linear, fit_boosted_trees):
        with pytest.raises(OutOfTimeError):
            fit(dataset, dataset.train, Deadline(0.0))


def test_a_model_that_took_all_of_its_share_is_compared_in_the_time_that_is_left(monkeypatch):
    # of the time of all references each has a share
    late = Deadline(0.0)
    monkeypatch.setattr(references, "fit_boosted_trees", lambda dataset, rows, _: fit_constant(dataset, rows, late))
    (*_, trees), _, _ = measured(opened("pair"))
    assert trees.interval and trees.ahead
    monkeypatch.setattr(references, "INTERVAL_SECONDS", 3600.0)
    (*_, trees), _, _ = measured(opened("pair"))
    assert trees.test and trees.interval is trees.ahead is None


def test_references_are_read_as_they_were_written(tmp_path):
    storage = Storage.at(tmp_path)
    assert read_references(storage) == ()
    found, _, _ = measured(opened("pair"), seconds=0.0)
    keep_references(storage, found)
    assert read_references(storage) == found
    content = storage.read(REFERENCES_FILE).replace(b'"seconds"', b'"sec"')
    storage.write(REFERENCES_FILE, content)
    with pytest.raises(StorageError, match=f"{REFERENCES_FILE}: damaged"):
        read_references(storage)


CONSTANT = Reference(name=CONSTANT_CLASS, test={"roc_auc": 0.5}, ahead=(0.3, 0.2, 0.4))
LINEAR = Reference(name="linear", test={"roc_auc": 0.7}, ahead=(0.1, 0.05, 0.15))
STOPPED = Reference(name="trees", test={"roc_auc": 0.75}, ahead=(0.05, 0.01, 0.1), about="stopped after 5 rounds")
MISSING = [Reference(name=name, about="left out: there was no room") for name in ("linear", "trees")]


@pytest.mark.parametrize(
    ("found", "first", "rest"),
    [
        ([CONSTANT, LINEAR], "The best reference, linear, has roc_auc 0.7 .*: the winner is better \\(95 %", []),
        (
            [CONSTANT, *MISSING],
            "The only reference, most frequent class, .*: the winner is better than always the same answer \\(",
            ["Left out: linear and trees; there was no room."],
        ),
        (
            [CONSTANT, LINEAR, STOPPED],
            "The best reference, trees \\(stopped after 5 rounds, for want of time\\), has .*: the winner is better "
            "than that one was by then \\(",
            [],
        ),
        (
            [Reference(name="linear", test={"roc_auc": 0.76}, ahead=(0.04, -0.1, 0.1)), STOPPED],
            "The best reference, linear, .*: these test rows do not show which is better",
            ["With more time trees may be better: it was stopped after 5 rounds."],
        ),
    ],
)
def test_a_reference_that_says_little_is_told_as_one(found, first, rest):
    metric = metric_named("roc_auc")
    story = SimpleNamespace(metric=metric, outcome=SimpleNamespace(test={"roc_auc": 0.8}), references=tuple(found))
    said = verdicts(story)
    assert re.match(first, said[0]) and list(said[1:]) == rest
