"""`train_trial`: one trial from the first weights to the last epoch, in plain torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orchestrator.architectures import FeatureShape, build_network
from orchestrator.data import Dataset, Examples, Task
from orchestrator.errors import ConfigError, TrainingDivergedError
from orchestrator.training.metrics import find_metric
from orchestrator.training.optimization import Loss, build_optimizer, build_schedule, loss_function
from orchestrator.training.outputs import evaluate
from orchestrator.training.report import EpochReport
from orchestrator.training.spec import TrialSpec

EVALUATION_BATCH = 8192


def feature_shape(dataset: Dataset) -> FeatureShape:
    """What a network for this data set looks like from outside."""
    return FeatureShape(dataset.encoder.numeric_width, dataset.encoder.cardinalities, dataset.schema.outputs)


def train_trial(
    spec: TrialSpec,
    dataset: Dataset,
    *,
    on_best: Callable[[nn.Module], None] | None = None,
    device: str = "cpu",
) -> Iterator[EpochReport]:
    """Trains one network; the caller decides after each epoch whether to go on.

    Args:
        spec: what to train and how. torch's global generator is seeded with its seed.
        dataset: its training part is fitted, its validation part measured; the test part is not looked at.
        on_best: called with the network whenever an epoch is the best so far, before that epoch is reported.
        device: where to train, `cpu` or `cuda`.

    Yields:
        One report per epoch; the last one has `last` set.

    Raises:
        TrainingDivergedError: the loss or an output became infinite or not a number.
        ArchitectureError: the network cannot be built.
        ConfigError: the metric cannot be computed on this data set's validation part.
    """
    task = dataset.schema.target.task
    metric = find_metric(task, spec.metric)
    torch.manual_seed(spec.seed)
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings).to(device)
    train, validation = Batches.of(dataset.train, task, device), Batches.of(dataset.validation, task, device)
    bounds = batch_bounds(len(dataset.train), spec.batch_size)
    loss = loss_function(task)
    optimizer = build_optimizer(spec, network.parameters())
    schedule = build_schedule(spec, optimizer, len(bounds))
    order = torch.Generator().manual_seed(spec.seed)

    best_epoch, best_value = 0, metric.worst
    for epoch in range(1, spec.epochs + 1):
        started = time.perf_counter()
        network.train()
        permutation = torch.randperm(len(dataset.train), generator=order).to(device)
        total = torch.zeros((), device=device)
        for start, stop in bounds:
            batch = train.take(permutation[start:stop])
            total += (stop - start) * training_step(network, batch, loss, optimizer, spec.gradient_clip)
            if schedule is not None:
                schedule.step()
        train_loss = float(total) / len(dataset.train)
        trained = time.perf_counter()
        if not math.isfinite(train_loss):
            raise TrainingDivergedError(f"the training loss became {_number(train_loss)} in epoch {epoch}")

        outputs = network_outputs(network, validation)
        if not np.isfinite(outputs).all():
            raise TrainingDivergedError(f"the network's output became infinite or not a number in epoch {epoch}")
        measured = evaluate(task, dataset.target_encoder, outputs, dataset.validation)
        if metric.name not in measured:
            raise ConfigError(f"{metric.name} cannot be computed: the validation part has only one class")
        if metric.better(measured[metric.name], best_value):
            best_epoch, best_value = epoch, measured[metric.name]
            if on_best is not None:
                on_best(network)
        last = epoch == spec.epochs or 0 < spec.patience <= epoch - best_epoch
        yield EpochReport(
            epoch=epoch,
            train_loss=train_loss,
            validation=measured,
            learning_rate=float(optimizer.param_groups[0]["lr"]),
            seconds=time.perf_counter() - started,
            examples_per_second=len(dataset.train) / max(trained - started, 1e-9),
            best_epoch=best_epoch,
            best_value=best_value,
            last=last,
        )
        if last:
            return


def training_step(
    network: nn.Module, batch: Batches, loss: Loss, optimizer: torch.optim.Optimizer, gradient_clip: float
) -> Tensor:
    """One step of gradient descent; returns the loss before it (scalar, detached)."""
    optimizer.zero_grad()
    value = loss(network(batch.numeric, batch.categorical), batch.target)
    value.backward()  # type: ignore[no-untyped-call]
    if gradient_clip > 0:
        nn.utils.clip_grad_norm_(network.parameters(), gradient_clip)
    optimizer.step()
    return value.detach()


@dataclass(frozen=True)
class Batches:
    """The tensors of a part of the data, or of a batch: numeric, categorical and target, of equal length."""

    numeric: Tensor
    categorical: Tensor
    target: Tensor

    @classmethod
    def of(cls, examples: Examples, task: Task, device: str) -> Batches:
        """Tensors over the same memory on a CPU, copies elsewhere; binary targets become float32."""
        target = _tensor(examples.target)
        return cls(
            _tensor(examples.numeric).to(device),
            _tensor(examples.categorical).to(device),
            (target.float() if task is Task.BINARY else target).to(device),
        )

    def take(self, rows: Tensor) -> Batches:
        """The given rows (int64) as a batch."""
        return Batches(self.numeric[rows], self.categorical[rows], self.target[rows])


def _tensor(array: NDArray[np.generic]) -> Tensor:
    if array.flags.writeable:
        return torch.from_numpy(array)
    # arrays from Ray's object store are read-only; torch only warns, and nothing here writes to them
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def batch_bounds(rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Start and stop of each batch. A single left-over row joins the batch before it: batch norm needs two."""
    bounds = [(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] == 1:
        start, _ = bounds[-2]
        bounds[-2:] = [(start, rows)]
    return bounds


@torch.no_grad()
def network_outputs(network: nn.Module, data: Batches) -> NDArray[np.float32]:
    """What the network computes in evaluation mode: float32 [rows, outputs]."""
    network.eval()
    parts = [
        network(numeric, categorical)
        for numeric, categorical in zip(
            torch.split(data.numeric, EVALUATION_BATCH), torch.split(data.categorical, EVALUATION_BATCH), strict=True
        )
    ]
    outputs: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return outputs


def _number(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite"
