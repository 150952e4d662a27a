"""`plan`: what a sweep would run, need and take; measured on probes of its smallest and largest networks."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.cluster import ray_session
from orchestrator.columns.notes import Note
from orchestrator.config import SweepConfig
from orchestrator.data import Dataset, Table
from orchestrator.errors import ArchitectureError
from orchestrator.networks import is_custom
from orchestrator.runtime.background import in_background
from orchestrator.runtime.early_imports import after, import_for_probe
from orchestrator.runtime.planning import earlier_sweeps, plan_sweep
from orchestrator.runtime.slots import cluster_slots
from orchestrator.runtime.tune.run import quiet_tune
from orchestrator.search import batch_sizes, find_extremes, find_scheduler
from orchestrator.sweeps.disk import most_bytes
from orchestrator.sweeps.plan import SweepPlan, describe
from orchestrator.sweeps.presets import with_preset
from orchestrator.sweeps.slots import Slots
from orchestrator.sweeps.spent import Spent, spent_for
from orchestrator.training import TrialSpec

if TYPE_CHECKING:
    from orchestrator.runtime.probe.probe import Probe

BYTES_PER_PARAMETER = 4
SAMPLES = 60
# so that a probe of few rows does not diverge
PROBE_LEARNING_RATE = 1e-5
# measured: Tune's actor of a trial and Ray Train's controller beside the workers of a gang
GANG_HELPERS = 2
PROBE_ROWS = 65_536
PROBE_READING_SECONDS = 10.0
TRIAL_OVERHEAD_SECONDS = 0.06


@dataclass(frozen=True)
class NetworkEstimate:
    """One end of an architecture's part of the search space.

    Attributes:
        settings: of the network.
        parameters: how many numbers it learns, buffers not counted.
        batch_size: with which it was probed: the largest one for the smallest network and the other way round.
        epoch_seconds: of one epoch over all rows, validation included.
    """

    settings: Mapping[str, Any]
    parameters: int
    batch_size: int
    epoch_seconds: float


@dataclass(frozen=True, kw_only=True)
class ArchitectureEstimate:
    """Trials of one architecture.

    Attributes:
        name: of the architecture.
        workers: of a trial.
        processes: of a trial, those that hold a gang together included.
        memory: of all workers of a trial with the largest network, in bytes.
        gpu_memory: the same on their GPUs.
        smallest, largest: the ends of the space.
    """

    name: str
    workers: int
    processes: int
    memory: int
    gpu_memory: int
    smallest: NetworkEstimate
    largest: NetworkEstimate


@dataclass(frozen=True, kw_only=True)
class SweepEstimate:
    """What a sweep would run, need and take.

    Attributes:
        name, metric: of the sweep.
        preset: that says what the user does not, None if there is none.
        trials: how many, None if only the time budget limits them.
        time_budget: of the search and its end, in seconds; None without one.
        epochs: of a trial at most.
        folds: on which a trial trains a network each; 1 for a single split.
        follows: entries of the search space that follow the size of the data, and what they are for it.
        concurrency: trials at once.
        threads: of a worker.
        architectures: one entry each.
        storage_bytes: most that checkpoints and weights of trials take at once.
        model_bytes: of the registered model.
        seconds_at_most: if every trial ran all of its epochs; None without a number of trials.
        seconds: what is expected with the scheduler; the time budget if it ends before.
        spent: what trials are expected to hold of the machines, and what that costs; None if there is no limit.
        notes: what was guessed about the data.
        advice: sentences about what may be otherwise than the user thinks.
    """

    name: str
    metric: str
    preset: str | None
    trials: int | None
    time_budget: float | None
    epochs: int
    folds: int
    follows: Mapping[str, Any]
    concurrency: int
    threads: int
    architectures: tuple[ArchitectureEstimate, ...]
    storage_bytes: int
    model_bytes: int
    seconds_at_most: float | None
    seconds: float
    spent: Spent | None
    notes: tuple[Note, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of an epoch as a function of a network's size and its batches.

    A step takes a time of its own, and one for each of its rows; that of a row grows evenly with the parameters.

    Attributes:
        step: seconds of a step without rows.
        small, large: seconds per row of the smallest and the largest network.
        sizes: their numbers of parameters.
        rows: that are learnt in an epoch, by the networks of all folds.
        reading: seconds that it takes to read them, while others are trained on.
        validation: seconds of the validation rows, of the smallest and of the largest network.
    """

    step: float
    small: float
    large: float
    sizes: tuple[int, int]
    rows: int
    reading: float
    validation: tuple[float, float]

    def epoch_seconds(self, parameters: int, batch_size: int) -> float:
        """Of one epoch."""
        low, high = self.sizes
        share = min(1.0, max(0.0, (parameters - low) / (high - low))) if high > low else 0.0
        row = self.small + share * (self.large - self.small)
        steps = math.ceil(self.rows / batch_size)
        training = max(self.reading, steps * self.step + self.rows * row)
        return training + (1 - share) * self.validation[0] + share * self.validation[1]


