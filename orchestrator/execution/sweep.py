"""`sweep`: search for the best network for a data set."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestrator.architectures import build_network, is_custom, known_architecture
from orchestrator.cluster import ray_session
from orchestrator.config import DEFAULT_TRIALS, SweepConfig
from orchestrator.data import Dataset, Table, Task, load_table, prepare_dataset
from orchestrator.errors import ExecutionError, UsageError
from orchestrator.execution.interrupt import stop_on_signal
from orchestrator.execution.winner import Winner, make_winner, register_winner
from orchestrator.home import home
from orchestrator.search import SearchSpace, SpecSampler, load_space
from orchestrator.tracking.registry import Registration
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.training import Metric, feature_shape, find_metric, load_weights

if TYPE_CHECKING:
    from orchestrator.execution.ledger import Ledger, Listener, TrialRecord
    from orchestrator.execution.trainable import ActorSettings, Train

Say = Callable[[str], None]


@dataclass(frozen=True)
class SweepResult:
    """What a sweep ends with.

    Attributes:
        name: of the sweep and the registered model.
        run_id: of the parent run in MLflow.
        metric: what was optimised.
        trials: all of them, by index.
        best: the winner's record.
        test: the winner's metrics on the test rows.
        bundle: the winner's model.
        registration: what was registered, None if it was not wanted.
        interrupted: whether the user stopped it.
        seconds: wall time, from reading the data to the end; `search_seconds` from the first trial to the last.
        slots: trials at once.
    """

    name: str
    run_id: str
    metric: Metric
    trials: tuple[TrialRecord, ...]
    best: TrialRecord
    test: Mapping[str, float]
    bundle: Any
    registration: Registration | None
    interrupted: bool
    seconds: float
    search_seconds: float
    slots: int


def sweep(
    data: str | Path | pd.DataFrame,
    *,
    on_trial: Listener | None = None,
    say: Say | None = None,
    train: Train | None = None,
    **options: Any,  # noqa: ANN401
) -> SweepResult:
    """Searches architectures and their settings for a data set, tracks all in MLflow and registers the winner.

    Args:
        data: `sklearn:NAME`, a CSV or Parquet file, or a data frame.
        on_trial: called with the record and the ledger when a trial is over.
        say: called with sentences for the user.
        train: instead of `train_trial`, with its signature.
        **options: fields of `SweepConfig`, such as `target`, `trials`, `space`, `metric`.

    Raises:
        OrchestratorError: of the kind that says what is wrong; see `orchestrator.errors`.
    """
    if isinstance(data, pd.DataFrame):
        config = SweepConfig.create(data="data frame", **options)
        return run_sweep(config, load_table(data, config.name), on_trial=on_trial, say=say, train=train)
    return run_sweep(SweepConfig.create(data=str(data), **options), on_trial=on_trial, say=say, train=train)


def run_sweep(
    config: SweepConfig,
    table: Table | None = None,
    *,
    on_trial: Listener | None = None,
    say: Say | None = None,
    train: Train | None = None,
) -> SweepResult:
    """`sweep` with a configuration; see there."""
    started = time.perf_counter()
    say = say or (lambda _sentence: None)
    space = _space(config)
    table = table or load_table(config.data, config.name)
    dataset = prepare_dataset(
        table,
        config.target,
        task=Task(config.task) if config.task else None,
        categorical=config.categorical,
        ignore=config.ignore,
    )
    metric = find_metric(dataset.schema.target.task, config.metric)
    plan = _plan(config, space, dataset, metric)
    name = config.name or table.name
    for sentence in describe(dataset, metric):
        say(sentence)
    with ray_session(config.address):
        tracker = SweepTracker(config.tracking_uri, name, dataset, metric, _parameters(config, plan))
        try:
            return _run(config, plan, dataset, metric, tracker, name, started, on_trial=on_trial, say=say, train=train)
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            tracker.abandon("KILLED" if interrupted else "FAILED", "stopped by the user" if interrupted else str(error))
            raise


@dataclass(frozen=True)
class _Plan:
    sampler: SpecSampler
    points: list[dict[str, Any]]
    trials: int | None
    epochs: int


def _space(config: SweepConfig) -> SearchSpace:
    space = load_space(config.space)
    if config.architecture is None:
        return space
    if not is_custom(config.architecture):
        known_architecture(config.architecture)
    return space.only(config.architecture)


def _plan(config: SweepConfig, space: SearchSpace, dataset: Dataset, metric: Metric) -> _Plan:
    """What will be tried; also builds a user's own network once, so that a mistake in it shows before anything runs."""
    for architecture in space.architectures:
        if is_custom(architecture):
            spec = SpecSampler(space.only(architecture), metric.name, config.seed, {}).example()
            build_network(architecture, feature_shape(dataset), spec.settings)
    fixed_entries = {"epochs": config.epochs, "patience": config.patience}
    sampler = SpecSampler(
        space, metric.name, config.seed, {name: value for name, value in fixed_entries.items() if value is not None}
    )
    points = space.grid() if config.algorithm == "grid" else list(space.start_points)
    trials = config.trials
    if config.algorithm == "grid":
        trials = min(trials or len(points), len(points))
    elif trials is None and space.is_fixed:
        trials = 1
    elif trials is None and config.time_budget is None:
        trials = DEFAULT_TRIALS
    return _Plan(sampler, points, trials, config.epochs or space.epochs)


