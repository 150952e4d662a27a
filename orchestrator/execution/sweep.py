"""`sweep`: search for the best network for a data set."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestrator.bundle import ModelBundle
from orchestrator.cluster import ray_session, silence
from orchestrator.config import SweepConfig
from orchestrator.data import Examples, PartName, Run, StreamedDataset, Table, load_table
from orchestrator.environment import home
from orchestrator.errors import ExecutionError, StorageError
from orchestrator.execution.plan import SweepPlan, describe, is_streamed, make_plan, readers_of, space_of, workers_of
from orchestrator.execution.search import Running, quiet_tune, run_trials
from orchestrator.execution.sharing import check_shared
from orchestrator.execution.slots import cluster_slots
from orchestrator.execution.winner import Winner, make_winner, register_winner, test_part
from orchestrator.storage import Storage
from orchestrator.tracking import tags
from orchestrator.tracking.registry import Registration
from orchestrator.tracking.sweeps import SweepTracker
from orchestrator.training import Metric, unpack_weights

if TYPE_CHECKING:
    from orchestrator.execution.gangs.pool import GangPool
    from orchestrator.execution.ledger import Ledger, Listener, TrialRecord
    from orchestrator.execution.trainable import Train

Say = Callable[[str], None]
QUICK_SECONDS = 2.0


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
        seconds: wall time, from reading the data to the end.
        search_seconds: of these, from the start of Tune to its end.
        slots: trials at once.
    """

    name: str
    run_id: str
    metric: Metric
    trials: tuple[TrialRecord, ...]
    best: TrialRecord
    test: Mapping[str, float]
    bundle: ModelBundle
    registration: Registration | None
    interrupted: bool
    seconds: float
    search_seconds: float
    slots: int


@dataclass(frozen=True)
class Hooks:
    """What a caller may listen to or replace.

    Attributes:
        on_trial: called with the record and the ledger when a trial is over.
        say: called with sentences for the user.
        train: instead of `train_trial`, with its signature.
    """

    on_trial: Listener | None = None
    say: Say = lambda _sentence: None
    train: Train | None = None


def sweep(
    data: str | Path | pd.DataFrame,
    *,
    on_trial: Listener | None = None,
    say: Say | None = None,
    **options: Any,  # noqa: ANN401
) -> SweepResult:
    """Searches architectures and their settings for a data set, tracks all in MLflow and registers the winner.

    Args:
        data: `sklearn:NAME`, a CSV or Parquet file, a folder of Parquet files, or a data frame.
        on_trial: called with the record and the ledger when a trial is over.
        say: called with sentences for the user.
        **options: fields of `SweepConfig`, such as `target`, `trials`, `space`, `metric`.

    Raises:
        OrchestratorError: of the kind that says what is wrong; see `orchestrator.errors`.
    """
    hooks = Hooks(on_trial, say or Hooks.say)
    if isinstance(data, pd.DataFrame):
        config = SweepConfig.create(data="data frame", **options)
        return run_sweep(config, load_table(data, config.name), hooks)
    return run_sweep(SweepConfig.create(data=str(data), **options), None, hooks)


def run_sweep(config: SweepConfig, table: Table | None = None, hooks: Hooks | None = None) -> SweepResult:
    """`sweep` with a configuration, and the data if it is not in a file; see there."""
    started = time.perf_counter()
    hooks = hooks or Hooks()
    sizes = workers_of(config, space_of(config))
    streamed = is_streamed(config, table)
    connected: Future[None] = Future()
    with ThreadPoolExecutor(2, "sweep-opener") as opener:
        # data is read, and the store opened, while Ray and the gangs start: each takes seconds
        planning = opener.submit(make_plan, config, table, _runner(connected))
        opening = opener.submit(_open_tracker, config, planning)
        try:
            # what is wrong with data that is read quickly is said before anything starts
            with contextlib.suppress(TimeoutError):
                planning.result(QUICK_SECONDS)
            with (
                ray_session(config.address) as ends,
                _storage(config, table) as storage,
                _pool(config, sizes, storage, wait=not ends, streamed=streamed) as pool,
            ):
                connected.set_result(None)
                plan = planning.result()
                for sentence in describe(plan.dataset, plan.metric):
                    hooks.say(sentence)
                return _run(plan, opening.result(), hooks, pool, storage, started)
        except BaseException as error:
            connected.cancel()
            if opening.exception() is None:
                interrupted = isinstance(error, KeyboardInterrupt)
                reason = "stopped by the user" if interrupted else str(error)
                opening.result().abandon("KILLED" if interrupted else "FAILED", reason)
            raise


def _runner(connected: Future[None]) -> Run:
    """Runs the first pass over a folder on the cluster, as soon as there is a connection to it."""

    def run(function: Any, numbers: Iterable[int]) -> Iterator[Any]:  # noqa: ANN401
        connected.result()
        from orchestrator.execution.streaming import run_on_cluster

        return run_on_cluster(function, numbers)

    return run


