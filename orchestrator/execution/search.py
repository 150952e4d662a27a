"""Running the trials of a plan through Ray Tune."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.environment import debugging
from orchestrator.execution.interrupt import stop_on_signal
from orchestrator.execution.plan import SweepPlan

if TYPE_CHECKING:
    from orchestrator.execution.gangs.pool import GangPool
    from orchestrator.execution.ledger import Ledger
    from orchestrator.execution.slots import Slots
    from orchestrator.execution.trainable import ActorSettings

# Tune reads these when it is imported or starts; its chatter and its Ctrl-C handler are replaced by ours
TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class Running:
    """What trials run on.

    Attributes:
        slots: trials at once, as it looks at the start.
        settings: of all workers.
        validation: references to the validation rows of a streamed data set.
        pool: of gangs, None if each trial is its own worker.
        say: is told of interruptions and of waiting.
    """

    slots: Slots
    settings: ActorSettings
    validation: tuple[Any, ...]
    pool: GangPool | None
    say: Callable[[str], None]


def run_trials(plan: SweepPlan, ledger: Ledger, running: Running) -> bool:
    """Runs all trials and fills the ledger; `quiet_tune` comes before.

    Returns:
        Whether the user stopped it.

    Raises:
        ExecutionError: nothing of it found a place within the placement timeout.
    """
    budget = plan.config.time_budget
    if budget is not None:
        ledger.stop_after(budget.total_seconds())
    # so many trials may wait for their processes at the same time; Tune has no argument for it
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(running.slots.count)
    with (
        # Tune's own state, which is not used here; what counts is in the storage and in the tracking store
        tempfile.TemporaryDirectory(prefix="orchestrator-tune-") as folder,
        stop_on_signal(running.say) as interruption,
    ):
        _tuner(plan, ledger, running, folder).fit()
    ledger.close(interrupted=interruption.requested)
    return interruption.requested


def _tuner(plan: SweepPlan, ledger: Ledger, running: Running, folder: str) -> Any:  # noqa: ANN401
    from ray import tune

    from orchestrator.execution.admission import Admission, AdmittedSearch, PlacementWatch
    from orchestrator.search.algorithms import OBJECTIVE, build_search
    from orchestrator.search.schedulers import build_scheduler

    config = plan.config
    admission = Admission(config.resources, config.concurrency, running.pool, plan.readers)
    search = build_search(config.algorithm, plan.sampler, plan.metric, plan.points)
    patience = config.placement_timeout.total_seconds()
    return tune.Tuner(
        _trainable(plan, running),
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode=plan.metric.mode,
            search_alg=AdmittedSearch(search, admission, plan.workers),
            scheduler=build_scheduler(config.scheduler, plan.epochs),
            num_samples=plan.trials or -1,
            time_budget_s=config.time_budget.total_seconds() if config.time_budget else None,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=folder,
            callbacks=[ledger, PlacementWatch(config.resources, patience, running.pool, running.say)],
            # trials write their best weights themselves
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            verbose=0,
        ),
    )


def _trainable(plan: SweepPlan, running: Running) -> Any:  # noqa: ANN401
    import ray
    from ray import tune

    dataset = plan.dataset.without_test()
    if running.pool is None:
        from orchestrator.execution.trainable import TrialActor

        needs = plan.config.resources.needs
        needs["CPU"] += plan.readers
        trainable = tune.with_parameters(
            TrialActor, dataset=dataset, settings=running.settings, validation=running.validation
        )
        return tune.with_resources(trainable, needs)
    from orchestrator.execution.gangs.trial import GangTrial, Line

    line = Line(running.pool.switchboard, ray.put((ray.put(dataset), running.settings, running.validation)))
    # Tune refuses a trial that needs nothing; a thousandth of a CPU would keep the last gang from its place
    return tune.with_resources(tune.with_parameters(GangTrial, line=line), {"CPU": plan.readers, "memory": 2**20})


def quiet_tune() -> None:
    """Sets `TUNE_ENVIRONMENT` and the levels of Ray's loggers; must run before Tune is imported."""
    for name, value in TUNE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not debugging():
        for logger in ("ray.tune", "ray.train", "ray._private"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
