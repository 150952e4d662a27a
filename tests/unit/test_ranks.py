"""Several processes train one network: what comes out does not depend on how many they are."""

import dataclasses
import json
import multiprocessing
import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from support import free_port, mixed_frame

from orchestrator.columns.rows_wish import RowsWish
from orchestrator.columns.target_wish import TargetWish
from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import TrainingDivergedError
from orchestrator.networks import ARCHITECTURES
from orchestrator.training import ProcessGroupRanks, TrialSpec, train_trial

SIZES = (2, 3)
IMPORTED = ["sklearn.datasets", "orchestrator.bundle", "orchestrator.data.memory", "requests"]
# 131 mixed rows leave 83 for training: no batch size here, and neither 2 nor 3 workers, divides that
DATA = {"mixed": (131, "label"), "iris": ("sklearn:iris", None), "diabetes": ("sklearn:diabetes", None)}
DATA["folds"] = DATA["iris"]
DATA["prices"] = (131, "price")
SPECS = {
    "batch norm and dropout": ("mixed", {"depth": 2, "width": 16, "normalization": "batch", "dropout": 0.3}, {}),
    "last batch of 2 rows": ("mixed", {"depth": 1, "width": 8, "normalization": "layer"}, {"batch_size": 27}),
    "accumulated": ("mixed", {"depth": 1, "width": 8, "dropout": 0.2}, {"accumulation": 3, "batch_size": 40}),
    "clipped, scheduled": (
        "iris",
        {"depth": 1, "width": 8, "normalization": "batch"},
        {"gradient_clip": 0.5, "schedule": "cosine", "warmup_epochs": 1.0, "optimizer": "sgd_momentum"},
    ),
    "two folds": (
        "folds",
        {"depth": 1, "width": 8, "dropout": 0.2, "normalization": "batch", "repeated_numbers": 12},
        {"patience": 1},
    ),
    "two folds of groups, rows that weigh, a logarithm, a metric of one's own": (
        "prices",
        {"depth": 1, "width": 8, "dropout": 0.2},
        {"batch_size": 27},
    ),
    "realmlp": (
        "mixed",
        {"depth": 2, "width": 8, "numeric_width": 3, "repeated_numbers": 9},
        {"schedule": "coslog4", "regularization_schedule": "flat_cosine", "optimizer": "adamw", "beta2": 0.95},
    ),
    "tabm_mini": (
        "folds",
        {"members": 3, "depth": 1, "width": 8, "dropout": 0.2, "repeated_numbers": 9},
        {"weight_average": 0.9},
    ),
    "ft_transformer": ("mixed", {"depth": 1, "width": 8, "heads": 2, "repeated_numbers": 9}, {"batch_size": 27}),
    "tabm": ("diabetes", {"members": 4, "depth": 2, "width": 8}, {"weight_average": 0.9, "batch_size": 50}),
    # without an embedding of numbers: batch norm follows what it adds to all rows alike, which is noise
    "modern_nca": (
        "mixed",
        {"depth": 1, "width": 8, "candidates": 70, "sampled": 40, "dropout": 0.2, "numeric_embedding": "none"},
        {},
    ),
    "regression": ("diabetes", {"depth": 2, "width": 8, "dropout": 0.1, "residual_dropout": 0.1}, {"batch_size": 50}),
}


METRICS = {"diabetes": "rmse", "prices": f"{__name__}:miss"}


def miss(target, prediction, weight):
    return float((abs(target - prediction) * weight).sum() / weight.sum())


miss.maximize = False


def dataset(name):
    source, target = DATA[name]
    rows, wish = RowsWish(folds="2" if name in ("folds", "prices") else None), TargetWish()
    frame = mixed_frame(source) if isinstance(source, int) else source
    if name == "prices":
        count = np.arange(len(frame))
        frame = frame.assign(price=np.exp(frame["number"].fillna(0) / 3), w=count % 3 + 1, shop=count // 5)
        rows = dataclasses.replace(rows, group="shop", weight="w")
        wish = TargetWish(target_transform="log1p")
    return open_dataset(frame, DataOptions(target=target, rows=rows, target_wish=wish))


def spec_of(name):
    data, settings, own = SPECS[name]
    architecture = name if name in ARCHITECTURES else "resnet" if "residual_dropout" in settings else "mlp"
    return TrialSpec(
        architecture=architecture,
        settings=settings,
        metric=METRICS.get(data, "log_loss"),
        **{"batch_size": 32, "learning_rate": 0.01, "epochs": 3, "seed": 5} | own,
    )


def losses(reports):
    return [[report.train_loss, *report.validation.values(), report.best_value] for report in reports]


def train_all(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    # as workers of a trial, which share the cores
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=max(SIZES))
    for size in SIZES:
        # all have to make a group, also those that are not in it
        groups = [dist.new_group(range(size)) for _ in range(len(SPECS) + 1)]
        if rank < size:
            train_together(rank, size, groups, folder)
    dist.destroy_process_group()


def train_together(rank, size, groups, folder):
    saved = []
    found = {}
    for name in SPECS:
        ranks = ProcessGroupRanks(groups.pop())
        trial = train_trial(spec_of(name), dataset(SPECS[name][0]), ranks=ranks, on_best=saved.append)
        found[name] = losses(trial)
    diverging = TrialSpec(architecture="mlp", settings={}, learning_rate=1e30, optimizer="sgd", epochs=5)
    try:
        list(train_trial(diverging, dataset("iris"), ranks=ProcessGroupRanks(groups.pop())))
    except TrainingDivergedError as error:
        found["diverged"] = str(error)
    found["saved"] = len(saved)
    (folder / f"{size}-{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    # one process imports what takes seconds, and is forked
    multiprocessing.set_forkserver_preload(IMPORTED)
    mp.start_processes(train_all, (free_port(), folder), nprocs=max(SIZES), start_method="forkserver")
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_all_families_are_tested():
    assert {spec_of(name).architecture for name in SPECS} == ARCHITECTURES.keys()


@pytest.mark.parametrize("name", SPECS)
def test_losses_do_not_depend_on_the_number_of_workers(found, name):
    alone = losses(train_trial(spec_of(name), dataset(SPECS[name][0])))
    assert len(found) == sum(SIZES)
    for worker, result in found.items():
        np.testing.assert_allclose(result[name], alone, rtol=1e-5, atol=1e-5, err_msg=worker)


def test_only_the_first_worker_keeps_weights(found):
    for worker, result in found.items():
        assert (result["saved"] > 0) == worker.endswith("-0")


def test_a_trial_that_diverges_ends_at_every_worker(found):
    for result in found.values():
        assert result["diverged"].startswith(("the training loss became", "the network's output became"))


def test_one_worker_of_a_gang_computes_batches_in_parts(tmp_path):
    """Ray Train wraps no network of a single worker."""
    dataset = open_dataset(mixed_frame(), DataOptions(target="label"))
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 1, "width": 8}, metric="roc_auc", epochs=2, batch_size=40, accumulation=3
    )
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        ranks = ProcessGroupRanks(dist.group.WORLD, lambda network, _options: network)
        together = [report.train_loss for report in train_trial(spec, dataset, ranks=ranks)]
    finally:
        dist.destroy_process_group()
    assert together == [report.train_loss for report in train_trial(spec, dataset)]
