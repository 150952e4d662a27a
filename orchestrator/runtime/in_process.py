"""A sweep in this process, without Ray: one trial after another, by the same controller, search and schedulers."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.data import Dataset, Examples, Part, Table, is_streamed
from orchestrator.errors import ConfigError, StoppedError
from orchestrator.runtime.assembly import Origin
from orchestrator.runtime.background import in_background
from orchestrator.runtime.engine import limit_time
from orchestrator.runtime.hooks import Hooks, Notify
from orchestrator.runtime.opening import abandon, sweep_folder
from orchestrator.runtime.planning import plan_sweep
from orchestrator.runtime.sweeps import Opener, search_and_finalize
from orchestrator.runtime.tune.interrupt import stop_on_signal
from orchestrator.search import Decision
from orchestrator.sweeps.messages import Attempt
from orchestrator.sweeps.plan import SweepPlan, describe, workers_of
from orchestrator.sweeps.slots import Slots

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.result import SweepResult
    from orchestrator.runtime.worker.session import WorkerSettings
    from orchestrator.sweeps.controller import SweepController


def run_in_process(origin: Origin, hooks: Hooks, opener: Opener) -> SweepResult:
    """A session of a sweep; see `run_on_ray`, which has more to offer: many trials at once.

    Raises:
        ConfigError: several workers for a trial, an epoch timeout, or a folder of files, which need Ray.
        OrchestratorError: of the kind that says what is wrong.
    """
    started, space = time.time(), origin.space
    _check(origin.config, set(workers_of(origin.config, space).values()), origin.table)
    with sweep_folder(origin) as lock:
        planning = in_background(plan_sweep, origin.config, origin.table, map, space, origin.earlier)
        plan = planning.result()
        describe(plan.dataset, plan.metric, hooks.notify)
        for sentence in plan.started_from:
            hooks.notify(sentence)
        tracker, header = opener(origin, planning)
        try:
            return search_and_finalize(
                plan,
                origin,
                tracker=tracker,
                header=header,
                hooks=hooks,
                engine=InProcessEngine(),
                lock=lock,
                started=started,
            )
        except BaseException as error:
            abandon(origin, tracker, error)
            raise


def _check(config: SweepConfig, sizes: set[int], table: Table | None) -> None:
    if sizes != {1}:
        raise ConfigError(
            "trials of several workers (workers_per_trial) need Ray; one process trains one of one worker"
        )
    if config.epoch_timeout is not None:
        raise ConfigError("epoch_timeout ends the process of a trial, so it needs Ray")
    if table is None and is_streamed(config.data):
        raise ConfigError(f"{config.data}: a folder of Parquet files is read by Ray; give a file, or a data frame")


class OneAtATime:
    """See `Room`, which this is: a trial may start when none runs."""

    _is_free = True

    def admits(self, size: int) -> bool:
        """See `Room`."""
        return self._is_free and size == 1

    def start(self, index: int, size: int) -> None:
        """See `Room`."""
        del index, size
        self._is_free = False

    def end(self, index: int) -> None:
        """See `Room`."""
        del index
        self._is_free = True

    def gives_way(self, index: int) -> bool:
        """See `Room`: there are no others."""
        del index
        return False


class InProcessEngine:
    """See `Engine`, which this is."""

    def rows(self, dataset: Dataset, part: Part) -> Iterable[Examples]:
        """See `Engine`."""
        return dataset.rows(part)

    def slots(self, plan: SweepPlan) -> Slots:
        """See `Engine`: one trial, with so many threads as a worker has cores."""
        return Slots(1, plan.config.resources.cpus_per_worker, 1)

    def room(self, config: SweepConfig, limit: int | None, readers: int) -> OneAtATime:
        """See `Engine`."""
        del config, limit, readers
        return OneAtATime()

    def runner(
        self, plan: SweepPlan, *, slots: Slots, settings: WorkerSettings, room: OneAtATime, notify: Notify
    ) -> InProcessRunner:
        """See `Engine`."""
        del slots, room
        return InProcessRunner(settings, plan.dataset.without_test(), notify)


@dataclass(frozen=True)
class InProcessRunner:
    """See `Runner`, which this is.

    Attributes:
        settings: of the training.
        dataset: that trials are trained on.
        notify: is told of interruptions.
    """

    settings: WorkerSettings
    dataset: Dataset
    notify: Notify

    def run(self, plan: SweepPlan, controller: SweepController) -> bool:
        """See `Runner`.

        Raises:
            ExecutionError: too many trials have failed.
            StoppedError: the user stopped it when no trial had a result.
        """
        if not limit_time(plan, controller):
            return False

        def stop() -> None:
            controller.stopping = True

        if str(self.settings.modules) not in sys.path:
            sys.path.append(str(self.settings.modules))
        with stop_on_signal(self.notify, stop) as interruption, _own_torch(self.settings.threads):
            try:
                for number in itertools.count():
                    controller.check()
                    if controller.time_is_up or not self._train_next(controller, str(number)):
                        break
            finally:
                controller.close()
        if interruption.requested and not controller.trial_table.reports:
            raise StoppedError("stopped before an epoch was over")
        return interruption.requested

    def _train_next(self, controller: SweepController, name: str) -> bool:
        """Trains what the controller wants next; False at the end."""
        try:
            attempt = controller.next_attempt(name)
        except StopIteration:
            return False
        if attempt is None:
            return False
        controller.on_trial_start(name)
        self._train(controller, name, attempt)
        controller.on_trial_complete(name)
        return True

    def _train(self, controller: SweepController, name: str, attempt: Attempt) -> None:
        from orchestrator.runtime.worker.failures import next_message
        from orchestrator.runtime.worker.session import TrialSession
        from orchestrator.training import Ranks

        messages = TrialSession(attempt, self.dataset, self.settings, Ranks(), {}).messages()
        while True:
            message = next_message(messages)
            decision = controller.on_trial_result(name, message)
            if message.is_last or decision is not Decision.CONTINUE:
                return
            if controller.stopping or controller.time_is_up:
                return


@contextmanager
def _own_torch(threads: int) -> Iterator[None]:
    """torch with so many threads; its threads and its random numbers are the caller's again at the end."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)
