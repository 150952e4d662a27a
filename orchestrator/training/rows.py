"""Where a trial's rows come from: steps of training batches, and the rows that validate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orchestrator.data import Examples
from orchestrator.training.ranks import Ranks, Share
from orchestrator.training.spec import TrialSpec

EVALUATION_BATCH = 8192


@dataclass(frozen=True)
class Batch:
    """Rows as tensors.

    Attributes:
        inputs: by name, those that the network takes, in the order of its arguments.
        target: of equal length.
        weight: what each row counts, float32 [rows]; None if all count the same.
    """

    inputs: Mapping[str, Tensor]
    target: Tensor
    weight: Tensor | None = None

    @classmethod
    def of(cls, examples: Examples, names: Sequence[str], device: str) -> Batch:
        """Tensors over the same memory on a CPU, copies elsewhere."""
        return cls(
            {name: as_tensor(examples.inputs[name]).to(device) for name in names},
            as_tensor(examples.target).to(device),
            None if examples.weight is None else as_tensor(examples.weight).float().to(device),
        )

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Tensor) -> Batch:
        """The given rows (int64)."""
        weight = None if self.weight is None else self.weight[rows]
        return Batch({name: tensor[rows] for name, tensor in self.inputs.items()}, self.target[rows], weight)

    def between(self, start: int, stop: int) -> Batch:
        """Consecutive rows, without a copy."""
        inputs = {name: tensor[start:stop] for name, tensor in self.inputs.items()}
        return Batch(inputs, self.target[start:stop], None if self.weight is None else self.weight[start:stop])

    def split(self, size: int) -> Iterator[Batch]:
        """Consecutive batches of at most `size` rows, without a copy; one without rows if there are none."""
        for start in range(0, max(1, len(self)), size):
            yield self.between(start, start + size)

    def answered_by(self, network: nn.Module) -> Tensor:
        """What a network computes: float32 [rows, outputs]."""
        outputs: Tensor = network(*self.inputs.values())
        return outputs


@dataclass(frozen=True)
class Portion:
    """This worker's rows of a batch, or of an accumulated part of one.

    Attributes:
        batch: the rows.
        share: their start and stop among the rows of all workers, and how many those are.
    """

    batch: Batch
    share: Share


@dataclass(frozen=True)
class Step:
    """What one step of the optimizer learns from.

    Attributes:
        rows: of the global batch, those of all workers together.
        parts: in the order of computation; several if gradients are accumulated.
    """

    rows: int
    parts: tuple[Portion, ...]


class TrialRows(Protocol):
    """The rows of one trial as one of its workers sees them."""

    @property
    def count(self) -> int:
        """Training rows of an epoch, all workers together."""

    @property
    def steps(self) -> int:
        """Steps of an epoch."""

    def epoch(self) -> Iterator[Step]:
        """The steps of the next epoch."""

    def validation(self) -> Iterator[Batch]:
        """This worker's share of the validation rows."""

    def order(self) -> Tensor:
        """What decides the order of the epochs to come: uint8 [any]."""

    def set_order(self, order: Tensor) -> None:
        """Takes over what `order` gave."""


class MemoryRows:
    """Rows that lie in memory, shuffled anew for each epoch; the order depends on the trial's seed alone."""

    def __init__(
        self,
        train: Examples,
        validation: Examples,
        *,
        names: Sequence[str],
        spec: TrialSpec,
        device: str,
        ranks: Ranks,
    ) -> None:
        self._train = Batch.of(train, names, device)
        start, stop, _ = ranks.share(len(validation))
        self._validation = Batch.of(validation.between(start, stop), names, device)
        self._bounds = batch_bounds(len(train), spec.batch_size)
        self._order = torch.Generator().manual_seed(spec.seed)
        self._device, self._ranks, self._accumulation = device, ranks, spec.accumulation

    @property
    def count(self) -> int:
        """See `TrialRows`."""
        return len(self._train)

    @property
    def steps(self) -> int:
        """See `TrialRows`."""
        return len(self._bounds)

    def epoch(self) -> Iterator[Step]:
        """See `TrialRows`."""
        permutation = torch.randperm(len(self._train), generator=self._order).to(self._device)
        for start, stop in self._bounds:
            yield Step(stop - start, tuple(self._parts(permutation[start:stop])))

    def order(self) -> Tensor:
        """See `TrialRows`."""
        return self._order.get_state()

    def set_order(self, order: Tensor) -> None:
        """See `TrialRows`."""
        self._order.set_state(order)

    def _parts(self, rows: Tensor) -> Iterator[Portion]:
        # a part of one row would break batch norm
        size = max(2, math.ceil(len(rows) / self._accumulation))
        for start, stop in batch_bounds(len(rows), size):
            share = self._ranks.share(stop - start)
            yield Portion(self._train.take(rows[start:stop][slice(*share[:2])]), share)

    def validation(self) -> Iterator[Batch]:
        """See `TrialRows`."""
        return self._validation.split(EVALUATION_BATCH)


def batch_bounds(rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Start and stop of each batch. A single left-over row joins the batch before it: batch norm needs two."""
    bounds = [(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] == 1:
        start, _ = bounds[-2]
        bounds[-2:] = [(start, rows)]
    return bounds


def as_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor over the same memory."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    # arrays from Ray's object store are read-only; torch only warns, and nothing here writes to them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
