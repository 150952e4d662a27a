"""What Ray Tune asks, answered by the controller: what to start, whether to go on, what has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ray import tune
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution import class_cache, tune_controller
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper
from ray.tune.utils.object_cache import _ObjectCache

from orchestrator.cluster import lost_ray, ray_logs
from orchestrator.replacing import replaced
from orchestrator.runtime.lost_processes import explain_lost_process
from orchestrator.runtime.tune.envelope import OBJECTIVE, message_of, to_config
from orchestrator.search import Decision
from orchestrator.sweeps.controller import SweepController

if TYPE_CHECKING:
    from orchestrator.runtime.tune.room import ClusterRoom

Result = TypeVar("Result")
# between two questions whether a trial may start when none runs
IDLE_SECONDS = 0.1


def _guarded(controller: SweepController, call: Callable[..., Result], *arguments: Any) -> Result | None:  # noqa: ANN401
    """Calls the controller; an error is kept for `SweepController.check`: Tune would take it for one of the trial."""
    try:
        return call(*arguments)
    except StopIteration:
        raise
    except Exception as error:
        controller.broken = controller.broken or error
        return None


class _Stateless:
    """Tune pickles what it is given for its own way of resuming, which is not used here."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


@contextmanager
def every_loss_is_a_dead_actor() -> Iterator[None]:
    """Has Tune treat a trial that Ray's memory monitor has killed, say, as one whose process died.

    Tune 2.60 expects no other errors of an actor's task than RayActorError and RayTaskError: with OutOfMemoryError or
    NodeDiedError the whole experiment would end (`RayActorManager._actor_task_failed`: "Caught unexpected exception").
    """
    original = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:  # noqa: ANN401
        if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
            exception = RayActorError(error_msg=f"The actor is gone, {type(exception).__name__}: {exception}")
        original(manager, tracked_actor_task, exception)

    with replaced(RayActorManager, _actor_task_failed=failed):
        yield


@contextmanager
def actors_in_waiting_workers() -> Iterator[None]:
    """Lets Tune's actors run in the workers that Ray has started already, which saves a process start for each.

    Tune 2.60 gives each actor some of this process's variables (`_ActorClassCache.get`), and Ray starts a new process
    for who asks for variables. The workers of a Ray that this process has started have all of them anyway.
    """
    with replaced(class_cache, DEFAULT_ENV_VARS={}, ENV_VARS_TO_PROPAGATE=set()):
        yield


class WaitingActors(_ObjectCache):  # type: ignore[misc]
    """All actors without a trial, until an actor of another size is waited for, or the search is over."""

    def cache_object(self, key: Any, obj: Any) -> bool:  # noqa: ANN401
        """Tune: whether an actor whose trial is over is kept."""
        if self._others_wanted(key):
            kept: bool = super().cache_object(key, obj)
            return kept
        self._cached_objects[key].append(obj)
        self._num_cached_objects += 1
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        """Tune: those that are ended now."""
        for key, actors in self._cached_objects.items():
            kept = self._max_num_objects[key] if self._others_wanted(key) else len(actors)
            while len(actors) > (0 if force_all else kept):
                self._num_cached_objects -= 1
                yield actors.pop(0)

    def _others_wanted(self, key: Any) -> bool:  # noqa: ANN401
        return any(count > 0 for other, count in self._max_num_objects.items() if other != key)


@contextmanager
def waiting_actors_are_kept() -> Iterator[None]:
    """Lets the actors of all slots wait for the next trials, where no other program wants their cores.

    Tune 2.60 keeps one, so that where a scheduler waits for the last trial of a rung all other processes end, and start
    again for the next rung, which takes seconds.
    """
    with replaced(tune_controller, _ObjectCache=WaitingActors):
        yield


