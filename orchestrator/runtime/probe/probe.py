"""Probes: how long steps of a network take, and how much memory, on the workers that trials would have."""

from __future__ import annotations

import dataclasses
import resource
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed as dist

from orchestrator.config import ResourceConfig
from orchestrator.data import MemoryDataset
from orchestrator.errors import ExecutionError
from orchestrator.runtime.tune.room import place_wanted
from orchestrator.runtime.worker.failures import failure_reason
from orchestrator.training import ProcessGroupRanks, Ranks, TrialSpec, process_group_backend, train_trial

# a probe is made longer until its epoch takes so long, or has all rows
LONG_ENOUGH = 0.2
# its rows are multiplied by so much at least, and at most
GROWTH = (2.0, 64.0)
FIRST_STEPS = 2
SETTLE_EPOCHS = 2
CONNECT_SECONDS = 120.0


@dataclass(frozen=True)
class ProbeResult:
    """What a probe measured, of one worker or of all workers of a trial together.

    Attributes:
        step_seconds: of one training step.
        row_seconds: of one validation row, metrics included.
        memory: largest resident size of a worker's process so far, in bytes.
        gpu_memory: largest amount that torch held on a worker's GPU, in bytes.
    """

    step_seconds: float
    row_seconds: float
    memory: int
    gpu_memory: int


class ProbeWorker:
    """An actor that stands where a trial's worker would."""

    def __init__(self, rank: int, size: int, threads: int, modules: str) -> None:
        torch.set_num_threads(threads)
        if modules not in sys.path:
            sys.path.append(modules)
        self._rank, self._size = rank, size
        self._device = "cuda" if ray.get_gpu_ids() else "cpu"

    def address(self) -> str:
        """Where the others find this worker."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def connect(self, address: str) -> None:
        """Joins the process group; returns when all have."""
        backend = process_group_backend(on_gpu=self._device == "cuda")
        dist.init_process_group(backend, init_method=f"tcp://{address}", rank=self._rank, world_size=self._size)

    def measure(self, spec: TrialSpec, dataset: MemoryDataset) -> ProbeResult:
        """Trains on more and more rows until an epoch takes long enough to be measured."""
        ranks = ProcessGroupRanks(dist.group.WORLD) if self._size > 1 else Ranks()  # type: ignore[arg-type]
        rows = min(len(dataset.train), FIRST_STEPS * spec.batch_size)
        while True:
            part = dataset.first(rows)
            # the first epoch is slower: memory is asked for, code is compiled
            *_, report = train_trial(
                dataclasses.replace(spec, epochs=SETTLE_EPOCHS), part, device=self._device, ranks=ranks
            )
            trained = rows / report.examples_per_second
            # all workers of a trial go by what the first one has measured
            wanted = ranks.on_first(partial(_wanted_rows, rows, trained))
            if rows == len(dataset.train) or wanted <= rows:
                break
            rows = min(len(dataset.train), wanted)
        on_gpu = self._device == "cuda"
        return ProbeResult(
            trained / max(1, -(-rows // spec.batch_size)),
            max(0.0, report.seconds - trained) / len(part.validation),
            _peak_memory(),
            torch.cuda.max_memory_allocated() if on_gpu else 0,
        )


def _wanted_rows(rows: int, seconds: float) -> int:
    """How many rows an epoch needs to take long enough, when so many take so long."""
    if seconds > LONG_ENOUGH:
        return rows
    least, most = GROWTH
    return round(rows * min(most, max(least, 1.3 * LONG_ENOUGH / max(seconds, 1e-9))))


class Probe:
    """The workers of one trial, for measuring; use as a context."""

    def __init__(self, resources: ResourceConfig, size: int, threads: int, timeout: float) -> None:
        """Args:
        resources: of one worker.
        size: workers.
        threads: of torch in each of them.
        timeout: seconds after which they must have found a place.
        """
        actor = ray.remote(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker)(ProbeWorker)
        self._resources, self._size, self._timeout = resources, size, timeout
        self._workers: list[Any] = [actor.remote(rank, size, threads, str(Path.cwd())) for rank in range(size)]

    def __enter__(self) -> Probe:
        """Waits until the workers are there.

        Raises:
            ExecutionError: they found no place in time.
        """
        try:
            address = ray.get([worker.address.remote() for worker in self._workers], timeout=self._timeout)[0]
            if self._size > 1:
                ray.get([worker.connect.remote(address) for worker in self._workers], timeout=CONNECT_SECONDS)
        except ray.exceptions.GetTimeoutError:
            wanted = place_wanted(self._resources, self._size)
            self.__exit__()
            raise ExecutionError(f"nothing could be placed for {self._timeout:.0f} s: {wanted}") from None
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            ray.kill(worker)

    def measure(self, spec: TrialSpec, dataset: Any) -> ProbeResult:  # noqa: ANN401
        """Measures a network.

        Args:
            spec: its metric may be any.
            dataset: a reference to a `MemoryDataset` in Ray's object store.

        Raises:
            ExecutionError: the network cannot be trained, or a worker was lost.
        """
        try:
            found: list[ProbeResult] = ray.get([worker.measure.remote(spec, dataset) for worker in self._workers])
        except ray.exceptions.RayTaskError as error:
            settings = ", ".join(f"{name} {value}" for name, value in spec.settings.items())
            raise ExecutionError(
                f"a network of the search space cannot be trained: {spec.architecture} ({settings}), "
                f"batch_size {spec.batch_size}: {failure_reason(error.cause)}"
            ) from error
        except ray.exceptions.RayError as error:
            reason = str(error).splitlines()[0]
            raise ExecutionError(f"the probe of {spec.architecture} was lost, out of memory? ({reason})") from None
        return ProbeResult(
            max(item.step_seconds for item in found),
            max(item.row_seconds for item in found),
            sum(item.memory for item in found),
            sum(item.gpu_memory for item in found),
        )


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