def estimate_sweep(
    config: SweepConfig, table: Table | None = None, *, notify: Callable[[str], None] = lambda _sentence: None
) -> SweepEstimate:
    """Plans a sweep and probes its networks; nothing is trained to an end, tracked or kept.

    Args:
        config: of the sweep.
        table: the data, instead of `config.data`.
        notify: called with sentences for the user.

    Raises:
        UsageError, DataError: as `run_sweep`.
        ExecutionError: the sweep cannot run: no node, or all of them together, can hold a trial.
    """
    config, earlier = earlier_sweeps(with_preset(config))
    plan = plan_sweep(config, table, earlier=earlier)
    describe(plan.dataset, plan.metric, notify)
    for sentence in plan.started_from:
        notify(sentence)
    quiet_tune()
    import ray

    # while Ray starts
    imports = in_background(import_for_probe)
    with ray_session(config.address), after(imports):
        slots = cluster_slots(config, plan.workers, plan.trials, plan.readers)
        plan = plan.paced(slots, notify)
        notify("probing the smallest and the largest network ...")
        started = time.perf_counter()
        rows, row_seconds = plan.dataset.for_probe(PROBE_ROWS, PROBE_READING_SECONDS)
        reference = ray.put(rows)
        reading = plan.dataset.counts[0] * row_seconds / max(1, plan.readers)
        found = dict(_probe_all(plan, slots, reference, reading))
        start_seconds = (time.perf_counter() - started) / len(found)
        memory = min(node["Resources"].get("memory", math.inf) for node in ray.nodes() if node["Alive"])
    costs = {name: cost for name, (_, cost) in found.items()}
    architectures = tuple(found[name][0] for name in plan.workers)
    return _summary(plan, slots, architectures=architectures, costs=costs, memory=memory, start_seconds=start_seconds)


def parameter_count(architecture: str, dataset: Dataset, settings: Mapping[str, Any]) -> int:
    """Numbers that a network learns; it is built without memory for its weights where that is possible.

    Raises:
        ArchitectureError: it cannot be built.
    """
    import torch

    from orchestrator.networks import build_network
    from orchestrator.training import feature_shape

    shape = feature_shape(dataset)
    try:
        with torch.device("meta"):
            network = build_network(architecture, shape, settings)
    except ArchitectureError:
        if not is_custom(architecture):
            raise
        # a network of the user's may do what needs numbers
        network = build_network(architecture, shape, settings)
    return sum(parameter.numel() for parameter in network.parameters())


def _probe_all(
    plan: SweepPlan,
    slots: Slots,
    dataset: Any,  # noqa: ANN401
    reading: float,
) -> Iterator[tuple[str, tuple[ArchitectureEstimate, Cost]]]:
    """Estimates of all architectures; those with equally many workers share processes, as their trials do."""
    from orchestrator.runtime.probe.probe import Probe

    timeout = plan.config.placement_timeout.total_seconds()
    for size in sorted(set(plan.workers.values())):
        with Probe(plan.config.resources, size, slots.threads, timeout) as probe:
            for name, workers in plan.workers.items():
                if workers == size:
                    yield name, _probe(plan, name, probe, dataset, reading)


