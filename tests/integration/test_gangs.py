"""Trials of several workers over a real Ray: the same results, nothing lost, nothing left behind."""

import os
import re
import time

import numpy as np
import psutil
import pytest
import ray
from ray.util import placement_group_table
from support import small_space
from zero_cost import zero_cost

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.data import load_table
from orchestrator.errors import ExecutionError
from orchestrator.runtime.gangs.pool import GangTrainer
from orchestrator.runtime.holders import living_actors
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.in_process import run_in_process
from orchestrator.runtime.sweeps import new_origin, run_sweep
from orchestrator.runtime.tune.room import PlacementWatch
from orchestrator.runtime.untracked import open_untracked

pytestmark = pytest.mark.usefixtures("ray_cluster")
TWO = {"workers_per_trial": 2}
# one per cluster, made by Ray for itself and shared by everything that asks it for resources
RAYS_OWN = "_AutoscalingCoordinatorActor"
MIB = 2**20


def names_of_actors():
    return sorted(actor.kind for actor in living_actors() if actor.kind != RAYS_OWN)


def living_groups():
    return [group for group in placement_group_table().values() if group["state"] != "REMOVED"]


def worker_processes():
    """Processes of Ray's that run an actor, by name."""
    named = {}
    for process in psutil.Process().children(recursive=True):
        try:
            title = process.cmdline()[0] if process.cmdline() else ""
        except psutil.Error:
            continue
        if title.startswith("ray::") and "Agent" not in title and RAYS_OWN not in title:
            named[process.pid] = title
    return {pid: title for pid, title in named.items() if title != "ray::IDLE"}


def has_torch(pid):
    return any("libtorch" in mapped.path for mapped in psutil.Process(pid).memory_maps())


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition()
        time.sleep(0.2)


def test_a_sweep_of_trials_of_one_and_two_workers_ends_with_the_ensemble_of_one_in_one_process(store, tmp_path):
    space = tmp_path / "space.yaml"
    options = {"name": "sizes", "space": str(space), "algorithm": "random", "scheduler": "none", "trials": 2}
    options |= {"epochs": 6, "folds": 2, "register_model": False}
    running = []

    def on_trial(record, trial_table):
        now = [trial.spec.architecture for trial in trial_table.trials.values() if trial.status == "running"]
        running.append(sum(2 if architecture == "tabm_mini" else 1 for architecture in now))

    space.write_text(small_space("realmlp", "tabm_mini", gangs=("tabm_mini",)))
    result = orchestrator.sweep(
        "sklearn:diabetes", hooks=orchestrator.Hooks(on_trial=on_trial), tracking_uri=store, **options
    )
    assert [trial.status for trial in result.trials] == ["finished"] * 2
    # so that the gang of one makes room for the gang of two
    assert [trial.spec.architecture for trial in result.trials] == ["realmlp", "tabm_mini"]
    assert max(running) <= 2
    wait_for(lambda: not names_of_actors())

    space.write_text(small_space("realmlp", "tabm_mini"))
    config = SweepConfig.create(data="sklearn:diabetes", **options)
    alone = run_in_process(new_origin(config, None), Hooks(), open_untracked)
    rows = load_table("sklearn:diabetes").frame

    def figures(found):
        reports = [trial.report for trial in found.trials]
        trials = [[report.train_loss, report.best_value, *report.validation.values()] for report in reports]
        members = [[member.index, member.weight] for member in found.ensemble.members]
        return [*trials, *members, [found.validation], [*found.test.values()], found.bundle.predict(rows)["value"]]

    assert len(figures(result)) == len(figures(alone)) == 2 + 2 + 3
    for mine, theirs in zip(figures(result), figures(alone), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4)


