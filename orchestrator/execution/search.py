"""Running the trials of a plan through Ray Tune."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.environment import debugging
from orchestrator.execution.interrupt import stop_on_signal
from orchestrator.execution.plan import SweepPlan

if TYPE_CHECKING:
    from orchestrator.execution.ledger import Ledger
    from orchestrator.execution.trainable import ActorSettings

# Tune reads these when it is imported or starts; its chatter and its Ctrl-C handler are replaced by ours
TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def run_trials(
    plan: SweepPlan, ledger: Ledger, settings: ActorSettings, slots: int, folder: Path, say: Callable[[str], None]
) -> bool:
    """Runs all trials and fills the ledger; `quiet_tune` comes before.

    Args:
        plan: what to run.
        ledger: told of every result.
        settings: of the trial processes.
        slots: trials at once.
        folder: for Tune's own state.
        say: is told of an interruption.

    Returns:
        Whether the user stopped it.
    """
    from ray import tune

    from orchestrator.execution.trainable import TrialActor
    from orchestrator.search.algorithms import OBJECTIVE, build_search
    from orchestrator.search.schedulers import build_scheduler

    config = plan.config
    needs: dict[str, float] = {"CPU": config.resources.cpus_per_worker}
    if config.resources.gpus_per_worker > 0:
        needs["GPU"] = config.resources.gpus_per_worker
    trainable = tune.with_parameters(TrialActor, dataset=plan.dataset.without_test(), settings=settings)
    budget = config.time_budget.total_seconds() if config.time_budget else None
    if budget is not None:
        ledger.stop_after(budget)
    tuner = tune.Tuner(
        tune.with_resources(trainable, needs),
        tune_config=tune.TuneConfig(
            metric=OBJECTIVE,
            mode=plan.metric.mode,
            search_alg=build_search(config.algorithm, plan.sampler, plan.metric, plan.points),
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
    ledger.close(interrupted=interruption.requested)
    return interruption.requested


def quiet_tune() -> None:
    """Sets `TUNE_ENVIRONMENT` and the levels of Ray's loggers; must run before Tune is imported."""
    for name, value in TUNE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not debugging():
        for logger in ("ray.tune", "ray.train", "ray._private"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
