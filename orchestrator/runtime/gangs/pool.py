"""GangPool: starts gangs, gives back those that nobody wants any more, and ends them all. Lives in the driver."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.cluster import lost_ray
from orchestrator.config import ResourceConfig
from orchestrator.runtime.gangs.backend import GangBackendConfig
from orchestrator.runtime.gangs.callback import GangCallback
from orchestrator.runtime.gangs.rendezvous import Rendezvous
from orchestrator.runtime.gangs.worker import gang_worker
from orchestrator.runtime.lost_processes import shorten
from orchestrator.storage import Storage
from orchestrator.training import process_group_backend

TRAIN_ENVIRONMENT = {
    # the preemption watcher is one more actor per gang, the metrics are about single training runs
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # a controller that waits for a place hears nothing for so long, then it asks whether it is still wanted
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "5",
}
CLOSE_SECONDS = 20.0
# Each is one more process for every gang. The cleaner of placement groups (ray-project/ray issue 65443) is there for
# the case that the controller dies and the driver lives, and the other one hands out data sets of Ray Train's own
UNUSED_CALLBACKS = ("PlacementGroupCleanerCallback", "DatasetsCallback")
logger = logging.getLogger(__name__)


class GangTrainer(TorchTrainer):  # type: ignore[misc]
    """A `TorchTrainer` with two processes less for each gang."""

    def _create_default_callbacks(self) -> list[Any]:
        return [
            callback
            for callback in super()._create_default_callbacks()
            if type(callback).__name__ not in UNUSED_CALLBACKS
        ]


@dataclass
class Gang:
    """A gang as the driver sees it: a thread in which Ray Train's `fit` runs until the gang is dismissed."""

    name: str
    size: int
    thread: threading.Thread
    dismissed: bool = False


class GangPool:
    """All gangs of a sweep.

    Attributes:
        rendezvous: the actor through which trials reach gangs.
        failure: why the last gang was lost before any worker of it was there, None if none was.
    """

    failure: str | None = None

    def __init__(self, resources: ResourceConfig, storage: Storage) -> None:
        """Starts the rendezvous on this node.

        Args:
            resources: of one worker.
            storage: for what Ray Train writes.
        """
        for name, value in TRAIN_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._resources, self._storage = resources, storage
        self._gangs: dict[str, Gang] = {}
        self._count = 0
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(num_cpus=0, max_concurrency=1000)(Rendezvous)
        self.rendezvous: Any = actor.options(scheduling_strategy=here).remote()

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
        ray.get(self.rendezvous.add.remote(name, size))
        thread = threading.Thread(target=self._run, args=(name, size), name=name, daemon=True)
        self._gangs[name] = Gang(name, size, thread)
        thread.start()

    def make_room(self, size: int, units: int) -> None:
        """Dismisses gangs of other sizes (0: of all) that no trial needs, until so many workers are given back."""
        for name, (other, _, idle) in self.state().items():
            if units <= 0:
                return
            gang = self._gangs[name]
            if other != size and idle and not gang.dismissed:
                self._dismiss(gang)
                units -= other

    def state(self) -> dict[str, tuple[int, bool, bool]]:
        """See `Rendezvous.state`."""
        found: dict[str, tuple[int, bool, bool]] = ray.get(self.rendezvous.state.remote())
        return {name: entry for name, entry in found.items() if name in self._gangs}

    def end(self, index: int) -> None:
        """A trial is over: its gang goes on to the next one."""
        ray.get(self.rendezvous.end.remote(index))

    def close(self) -> None:
        """Ends all gangs and waits for it: those that are idle by themselves, the others after some seconds."""
        if lost_ray() is not None:
            # they are gone with it, and nobody answers
            return
        for gang in self.gangs():
            self._dismiss(gang)
        if not self._join(CLOSE_SECONDS):
            for gang in list(self._gangs.values()):
                controller = self._controller(gang)
                if controller is not None:
                    # has Ray Train end the workers at once
                    controller.abort.remote()
            self._join(CLOSE_SECONDS)
        ray.kill(self.rendezvous)

    def abandon(self) -> None:
        """Ends the controllers only, when Ray is about to be left: it ends their workers.

        No thread may wait for Ray at that time: the process would crash.
        """
        if lost_ray() is not None:
            return
        for gang in self.gangs():
            self._dismiss(gang)
        deadline = time.monotonic() + CLOSE_SECONDS
        while time.monotonic() < deadline:
            for gang in list(self._gangs.values()):
                controller = self._controller(gang)
                if controller is not None:
                    ray.kill(controller)
            if self._join(0.2):
                return

    def _join(self, seconds: float) -> bool:
        """Whether all gangs have ended within this time."""
        deadline = time.monotonic() + seconds
        gangs = list(self._gangs.values())
        for gang in gangs:
            gang.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(gang.thread.is_alive() for gang in gangs)

    def _controller(self, gang: Gang) -> Any:  # noqa: ANN401
        return ray.get(self.rendezvous.controller.remote(gang.name))

    def _dismiss(self, gang: Gang) -> None:
        gang.dismissed = True
        ray.get(self.rendezvous.dismiss.remote(gang.name))

    def _run(self, name: str, size: int) -> None:
        reason, cause = "the gang has ended", None
        try:
            self._trainer(name, size).fit()
        except Exception as error:  # an exception in a thread would be lost, and its trial wait for ever
            cause = shorten(str(error))
            reason = f"the gang was lost: {cause}"
            logger.debug("gang %s", name, exc_info=error)
        if not ray.get(self.rendezvous.remove.remote(name, reason)) and cause is not None:
            self.failure = cause
        self._gangs.pop(name, None)

    def _trainer(self, name: str, size: int) -> GangTrainer:
        on_gpu = self._resources.gpus_per_worker > 0
        return GangTrainer(
            gang_worker,
            train_loop_config={"rendezvous": self.rendezvous, "gang": name},
            torch_config=GangBackendConfig(process_group_backend(on_gpu=on_gpu)),
            scaling_config=ScalingConfig(num_workers=size, use_gpu=on_gpu, resources_per_worker=self._resources.needs),
            run_config=RunConfig(
                name=name,
                storage_path=self._storage.path,
                storage_filesystem=None if self._storage.is_local else self._storage.filesystem,
                failure_config=FailureConfig(max_failures=-1),
                # what Ray Train's own start of torch would come before
                worker_runtime_env={"env_vars": {"OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"]}},
                callbacks=[GangCallback(self.rendezvous, name)],
            ),
        )
