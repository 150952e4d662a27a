"""`sweep` and `resume`: search for the best network for a data set, and go on with a search."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cluster import is_own_ray, ray_session, silence
from orchestrator.config import SweepConfig
from orchestrator.data import Run, Table, is_streamed
from orchestrator.errors import StoppedError, StorageError
from orchestrator.journal.folder import (
    Header,
    KnownSweep,
    new_id,
    sweeps_home,
    write_header,
)
from orchestrator.journal.journal import Past
from orchestrator.journal.lock import Lock
from orchestrator.journal.statuses import SweepStatus
from orchestrator.networks import is_custom
from orchestrator.runtime.assembly import Origin, assemble, last_header
from orchestrator.runtime.background import in_background
from orchestrator.runtime.describing import described
from orchestrator.runtime.early_imports import after, import_for_export, import_for_search, preload_for
from orchestrator.runtime.findings import find_out
from orchestrator.runtime.hooks import Hooks, observed
from orchestrator.runtime.opening import STOPS, give_up, open_tracker, sweep_folder
from orchestrator.runtime.planning import earlier_sweeps, plan_sweep
from orchestrator.runtime.reporting import report_ended
from orchestrator.runtime.result import SweepResult
from orchestrator.runtime.sharing import check_shared
from orchestrator.runtime.slots import cluster_slots
from orchestrator.runtime.sweep_metrics import with_metrics
from orchestrator.runtime.tune.run import quiet_tune
from orchestrator.runtime.untracked import OpenTracker
from orchestrator.storage import Storage
from orchestrator.sweeps.plan import SweepPlan, describe, readers_of, workers_of
from orchestrator.sweeps.presets import with_preset
from orchestrator.sweeps.spent import spent_by
from orchestrator.tracking.sweeps import made_anew

if TYPE_CHECKING:
    from orchestrator.evaluation.stored_models import StoredModels
    from orchestrator.journal import Journal
    from orchestrator.runtime.engine import Engine, Runner
    from orchestrator.runtime.gangs.pool import GangPool
    from orchestrator.sweeps.controller import SweepController

QUICK_SECONDS = 2.0
# makes the run of a sweep in MLflow, or what stands in its place, and says what is written down of the sweep
Opener = Callable[[Origin, Future[SweepPlan]], tuple[OpenTracker, Header]]
# to try a network of the user's own takes torch
CUSTOM_SECONDS = 15.0
GANG_FOLDER = "gangs"


def run_sweep(config: SweepConfig, table: Table | None = None, hooks: Hooks | None = None) -> SweepResult:
    """A sweep from its beginning to its end.

    Args:
        config: what the user asked for.
        table: the data, if it is not in a file.
        hooks: what to listen to, or to replace.

    Raises:
        OrchestratorError: of the kind that says what is wrong.
    """
    return run_on_ray(new_origin(config, table), hooks or Hooks(), open_tracker)


def new_origin(config: SweepConfig, table: Table | None) -> Origin:
    """Where a new sweep comes from, and where it is kept; see `run_sweep`."""
    config, earlier = earlier_sweeps(with_preset(config))
    base = sweeps_home() if config.storage is None else Storage.at(config.storage)
    name = config.name or (table.name if table is not None else config.sweep_name)
    sweep_id = new_id(name)
    return Origin(id=sweep_id, storage=base.child(sweep_id), config=config, table=table, earlier=earlier)


def continue_sweep(
    found: KnownSweep,
    past: Past,
    config: SweepConfig,
    *,
    table: Table | None = None,
    hooks: Hooks | None = None,
    package: Path | None = None,
) -> SweepResult:
    """Goes on with a sweep of an earlier session; `resume_sweep` finds it, reads its past and works out its options."""
    origin = Origin(
        id=found.id,
        storage=found.storage,
        config=config,
        table=table,
        known=found.header,
        package=package,
        damage=found.damage,
        past=past,
    )
    return run_on_ray(origin, hooks or Hooks(), open_tracker)


def run_on_ray(origin: Origin, hooks: Hooks, opener: Opener) -> SweepResult:
    """A session of a sweep on a Ray of its own, on a cluster, or on the Ray that this process is connected to.

    Args:
        origin, hooks: of the sweep.
        opener: makes its run in MLflow, or what stands in its place.
    """
    started = time.time()
    config, table = origin.config, origin.table
    space = origin.space
    sizes = workers_of(config, space)
    streamed = table is None and is_streamed(config.data)
    if origin.damage:
        hooks.notify(f"{origin.damage}; it is made again from its second copy")
    if origin.known is not None and origin.known.folder not in sys.path:
        # for the user's own networks
        sys.path.append(origin.known.folder)
    connected: Future[None] = Future()
    opening: Future[tuple[OpenTracker, Header]] | None = None
    quiet_tune()
    with sweep_folder(origin) as lock:
        # data is read, the store opened, and packages imported, while Ray and the gangs start: each takes seconds
        planning = in_background(plan_sweep, config, table, _runner(connected), space, origin.earlier)
        try:
            # what is wrong with data that is read quickly is said before anything starts
            with contextlib.suppress(TimeoutError):
                planning.result(CUSTOM_SECONDS if any(map(is_custom, space.architectures)) else QUICK_SECONDS)
            # before the others, which would hold it up: Ray's processes then start while they import
            importlib.import_module("ray")
            opening = in_background(opener, origin, planning)
            imports = in_background(import_for_search, gangs=set(sizes.values()) != {1})
            with (
                ray_session(
                    config.address,
                    working_dir=origin.package,
                    preload=preload_for(config, sizes, streamed=streamed),
                    notify=hooks.notify,
                ) as ends,
                after(imports),
                _shared(origin.storage, lock),
                _pool(config, sizes, origin.storage, wait=not ends, streamed=streamed) as pool,
            ):
                from orchestrator.runtime.tune.engine import RayEngine
                from orchestrator.runtime.tune.lifeline import told_how_to_go_on

                connected.set_result(None)
                plan = planning.result()
                describe(plan.dataset, plan.metric, hooks.notify)
                for sentence in plan.started_from:
                    hooks.notify(sentence)
                tracker, header = opening.result()
                with told_how_to_go_on(origin.next_step), with_metrics(hooks, tracker) as observed_hooks:
                    return search_and_finalize(
                        plan,
                        origin,
                        tracker=tracker,
                        header=header,
                        hooks=observed_hooks,
                        engine=RayEngine(pool),
                        lock=lock,
                        started=started,
                    )
        except BaseException as error:
            connected.cancel()
            if opening is not None:
                give_up(origin, opening, error)
            raise


def _runner(connected: Future[None]) -> Run:
    """Runs the first pass over a folder on the cluster, as soon as there is a connection to it."""

    def run(function: Any, numbers: Iterable[int]) -> Iterator[Any]:  # noqa: ANN401
        connected.result()
        from orchestrator.runtime.streaming.tasks import run_on_cluster

        return run_on_cluster(function, numbers)

    return run


@contextmanager
def _shared(storage: Storage, lock: Lock) -> Iterator[None]:
    """All nodes see the folder; what Ray Train has written there is deleted at the end.

    Raises:
        ExecutionError: a node does not see it.
    """
    check_shared(storage)
    try:
        yield
    finally:
        if lock.lost is None:
            with contextlib.suppress(StorageError):
                storage.child(GANG_FOLDER).clear()


@contextmanager
def _pool(
    config: SweepConfig, sizes: Mapping[str, int], storage: Storage, *, wait: bool, streamed: bool
) -> Iterator[GangPool | None]:
    """Gangs, if any trial has several workers. Trials of one size get them at once, unless all cores are to read first.

    They end with the connection to Ray; only if that goes on afterwards, their end has to be waited for.
    """
    slots = cluster_slots(config, sizes, config.trials, readers_of(config, streamed=streamed))
    if set(sizes.values()) == {1}:
        yield None
        return
    from orchestrator.runtime.gangs.pool import GangPool

    pool = GangPool(config.resources, storage.child(GANG_FOLDER))
    try:
        if not streamed and len(set(sizes.values())) == 1:
            # on a cluster that others use, the others start when it is known how many there may be
            for _ in range(slots.count if is_own_ray() else 1):
                pool.start(next(iter(sizes.values())))
        yield pool
    finally:
        if wait:
            with silence():
                pool.close()
        else:
            pool.abandon()


def search_and_finalize(
    plan: SweepPlan,
    origin: Origin,
    *,
    tracker: OpenTracker,
    header: Header,
    hooks: Hooks,
    engine: Engine,
    lock: Lock,
    started: float,
) -> SweepResult:
    """A sweep that has its folder, its plan and its tracker, to its end.

    Args:
        plan, origin, hooks: of the sweep.
        tracker, header: what its opener gave.
        engine: where its trials run.
        lock: of its folder.
        started: `time.time()` of its beginning.
    """
    from orchestrator.evaluation.stored_models import StoredModels
    from orchestrator.sweeps.choice import find_winner
    from orchestrator.sweeps.finalize import finalize

    slots = engine.slots(plan)
    plan = plan if header.threads else plan.paced(slots, hooks.notify)
    header = last_header(header, slots, plan)
    past, journal = _begin(origin, tracker, header, hooks, lock)
    with _closing(origin, header, journal, hooks) as end:
        controller, runner = assemble(plan, origin, hooks, engine=engine, slots=slots, header=header, journal=journal)
        controller.restore(past.events)
        models = StoredModels(
            storage=origin.storage, dataset=plan.dataset, metric=plan.metric, rows=engine.rows, bounds=plan.bounds
        )
        _drop_lost(plan, controller, models, hooks)
        controller.open(plan.trials, plan.outlook(slots), started)
        hooks.notify(plan.announcement(slots, len(controller.trial_table.ended())))
        interrupted = _search(plan, origin, controller, runner)
        journal.flush()
        best, winner, skipped = find_winner(plan, controller, models, hooks.notify)
        if not origin.passing:
            winner = described(winner, plan, origin.id)
        journal.flush()
        ending = finalize(
            plan, tracker, best=best, winner=winner, skipped=skipped, controller=controller, storage=origin.storage
        )
        end.status = SweepStatus.INTERRUPTED if interrupted else SweepStatus.FINISHED
        reached = None if ending.unsent is not None else tracker
        if not origin.passing:
            if not interrupted:
                find_out(plan, controller.trial_table, winner, origin.storage, hooks.notify)
            late = _is_late(plan, controller)
            report_ended(origin.storage, header, end.status, tracker=reached, notify=hooks.notify, late=late)
    return SweepResult(
        id=origin.id,
        name=plan.name,
        run_id=tracker.run_id,
        metric=plan.metric,
        trials=tuple(record for _, record in sorted(controller.trial_table.trials.items())),
        best=best,
        validation=winner.validation,
        ensemble=winner.ensemble,
        bounded=winner.bounded,
        test=winner.test,
        notes=plan.dataset.notes,
        bundle=winner.bundle,
        skipped=skipped,
        accepted=not skipped or plan.config.allow_second_best,
        test_looks=ending.looks,
        registration=ending.registration,
        unsent=ending.unsent,
        interrupted=interrupted,
        seconds=controller.trial_table.time.in_all(time.time()),
        search_seconds=controller.trial_table.time.search,
        slots=slots.count,
        spent=spent_by(plan, controller.trial_table),
    )


def _is_late(plan: SweepPlan, controller: SweepController) -> bool:
    """Whether the time budget is over, of all sessions."""
    budget = plan.config.time_budget
    return budget is not None and controller.trial_table.elapsed(time.time()) > budget.total_seconds()


def _search(plan: SweepPlan, origin: Origin, controller: SweepController, runner: Runner) -> bool:
    """Whether the user has stopped it; what the end needs is imported meanwhile."""
    exporter = in_background(import_for_export)
    try:
        interrupted = runner.run(plan, controller)
    except StoppedError as error:
        raise StoppedError(f"{error}; {origin.next_step}") from error
    exporter.result()
    return interrupted


def _begin(origin: Origin, tracker: OpenTracker, header: Header, hooks: Hooks, lock: Lock) -> tuple[Past, Journal]:
    """What has happened so far, and the journal of what happens now, which MLflow is told, too."""
    from orchestrator.journal import Journal
    from orchestrator.journal.journal import read_past
    from orchestrator.sweeps.finalize import forget_outcome

    if origin.known is not None and origin.known.run_id not in (None, tracker.run_id):
        hooks.notify(made_anew(origin.known, tracker.run_id))
    past = origin.past if origin.past.is_current(origin.storage) else read_past(origin.storage)
    forget_outcome(origin.storage)
    write_header(origin.storage, header)
    tell = observed(tracker.start(header.labels, past.events).put, hooks)
    for observer in hooks.observers.values():
        observer.on_open(KnownSweep(header, origin.storage), past.events)
    return past, Journal(origin.storage, tell, lock.check)


@dataclass
class _End:
    """How a session ends: its status, and why if something went wrong."""

    status: SweepStatus = SweepStatus.FAILED
    reason: str = ""


@contextmanager
def _closing(origin: Origin, header: Header, journal: Journal, hooks: Hooks) -> Iterator[_End]:
    """Whatever happens, journal and header say at the end how it has ended, and after an error so does a report."""
    from orchestrator.journal import Closed

    end, has_failed, is_written = _End(), False, False
    try:
        yield end
    except BaseException as error:
        has_failed = True
        if isinstance(error, KeyboardInterrupt | SystemExit):
            hooks.notify(origin.next_step)
        end.status = SweepStatus.INTERRUPTED if isinstance(error, STOPS) else SweepStatus.FAILED
        end.reason = str(error)
        raise
    finally:
        journal.record(Closed(time.time(), end.status, end.reason))
        with contextlib.suppress(StorageError):
            # where it is lost, nothing more is written
            journal.flush()
            write_header(origin.storage, header.with_status(end.status))
            is_written = True
        journal.close()
        if has_failed and is_written and not origin.passing:
            report_ended(origin.storage, header, end.status, tracker=None, notify=hooks.notify)


def _drop_lost(plan: SweepPlan, controller: SweepController, models: StoredModels, hooks: Hooks) -> None:
    """What is left of earlier sessions without its weights does not take part any more, and the user hears of it."""
    from orchestrator.sweeps.choice import drop_lost, sentences

    lost = drop_lost(controller.trial_table, models, plan.config.kept_trials)
    for sentence in sentences(lost, plan.metric):
        hooks.notify(sentence)
