"""GangPool: starts gangs, gives back those that nobody wants any more, and ends them all. Lives in the driver."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.config import ResourceConfig
from orchestrator.execution.gangs.switchboard import Switchboard
from orchestrator.execution.gangs.worker import gang_worker

# Ray Train's metrics and preemption watcher are further actors per gang
TRAIN_ENVIRONMENT = {"RAY_TRAIN_METRICS_ENABLED": "0", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
CLOSE_SECONDS = 20.0


class GangTrainer(TorchTrainer):  # type: ignore[misc]
    """A `TorchTrainer` without the cleaner of placement groups.

    That is one more process on the head node for every gang (ray-project/ray issue 65443), for the case that the
    controller dies and the driver lives; then the pool removes the placement group.
    """

    def _create_default_callbacks(self) -> list[Any]:
        return [
            callback
            for callback in super()._create_default_callbacks()
            if type(callback).__name__ != "PlacementGroupCleanerCallback"
        ]


@dataclass
class Gang:
    """A gang as the driver sees it: a thread in which Ray Train's `fit` runs until the gang is dismissed."""

    name: str
    size: int
    thread: threading.Thread = field(repr=False)
    asked: float
    error: str = ""
    dismissed: bool = False


class GangPool:
    """All gangs of a sweep.

    Attributes:
        switchboard: the actor through which trials reach gangs.
    """

    def __init__(self, resources: ResourceConfig, storage: str) -> None:
        """Starts the switchboard on this node.

        Args:
            resources: of one worker.
            storage: folder or URI for what Ray Train writes.
        """
        for name, value in TRAIN_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._resources, self._storage = resources, storage
        self._gangs: dict[str, Gang] = {}
        self._count = 0
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(num_cpus=0, max_concurrency=1000)(Switchboard)
        self.switchboard: Any = actor.options(scheduling_strategy=here).remote()

    def gangs(self, size: int | None = None) -> list[Gang]:
        """Those that are there or starting, of one size or of all."""
        return [gang for gang in self._gangs.values() if not gang.dismissed and size in (None, gang.size)]

    @property
    def units(self) -> int:
        """Workers of all gangs."""
        return sum(gang.size for gang in self.gangs())

    def start(self, size: int) -> None:
        """Starts one more gang; returns at once."""
        self._count += 1
        name = f"gang-{self._count:03d}"
        ray.get(self.switchboard.add.remote(name, size))
        thread = threading.Thread(target=self._run, args=(name, size), name=name, daemon=True)
        self._gangs[name] = Gang(name, size, thread, time.monotonic())
        thread.start()

    def make_room(self, size: int, units: int) -> None:
        """Dismisses idle gangs of other sizes until so many workers are given back, or none is idle."""
        for name, (other, _, idle) in self.state().items():
            if units <= 0:
                return
            gang = self._gangs[name]
            if other != size and idle and not gang.dismissed:
                gang.dismissed = True
                ray.get(self.switchboard.dismiss.remote(name))
                units -= other

    def state(self) -> dict[str, tuple[int, bool, bool]]:
        """See `Switchboard.state`."""
        found: dict[str, tuple[int, bool, bool]] = ray.get(self.switchboard.state.remote())
        return {name: entry for name, entry in found.items() if name in self._gangs}

    def end(self, index: int) -> None:
        """A trial is over: its gang goes on to the next one."""
        ray.get(self.switchboard.end.remote(index))

    def close(self) -> None:
        """Ends all gangs, the idle ones at once; workers that are computing are stopped after some seconds."""
        for gang in self._gangs.values():
            gang.dismissed = True
            ray.get(self.switchboard.dismiss.remote(gang.name))
        deadline = time.monotonic() + CLOSE_SECONDS
        for gang in list(self._gangs.values()):
            gang.thread.join(max(0.0, deadline - time.monotonic()))
        for gang in list(self._gangs.values()):
            if gang.thread.is_alive():
                self._stop(gang)
        ray.kill(self.switchboard)

    def _stop(self, gang: Gang) -> None:
        for worker in ray.get(self.switchboard.workers.remote(gang.name)):
            ray.kill(worker)

    def _run(self, name: str, size: int) -> None:
        reason = "the gang has ended"
        try:
            self._trainer(name, size).fit()
        except Exception as error:  # an exception in a thread would be lost, and its trial wait for ever
            reason = f"the gang was lost: {' '.join(str(error).split())[:300]}"
            logging.getLogger(__name__).debug("gang %s", name, exc_info=error)
        try:
            ray.get(self.switchboard.remove.remote(name, reason))
        except ray.exceptions.RayError:
            # the sweep is over
            return
        finally:
            self._gangs.pop(name, None)

    def _trainer(self, name: str, size: int) -> GangTrainer:
        needs: dict[str, float] = {"CPU": self._resources.cpus_per_worker}
        if self._resources.gpus_per_worker > 0:
            needs["GPU"] = self._resources.gpus_per_worker
        on_gpu = self._resources.gpus_per_worker > 0
        return GangTrainer(
            gang_worker,
            train_loop_config={"switchboard": self.switchboard, "gang": name},
            # messages between workers are about numbers on the CPU, gradients about those on the GPU
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpu else "gloo"),
            scaling_config=ScalingConfig(num_workers=size, use_gpu=on_gpu, resources_per_worker=needs),
            run_config=RunConfig(name=name, storage_path=self._storage, failure_config=FailureConfig(max_failures=-1)),
        )