def describe(dataset: Dataset, metric: Metric) -> Iterator[str]:
    """Sentences about what was made of a data set."""
    target = dataset.schema.target
    kinds: dict[str, int] = {}
    for column in dataset.schema.columns:
        kinds[column.kind.value] = kinds.get(column.kind.value, 0) + 1
    columns = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    classes = f" of {len(target.classes)} classes" if target.task is Task.MULTICLASS else ""
    yield (
        f"{dataset.origin}: {len(dataset.train)} training, {len(dataset.validation)} validation and "
        f"{len(dataset.test)} test rows; columns: {columns}"
    )
    yield f"predicting '{target.name}' ({target.task}{classes}), optimising {metric.name}"
    yield from (f"note: {note}" for note in dataset.notes)


def _parameters(config: SweepConfig, plan: _Plan) -> dict[str, Any]:
    given = config.model_dump(mode="json", exclude_none=True, exclude={"tracking_uri", "metric", "resources"})
    return given | config.resources.model_dump(mode="json") | {"planned_trials": plan.trials, "max_epochs": plan.epochs}


def _run(
    config: SweepConfig,
    plan: _Plan,
    dataset: Dataset,
    metric: Metric,
    tracker: SweepTracker,
    name: str,
    started: float,
    *,
    on_trial: Listener | None,
    say: Say,
    train: Train | None,
) -> SweepResult:
    import ray

    from orchestrator.execution.ledger import Ledger
    from orchestrator.execution.slots import plan_slots
    from orchestrator.execution.trainable import ActorSettings, weights_file
    from orchestrator.training import train_trial

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    slots = plan_slots(nodes, config.resources, plan.trials)
    with _storage(config, name) as folder:
        device = "cuda" if config.resources.gpus_per_worker > 0 else "cpu"
        settings = ActorSettings(folder / "weights", slots.threads, device, train or train_trial)
        ledger = Ledger(metric, tracker.writer, settings, on_trial)
        say(_announcement(plan, config, slots.count, slots.threads))
        search_started = time.perf_counter()
        interrupted = _search(config, plan, dataset, metric, ledger, settings, slots.count, folder, say)
        search_seconds = time.perf_counter() - search_started
        tracker.close_trials(len(ledger.trials), ledger.reports)
        best = ledger.best
        if best is None or best.report is None:
            raise ExecutionError(_nothing(ledger, interrupted=interrupted))
        path = weights_file(settings.weights, best.index)
        winner = make_winner(
            best.spec, best.report, dataset, metric, lambda network: load_weights(network, path)
        )
    registration = None
    if config.register_model:
        registration = register_winner(
            tracker.client, tracker.writer.run_id(best.index), name, winner, metric, dataset.digest
        )
    _finish(tracker, best, winner, registration, ledger, interrupted=interrupted)
    return SweepResult(
        name,
        tracker.run_id,
        metric,
        tuple(ledger.trials[index] for index in sorted(ledger.trials)),
        best,
        winner.test,
        winner.bundle,
        registration,
        interrupted,
        time.perf_counter() - started,
        search_seconds,
        slots.count,
    )


