"""The workers that train one network together: `Ranks` for a single one, `ProcessGroupRanks` over torch.distributed."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from orchestrator.errors import OrchestratorError
from orchestrator.training.shared_layers import share_layers

Result = TypeVar("Result")
# start and stop of a worker's rows among those of all workers, and how many these are
Share = tuple[int, int, int]
Wrap = Callable[[nn.Module, dict[str, Any]], nn.Module]
# all that `DistributedDataParallel` asks torch's compiler when it is made, with the answer that it has by itself
NO_COMPILER = SimpleNamespace(utils=SimpleNamespace(get_optimize_ddp_mode=lambda: "ddp_optimizer"))


def process_group_backend(*, on_gpu: bool) -> str:
    """For torch.distributed: workers tell each other numbers of the CPU, and gradients of where they train."""
    return "cpu:gloo,cuda:nccl" if on_gpu else "gloo"


@contextlib.contextmanager
def _without_compiler() -> Iterator[None]:
    """Networks that are distributed meanwhile will not be compiled.

    Torch (2.13) would import its compiler to learn how to compile them: a second and a half in each worker.
    """
    names = vars(torch)
    if "_dynamo" in names:
        yield
        return
    names["_dynamo"] = NO_COMPILER
    try:
        yield
    finally:
        # whoever has imported it meanwhile has put it there
        if names["_dynamo"] is NO_COMPILER:
            del names["_dynamo"]


class Ranks:
    """A trial of one worker: nothing has to be agreed on.

    Attributes:
        rank: number of this worker, from 0.
        size: how many there are.
        present: the share that is being computed, for layers that have to know.
    """

    rank = 0
    size = 1
    present: Share = (0, 0, 0)

    def share(self, rows: int) -> Share:
        """This worker's part of so many rows; the parts of the workers differ by at most one row."""
        return rows * self.rank // self.size, rows * (self.rank + 1) // self.size, rows

    def distribute(self, network: nn.Module, *, may_skip: bool, compiled: bool = False) -> nn.Module:
        """The network to train: its gradients are averages over all workers.

        Args:
            network: with the same weights at every worker.
            may_skip: whether a step may leave some of its parameters out.
            compiled: whether what is returned will be compiled.
        """
        return network

    def accumulate(self, network: nn.Module, *, more: bool) -> contextlib.AbstractContextManager[None]:
        """While it is open, gradients stay with their worker if there are more to come before the step."""
        return contextlib.nullcontext()

    def total(self, value: Tensor) -> Tensor:
        """The sum over all workers."""
        return value

    def gather(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows of all workers in the order of their ranks, at rank 0; elsewhere an empty array."""
        return rows

    def on_first(self, compute: Callable[[], Result]) -> Result:
        """What rank 0 computes, at every rank; an OrchestratorError of it is raised at every rank."""
        return compute()


class ProcessGroupRanks(Ranks):
    """Workers that are processes of a torch.distributed group with a CPU backend.

    The result of training does not depend on how many there are: batches are parts of the same global batches, batch
    norm sees whole batches, dropout masks are drawn for whole batches. All workers must have the same random state.
    """

    def __init__(self, group: dist.ProcessGroup, wrap: Wrap | None = None) -> None:
        """Args:
        group: of all workers of the trial.
        wrap: makes a network synchronise its gradients; called with the network and options of
            `DistributedDataParallel`, which is the default.
        """
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self._wrap = wrap or (lambda network, options: DistributedDataParallel(network, **options))

    def distribute(self, network: nn.Module, *, may_skip: bool, compiled: bool = False) -> nn.Module:
        """See `Ranks`."""
        share_layers(network, self, self.group)
        # equal random states give equal buffers
        options = {"process_group": self.group, "forward_sync_buffers": False, "find_unused_parameters": may_skip}
        if compiled:
            return self._wrap(network, options)
        with _without_compiler():
            wrapped = self._wrap(network, options)
        if isinstance(wrapped, DistributedDataParallel):
            # it keeps the compiler away from itself, and imports it for that
            forward = inspect.unwrap(DistributedDataParallel._inside_ddp_forward)
            vars(wrapped)["_inside_ddp_forward"] = contextlib.contextmanager(partial(forward, wrapped))
        return wrapped

    def accumulate(self, network: nn.Module, *, more: bool) -> contextlib.AbstractContextManager[None]:
        """See `Ranks`."""
        synchronised: Any = network
        # a network with one worker is not wrapped by Ray Train
        waits = more and self.size > 1
        kept: contextlib.AbstractContextManager[None] = synchronised.no_sync() if waits else contextlib.nullcontext()
        return kept

    def total(self, value: Tensor) -> Tensor:
        """See `Ranks`."""
        summed = value.detach().cpu().clone()
        dist.all_reduce(summed, group=self.group)
        return summed.to(value.device)

    def gather(self, rows: NDArray[Any]) -> NDArray[Any]:
        """See `Ranks`."""
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(rows)
        dist.all_reduce(counts, group=self.group)
        longest = int(counts.max())
        # gather wants equal shapes
        padded = torch.zeros((longest, *rows.shape[1:]), dtype=torch.from_numpy(rows[:0].copy()).dtype)
        padded[: len(rows)] = torch.from_numpy(np.ascontiguousarray(rows))
        first = dist.get_global_rank(self.group, 0)
        parts = [torch.empty_like(padded) for _ in range(self.size)] if self.rank == 0 else None
        dist.gather(padded, parts, dst=first, group=self.group)
        if parts is None:
            return rows[:0]
        gathered = [part[:count] for part, count in zip(parts, counts.tolist(), strict=True)]
        return torch.cat(gathered).numpy()

    def on_first(self, compute: Callable[[], Result]) -> Result:
        """See `Ranks`."""
        told: list[Any] = [None, None]
        if self.rank == 0:
            try:
                told[0] = compute()
            except OrchestratorError as error:
                told[1] = error
        dist.broadcast_object_list(told, src=dist.get_global_rank(self.group, 0), group=self.group)
        if told[1] is not None:
            raise told[1]
        result: Result = told[0]
        return result