def _probe(
    plan: SweepPlan,
    architecture: str,
    probe: Probe,
    dataset: Any,  # noqa: ANN401
    reading: float,
) -> tuple[ArchitectureEstimate, Cost]:
    space = plan.sampler.space.only(architecture)
    smallest, largest = find_extremes(
        space, architecture, lambda settings: parameter_count(architecture, plan.dataset, settings)
    )
    low, high = batch_sizes(space, architecture)
    workers = plan.workers[architecture]
    example = dataclasses.replace(
        plan.sampler.example(architecture),
        metric=plan.dataset.schema.target.task.sure_metric,
        learning_rate=PROBE_LEARNING_RATE,
        patience=0,
        warmup_epochs=0.0,
    )

    def spec(settings: Mapping[str, Any], batch_size: int) -> TrialSpec:
        return dataclasses.replace(example, settings=settings, batch_size=batch_size)

    wide = probe.measure(spec(smallest.settings, high), dataset)
    narrow = wide if low == high else probe.measure(spec(smallest.settings, low), dataset)
    big = probe.measure(spec(largest.settings, low), dataset)
    row = max(0.0, (wide.step_seconds - narrow.step_seconds) / (high - low)) if high > low else 0.0
    step = min(max(0.0, narrow.step_seconds - low * row), big.step_seconds)
    train, held, _ = plan.dataset.counts
    # of all networks of a trial together
    learnt = sum(stop - start for fold in plan.dataset.folds for start, stop in fold.train) or train
    cost = Cost(
        step=step,
        small=max(0.0, narrow.step_seconds - step) / low,
        large=(big.step_seconds - step) / low,
        sizes=(smallest.size, largest.size),
        rows=learnt,
        reading=reading,
        validation=(held * narrow.row_seconds, held * big.row_seconds),
    )
    entry = ArchitectureEstimate(
        name=architecture,
        workers=workers,
        processes=1 if set(plan.workers.values()) == {1} else workers + GANG_HELPERS,
        memory=big.memory,
        gpu_memory=big.gpu_memory,
        smallest=NetworkEstimate(smallest.settings, smallest.size, high, cost.epoch_seconds(smallest.size, high)),
        largest=NetworkEstimate(largest.settings, largest.size, low, cost.epoch_seconds(largest.size, low)),
    )
    return entry, cost


def _summary(
    plan: SweepPlan,
    slots: Slots,
    *,
    architectures: Sequence[ArchitectureEstimate],
    costs: Mapping[str, Cost],
    memory: float,
    start_seconds: float,
) -> SweepEstimate:
    longest, expected = _trial_seconds(plan, costs)
    rounds = None if plan.trials is None else plan.trials / slots.count
    at_most = None if rounds is None else start_seconds + rounds * longest
    seconds = math.inf if rounds is None else start_seconds + rounds * expected
    given = plan.config.time_budget
    budget = None if given is None else given.total_seconds()
    if budget is not None:
        seconds = min(seconds, budget)
        at_most = min(at_most or math.inf, budget)
    networks = plan.networks
    largest = BYTES_PER_PARAMETER * networks * max(entry.largest.parameters for entry in architectures)
    needed = slots.count * max(entry.memory for entry in architectures)
    advice = [plan.exhausts] if plan.exhausts else []
    if needed > memory:
        advice.append(
            f"{slots.count} trials at once may need {needed / 2**30:.1f} GB, the smallest node has "
            f"{memory / 2**30:.1f} GB to give; lower --concurrency"
        )
    return SweepEstimate(
        name=plan.name,
        metric=plan.metric.name,
        preset=plan.config.preset,
        trials=plan.trials,
        time_budget=budget,
        epochs=plan.epochs,
        folds=networks,
        follows=plan.sampler.space.follows,
        concurrency=slots.count,
        threads=slots.threads,
        architectures=tuple(architectures),
        storage_bytes=most_bytes(
            plan.config, slots.count, plan.trials or slots.count, largest, folds=len(plan.dataset.folds)
        ),
        model_bytes=largest,
        seconds_at_most=at_most,
        seconds=seconds,
        spent=None if math.isinf(seconds) else _expected(plan, slots.count * seconds),
        notes=plan.dataset.notes,
        advice=tuple(advice),
    )


def _expected(plan: SweepPlan, seconds: float) -> Spent:
    """As if all slots were busy, and trials of all architectures took the same share of these seconds."""
    return spent_for(plan, ((workers, seconds / len(plan.workers)) for workers in plan.workers.values()))


def _trial_seconds(plan: SweepPlan, costs: Mapping[str, Cost]) -> tuple[float, float]:
    """Mean seconds of a trial over configurations of the space: with all epochs, and with those to be expected."""
    full, expected = [], []
    scheduler = find_scheduler(plan.config.scheduler)
    for spec in plan.sampler.examples(plan.points, min(plan.trials or SAMPLES, SAMPLES)):
        try:
            size = parameter_count(spec.architecture, plan.dataset, spec.settings)
        except ArchitectureError:
            continue
        epoch = costs[spec.architecture].epoch_seconds(size, spec.batch_size)
        full.append(spec.epochs * epoch + TRIAL_OVERHEAD_SECONDS)
        expected.append(scheduler.expected_epochs(spec.epochs, plan.sampler.space) * epoch + TRIAL_OVERHEAD_SECONDS)
    return float(np.mean(full)), float(np.mean(expected))
