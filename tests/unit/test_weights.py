"""Rows that count differently: a row of weight 2 counts as two rows, in loss and metrics, in memory and in folders."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import orchestrator
from orchestrator.data import Part
from orchestrator.errors import DataError, UsageError
from orchestrator.inputs import NUMERIC
from orchestrator.tasks import TargetEncoder
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression
from orchestrator.training import Batch, TrialSpec, train_trial
from orchestrator.training.losses import batch_loss

TASKS = [Binary(("a", "b")), Multiclass(("a", "b", "c")), Regression(), Quantile((0.2, 0.8))]
ENCODER = TargetEncoder(mean=1.0, std=2.0)


def rows_of(task, seed, count=24):
    random = np.random.default_rng(seed)
    outputs = random.normal(size=(count, task.outputs)).astype(np.float32)
    target = random.integers(0, len(task.classes), count) if task.classes else random.normal(size=count)
    return outputs, target.astype(task.target_type), random.integers(0, 4, count)


@pytest.mark.parametrize("task", TASKS, ids=str)
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_a_row_of_weight_two_counts_as_two_rows(task, seed):
    outputs, target, weight = rows_of(task, seed)
    weight[:4] = 1
    repeated = np.repeat(np.arange(len(target)), weight)
    found = task.evaluate(ENCODER, outputs, target, weight.astype(float))
    wanted = task.evaluate(ENCODER, outputs[repeated], target[repeated])
    # weights say nothing about how many rows there are
    assert found == pytest.approx(wanted, rel=1e-6)
    assert task.evaluate(ENCODER, outputs, target, 3.0 * weight) == pytest.approx(wanted, rel=1e-6)

    def batch(rows, weights):
        return Batch({}, torch.from_numpy(target[rows]), weights)

    loss = batch_loss(task, 0.1)
    everything = np.arange(len(target))
    weighed = loss(torch.from_numpy(outputs), batch(everything, torch.from_numpy(weight).float()))
    assert weighed == pytest.approx(float(loss(torch.from_numpy(outputs[repeated]), batch(repeated, None))), rel=1e-4)
    members = torch.from_numpy(np.stack([outputs, outputs], 1))
    assert loss(members, batch(everything, torch.from_numpy(weight).float())) == pytest.approx(float(weighed), rel=1e-4)


def table(rows=300):
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"a": random.normal(size=rows), "b": random.normal(size=rows)})
    frame["y"] = frame["a"] - frame["b"] + random.normal(size=rows)
    frame["w"] = random.integers(0, 3, rows)
    frame["store"] = random.integers(0, 20, rows)
    frame["part"] = np.where(np.arange(rows) % 5 == 0, "test", np.where(np.arange(rows) % 5 == 1, "dev", "train"))
    return frame


def test_what_counts_nothing_changes_no_figure():
    one = orchestrator.prepare_dataset(table(), "y", weight="w")
    spoilt = {
        part: replace(rows, target=np.where(rows.weight == 0, np.float32(-9), rows.target))
        for part, rows in (("train", one.train), ("validation", one.validation))
    }
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 4}, metric="rmse", epochs=2, batch_size=32)
    reports = [list(train_trial(spec, dataset)) for dataset in (one, replace(one, **spoilt))]
    for mine, theirs in zip(*reports, strict=True):
        assert mine.validation == pytest.approx(theirs.validation, rel=1e-5)
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)


def test_weights_change_what_is_learnt():
    frame = table()
    spec = TrialSpec(architecture="mlp", settings={"depth": 0}, metric="rmse", epochs=1, batch_size=32)
    plain, weighed = (
        next(iter(train_trial(spec, orchestrator.prepare_dataset(frame, "y", ignore=["w"], **options))))
        for options in ({}, {"weight": "w"})
    )
    assert plain.train_loss != weighed.train_loss


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "rows"
    found.mkdir()
    frame = table()
    for number in range(3):
        frame[number * 100 : number * 100 + 100].to_parquet(found / f"{number}.parquet")
    return found


def parts_of(dataset, name):
    index = [item.column for item in dataset.encoder.numeric].index(name)
    return [np.concatenate([chunk.inputs[NUMERIC][:, index] for chunk in dataset.rows(part)]) for part in Part]


def test_groups_and_parts_of_a_folder_are_kept_together(folder):
    frame = table()
    dataset = orchestrator.prepare_dataset(folder, "y", group="store", columns={"store": {"kind": "numeric"}})
    stores = [set(np.round(values, 4).tolist()) for values in parts_of(dataset, "store")]
    assert min(map(len, stores)) > 0
    assert not stores[0] & stores[1] | stores[0] & stores[2] | stores[1] & stores[2]
    assert sum(dataset.counts) == len(frame)
    given_parts = orchestrator.prepare_dataset(folder, "y", split_column="part")
    assert given_parts.counts == (180, 60, 60)
    assert len({dataset.digest, given_parts.digest, orchestrator.prepare_dataset(folder, "y").digest}) == 3


def test_weights_of_a_folder_are_those_of_its_rows(folder):
    dataset = orchestrator.prepare_dataset(folder, "y", split_column="part", weight="w")
    memory = orchestrator.prepare_dataset(table(), "y", split_column="part", weight="w")
    for part in Part:
        found = np.concatenate([chunk.weight for chunk in dataset.rows(part)])
        assert found == pytest.approx(next(iter(memory.rows(part))).weight)
    spec = TrialSpec(architecture="mlp", settings={"depth": 0}, metric="rmse", epochs=1, batch_size=50)
    assert np.isfinite(next(iter(train_trial(spec, dataset))).train_loss)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"time": "a"}, UsageError, "--time does not go with a folder"),
        ({"test": "x.csv"}, UsageError, "--test does not go with a folder"),
        ({"weight": "a"}, DataError, r"0.parquet.*'a' \(--weight\) is negative in row"),
        ({"split_column": "a"}, DataError, r"0.parquet.*'a' \(--split-column\) holds"),
        ({"group": "shop"}, UsageError, "--group shop: there is no such column"),
    ],
)
def test_what_a_folder_cannot_do_is_one_sentence(folder, options, error, sentence):
    with pytest.raises(error, match=sentence):
        orchestrator.prepare_dataset(folder, "y", **options)


def test_few_groups_of_a_folder_say_how_little_is_trained_on(tmp_path):
    names = np.array(["Rome", "rome", *["oslo", "Oslo ", "berlin", "Berlin"] * 2])
    table().assign(shop=lambda rows: names[rows.index % 10]).to_parquet(tmp_path / "rows.parquet")
    dataset = orchestrator.prepare_dataset(tmp_path, "y", group="shop")
    assert dataset.counts == (60, 120, 120)
    assert any("20 % of the rows are trained on" in str(note) for note in dataset.notes)
