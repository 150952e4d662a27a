"""Running the trials of a plan through Ray Tune."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.environment import debugging
from orchestrator.errors import StoppedError
from orchestrator.runtime.engine import limit_time
from orchestrator.runtime.tune.interrupt import stop_on_signal
from orchestrator.storage import Storage
from orchestrator.sweeps.plan import SweepPlan

if TYPE_CHECKING:
    from orchestrator.runtime.gangs.pool import GangPool
    from orchestrator.runtime.tune.room import ClusterRoom
    from orchestrator.runtime.worker.session import WorkerSettings
    from orchestrator.sweeps.controller import SweepController
    from orchestrator.sweeps.slots import Slots

# Tune reads these when it is imported or starts; its chatter and its Ctrl-C handler are replaced by ours
TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Tune's state of all trials, which is not used here, is written at the end only
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
}


@dataclass(frozen=True, kw_only=True)
class TuneRunner:
    """Runs the attempts that a controller asks for, on Ray Tune.

    Attributes:
        slots: trials at once, as it looks at the start.
        settings: of all workers.
        validation: references to the validation rows of a streamed data set.
        pool: of gangs, None if each trial is its own worker.
        room: says which trial may start.
        notify: is told of interruptions and of waiting.
    """

    slots: Slots
    settings: WorkerSettings
    validation: tuple[Any, ...]
    pool: GangPool | None
    room: ClusterRoom
    notify: Callable[[str], None]

    @property
    def sweep(self) -> str:
        """The id of the sweep, which is also its folder's name."""
        return Path(self.settings.storage.path).name

    def run(self, plan: SweepPlan, controller: SweepController) -> bool:
        """Runs all trials; `quiet_tune` comes before.

        Returns:
            Whether the user stopped it.

        Raises:
            ExecutionError: nothing of it found a place within the placement timeout, or too many trials have failed.
            StoppedError: the user stopped it when no trial had a result.
        """
        if not limit_time(plan, controller):
            return False
        # so many trials may wait for their processes at the same time; Tune has no argument for it
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(self.slots.count)

        def stop() -> None:
            controller.stopping = True

        with (
            _scratch(self.settings.storage) as folder,
            stop_on_signal(self.notify, stop) as interruption,
        ):
            from orchestrator.cluster import is_own_ray
            from orchestrator.runtime.holders import introduce
            from orchestrator.runtime.shares.lease import shared
            from orchestrator.runtime.tune.adapters import (
                actors_in_waiting_workers,
                every_loss_is_a_dead_actor,
                idle_places_are_lent,
                no_actor_is_left,
                waiting_actors_are_kept,
            )

            introduce(f"the sweep {self.sweep}")
            alone = is_own_ray()
            try:
                with (
                    every_loss_is_a_dead_actor(),
                    no_actor_is_left(),
                    actors_in_waiting_workers() if alone and self.pool is None else nullcontext(),
                    waiting_actors_are_kept() if alone else idle_places_are_lent(self.room, controller),
                    nullcontext() if alone else shared(plan, self.sweep, self.room, self.notify),
                ):
                    self._tuner(plan, controller, folder).fit()
            finally:
                controller.close()
        if interruption.requested and not controller.trial_table.reports:
            raise StoppedError("stopped before an epoch was over")
        return interruption.requested

    def _tuner(self, plan: SweepPlan, controller: SweepController, folder: str) -> Any:  # noqa: ANN401
        from ray import tune

        from orchestrator.runtime.tune.adapters import (
            SweepCallback,
            SweepScheduler,
            SweepSearcher,
            SweepStopper,
        )
        from orchestrator.runtime.tune.envelope import OBJECTIVE
        from orchestrator.runtime.tune.lifeline import LifeWatch
        from orchestrator.runtime.tune.room import PlacementWatch

        config = plan.config
        patience = config.placement_timeout.total_seconds()
        return tune.Tuner(
            self._trainable(plan),
            tune_config=tune.TuneConfig(
                metric=OBJECTIVE,
                mode=plan.metric.mode,
                search_alg=SweepSearcher(controller, plan.metric.mode),
                scheduler=SweepScheduler(controller),
                # how many there are is the controller's business: promoted and lost trials come again
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=folder,
                stop=SweepStopper(controller),
                callbacks=[
                    LifeWatch(),
                    SweepCallback(controller),
                    PlacementWatch(config.resources, patience, self.pool, self.notify),
                ],
                # trials write their checkpoints themselves
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                verbose=0,
                # that for notebooks, which Tune would take there, clears what the cell has shown
                progress_reporter=tune.CLIReporter(),
            ),
        )

    def _trainable(self, plan: SweepPlan) -> Any:  # noqa: ANN401
        import ray
        from ray import tune

        dataset = plan.dataset.without_test()
        if self.pool is None:
            from orchestrator.runtime.tune.actor import TrialActor

            needs = plan.config.resources.needs
            needs["CPU"] += plan.readers
            trainable = tune.with_parameters(
                TrialActor, dataset=dataset, settings=self.settings, validation=self.validation
            )
            return tune.with_resources(trainable, needs)
        from orchestrator.runtime.gangs.trial import GangTrial, Line

        line = Line(self.pool.rendezvous, ray.put((ray.put(dataset), self.settings, self.validation)))
        # Tune refuses a trial that needs nothing; a thousandth of a CPU would keep the last gang from its place
        return tune.with_resources(tune.with_parameters(GangTrial, line=line), {"CPU": plan.readers, "memory": 2**20})


@contextmanager
def _scratch(storage: Storage) -> Iterator[str]:
    """A folder for Tune's own state, which is not used here; that of a killed session of the same sweep is cleared."""
    folder = Path(tempfile.gettempdir()) / f"orchestrator-tune-{Path(storage.path).name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def quiet_tune() -> None:
    """Sets `TUNE_ENVIRONMENT` and the levels of Ray's loggers; must run before Tune is imported."""
    for name, value in TUNE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not debugging():
        for logger in ("ray.tune", "ray.train", "ray._private"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
