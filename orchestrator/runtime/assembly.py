"""A sweep put together before its first trial: where it comes from, what is written down of it, what it runs on."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config import SweepConfig
from orchestrator.data import Table
from orchestrator.journal.folder import Header
from orchestrator.journal.journal import NO_PAST, Past
from orchestrator.journal.package import keep_package
from orchestrator.journal.statuses import SweepStatus
from orchestrator.runtime.hooks import Hooks
from orchestrator.search import SearchSpace, space_of
from orchestrator.search.warm_start import EarlierSweep
from orchestrator.storage import Storage
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.resume import GOES_ON
from orchestrator.tracking import tags

if TYPE_CHECKING:
    from orchestrator.journal import Journal
    from orchestrator.runtime.engine import Engine, Runner
    from orchestrator.sweeps.controller import SweepController
    from orchestrator.sweeps.slots import Slots


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a sweep comes from and where it is kept.

    Attributes:
        id: of the sweep.
        storage: its folder.
        config: its options.
        table: its data, if that is not in a file.
        known: what an earlier session knew, None for a new sweep.
        package: folder with what a job has brought along, None if the sweep is no job's.
        damage: why `known` was read from its second copy; empty if it was not.
        past: what had happened in earlier sessions when the options of this one were worked out.
        passing: whether its folder is deleted at the end, so that a report in it would be for nobody.
        earlier: sweeps whose best trials a new one tries first.
    """

    id: str
    storage: Storage
    config: SweepConfig
    table: Table | None
    known: Header | None = None
    package: Path | None = None
    damage: str = ""
    past: Past = NO_PAST
    passing: bool = False
    earlier: tuple[EarlierSweep, ...] = ()

    @property
    def space(self) -> SearchSpace:
        """What is searched; of an earlier session that one's, whatever the file says now."""
        return space_of(self.config) if self.known is None else SearchSpace.model_validate(self.known.space)

    @property
    def next_step(self) -> str:
        """The end of a sentence that says why the sweep has not come to its end: what to do now."""
        if self.passing:
            return "nothing is kept of it, so start it again; with `storage` a sweep keeps its folder and can go on"
        return f"{GOES_ON} {self.id}"


def first_header(plan: SweepPlan, origin: Origin, tracking_uri: str) -> Header:
    """What is written down of a sweep before anything of it is anywhere else.

    Args:
        plan, origin: of the sweep.
        tracking_uri: the store that is to have it, as it is seen from any folder; empty for MLflow's default.
    """
    config = plan.config.model_dump(mode="json", exclude_none=True, exclude={"storage"})
    notes = tuple(note.to_json() for note in plan.dataset.notes)
    if origin.known is not None:
        return replace(origin.known, config=config, notes=notes, status=SweepStatus.RUNNING)
    if plan.config.keep_package:
        keep_package(origin.storage)
    else:
        paths = {"data": plan.config.data, **plan.config.rows.files}
        config |= {name: str(Path(path).resolve()) for name, path in paths.items() if Path(path).exists()}
    return Header(
        id=origin.id,
        name=plan.name,
        config=config,
        space=plan.sampler.space.model_dump(mode="json"),
        digest=plan.dataset.digest,
        metric=plan.metric.name,
        run_id=None,
        tracking_uri=tracking_uri,
        threads=0,
        folder=str(Path.cwd()),
        labels={
            tags.SWEEP_ID: origin.id,
            tags.DIGEST: plan.dataset.digest,
            tags.DEVICE: "cuda" if plan.config.resources.gpus_per_worker > 0 else "cpu",
            tags.WORKERS: json.dumps(dict(plan.workers)),
        },
        started=time.time(),
        notes=notes,
        maximize=plan.metric.maximize,
    )


def last_header(header: Header, slots: Slots, plan: SweepPlan) -> Header:
    """The header with what is known when Ray has started; of an earlier session that stays as it is."""
    if header.threads:
        return header
    labels = {**header.labels, tags.THREADS: str(slots.threads), tags.EPOCHS: str(plan.epochs)}
    space = plan.sampler.space.model_dump(mode="json")
    return replace(header, threads=slots.threads, labels=labels, space=space)


def assemble(
    plan: SweepPlan,
    origin: Origin,
    hooks: Hooks,
    *,
    engine: Engine,
    slots: Slots,
    header: Header,
    journal: Journal,
) -> tuple[SweepController, Runner]:
    """Everything that a sweep runs on, put together."""
    from orchestrator.runtime.worker.session import WorkerSettings
    from orchestrator.search import Proposals, find_scheduler
    from orchestrator.sweeps.controller import SweepController
    from orchestrator.sweeps.disk import Disk, quota
    from orchestrator.sweeps.limits import Limits
    from orchestrator.sweeps.slots import own_limit
    from orchestrator.sweeps.trial_table import TrialTable
    from orchestrator.training import train_trial

    config = plan.config
    timeout = None if config.epoch_timeout is None else config.epoch_timeout.total_seconds()
    modules = Path(header.folder)
    settings = WorkerSettings(
        storage=origin.storage,
        threads=min(header.threads, os.cpu_count() or header.threads),
        device="cuda" if config.resources.gpus_per_worker > 0 else "cpu",
        train=hooks.train or train_trial,
        readers=plan.readers,
        epoch_timeout=timeout,
        quota=quota(config.disk_budget, slots.count),
        modules=modules if modules.is_dir() else Path.cwd(),
    )
    # a budget is shared out among the trials that there can be at once, which must not become more
    limit = own_limit(config, plan.workers, plan.readers) if config.disk_budget is None else slots.count
    room = engine.room(config, limit, plan.readers)
    controller = SweepController(
        trial_table=TrialTable(plan.metric),
        proposals=Proposals(plan.searcher, plan.sampler, plan.metric, plan.points),
        scheduler=find_scheduler(config.scheduler).create(plan.epochs, plan.sampler.space, config.seed),
        room=room,
        sizes=plan.workers,
        limits=Limits(config.max_failures, config.failed_share, timeout),
        disk=Disk(origin.storage, config.keep_top, config.disk_budget, candidates=config.kept_trials),
        record=journal.record,
        listener=hooks.on_trial,
        notify=hooks.notify,
        alive=journal.check,
    )
    return controller, engine.runner(plan, slots=slots, settings=settings, room=room, notify=hooks.notify)
