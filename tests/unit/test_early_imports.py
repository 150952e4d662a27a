"""What is imported early: it must be there, and workers must have a use for it."""

import importlib
import subprocess
import sys

import pytest

from orchestrator.cluster import WORKER_PROCESS
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


SLOW_TORCH = """
import importlib.abc, importlib.machinery, sys, threading, time
from orchestrator.cluster import WORKER_PROCESS
from orchestrator.config import SweepConfig
from orchestrator.runtime.background import in_background
from orchestrator.runtime.early_imports import import_for_search
from orchestrator.runtime.planning import plan_sweep

half = threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module
        def slowly(module):
            half.set()
            time.sleep(2)
            load(module)
        spec.loader.exec_module = slowly
        return spec

assert "torch" not in sys.modules and "scipy" not in sys.modules
sys.meta_path.insert(0, Slow())
imports = in_background(import_for_search, gangs=False)
assert half.wait(60)
print(plan_sweep(SweepConfig.create(data="sklearn:iris", space="quick")).dataset.counts)
imports.result()
"""


def test_data_is_read_while_torch_is_half_imported():
    done = subprocess.run([sys.executable, "-c", SLOW_TORCH], text=True, capture_output=True, timeout=200, check=False)
    assert done.stdout.strip() == "(96, 24, 30)", done.stderr[-2000:]


def test_processes_of_our_own_collect_rarely_and_others_as_they_are_used_to():
    code = "import gc, {module}; print(gc.get_threshold()[0])"
    found = [
        int(subprocess.run([sys.executable, "-c", code.format(module=module)], capture_output=True, check=True).stdout)
        for module in (WORKER_PROCESS, "orchestrator")
    ]
    assert found[0] >= 100 * found[1] > 0