def _search(
    config: SweepConfig,
    plan: _Plan,
    dataset: Dataset,
    metric: Metric,
    ledger: Ledger,
    settings: ActorSettings,
    slots: int,
    folder: Path,
    say: Say,
) -> bool:
    """Runs all trials through Ray Tune; True when the user stopped it."""
    _quiet_tune()
    from ray import tune

    from orchestrator.execution.trainable import TrialActor
    from orchestrator.search.algorithms import OBJECTIVE, build_search
    from orchestrator.search.schedulers import build_scheduler

    resources: dict[str, float] = {"CPU": config.resources.cpus_per_worker}
    if config.resources.gpus_per_worker > 0:
        resources["GPU"] = config.resources.gpus_per_worker
    trainable = tune.with_parameters(TrialActor, dataset=dataset.without_test(), settings=settings)
    budget = config.time_budget.total_seconds() if config.time_budget else None
    if budget is not None:
        ledger.stop_after(budget)
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode=metric.mode,
            search_alg=build_search(config.algorithm, plan.sampler, metric, plan.points),
            scheduler=build_scheduler(config.scheduler, plan.epochs),
            num_samples=plan.trials or -1,
            max_concurrent_trials=slots,
            time_budget_s=budget,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            callbacks=[ledger],
            # trials write their best weights themselves
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            verbose=0,
        ),
    )
    with stop_on_signal(say) as interruption:
        tuner.fit()
    ledger.close("stopped by the user" if interruption.requested else "the sweep ended before the trial did")
    return interruption.requested


def _quiet_tune() -> None:
    """Tune's own output and its signal handler are replaced by ours. Must run before Tune is imported."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
    os.environ.setdefault("TUNE_WARN_THRESHOLD_S", "10")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    if os.environ.get("ORCHESTRATOR_DEBUG", "") in ("", "0"):
        for logger in ("ray.tune", "ray.train", "ray._private"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)


@contextmanager
def _storage(config: SweepConfig, name: str) -> Iterator[Path]:
    """A folder for weights and Tune's state while the sweep runs."""
    base = config.storage or home() / "sweeps"
    folder = base.expanduser().resolve() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{base}: cannot be used as storage ({error.strerror}); give another --storage") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _announcement(plan: _Plan, config: SweepConfig, slots: int, threads: int) -> str:
    many = f"{plan.trials} trials" if plan.trials != 1 else "1 trial"
    amount = many if plan.trials else "trials"
    if config.time_budget is not None:
        amount += f" within {int(config.time_budget.total_seconds())} s"
    return (
        f"{amount} of at most {plan.epochs} epochs, {slots} at a time, "
        f"{threads} thread{'s' if threads > 1 else ''} each ({config.algorithm}, scheduler {config.scheduler})"
    )


def _nothing(ledger: Ledger, *, interrupted: bool) -> str:
    if interrupted:
        return "stopped before the first epoch of any trial was over: there is no model to keep"
    reasons: dict[str, int] = {}
    for trial in ledger.trials.values():
        reasons[trial.reason] = reasons.get(trial.reason, 0) + 1
    if not reasons:
        return "no trial was started before the time budget was spent; give more time"
    common, count = max(reasons.items(), key=lambda item: item[1])
    return f"no trial has a result; {count} of {len(ledger.trials)} ended with: {common}"


def _finish(
    tracker: SweepTracker,
    best: TrialRecord,
    winner: Winner,
    registration: Registration | None,
    ledger: Ledger,
    *,
    interrupted: bool,
) -> None:
    figures = {f"test_{name}": value for name, value in winner.test.items()}
    if best.value is not None:
        figures["objective"] = best.value
    statuses = [trial.status for trial in ledger.trials.values()]
    labels = {
        "orchestrator.best_trial": str(best.index),
        **{f"orchestrator.trials_{status}": str(statuses.count(status)) for status in sorted(set(statuses))},
    }
    if registration is not None:
        labels |= {
            "orchestrator.model": f"models:/{registration.name}/{registration.version}",
            "orchestrator.champion": f"{'yes' if registration.champion else 'no'}: {registration.reason}",
        }
    tracker.finish("KILLED" if interrupted else "FINISHED", figures, labels)
