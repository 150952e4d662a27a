"""What is imported early: it must be there, and workers must have a use for it."""

import importlib

import pytest

from orchestrator.config import SweepConfig
from orchestrator.runtime import early_imports
from orchestrator.runtime.early_imports import TRIAL_MODULES, preload_for


@pytest.mark.parametrize("name", TRIAL_MODULES)
def test_what_workers_import_is_there(name):
    assert importlib.util.find_spec(name)


@pytest.mark.parametrize(
    ("cores", "options", "sizes", "preloads"),
    [
        (2, {}, {"mlp": 1}, True),
        (8, {"trials": 8}, {"mlp": 1, "resnet": 1}, True),
        # most of eight workers would import torch for nothing
        (8, {"trials": 4}, {"mlp": 1}, False),
        (8, {"concurrency": 2}, {"mlp": 1}, False),
        (8, {"resources": {"cpus_per_worker": 4}}, {"mlp": 1}, False),
        (2, {"resources": {"gpus_per_worker": 1}}, {"mlp": 1}, False),
        (2, {"resources": {"gpus_per_worker": 0.5}}, {"mlp": 1}, False),
        # a gang has processes of its own
        (2, {}, {"mlp": 2}, False),
        # what does not fit is refused later
        (1, {"resources": {"cpus_per_worker": 4}}, {"mlp": 1}, False),
    ],
)
def test_workers_import_early_if_most_of_them_will_train(monkeypatch, cores, options, sizes, preloads):
    monkeypatch.setattr(early_imports.os, "sched_getaffinity", lambda _process: set(range(cores)))
    config = SweepConfig.create(data="sklearn:iris", **options)
    assert preload_for(config, sizes, streamed=False) == (TRIAL_MODULES if preloads else ())
