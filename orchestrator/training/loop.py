"""`train_trial`: one trial from the first weights to the last epoch, in plain torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orchestrator.data import Dataset
from orchestrator.errors import ConfigError, StorageError, TrainingDivergedError
from orchestrator.networks import TargetTransform, build_network, inputs_taken, is_custom
from orchestrator.tasks import Metric
from orchestrator.training.answers import feature_shape, network_answers
from orchestrator.training.averaging import weight_average
from orchestrator.training.best import BestEpoch
from orchestrator.training.class_weights import NONE, class_weights
from orchestrator.training.folds import EpochHooks, train_folds
from orchestrator.training.losses import BatchLoss, batch_loss
from orchestrator.training.optimization import Optimization
from orchestrator.training.ranks import Ranks
from orchestrator.training.report import EpochReport
from orchestrator.training.rows import Step, TrialRows, as_tensor
from orchestrator.training.skewed import brought_back, fitted_transform, settled, taught
from orchestrator.training.spec import TrialSpec
from orchestrator.training.state import TrialState, random_state, set_random_state
from orchestrator.training.streams import Stream, trial_rows

# of data that has to be read
FITTED_ROWS = 100_000


def train_trial(
    spec: TrialSpec,
    dataset: Dataset,
    *,
    on_best: Callable[[nn.Module], None] | None = None,
    device: str = "cpu",
    ranks: Ranks | None = None,
    stream: Stream | None = None,
    resume: TrialState | None = None,
    on_epoch: Callable[[TrialState], None] | None = None,
) -> Iterator[EpochReport]:
    """Trains one network, or one for each fold; the caller decides after each epoch whether to go on.

    Args:
        spec: what to train and how. torch's global generator is seeded with its seed.
        dataset: its training part is fitted, its validation part measured; the test part is not looked at.
        on_best: called with the network whenever an epoch is the best so far, before that epoch is reported; of
            several workers only the first one's is called.
        device: where to train, `cpu` or `cuda`.
        ranks: the workers that train this network together, if there are several: each of them runs this function.
        stream: where the rows of a streamed data set come from; this process reads them if it is left out.
        resume: of the same trial, after one of its epochs: the next epoch is the first one to be trained. On the same
            machine the reports are the same to the last bit as without the break, but for their times; the order of a
            streamed data set is another one.
        on_epoch: called with the state after each epoch, before it is reported; of several workers only the first one's
            is called.

    Yields:
        One report per epoch, the same at every rank but for its times; the last one has `last` set.

    Raises:
        TrainingDivergedError: the loss or an output became infinite or not a number.
        ArchitectureError: the network cannot be built.
        ConfigError: the metric cannot be computed on this data set's validation part.
    """
    ranks = ranks or Ranks()
    if dataset.folds:
        hooks = EpochHooks(on_best, on_epoch)
        yield from train_folds(train_trial, spec, dataset, hooks=hooks, device=device, ranks=ranks, resume=resume)
        return
    torch.manual_seed(spec.seed)
    shape = feature_shape(dataset)
    network = build_network(spec.architecture, shape, spec.settings)
    names = inputs_taken(network, shape.names)
    fit_inputs(network, names, dataset)
    network = network.to(device)
    transform = fitted_transform(spec, dataset, FITTED_ROWS, device)
    fit_rows(network, names, dataset, transform)
    rows = trial_rows(dataset, names, spec, device=device, ranks=ranks, stream=stream)
    hooks = EpochHooks(on_best, on_epoch)
    yield from train_network(
        spec, dataset, network, rows=rows, ranks=ranks, hooks=hooks, device=device, resume=resume, transform=transform
    )


def fit_inputs(network: nn.Module, names: Sequence[str], dataset: Dataset) -> None:
    """Calls `fit_inputs` of a network and of its modules, if they have it, with training inputs by name.

    Those of a module's parts are called before its own, so that it can use what they have fitted. The inputs are all,
    or some from all over the data if it has to be read.

    It may set the values of buffers, such as quantiles of the inputs; their shapes have to be right before. All workers
    of a trial call it with the same rows, also when a trial is gone on with, whose buffers are then replaced.
    """
    modules = reversed(list(network.modules()))
    fitted: list[Any] = [module for module in modules if hasattr(module, "fit_inputs")]
    if fitted:
        rows = dataset.some_training_rows(FITTED_ROWS).inputs
        inputs = {name: as_tensor(rows[name]) for name in names}
        with torch.no_grad():
            for module in fitted:
                module.fit_inputs(inputs)


def fit_rows(
    network: nn.Module, names: Sequence[str], dataset: Dataset, transform: TargetTransform | None = None
) -> None:
    """Calls `fit_rows` of a network, if it has it, with training inputs by name and the targets that it is to learn.

    These are the rows of `fit_inputs`; after the network has been put to its device. A trial that is gone on with calls
    it, too.
    """
    fit = getattr(network, "fit_rows", None)
    if fit is None:
        return
    rows = dataset.some_training_rows(FITTED_ROWS)
    target = as_tensor(rows.target)
    with torch.no_grad():
        if transform is not None:
            target = transform.taught(target.to(next(network.parameters()).device))
        fit({name: as_tensor(rows.inputs[name]) for name in names}, target)


def train_network(
    spec: TrialSpec,
    dataset: Dataset,
    network: nn.Module,
    *,
    rows: TrialRows,
    ranks: Ranks,
    hooks: EpochHooks,
    device: str,
    resume: TrialState | None = None,
    transform: TargetTransform | None = None,
) -> Iterator[EpochReport]:
    """The epochs of `train_trial`, for rows from anywhere; see there. `transform` is of the target, if it has one."""
    task = dataset.schema.target.task
    metric = task.find_metric(spec.metric)
    optimization = Optimization(spec, network, rows.steps, device)
    loss = taught(batch_loss(task, spec.label_smoothing, _class_weights(spec, dataset, device)), transform)
    average = weight_average(network, spec.weight_average) if spec.weight_average else None
    measured_network = network if average is None else average.module
    kept = brought_back(measured_network, transform, dataset)
    trained = _distributed(network, spec, ranks)
    first, best = 1, BestEpoch(0, metric.worst)
    if resume is not None:
        first, best = resume.report.epoch + 1, BestEpoch.of(resume.report)
        restore(resume, network, optimization, rows, average=average, device=device)
    for epoch in range(first, spec.epochs + 1):
        started = time.perf_counter()
        trained.train()
        total = torch.zeros((), device=device)
        for step in rows.epoch():
            total += training_step(trained, step, loss, optimization, ranks)
            if average is not None:
                average.update_parameters(network)
        train_loss = float(ranks.total(total)) / rows.count
        seconds = time.perf_counter() - started
        if not math.isfinite(train_loss):
            raise TrainingDivergedError(f"the training loss became {_number(train_loss)} in epoch {epoch}")

        measured = _validate(measured_network, dataset, rows, transform, ranks=ranks, metric=metric, epoch=epoch)
        best = best.after(epoch, measured[metric.name], task.tie(measured), metric)
        if best.epoch == epoch and hooks.on_best is not None and ranks.rank == 0:
            hooks.on_best(kept)
        last = epoch == spec.epochs or 0 < spec.patience <= epoch - best.improved
        report = EpochReport(
            epoch=epoch,
            train_loss=train_loss,
            validation=measured,
            learning_rate=optimization.learning_rate,
            seconds=time.perf_counter() - started,
            examples_per_second=rows.count / max(seconds, 1e-9),
            best_epoch=best.epoch,
            best_value=best.value,
            last=last,
            best_tie=best.tie,
            improved_epoch=best.improved,
        )
        if hooks.on_epoch is not None and ranks.rank == 0:
            hooks.on_epoch(capture(report, network, optimization, rows, average=average, device=device))
        yield report
        if last:
            return


def _class_weights(spec: TrialSpec, dataset: Dataset, device: str) -> Tensor | None:
    if spec.class_weights == NONE:
        return None
    rows = dataset.some_training_rows(FITTED_ROWS)
    return torch.from_numpy(class_weights(spec.class_weights, dataset.schema.target, rows)).to(device)


def _distributed(network: nn.Module, spec: TrialSpec, ranks: Ranks) -> nn.Module:
    trained = ranks.distribute(network, may_skip=is_custom(spec.architecture), compiled=spec.compile)
    if spec.compile:
        # in place: weights keep their names
        trained.compile()
    return trained


def capture(
    report: EpochReport,
    network: nn.Module,
    optimization: Optimization,
    rows: TrialRows,
    *,
    average: nn.Module | None,
    device: str,
) -> TrialState:
    """The state of a trial after an epoch; its tensors are those of the trial, not copies."""
    moments, values = optimization.state()
    parts: dict[str, Mapping[str, Tensor]] = {
        "network": network.state_dict(),
        "optimizer": moments,
        "random": random_state(device),
        "rows": {"order": rows.order()},
        "average": {} if average is None else average.state_dict(),
    }
    tensors = {f"{part}/{name}": value for part, found in parts.items() for name, value in found.items()}
    return TrialState(report, tensors, values)


def restore(
    state: TrialState,
    network: nn.Module,
    optimization: Optimization,
    rows: TrialRows,
    *,
    average: nn.Module | None,
    device: str,
) -> None:
    """Puts everything into the state that `capture` took.

    Raises:
        StorageError: the state is of another network.
    """
    try:
        network.load_state_dict(state.part("network"))
        if average is not None:
            average.load_state_dict(state.part("average"))
        optimization.restore(state.part("optimizer"), state.values)
    except (RuntimeError, KeyError, ValueError) as error:
        raise StorageError(f"the checkpoint is of another network ({' '.join(str(error).split())[:200]})") from None
    rows.set_order(state.part("rows")["order"])
    set_random_state(state.part("random"), device)


def training_step(network: nn.Module, step: Step, loss: BatchLoss, optimization: Optimization, ranks: Ranks) -> Tensor:
    """One step of gradient descent; returns this worker's sum of losses before it (scalar, detached)."""
    optimization.clear()
    total = torch.zeros((), device=step.parts[0].batch.target.device)
    for position, part in enumerate(step.parts, start=1):
        batch, ranks.present = part.batch, part.share
        with ranks.accumulate(network, more=position < len(step.parts)):
            with optimization.autocast():
                value = loss(batch.answered_by(network), batch)
            # gradients are averaged over the workers: the mean over the global batch is a sum of their parts
            optimization.backward(value * (ranks.size / step.rows))
        total += value.detach()
    optimization.step()
    return total


def _validate(
    network: nn.Module,
    dataset: Dataset,
    rows: TrialRows,
    transform: TargetTransform | None,
    *,
    ranks: Ranks,
    metric: Metric,
    epoch: int,
) -> dict[str, float]:
    """All metrics over all validation rows, whichever worker has them."""
    outputs, target, weight = network_answers(network, rows.validation())
    outputs, target = ranks.gather(outputs), ranks.gather(target)
    weight = None if weight is None else ranks.gather(weight)

    def measure() -> dict[str, float]:
        if not np.isfinite(outputs).all():
            raise TrainingDivergedError(f"the network's output became infinite or not a number in epoch {epoch}")
        task = dataset.schema.target.task
        said = settled(transform, metric, outputs, target, weight)
        measured = task.measure(metric.name, dataset.target_encoder, said, target, weight)
        if metric.name not in measured:
            rare = metric.name in task.more_metrics
            why = task.unmeasured_in(target, metric.name, dataset.target_encoder) if rare else task.unmeasured
            raise ConfigError(f"{metric.name} cannot be computed: {why}")
        return measured

    return ranks.on_first(measure)


def _number(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite"
