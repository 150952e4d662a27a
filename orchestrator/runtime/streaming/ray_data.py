"""Training rows of a folder through Ray Data: each epoch reads them anew, in another order."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.data import DataContext, DataIterator, Datasource, ReadTask
from ray.data.block import Block, BlockAccessor, BlockMetadata

from orchestrator.data import Dataset, Examples, Part, Pieces
from orchestrator.inputs import Inputs

# no inputs
TARGET, WEIGHT = "target", "weight"
# of a dimension that differs between rows, for the size of blocks
USUAL_LENGTH = 64


class PieceDatasource(Datasource):  # type: ignore[misc]
    """The training rows of a data set, encoded; each execution reads the pieces in another order."""

    def __init__(self, dataset: Dataset, pieces: Pieces) -> None:
        super().__init__()
        self._dataset, self._pieces, self._executions = dataset, pieces, 0

    def get_name(self) -> str:
        """Of the operator in Ray Data's messages."""
        return "Pieces"

    def estimate_inmemory_data_size(self) -> int:
        """Bytes of all training rows."""
        return self._row_bytes() * self._dataset.counts[0]

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: DataContext | None = None
    ) -> list[ReadTask]:
        """Ray Data: one task per piece, whatever parallelism it would like."""
        self._executions += 1
        rows = self._pieces.piece_rows
        order = np.random.default_rng([self._pieces.split.seed, self._executions]).permutation(len(rows))
        # tasks are sent to workers one by one: they hold a reference instead of the data set
        shared = ray.put(self._pieces)
        row_bytes = self._row_bytes()
        return [
            ReadTask(
                partial(_read_block, shared, int(number)),
                BlockMetadata(None, row_bytes * rows[number], None, None),
                per_task_row_limit=per_task_row_limit,
            )
            for number in order
        ]

    def _row_bytes(self) -> int:
        return sum(spec.zeros(1, USUAL_LENGTH).nbytes for spec in self._dataset.encoder.inputs) + 8


def _read_block(shared: Any, number: int) -> Iterable[Block]:  # noqa: ANN401
    pieces: Pieces = ray.get(shared)
    examples = pieces.read(number, Part.TRAIN)
    columns = {**examples.inputs.arrays, TARGET: examples.target}
    if examples.weight is not None:
        columns[WEIGHT] = examples.weight
    # a tensor without width is no column for Arrow
    return [BlockAccessor.batch_to_block({name: column for name, column in columns.items() if column.size})]


def split_training_rows(dataset: Dataset, pieces: Pieces, workers: int, readers: int) -> list[DataIterator]:
    """One iterator for each worker of a trial; every round through them reads all training rows anew.

    The tasks that read ask for no core: those that they use belong to the trial, which holds them as long as it runs,
    so that no trial can wait for a core that another one's reader has.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = ray.data.read_datasource(
        PieceDatasource(dataset, pieces),
        num_cpus=0,
        concurrency=max(1, readers),
        override_num_blocks=len(pieces.piece_rows),
    )
    splits: list[DataIterator] = rows.streaming_split(workers, equal=True)
    return splits


class RayStream:
    """A worker's chunks of rows: training rows through Ray Data, validation rows from the object store."""

    def __init__(
        self, dataset: Dataset, rows: DataIterator, validation: Sequence[Any], rank: int, workers: int
    ) -> None:
        """Args:
        dataset: for its inputs.
        rows: this worker's iterator.
        validation: references to `Examples`, of all workers.
        rank, workers: which of them are this worker's.
        """
        self._specs, self._rows = dataset.encoder.inputs, rows
        self._validation = validation[rank::workers]

    def train(self, epoch: int, seed: int) -> Iterator[Examples]:
        """See `Stream`."""
        for block in self._rows.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            count = len(block[TARGET])
            arrays = {spec.name: block.get(spec.name, spec.zeros(count)) for spec in self._specs}
            yield Examples(Inputs(arrays), block[TARGET], block.get(WEIGHT))

    def validation(self) -> Iterator[Examples]:
        """See `Stream`."""
        for reference in self._validation:
            yield ray.get(reference)
