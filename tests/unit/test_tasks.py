"""What holds for every kind of prediction: what it says about itself agrees, and averages are averages of answers."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orchestrator.choices import TaskName, names_of
from orchestrator.columns.raw_column import RawColumn
from orchestrator.errors import ConfigError, UsageError
from orchestrator.tasks import (
    Target,
    TargetEncoder,
    describe_metrics,
    find_target,
    metric_named,
    plain_task,
    read_target,
    read_task,
)
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression

TASKS = [Binary(("no", "yes")), Multiclass((1, 2, 7)), Regression(), Quantile((0.05, 0.5, 0.8))]
ENCODER = TargetEncoder(mean=10.0, std=4.0)
every_task = pytest.mark.parametrize("task", TASKS, ids=str)


def outputs_of(task, rows, *more):
    return hnp.arrays(np.float32, (*more, rows, task.outputs), elements=st.floats(-30, 30, width=32))


def targets_of(task, rows, seed=0):
    random = np.random.default_rng(seed)
    values = random.choice(task.classes, rows) if task.classes else random.normal(10, 4, rows)
    return pd.Series(values, name="y")


def test_all_tasks_are_tested():
    assert sorted(task.kind for task in TASKS) == sorted(names_of(TaskName))
    assert all(task.kind in describe_metrics() for task in TASKS)


@every_task
def test_a_task_survives_its_json(task):
    target = Target("y", task)
    assert read_target(target.to_json()) == target
    with pytest.raises(ValueError, match="classes"):
        read_target({**target.to_json(), "classes": ["only one"]})


@every_task
def test_a_column_of_its_values_is_found_and_encoded(task):
    series = targets_of(task, 60)
    found = find_target(RawColumn("file", series), task.kind)[0].task
    assert (found.kind, found.classes) == (task.kind, task.classes)
    encoder = found.fit(series)
    encoded = found.encode(encoder, series)
    assert encoded.dtype == found.target_type
    assert encoded.shape == (60,)
    again = found.fit_summary(found.summarise(series, series))
    assert (again.mean, again.std) == pytest.approx((encoder.mean, encoder.std))


@every_task
@given(st.data())
def test_answers_are_what_the_task_says_that_they_are(task, data):
    predictions = task.predictions(ENCODER, data.draw(outputs_of(task, 3)))
    assert predictions.columns == task.answers
    frame, records, flat = predictions.frame(), predictions.records(), predictions.flat_records()
    names = [name for column in task.answers for name in column.flat_names]
    assert list(frame) == names == list(flat[0])
    assert list(records[0]) == [column.name for column in task.answers]
    assert frame.to_dict("records") == flat
    predictions.check_finite()
    for column in task.answers:
        values = predictions.values[column.name]
        assert len(values) == 3
        if column.parts:
            assert values.shape == (3, len(column.parts))
            assert list(records[0][column.name]) == list(map(str, column.parts))
        if column.labels:
            assert set(values) <= set(column.labels)
        if column.bounds:
            assert column.bounds[0] <= values.min() <= values.max() <= column.bounds[1]


@every_task
@given(st.data())
def test_averaged_outputs_answer_the_mean_of_the_answers(task, data):
    outputs = data.draw(outputs_of(task, 2, 3))
    mean = task.predictions(ENCODER, task.average(ENCODER, torch.from_numpy(outputs)).numpy())
    each = [task.predictions(ENCODER, found) for found in outputs]
    for column in task.answers:
        if not column.labels:
            wanted = np.mean([found.values[column.name] for found in each], axis=0)
            assert mean.values[column.name] == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@every_task
def test_its_metrics_can_be_computed_and_improve_with_its_loss(task):
    series = targets_of(task, 200)
    encoder = task.fit(series)
    target = task.encode(encoder, series)
    assert task.find_metric().name == task.default_metric
    assert task.sure_metric in task.evaluate(encoder, np.zeros((1, task.outputs), np.float32), target[:1])
    outputs = torch.zeros(200, task.outputs, requires_grad=True)
    loss = task.loss()
    start = loss(outputs, torch.from_numpy(target))
    optimizer = torch.optim.Adam([outputs], lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(outputs, torch.from_numpy(target))
        value.backward()
        optimizer.step()
    assert value < start
    before, after = (
        task.evaluate(encoder, found, target)
        for found in (np.zeros((200, task.outputs), np.float32), outputs.detach().numpy())
    )
    assert set(after) >= set(task.metrics)
    assert all(metric_named(name) == metric for name, metric in task.metrics.items())
    assert task.find_metric().better(after[task.default_metric], before[task.default_metric])


@every_task
def test_a_constant_answer_is_better_than_a_random_one(task):
    series = targets_of(task, 200)
    encoder = task.fit(series)
    target = task.encode(encoder, series)
    constant = np.repeat(task.constant_outputs(target)[None], 200, axis=0)
    random = np.random.default_rng(0).normal(0, 3, constant.shape).astype(np.float32)
    loss = task.loss()
    assert loss(torch.from_numpy(constant), torch.from_numpy(target)) < loss(
        torch.from_numpy(random), torch.from_numpy(target)
    )


@every_task
def test_answers_differ_by_nothing_from_themselves_and_from_others_in_every_row(task):
    random = np.random.default_rng(0)
    answers = task.predictions(ENCODER, random.normal(0, 1, (4, task.outputs)).astype(np.float32))
    same = task.difference(answers, answers)
    assert (same.rows, same.total, same.largest) == (0, 0.0, 0.0)
    other = Multiclass(("a", "b", "c", "d")).predictions(ENCODER, np.zeros((4, 4), np.float32))
    apart = task.difference(answers, other)
    assert (apart.rows, apart.total, apart.largest) == (4, 4.0, 1.0)
    assert list(task.changes(task)) == []
    assert list(task.changes(Binary(("x", "y")))) != []


def test_a_task_that_is_not_known_is_a_sentence():
    raw = RawColumn("file", targets_of(Regression(), 20))
    with pytest.raises(ConfigError, match=r"there is no task 'regresion'.*did you mean regression"):
        find_target(raw, "regresion")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([5.5, 7.0, 9.0, 7.0], "'x' has 3 different numbers; use --task regression, or add a column"),
        (["a", "b", "7", "b"], "'x' has 3 classes; use --task multiclass"),
    ],
)
def test_more_than_two_classes_lead_to_another_task(cells, sentence):
    with pytest.raises(UsageError, match=sentence):
        find_target(RawColumn("file", pd.Series(cells, name="x")), "binary")


@every_task
def test_what_was_asked_for_is_kept_as_json(task):
    kind = type(task)
    plain = plain_task(kind.asked({}))
    assert read_task(json.loads(json.dumps(plain))) == kind.asked({})
    assert read_task({"kind": task.kind, **task.options()}) == kind.asked(task.options())
    with pytest.raises(ConfigError, match=f"a {task.kind} task has no option 'depth'"):
        read_task({"kind": task.kind, "depth": 3})


def test_options_without_a_task_are_a_sentence():
    for wish in ({"depth": 3}, 5):
        with pytest.raises(ConfigError, match="name"):
            plain_task(wish)


def test_choices_of_tasks_are_known_without_numpy_and_their_columns_without_torch():
    light = "import orchestrator.tasks, orchestrator.choices, sys; assert 'numpy' not in sys.modules"
    reading = (
        "from orchestrator.columns.raw_column import RawColumn; from orchestrator.tasks import find_target; "
        "import pandas, sys; "
        "find_target(RawColumn('file', pd := pandas.Series([1.5, 2.5, 3.5], name='y')))[0].task.answers; "
        "assert not {'torch', 'ray', 'mlflow', 'sklearn'} & set(sys.modules)"
    )
    for code in (light, reading):
        subprocess.run([sys.executable, "-c", code], check=True)


# -- quantiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["0.5,0.1", "0,0.5", "0.5,1", "0.5,0.5", "", "many", [], 0.5, [None], "nan"])
def test_what_cannot_be_quantiles_is_a_sentence(wrong):
    with pytest.raises(ConfigError, match="quantiles must be numbers between 0 and 1 that increase"):
        read_task({"kind": "quantile", "quantiles": wrong})


def test_quantiles_are_read_from_text_and_lists_and_have_a_default():
    assert read_task("quantile") == Quantile((0.1, 0.5, 0.9))
    assert read_task({"kind": "quantile", "quantiles": "0.25, 0.75"}) == Quantile((0.25, 0.75))
    assert plain_task(Quantile((0.25,))) == {"kind": "quantile", "quantiles": [0.25]}


@given(outputs_of(Quantile((0.1, 0.3, 0.5, 0.9)), 5))
def test_quantiles_never_cross_and_the_value_is_the_median(outputs):
    found = Quantile((0.1, 0.3, 0.5, 0.9)).predictions(ENCODER, outputs)
    quantiles = found.values["quantiles"]
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (found.values["value"] == quantiles[:, 2]).all()
    assert list(found.frame()) == ["value", "quantile_0.1", "quantile_0.3", "quantile_0.5", "quantile_0.9"]


def test_pinball_loss_and_coverage_are_what_they_are_called():
    from sklearn.metrics import mean_pinball_loss

    random = np.random.default_rng(3)
    task, target = Quantile((0.1, 0.6)), random.normal(10, 4, 500)
    encoded = ((target - 10) / 4).astype(np.float32)
    outputs = np.sort(random.normal(0, 1, (500, 2)).astype(np.float32), axis=1)
    found, low, high = task.evaluate(ENCODER, outputs, encoded), *(outputs.T.astype(float) * 4 + 10)
    losses = mean_pinball_loss(target, low, alpha=0.1), mean_pinball_loss(target, high, alpha=0.6)
    assert found["pinball_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["coverage"] == pytest.approx(np.mean((low <= target) & (target <= high)), abs=0.01)
    loss = task.loss()(torch.from_numpy(outputs), torch.from_numpy(encoded))
    assert float(loss) / 500 * 4 == pytest.approx(found["pinball_loss"], rel=1e-4)
    assert "coverage" not in Quantile((0.5,)).evaluate(ENCODER, outputs[:, :1], encoded)


def test_a_network_learns_the_quantiles_of_noise_that_grows_and_keeps_them_in_its_bundle(tmp_path):
    from orchestrator.bundle import ModelBundle, make_bundle
    from orchestrator.data import DataOptions, Part, open_dataset
    from orchestrator.networks import build_network
    from orchestrator.training import BestWeights, TrialSpec, feature_shape, train_trial

    random = np.random.default_rng(0)
    x = random.uniform(0, 1, 4000)
    frame = pd.DataFrame({"x": x, "y": 100 + 50 * x * random.normal(0, 1, 4000)})
    dataset = open_dataset(frame, DataOptions(target="y", task={"kind": "quantile", "quantiles": [0.1, 0.5, 0.9]}))
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 2, "width": 32}, metric="pinball_loss", epochs=20, learning_rate=0.01
    )
    best = BestWeights()
    *_, report = train_trial(spec, dataset, on_best=best.keep)
    assert report.validation["coverage"] == pytest.approx(0.8, abs=0.06)
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    network.load_state_dict(best.state)
    make_bundle(network, dataset, {}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    assert bundle.schema.target.task == Quantile((0.1, 0.5, 0.9))
    found = bundle.predict(pd.DataFrame({"x": [0.05, 0.9]}))
    width = found["quantile_0.9"] - found["quantile_0.1"]
    # 2.56 deviations of the normal distribution lie between these quantiles
    assert width[1] == pytest.approx(2.56 * 45, rel=0.25)
    assert width[0] < width[1] / 4
    assert sum(map(len, dataset.rows(Part.TRAIN))) == 2560
