"""Rows that do not fit into memory: they come in chunks, are mixed in a pool, and leave it as batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from orchestrator.data import Dataset, Examples, Part, Pieces
from orchestrator.training.ranks import Ranks
from orchestrator.training.rows import EVALUATION_BATCH, Batch, MemoryRows, Portion, Step, TrialRows, batch_bounds
from orchestrator.training.spec import TrialSpec

# rows among which a batch is drawn, besides the order of the chunks
POOL_ROWS = 65_536


class Stream(Protocol):
    """Where a worker gets its chunks of rows from."""

    def train(self, epoch: int, seed: int) -> Iterator[Examples]:
        """This worker's training rows of an epoch, in an order of the chunks that differs between epochs.

        Workers of one trial get equally many rows.
        """

    def validation(self) -> Iterator[Examples]:
        """This worker's share of the validation rows."""


class LocalStream:
    """Reads the pieces of a data set in this process; for a single worker."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def train(self, epoch: int, seed: int) -> Iterator[Examples]:
        """See `Stream`."""
        for number in np.random.default_rng([seed, epoch]).permutation(len(self._pieces.piece_rows)):
            yield self._pieces.read(int(number), Part.TRAIN)

    def validation(self) -> Iterator[Examples]:
        """See `Stream`."""
        for number in range(len(self._pieces.piece_rows)):
            yield self._pieces.read(number, Part.VALIDATION)


class StreamedRows:
    """The rows of one trial from a stream.

    Workers take equal parts of each batch, so that a batch has `batch_size` rows only if their number divides it;
    otherwise it is a little smaller. Which rows come together depends on how the chunks arrive.
    """

    def __init__(
        self, dataset: Dataset, stream: Stream, *, names: Sequence[str], spec: TrialSpec, device: str, ranks: Ranks
    ) -> None:
        self._dataset, self._stream, self._names, self._device, self._ranks = dataset, stream, names, device, ranks
        self._seed, self._accumulation = spec.seed, spec.accumulation
        self._batch = max(1, spec.batch_size // ranks.size)
        # one row alone would break batch norm
        if ranks.size == 1:
            self._batch = max(2, self._batch)
        self._count = dataset.counts[0] // ranks.size * ranks.size
        self._epoch = 0

    @property
    def count(self) -> int:
        """See `TrialRows`; after an epoch, what it really had."""
        return self._count

    @property
    def steps(self) -> int:
        """See `TrialRows`."""
        return max(1, math.ceil(self._count / (self._batch * self._ranks.size)))

    def epoch(self) -> Iterator[Step]:
        """See `TrialRows`."""
        self._epoch += 1
        chunks = self._stream.train(self._epoch, self._seed)
        seen = 0
        for examples in mixed(chunks, self._batch, np.random.default_rng([self._seed, self._epoch])):
            mine = len(examples)
            if mine * self._ranks.size < 2:  # noqa: PLR2004
                continue
            seen += mine
            yield Step(mine * self._ranks.size, tuple(self._parts(self._on_device(examples))))
        self._count = max(1, seen * self._ranks.size)

    def validation(self) -> Iterator[Batch]:
        """See `TrialRows`."""
        empty = True
        for examples in self._stream.validation():
            if len(examples):
                empty = False
                yield from self._on_device(examples).split(EVALUATION_BATCH)
        if empty:
            # fewer chunks than workers: the shapes are still wanted
            yield self._on_device(self._dataset.no_rows())

    def order(self) -> Tensor:
        """See `TrialRows`: the number of the epoch, which draws the batches; chunks come in an order of their own."""
        return torch.tensor(list(self._epoch.to_bytes(4, "little")), dtype=torch.uint8)

    def set_order(self, order: Tensor) -> None:
        """See `TrialRows`."""
        self._epoch = int.from_bytes(bytes(order.tolist()), "little")

    def _on_device(self, examples: Examples) -> Batch:
        return Batch.of(examples, self._names, self._device)

    def _parts(self, batch: Batch) -> Iterator[Portion]:
        size, rank = self._ranks.size, self._ranks.rank
        # all workers have equally many rows, so their parts agree; one row alone would break batch norm
        for start, stop in batch_bounds(len(batch), max(2, math.ceil(len(batch) / self._accumulation))):
            count = stop - start
            yield Portion(batch.between(start, stop), (rank * count, (rank + 1) * count, size * count))


def trial_rows(
    dataset: Dataset, names: Sequence[str], spec: TrialSpec, *, device: str, ranks: Ranks, stream: Stream | None = None
) -> TrialRows:
    """The rows of a trial, in memory or as they are read.

    Args:
        dataset: of the trial.
        names: of the inputs that its network takes, in the order of its arguments.
        spec: its batches and their order.
        device: where the network is.
        ranks: who trains it.
        stream: where rows come from if they have to be read; this process reads them if it is left out.
    """
    if dataset.pieces is not None:
        return StreamedRows(
            dataset, stream or LocalStream(dataset.pieces), names=names, spec=spec, device=device, ranks=ranks
        )
    train, validation = (Examples.joined(list(dataset.rows(part))) for part in (Part.TRAIN, Part.VALIDATION))
    return MemoryRows(train, validation, names=names, spec=spec, device=device, ranks=ranks)


def mixed(chunks: Iterator[Examples], batch: int, random: np.random.Generator) -> Iterator[Examples]:
    """Batch of exactly `batch` rows, drawn without replacement from pools of rows; the last one is shorter.

    Args:
        chunks: of any lengths.
        batch: rows of a batch.
        random: decides the order within a pool.
    """
    pool: list[Examples] = []
    held = 0
    for chunk in chunks:
        pool.append(chunk)
        held += len(chunk)
        if held >= max(POOL_ROWS, 2 * batch):
            rows = _shuffled(pool, random)
            # half a pool stays, to be mixed with what comes next
            leaving = max(1, held // 2 // batch) * batch
            yield from _batches(rows, batch, leaving)
            pool, held = [rows.between(leaving, held)], held - leaving
    if held:
        yield from _batches(_shuffled(pool, random), batch, held)


def _shuffled(pool: list[Examples], random: np.random.Generator) -> Examples:
    rows = Examples.joined(pool)
    order = random.permutation(len(rows))
    return rows.take(order)


def _batches(rows: Examples, batch: int, stop: int) -> Iterator[Examples]:
    for start in range(0, stop, batch):
        yield rows.between(start, min(start + batch, stop))