def test_a_gang_outlives_what_its_trials_do(store, tmp_path, monkeypatch):
    (tmp_path / "gang_moody.py").write_text(
        "import os, sys, torch, torch.distributed as dist\n"
        "class Moody(torch.nn.Module):\n"
        "    def __init__(self, shape, settings):\n"
        "        super().__init__()\n"
        "        self.mood = settings['mood']\n"
        "        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)\n"
        "    def forward(self, numeric, categorical):\n"
        "        if self.training and 'torch._dynamo' in sys.modules:\n"
        "            raise ImportError('a second and a half of each worker for a compiler that nobody uses')\n"
        "        second = self.training and dist.is_initialized() and dist.get_rank() == 1\n"
        "        if second and self.mood == 'raises in one worker':\n"
        "            raise ValueError('not today')\n"
        "        if second and self.mood == 'one worker dies':\n"
        "            os._exit(3)\n"
        "        if second and self.mood == 'the GPU is broken':\n"
        "            raise RuntimeError('CUDA error: device-side assert triggered')\n"
        "        scale = float('nan') if second and self.mood == 'diverges' else 1.0\n"
        "        return scale * self.layer(numeric)\n"
    )
    # the last but one has a gang of its own, after the GPU
    moods = ["raises in one worker", "fine", "diverges", "the GPU is broken", "fine too", "one worker dies"]
    space = tmp_path / "space.yaml"
    space.write_text(
        "epochs: 2\nparameters: {batch_size: 32}\narchitectures:\n  gang_moody:Moody:\n"
        f"    mood: {{type: categorical, choices: {moods}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    result = orchestrator.sweep(
        "sklearn:iris",
        name="gang-moody",
        space=str(space),
        algorithm="grid",
        scheduler="none",
        resources=TWO,
        max_failures=0,
        tracking_uri=store,
    )
    cause = re.compile(r"\(it is gone without a word, .* on [\d.]+\)")
    outcome = {trial.spec.settings["mood"]: (trial.status, cause.sub("WHY", trial.reason)) for trial in result.trials}
    assert outcome == {
        "raises in one worker": ("failed", "ValueError: not today"),
        "fine": ("finished", ""),
        "diverges": ("failed", "the training loss became not a number in epoch 1"),
        # there is no GPU that could be lost: `tests/gpu` breaks a real one
        "the GPU is broken": ("failed", "RuntimeError: CUDA error: device-side assert triggered"),
        "fine too": ("finished", ""),
        "one worker dies": ("failed", "a worker of the trial was lost WHY"),
    }
    wait_for(lambda: not names_of_actors())


def test_many_trials_leave_nothing_behind(store):
    before = names_of_actors(), len(living_groups())
    memory, with_torch = {}, set()

    def on_trial(record, trial_table):
        if len(trial_table.ended()) == 30:
            with_torch.update(name for pid, name in worker_processes().items() if has_torch(pid))
        if len(trial_table.ended()) in (30, 70):
            sizes = {pid: psutil.Process(pid).memory_info().rss for pid in [os.getpid(), *worker_processes()]}
            memory[len(trial_table.ended())] = sizes

    config = SweepConfig.create(
        data="sklearn:iris",
        name="many",
        space="quick",
        algorithm="random",
        scheduler="none",
        trials=70,
        epochs=2,
        resources=TWO,
        tracking_uri=store,
        register_model=False,
    )
    result = run_sweep(config, None, Hooks(on_trial=on_trial, train=zero_cost(2)))
    assert [trial.status for trial in result.trials] == ["finished"] * 70
    wait_for(lambda: (names_of_actors(), len(living_groups())) == before)
    wait_for(lambda: not worker_processes())
    assert ray.available_resources()["CPU"] == 2
    grown = {pid: (memory[70][pid] - memory[30][pid]) / MIB for pid in memory[30]}
    assert len(grown) >= 6, "the driver, the rendezvous, the trial, the controller and the workers were looked at"
    assert max(grown.values()) < 15, grown
    # a second and a half in each process, before it comes to anything: the workers only
    assert with_torch and not any("Controller" in name or "Rendezvous" in name for name in with_torch), with_torch


def test_a_gang_that_cannot_be_started_ends_the_sweep_with_the_reason(store, monkeypatch):
    def fit(trainer):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(GangTrainer, "fit", fit)
    with pytest.raises(ExecutionError, match="the workers of a trial cannot be started: no such luck"):
        orchestrator.sweep("sklearn:iris", name="unlucky", trials=1, epochs=2, tracking_uri=store, resources=TWO)
    wait_for(lambda: not names_of_actors())
    assert len(living_groups()) == 0


def waits_for_processes(config, said):
    return PlacementWatch(config.resources, 60, None, said.append)._is_starting()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_that_finds_no_place_says_what_it_waits_for(store, workers):
    said = []

    @ray.remote(num_cpus=2)
    class Holder:
        def niceness(self):
            return os.nice(0)

    holder = Holder.remote()
    try:
        # Ray's own 15 is a standstill beside other programs
        assert ray.get(holder.niceness.remote()) - os.nice(0) <= 5
        config = SweepConfig.create(
            data="sklearn:iris",
            name="waiting",
            space="quick",
            trials=2,
            placement_timeout="4s",
            resources={"workers_per_trial": workers},
            tracking_uri=store,
        )
        with pytest.raises(ExecutionError, match=r"nothing could be placed for \d+ s: .* 0 of 2 CPU are free; held by"):
            run_sweep(config, None, Hooks(notify=said.append))
        assert not waits_for_processes(config, said)
        (waiting,) = (sentence for sentence in said if sentence.startswith("waiting: "))
        assert waiting.endswith("0 of 2 CPU are free; held by other work of this program")
    finally:
        ray.kill(holder)
    wait_for(lambda: not names_of_actors() and ray.available_resources().get("CPU") == 2)
    assert len(living_groups()) == 0
    # nobody holds what it needs: it would only have to wait for its own processes
    assert waits_for_processes(config, said)
