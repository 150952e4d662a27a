"""How many trials run at once, and with how many threads each: from what the cluster has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.config import ResourceConfig
from orchestrator.errors import ExecutionError


@dataclass(frozen=True)
class Slots:
    """Attributes:
    count: trials at once.
    threads: for torch, in each of them.
    """

    count: int
    threads: int


def plan_slots(nodes: Iterable[Mapping[str, float]], resources: ResourceConfig, trials: int | None) -> Slots:
    """Slots over all nodes; cores that would be idle are given to the slots as threads.

    Args:
        nodes: resources of each living node, with the keys CPU and GPU.
        resources: of one trial.
        trials: how many there will be at most, None if that is open.

    Raises:
        ExecutionError: no node can hold a trial.
    """
    fits: list[tuple[int, int]] = []
    found = list(nodes)
    for node in found:
        cores = int(node.get("CPU", 0))
        count = cores // resources.cpus_per_worker
        if resources.gpus_per_worker > 0:
            count = min(count, _on_gpus(node.get("GPU", 0), resources.gpus_per_worker))
        fits.append((count, cores))
    total = sum(count for count, _ in fits)
    if total == 0:
        raise ExecutionError(_refusal(found, resources))
    slots = min(total, trials) if trials is not None else total
    # the node with the fewest cores per slot decides, so that none is overcommitted
    shares = [cores // min(count, slots) for count, cores in fits if count > 0]
    return Slots(slots, max(resources.cpus_per_worker, min(shares)))


def _on_gpus(gpus: float, per_worker: float) -> int:
    if per_worker >= 1:
        return int(gpus // per_worker)
    # a worker's part lies on one GPU
    return int(gpus) * math.floor(1 / per_worker + 1e-9)


def _refusal(nodes: list[Mapping[str, float]], resources: ResourceConfig) -> str:
    cores = max((int(node.get("CPU", 0)) for node in nodes), default=0)
    gpus = max((node.get("GPU", 0) for node in nodes), default=0)
    if resources.gpus_per_worker > 0 and (gpus == 0 or gpus < resources.gpus_per_worker):
        return (
            f"a trial needs {resources.gpus_per_worker:g} GPU, the largest node has {gpus:g}; lower --gpus-per-worker"
        )
    return f"a trial needs {resources.cpus_per_worker} CPU, the largest node has {cores}; lower --cpus-per-worker"
