"""`plan` on a real Ray: what it says is what a sweep does."""

from dataclasses import replace

import pytest
from support import empty_store

from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError
from orchestrator.runtime.probe.estimate import Cost, estimate_sweep, parameter_count
from orchestrator.runtime.probe.probe import LONG_ENOUGH, _wanted_rows
from orchestrator.runtime.sweeps import run_sweep

SPACE = """
parameters: {batch_size: {by: rows, from: {0: 32, 300: 64}}}
architectures:
  mlp: {width: {type: categorical, choices: [16, 64]}}
  tabm_mini: {width: {type: categorical, choices: [16, 64]}, members: {by: columns, from: {0: 4, 20: 3}}}
"""


@pytest.fixture
def options(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    space = folder / "space.yaml"
    space.write_text(SPACE)
    store = empty_store(folder)
    return {"data": "sklearn:breast_cancer", "space": str(space), "trials": 2, "epochs": 1, "tracking_uri": store}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plan_says_what_the_sweep_then_does(ray_cluster, options, workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folds = 3 - workers
    config = SweepConfig.create(**options, folds=folds, resources={"workers_per_trial": workers})
    estimate = estimate_sweep(config)
    assert not list(tmp_path.iterdir())
    assert estimate.concurrency == 2 // workers
    assert (estimate.preset, estimate.time_budget, estimate.folds) == (None, None, folds)
    # for 364 rows and 30 columns, or 455 rows in folds
    assert estimate.follows == {"batch_size": 64, "tabm_mini.members": 3}
    if workers == 1:
        result = run_sweep(config)
        assert estimate.name == result.name
        assert estimate.metric == result.metric.name
        assert estimate.trials == len(result.trials)
        assert estimate.concurrency == result.slots
        assert {trial.spec.architecture for trial in result.trials} <= {entry.name for entry in estimate.architectures}
    assert len(estimate.architectures) == 2
    for entry in estimate.architectures:
        assert entry.workers == workers
        assert entry.processes == (1 if workers == 1 else workers + 2)
        assert entry.memory > 100 * 2**20 * workers
        assert entry.smallest.epoch_seconds > 0
        assert entry.largest.epoch_seconds > 0
    assert 0 < estimate.seconds <= estimate.seconds_at_most
    assert estimate.model_bytes == 4 * folds * max(entry.largest.parameters for entry in estimate.architectures)


def test_parameters_are_counted_without_building_weights():
    from orchestrator.data import open_dataset
    from orchestrator.networks import build_network
    from orchestrator.training import feature_shape

    dataset = open_dataset("sklearn:iris")
    settings = {"depth": 2, "width": 64, "normalization": "batch"}
    built = build_network("mlp", feature_shape(dataset), settings)
    assert parameter_count("mlp", dataset, settings) == sum(entry.numel() for entry in built.parameters())
    # 17 GB if it were built
    assert parameter_count("mlp", dataset, {"depth": 2, "width": 65_000}) > 4 * 10**9


def test_cost_passes_through_what_was_measured():
    cost = Cost(step=0.001, small=1e-6, large=5e-6, sizes=(1000, 9000), rows=10_000, reading=0.0, validation=(0.1, 0.5))
    assert cost.epoch_seconds(1000, 100) == pytest.approx(100 * 0.001 + 0.01 + 0.1)
    assert cost.epoch_seconds(9000, 1000) == pytest.approx(10 * 0.001 + 0.05 + 0.5)
    assert cost.epoch_seconds(5000, 1000) == pytest.approx(10 * 0.001 + 0.03 + 0.3)
    slow = replace(cost, reading=2.0)
    assert slow.epoch_seconds(1000, 100) == pytest.approx(2.0 + 0.1)


def test_a_probe_comes_to_enough_rows_in_few_steps():
    for seconds_per_row in (1e-7, 1e-5, 1e-3, 1.0):
        rows, steps = 256, 0
        while (wanted := _wanted_rows(rows, rows * seconds_per_row)) > rows:
            rows, steps = wanted, steps + 1
        assert steps <= 4
        assert rows * seconds_per_row > LONG_ENOUGH
        assert rows == 256 or rows * seconds_per_row < 2.1 * LONG_ENOUGH


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ({"gpus_per_worker": 4}, "a trial needs 4 GPU, the largest node has 0"),
        ({"cpus_per_worker": 3}, "a trial needs 3 CPU, the largest node has 2"),
        ({"workers_per_trial": 3}, "a trial of mlp needs 3 workers with 1 CPU each, but there is room for 2"),
    ],
)
def test_what_cannot_run_is_refused(ray_cluster, options, resources, sentence):
    with pytest.raises(ExecutionError, match=sentence):
        estimate_sweep(SweepConfig.create(**options, resources=resources))


def test_a_network_that_cannot_be_trained_is_named(ray_cluster, options, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def __init__(self, shape, settings):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)\n"
        "    def forward(self, numeric, categorical):\n"
        "        if self.training:\n"
        "            raise RuntimeError('only for looks')\n"
        "        return self.layer(numeric)\n"
    )
    monkeypatch.chdir(tmp_path)
    config = SweepConfig.create(**options, architecture="broken:Network")
    with pytest.raises(ExecutionError, match=r"cannot be trained: broken:Network .*only for looks"):
        estimate_sweep(config)
