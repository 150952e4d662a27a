"""What fits: how many workers a cluster can hold, how many trials that makes at once, with how many threads each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.config import ResourceConfig, SweepConfig
from orchestrator.errors import ExecutionError, UsageError
from orchestrator.sweeps.shares import fitting

Node = Mapping[str, float]


@dataclass(frozen=True)
class Slots:
    """Attributes:
    count: trials at once, of the size that most trials can have.
    threads: for torch, in each worker.
    workers: that the cluster can hold.
    """

    count: int
    threads: int
    workers: int


def workers_on(node: Node, resources: ResourceConfig) -> int:
    """How many workers one node can hold.

    Args:
        node: its resources, with the keys CPU and GPU.
        resources: of one worker.
    """
    count = int(node.get("CPU", 0)) // resources.cpus_per_worker
    if resources.gpus_per_worker > 0:
        count = min(count, _on_gpus(node.get("GPU", 0), resources.gpus_per_worker))
    return count


def plan_slots(
    nodes: Iterable[Node],
    resources: ResourceConfig,
    *,
    sizes: Mapping[str, int],
    trials: int | None,
    limit: int | None,
    readers: int = 0,
) -> Slots:
    """Slots over all nodes; cores that would be idle are given to the workers as threads.

    Args:
        nodes: resources of each living node.
        resources: of one worker.
        sizes: workers of a trial, by architecture.
        trials: how many there will be at most, None if that is open.
        limit: of trials at once, None if there is none.
        readers: cores that a trial has besides its workers.

    Raises:
        ExecutionError: a trial of one of the architectures cannot be placed.
    """
    found = list(nodes)
    fits = [(workers_on(node, resources), int(node.get("CPU", 0))) for node in found]
    total = sum(count for count, _ in fits)
    for architecture, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size > total:
            raise ExecutionError(_refusal(found, resources, total, architecture, size))
    smallest = min(sizes.values())
    cores = sum(cores for _, cores in fits)
    fit = trials_that_fit(cores, resources, smallest, readers, total)
    if trials_that_fit(cores, resources, max(sizes.values()), readers, total) == 0:
        raise ExecutionError(
            f"a trial needs {max(sizes.values()) * resources.cpus_per_worker + readers} CPU, those that read its data "
            f"included, but there are {cores}; lower --workers-per-trial, --cpus-per-worker or --readers-per-trial"
        )
    count = min(entry for entry in (fit, trials, limit) if entry is not None)
    used = min(total, count * max(sizes.values()))
    # the node with the fewest cores per worker decides, so that none is overcommitted
    free = cores - count * readers
    shares = [node // min(workers, used) for workers, node in fits if workers > 0]
    shares.append(max(1, free // used))
    return Slots(count, max(resources.cpus_per_worker, min(shares)), total)


def needs_of(resources: ResourceConfig, size: int, readers: int) -> dict[str, float]:
    """What a trial needs of a cluster.

    Args:
        resources: of one worker.
        size: workers of the trial.
        readers: cores that it has besides.
    """
    needs = {kind: size * amount for kind, amount in resources.needs.items()}
    return {**needs, "CPU": needs["CPU"] + readers}


def own_limit(config: SweepConfig, sizes: Mapping[str, int], readers: int) -> int | None:
    """How many trials the user wants at a time at most, None if that was not said.

    Args:
        config: of the sweep.
        sizes: workers of a trial, by architecture.
        readers: cores that a trial has besides.

    Raises:
        UsageError: that is not enough for one trial.
    """
    needs = needs_of(config.resources, max(sizes.values()), readers)
    for kind, option in (("CPU", "cores"), ("GPU", "gpus")):
        most = config.own_limits.get(kind)
        if most is not None and needs.get(kind, 0) > most:
            raise UsageError(f"--max-{option} {most:g}: a trial needs {needs[kind]:g} {kind}; give at least as many")
    fit = fitting(needs_of(config.resources, min(sizes.values()), readers), config.own_limits)
    return min((limit for limit in (config.concurrency, fit) if limit is not None), default=None)


def trials_that_fit(cores: int, resources: ResourceConfig, size: int, readers: int, workers: int) -> int:
    """How many trials of so many workers, and readers, there can be at once.

    Args:
        cores: of the cluster.
        resources: of one worker.
        size: workers of a trial.
        readers: cores that a trial has besides.
        workers: that the cluster can hold.
    """
    return min(workers // size, cores // (size * resources.cpus_per_worker + readers))


def _on_gpus(gpus: float, per_worker: float) -> int:
    if per_worker >= 1:
        return int(gpus // per_worker)
    # a worker's part lies on one GPU
    return int(gpus) * math.floor(1 / per_worker + 1e-9)


def _refusal(nodes: list[Node], resources: ResourceConfig, total: int, architecture: str, size: int) -> str:
    cores = max((int(node.get("CPU", 0)) for node in nodes), default=0)
    gpus = max((node.get("GPU", 0) for node in nodes), default=0)
    per_gpu, per_cpu = resources.gpus_per_worker, resources.cpus_per_worker
    what = "a trial" if size == 1 else "a worker"
    if per_gpu > 0 and (gpus == 0 or gpus < per_gpu):
        return f"{what} needs {per_gpu:g} GPU, the largest node has {gpus:g}; lower --gpus-per-worker"
    if total == 0:
        return f"{what} needs {per_cpu} CPU, the largest node has {cores}; lower --cpus-per-worker"
    return (
        f"a trial of {architecture} needs {size} workers with {resources} each, but there is room for {total} "
        f"on {'this machine' if len(nodes) == 1 else f'the {len(nodes)} nodes'}; lower --workers-per-trial"
    )
