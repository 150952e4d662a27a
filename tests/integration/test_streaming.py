"""A folder of Parquet files through Ray Data: alone, in gangs, and what goes wrong with files."""

import json

import numpy as np
import pandas as pd
import pytest

from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.errors import DataError, ExecutionError
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.streaming.ray_data import RayStream, split_training_rows
from orchestrator.runtime.streaming.tasks import encoded_part, run_on_cluster
from orchestrator.runtime.sweeps import run_sweep

ROWS, FILES = 600, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "orders"
    path.mkdir()
    random = np.random.default_rng(0)
    for file in range(FILES):
        amount = random.normal(5, 3, ROWS)
        color = random.choice(["red", "green", "blue"], ROWS)
        label = np.where(amount + 2 * (color == "red") + random.normal(0, 1, ROWS) > 5.5, "high", "low")
        number = np.arange(ROWS) + file * ROWS
        frame = pd.DataFrame({"amount": amount, "color": color, "number": number / 8, "label": label})
        frame.to_parquet(path / f"part-{file}.parquet", row_group_size=ROWS // 3)
    return path


@pytest.fixture(scope="module")
def dataset(ray_cluster, folder):
    return open_dataset(folder, DataOptions(target="label", run=run_on_cluster))


def options(folder, store, trials=2, **resources):
    given = {"target": "label", "space": "quick", "trials": trials, "epochs": 3, "tracking_uri": store}
    return SweepConfig.create(data=str(folder), resources=resources, **given)


@pytest.mark.parametrize(("workers", "readers", "trials"), [(1, 1, 1), (2, 0, 1)])
def test_a_sweep_over_a_folder_ends_with_a_model(ray_cluster, folder, store, workers, readers, trials):
    said = []
    config = options(folder, store, trials, workers_per_trial=workers, readers_per_trial=readers)
    result = run_sweep(config, None, Hooks(notify=said.append))
    # a trial has a worker and a reader, or two workers: one at a time on two cores
    assert any("1 at a time" in sentence for sentence in said)
    assert {trial.status for trial in result.trials} <= {"finished", "stopped"}
    assert result.registration.champion
    assert result.test["roc_auc"] > 0.9
    answers = result.bundle.predict(pd.DataFrame({"amount": [20.0, -9.0], "color": ["red", "blue"], "number": [0, 1]}))
    assert list(answers["label"]) == ["high", "low"]


def test_the_pass_on_the_cluster_finds_what_a_pass_here_finds(dataset, folder):
    here = open_dataset(folder, DataOptions(target="label"))
    assert here.digest == dataset.digest
    assert here.schema == dataset.schema
    for mine, other in zip(here.encoder.numeric, dataset.encoder.numeric, strict=True):
        assert (mine.column, mine.indicator) == (other.column, other.indicator)
        assert mine.mean == pytest.approx(other.mean, rel=1e-12)
        assert mine.std == pytest.approx(other.std, rel=1e-12)
        assert mine.median == other.median


def rows_of(chunks):
    return np.concatenate(
        [np.concatenate([chunk.inputs["numeric"], chunk.target[:, None]], axis=1) for chunk in chunks]
    )


def ordered(rows):
    return rows[np.lexsort(rows.T)]


def test_each_epoch_has_all_training_rows_in_another_order(dataset):
    (iterator,) = split_training_rows(dataset, dataset, 1, 1)
    stream = RayStream(dataset, iterator, tuple(encoded_part(dataset, Part.VALIDATION)), 0, 1)
    wanted = rows_of(dataset.rows(Part.TRAIN))
    epochs = [rows_of(stream.train(epoch, 0)) for epoch in (1, 2)]
    for found in epochs:
        np.testing.assert_array_equal(ordered(found), ordered(wanted))
    assert not np.array_equal(*epochs)
    validation = rows_of(stream.validation())
    np.testing.assert_array_equal(ordered(validation), ordered(rows_of(dataset.rows(Part.VALIDATION))))


def test_workers_get_equally_many_rows_and_no_row_twice(dataset):
    import ray

    validation = tuple(encoded_part(dataset, Part.VALIDATION))

    def read(rank, iterator):
        stream = RayStream(dataset, iterator, validation, rank, 2)
        return list(stream.train(1, 0)), list(stream.validation())

    task = ray.remote(num_cpus=0)(read)
    chunks = ray.get(
        [task.remote(rank, split) for rank, split in enumerate(split_training_rows(dataset, dataset, 2, 1))]
    )
    parts = [(rows_of(train), rows_of(held)) for train, held in chunks]
    (first, _), (second, _) = parts
    assert len(first) == len(second)
    together = {tuple(row) for part, _ in parts for row in part.tolist()}
    assert len(together) == len(first) + len(second) >= dataset.counts[0] - 1
    assert sum(len(held) for _, held in parts) == dataset.counts[1]


def test_a_value_that_does_not_fit_is_said_with_its_file(ray_cluster, folder, tmp_path, monkeypatch):
    # the sample that decides what columns are does not see the value
    monkeypatch.setattr("orchestrator.data.profile.SAMPLE_PIECES", 2)
    odd = tmp_path / "orders"
    odd.mkdir()
    for file in folder.iterdir():
        (odd / file.name).write_bytes(file.read_bytes())
    frame = pd.read_parquet(odd / "part-2.parquet").astype({"number": object})
    frame["number"] = [str(value) for value in frame["number"]]
    frame.loc[7, "number"] = "seven"
    frame.to_parquet(odd / "part-2.parquet", row_group_size=len(frame))
    with pytest.raises(DataError, match=r"part-2\.parquet.*'number'"):
        open_dataset(odd, DataOptions(target="label", run=run_on_cluster))


def test_a_file_that_disappears_ends_trials_with_the_reason(ray_cluster, folder, store, tmp_path):
    leaving = tmp_path / "orders"
    leaving.mkdir()
    for file in folder.iterdir():
        (leaving / file.name).write_bytes(file.read_bytes())

    def remove(sentence):
        if "at a time" in sentence:
            (leaving / "part-1.parquet").unlink()

    with pytest.raises((ExecutionError, DataError), match=r"part-1\.parquet"):
        run_sweep(options(leaving, store, trials=1), None, Hooks(notify=remove))


def test_more_cores_than_there_are_is_refused_before_anything_is_read(ray_cluster, folder, store):
    with pytest.raises(ExecutionError, match="a trial needs 3 CPU, those that read its data included, but there are 2"):
        run_sweep(options(folder, store, workers_per_trial=2))


def test_a_plan_counts_the_reader(ray_cluster, folder, store):
    from orchestrator.runtime.probe.estimate import estimate_sweep

    estimate = estimate_sweep(options(folder, store))
    assert estimate.concurrency == 1
    assert estimate.seconds > 0
    assert json.dumps([entry.name for entry in estimate.architectures])