def _open_tracker(config: SweepConfig, planning: Future[SweepPlan]) -> SweepTracker:
    plan = planning.result()
    return SweepTracker(config.tracking_uri, plan.name, plan.dataset, plan.metric, plan.parameters)


@contextmanager
def _pool(
    config: SweepConfig, sizes: Mapping[str, int], storage: Storage, *, wait: bool, streamed: bool
) -> Iterator[GangPool | None]:
    """Gangs, if any trial has several workers. Trials of one size get them at once, unless all cores are to read first.

    They end with the connection to Ray; only if that goes on afterwards, their end has to be waited for.
    """
    quiet_tune()
    slots = cluster_slots(config, sizes, config.trials, readers_of(config, streamed=streamed))
    if set(sizes.values()) == {1}:
        yield None
        return
    from orchestrator.execution.gangs.pool import GangPool

    pool = GangPool(config.resources, storage)
    try:
        if not streamed and len(set(sizes.values())) == 1:
            for _ in range(slots.count):
                pool.start(next(iter(sizes.values())))
        yield pool
    finally:
        if wait:
            with silence():
                pool.close()
        else:
            pool.abandon()


def _run(
    plan: SweepPlan, tracker: SweepTracker, hooks: Hooks, pool: GangPool | None, storage: Storage, started: float
) -> SweepResult:
    from orchestrator.execution.ledger import Ledger
    from orchestrator.execution.trainable import ActorSettings, weights_name
    from orchestrator.training import train_trial

    slots = cluster_slots(plan.config, plan.workers, plan.trials, plan.readers)
    device = "cuda" if plan.config.resources.gpus_per_worker > 0 else "cpu"
    settings = ActorSettings(storage, slots.threads, device, hooks.train or train_trial, plan.readers)
    ledger = Ledger(plan.metric, tracker.writer, settings, hooks.on_trial)
    hooks.say(plan.announcement(slots))
    search_started = time.perf_counter()
    interrupted = run_trials(plan, ledger, Running(slots, settings, _validation(plan), pool, hooks.say))
    search_seconds = time.perf_counter() - search_started
    tracker.close_trials(len(ledger.trials), ledger.reports)
    best = ledger.best
    if best is None or best.report is None:
        raise ExecutionError(_nothing(ledger, interrupted=interrupted))
    weights = storage.read(weights_name(best.index))
    winner = make_winner(
        best.spec,
        best.report,
        plan.dataset,
        plan.metric,
        lambda network: unpack_weights(network, weights),
        _test_rows(plan),
    )
    registration = None
    if plan.config.register_model:
        run_id = tracker.writer.run_id(best.index)
        registration = register_winner(tracker.client, run_id, plan.name, winner, plan.metric, plan.dataset.digest)
    _finish(tracker, best, winner, registration, ledger, interrupted=interrupted)
    return SweepResult(
        plan.name,
        tracker.run_id,
        plan.metric,
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


def _validation(plan: SweepPlan) -> tuple[Any, ...]:
    """References to the validation rows of a streamed data set: all trials use the same."""
    if not isinstance(plan.dataset, StreamedDataset):
        return ()
    from orchestrator.execution.streaming import encoded_part

    return tuple(encoded_part(plan.dataset, PartName.VALIDATION))


def _test_rows(plan: SweepPlan) -> Iterable[Examples]:
    if not isinstance(plan.dataset, StreamedDataset):
        return test_part(plan.dataset)
    from orchestrator.execution.streaming import encoded_part, fetch

    return fetch(encoded_part(plan.dataset, PartName.TEST))


@contextmanager
def _storage(config: SweepConfig, table: Table | None) -> Iterator[Storage]:
    """A place for the weights of trials while the sweep runs; all nodes must be able to write there.

    Raises:
        UsageError: it cannot be used, or not by all nodes.
    """
    base = Storage.at(config.storage or home() / "sweeps")
    name = config.name or (table.name if table is not None else config.sweep_name)
    storage = base.child(f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    storage.prepare()
    try:
        check_shared(storage)
        yield storage
    finally:
        with contextlib.suppress(StorageError):
            storage.clear()


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
        figures[tags.OBJECTIVE] = best.value
    statuses = [trial.status for trial in ledger.trials.values()]
    labels = {
        tags.BEST_TRIAL: str(best.index),
        **{f"{tags.TRIALS}.{status}": str(statuses.count(status)) for status in sorted(set(statuses))},
    }
    if registration is not None:
        labels[tags.MODEL] = f"models:/{registration.name}/{registration.version}"
        labels[tags.CHAMPION] = f"{'yes' if registration.champion else 'no'}: {registration.reason}"
    tracker.finish("KILLED" if interrupted else "FINISHED", figures, labels)