@contextmanager
def no_actor_is_left() -> Iterator[None]:
    """Ends the actors of a run that is broken off, and gives their places back.

    Tune 2.60 does so for an `Exception` only (`tune.run`): after a KeyboardInterrupt, Ray would keep them, and their
    cores, as long as Python keeps the traceback, or does not collect its garbage.
    """
    original, managers = RayActorManager.__init__, []

    def made(manager: RayActorManager, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        original(manager, *arguments, **options)
        managers.append(manager)

    RayActorManager.__init__ = made
    try:
        yield
    except BaseException:
        if lost_ray() is None:
            # cleaning one up makes it anew
            for manager in set(managers):
                manager.cleanup()
        raise
    finally:
        RayActorManager.__init__ = original


@contextmanager
def idle_places_are_lent(room: ClusterRoom, controller: SweepController) -> Iterator[None]:
    """Has Tune end the process that it keeps for the next trial when the place of it is another sweep's.

    Tune 2.60 keeps one whatever happens (`_ObjectCache`). While nothing runs it would also do nothing but ask for the
    next trial, for 10 minutes (`_update_trial_queue`), and no process would come to its end.
    """
    cleanup, update = TuneController._cleanup_cached_actors, TuneController._update_trial_queue

    def clean_up(tune_controller: TuneController, force_all: bool = False) -> None:
        cleanup(tune_controller, force_all or room.gives_idle_back())

    def ask(tune_controller: TuneController, blocking: bool = False, timeout: int = 600) -> bool:
        found: bool = update(tune_controller, blocking=False)
        if blocking and not found and controller.is_idle:
            time.sleep(IDLE_SECONDS)
        return found

    with replaced(TuneController, _cleanup_cached_actors=clean_up, _update_trial_queue=ask):
        yield


class SweepSearcher(_Stateless, Searcher):  # type: ignore[misc]
    """Every attempt at a trial is a trial of Tune's: a promoted or lost one goes on as another one."""

    def __init__(self, controller: SweepController, mode: str) -> None:
        super().__init__(metric=OBJECTIVE, mode=mode)
        self._controller = controller

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:  # noqa: ANN401
        """Tune: nothing to add."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Tune: what to start, None for nothing now."""
        try:
            attempt = _guarded(self._controller, self._controller.next_attempt, trial_id)
        except StopIteration:
            finished: str = Searcher.FINISHED
            return finished
        return None if attempt is None else to_config(attempt)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: `SweepCallback` knows the reason, too."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, see the class above."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing, see the class above."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see the class above."""


class SweepScheduler(_Stateless, FIFOScheduler):  # type: ignore[misc]
    """A trial that pauses is over for Tune: its process is free for another one."""

    def __init__(self, controller: SweepController) -> None:
        super().__init__()
        self._controller = controller

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ANN401
        """Tune: an epoch is over, and another one may follow."""
        decision = _guarded(self._controller, self._controller.on_trial_result, trial.trial_id, message_of(result))
        answer: str = TrialScheduler.CONTINUE if decision is Decision.CONTINUE else TrialScheduler.STOP
        return answer


class SweepStopper(_Stateless, Stopper):  # type: ignore[misc]
    """Ends the run with the time budget: Tune's own one counts from the start of Tune, whatever runs by then."""

    def __init__(self, controller: SweepController) -> None:
        self._controller = controller

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Tune: single trials are the scheduler's."""
        return False

    def stop_all(self) -> bool:
        """Tune: several times a second."""
        return self._controller.time_is_up


class SweepCallback(_Stateless, tune.Callback):  # type: ignore[misc]
    """Passes on what happens to processes."""

    def __init__(self, controller: SweepController) -> None:
        self._controller = controller

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ANN401
        """Tune: several times a second.

        Raises:
            ExecutionError: the sweep gives up.
        """
        self._controller.check()

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,  # noqa: ANN401
    ) -> None:
        """Tune: an epoch is over; of the last one schedulers are not told."""
        message = message_of(result)
        if message.is_last:
            _guarded(self._controller, self._controller.on_trial_result, trial.trial_id, message)

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ANN401
        """Tune: a process takes up the trial."""
        _guarded(self._controller, self._controller.on_trial_start, trial.trial_id)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ANN401
        """Tune: the trial is over, by itself or stopped."""
        _guarded(self._controller, self._controller.on_trial_complete, trial.trial_id)
        _forget_figures(trial)
        actor = trial.temporary_state.ray_actor
        if actor is not None:
            # Tune keeps its process for another trial
            actor.release.remote()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ANN401
        """Tune: the trial's process is lost."""
        if lost_ray() is not None:
            # the trial cannot help it: `LifeWatch` ends the sweep
            return
        _guarded(self._controller, self._controller.on_trial_error, trial.trial_id, last_words(trial))
        # of a trial without a result Tune would ask the dead process for one, which may raise
        trial.run_metadata.last_result = trial.run_metadata.last_result or {"done": True}
        _forget_figures(trial)


def _forget_figures(trial: Trial) -> None:
    """Tune keeps 25 kB of statistics of every trial's results for reports that are not made here."""
    trial.run_metadata.metric_analysis.clear()
    trial.run_metadata.metric_n_steps.clear()


def last_words(trial: Trial) -> str:
    """What Tune has written down about the end of a trial's process, in one line."""
    try:
        text = Path(trial.error_file).read_text(errors="replace")
    except (OSError, TypeError):
        text = ""
    return explain_lost_process(text, ray_logs())
