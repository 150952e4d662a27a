"""Predicted numbers stay within the range of the training target, everywhere alike, unless the user says otherwise."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import empty_store, quick_model

import orchestrator
from orchestrator.bundle import ModelBundle, ReadBundle, make_bundle
from orchestrator.bundle.content import read_schema
from orchestrator.bundle.files import read_folder
from orchestrator.columns.target_wish import BEFORE, TargetWish
from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import BundleError
from orchestrator.serving.inference.prepared_model import load_prepared, prepare
from orchestrator.sweeps.plan import data_options
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression

TASKS = [Regression(), Quantile((0.1, 0.5, 0.9))]
number_tasks = pytest.mark.parametrize("task", TASKS, ids=str)
encoders = st.builds(
    lambda mean, std, ends: TargetEncoder(mean=mean, std=std, bounds=(mean + std * min(ends), mean + std * max(ends))),
    st.floats(-1e3, 1e3),
    st.floats(0.01, 1e4),
    st.tuples(st.floats(-4, 0), st.floats(0, 4)),
)
elements = st.floats(-30, 30, width=32)


def line(rows=200):
    x = np.random.default_rng(0).uniform(0, 1, rows)
    return pd.DataFrame({"x": x, "y": 100 * x**2})


def values_of(task, encoder, outputs):
    answers = task.predictions(encoder, outputs)
    return np.column_stack([np.reshape(answers.values[column.name], (len(outputs), -1)) for column in answers.columns])


@number_tasks
@settings(max_examples=25, deadline=None)
@given(encoder=encoders, data=st.data())
def test_answers_are_within_the_bounds_and_the_same_inside(task, encoder, data):
    outputs = data.draw(hnp.arrays(np.float32, (4, task.outputs), elements=elements))
    found, free = (
        values_of(task, encoder, outputs),
        values_of(task, TargetEncoder(mean=encoder.mean, std=encoder.std), outputs),
    )
    low, high = encoder.bounds
    assert low <= found.min() <= found.max() <= high
    inside = (low <= free) & (free <= high)
    assert np.array_equal(found[inside], free[inside])
    assert set(np.unique(found[~inside])) <= {low, high}


@number_tasks
@settings(max_examples=25, deadline=None)
@given(encoder=encoders, data=st.data())
def test_several_networks_answer_the_mean_of_what_each_may_say(task, encoder, data):
    outputs = data.draw(hnp.arrays(np.float32, (3, 2, task.outputs), elements=elements))
    mean = values_of(task, encoder, task.average(encoder, torch.from_numpy(outputs)).numpy())
    wanted = np.mean([values_of(task, encoder, found) for found in outputs], axis=0)
    assert mean == pytest.approx(wanted, rel=1e-4, abs=1e-4 * encoder.std)
    # what ensembles are chosen by
    target = data.draw(hnp.arrays(np.float32, 2, elements=elements))
    shares = np.mean([task.shares(encoder, found) for found in outputs], axis=0)
    metric = task.default_metric
    figure = task.evaluate(encoder, task.average(encoder, torch.from_numpy(outputs)).numpy(), target)[metric]
    assert task.score(metric, encoder, shares, target) == pytest.approx(figure, rel=1e-4, abs=1e-4 * encoder.std)


@number_tasks
def test_what_is_no_number_does_not_become_one(task):
    outputs = np.full((1, task.outputs), np.inf, np.float32)
    with pytest.raises(orchestrator.errors.UnansweredError):
        task.predictions(TargetEncoder(bounds=(-1.0, 1.0)), outputs).check_finite()


@settings(max_examples=25)
@given(encoders)
def test_an_encoder_survives_its_json_and_one_of_before_is_written_as_it_was(encoder):
    assert TargetEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder
    plain = {"mean": encoder.mean, "std": encoder.std}
    assert TargetEncoder.from_json(plain).to_json() == plain


def test_the_bounds_are_those_of_the_training_rows_also_of_a_folder(tmp_path):
    frame = line(400)
    dataset = open_dataset(frame, DataOptions(target="y"))
    rows = dataset.target_encoder.mean + dataset.target_encoder.std * dataset.train.target.astype(float)
    assert dataset.target_encoder.bounds == pytest.approx((rows.min(), rows.max()), rel=1e-6, abs=1e-4)
    assert open_dataset(frame, DataOptions(target="y", target_wish=BEFORE)).target_encoder.bounds is None
    (tmp_path / "folder").mkdir()
    frame.to_parquet(tmp_path / "folder" / "part.parquet", row_group_size=64, index=False)
    streamed = open_dataset(tmp_path / "folder", DataOptions(target="y"))
    low, high = (pick(pick(part.target) for part in streamed.rows("train") if len(part)) for pick in (min, max))
    encoder = streamed.target_encoder
    wanted = (encoder.mean + encoder.std * low, encoder.mean + encoder.std * high)
    assert encoder.bounds == pytest.approx(wanted, rel=1e-6, abs=1e-4)
    labels = open_dataset("sklearn:iris", DataOptions())
    assert labels.target_encoder == TargetEncoder()


def test_the_model_its_bundle_and_its_endpoint_agree(tmp_path):
    network, dataset = quick_model(line(), "y", depth=0)
    # far outside, where a line goes on for ever
    rows = pd.DataFrame({"x": [-50.0, 0.5, 50.0]})
    make_bundle(network, dataset, {}).save(tmp_path / "bundle")
    low, high = dataset.target_encoder.bounds
    bundle = ModelBundle.load(tmp_path / "bundle")
    found = bundle.predict(rows)["value"].to_numpy()
    assert (found[0], found[2]) == (low, high)
    assert low < found[1] < high
    read = ReadBundle.of(read_folder(tmp_path / "bundle"), tmp_path / "bundle")
    prepare(read, tmp_path / "prepared", "onnxruntime")
    answers = load_prepared(tmp_path / "prepared").answer(rows).values["value"]
    assert answers == pytest.approx(found, rel=1e-5)
    assert (answers[0], answers[2]) == (low, high)
    # a bundle of before has no bounds, and answers as it did
    file = tmp_path / "bundle" / "encoder.json"
    content = json.loads(file.read_text())
    del content["target"]["bounds"]
    file.write_text(json.dumps(content))
    before = ModelBundle.load(tmp_path / "bundle").predict(rows)["value"].to_numpy()
    assert before[0] < low < high < before[2]
    content["target"]["bounds"] = [3.0, 2.0]
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"encoder\.json: damaged \(the bounds of the target"):
        ModelBundle.load(tmp_path / "bundle")
    schema = json.loads((tmp_path / "bundle" / "schema.json").read_text())
    assert read_schema(schema, "") == dataset.schema


def test_folds_are_held(tmp_path):
    (tmp_path / "store").mkdir()
    result = orchestrator.train(
        line().sample(frac=1.0, random_state=0),
        tracking_uri=empty_store(tmp_path / "store"),
        target="y",
        folds=3,
        parameters={"depth": 1, "width": 4, "epochs": 1, "batch_size": 64},
        register_model=False,
    )
    low, high = result.bundle.target_encoder.bounds
    values = result.bundle.predict(pd.DataFrame({"x": np.linspace(-9, 9, 50)}))["value"]
    assert low <= values.min() <= values.max() <= high


def test_a_target_that_leaves_the_range_in_time_is_said():
    frame = pd.DataFrame({"x": range(300), "y": np.arange(300) * 2.0})
    frame["day"] = pd.date_range("2024-01-01", periods=300).strftime("%Y-%m-%d")
    dataset = orchestrator.prepare_dataset(frame, "y", time="day")
    (note,) = [str(note) for note in dataset.notes if "--no-clip-predictions" in str(note)]
    assert note.startswith("column 'y' is beyond the training rows (0 to ")
    for free in (
        orchestrator.prepare_dataset(frame, "y", time="day", clip_predictions=False),
        orchestrator.prepare_dataset(frame, "y"),
    ):
        assert not [note for note in free.notes if "--no-clip-predictions" in str(note)]


def test_sweeps_and_trials_of_before_go_on_as_they_were():
    assert TargetWish.from_json({}) == BEFORE
    assert BEFORE.to_json() == {}
    config = SweepConfig.create(data="x.csv")
    assert data_options(config).target_wish == TargetWish() != BEFORE
    free = data_options(SweepConfig.create(data="x.csv", **BEFORE.said))
    assert free.target_wish == BEFORE
    for options in (data_options(config), free):
        again = DataOptions.from_json(json.loads(json.dumps(options.to_json())), name="x")
        assert again.target_wish == options.target_wish
