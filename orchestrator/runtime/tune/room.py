"""Room for trials: which one may start now, by what the cluster has at this moment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.experiment import Trial

from orchestrator.errors import ExecutionError
from orchestrator.patience import busy
from orchestrator.runtime.holders import free_nodes, holders, is_starting, living_actors, own_job, programs
from orchestrator.sweeps.shares import Amounts, fitting, within
from orchestrator.sweeps.slots import needs_of, trials_that_fit, workers_on

if TYPE_CHECKING:
    from orchestrator.config import ResourceConfig
    from orchestrator.runtime.gangs.pool import GangPool
    from orchestrator.runtime.shares.lease import Lease

REFRESH_SECONDS = 2.0
NOTICE_SECONDS = 15.0
# a worker takes 5 s to start on an idle machine
STARTING_SECONDS = 60.0
REMEDY = "end what else runs there, or wait longer (--placement-timeout)"


class ClusterRoom:
    """Counts the workers of running trials against what the cluster can hold, as nodes come and go."""

    def __init__(
        self,
        resources: ResourceConfig,
        limit: int | None,
        pool: GangPool | None,
        readers: int = 0,
        most: Amounts | None = None,
    ) -> None:
        """Args:
        resources: of one worker.
        limit: of trials at once, None if there is none.
        pool: where trials get their gangs; None if each trial is its own worker.
        readers: cores that a trial has besides its workers.
        most: that all trials may have together; kinds that are not named have no limit.
        """
        self._resources, self._limit, self._pool, self._readers = resources, limit, pool, readers
        self._most = most or {}
        # on a cluster that is shared: what the sweep may have, in parts of the size of a trial
        self._lease: Lease | None = None
        self._slot: Amounts = {}
        self._giving: set[int] = set()
        # since the last time that it was asked how many it could use
        self._wanted_more, self._peak = True, 0
        self._cores = self._workers = 0
        self._running: dict[int, int] = {}
        # Tune keeps one process that is idle for the next trial, and Ray counts it as in use
        self._idle = 0
        self._refreshed = float("-inf")

    def admits(self, size: int) -> bool:
        """Whether a trial of so many workers may start now; the first one always may, and waits for its place."""
        if self._limit is not None and len(self._running) >= self._limit:
            return False
        use = self._use([*self._running.values(), size])
        if not within(use, self._most):
            return False
        if self._lease is None:
            return not self._running or self._fits(size)
        # the first one waits for its place, as without others, unless it is known that these are about to give it
        first = not self._running and not self._lease.is_given
        admitted = within(use, self._allowed()) and (first or self._fits(size))
        self._wanted_more = self._wanted_more or not admitted
        return admitted

    def _fits(self, size: int) -> bool:
        workers = sum(self._running.values()) + size
        if workers > self.workers():
            return False
        needed = workers * self._resources.cpus_per_worker + (len(self._running) + 1) * self._readers
        return self._readers == 0 or needed <= self._cores

    def _use(self, sizes: Iterable[int]) -> dict[str, float]:
        """What trials of so many workers have together."""
        total: Counter[str] = Counter()
        for size in sizes:
            total.update(needs_of(self._resources, size, self._readers))
        return dict(total)

    def workers(self) -> int:
        """Workers that this sweep can have at this moment: those that it has, and those that nobody else uses."""
        if time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            total = sum(workers_on(node["Resources"], self._resources) for node in ray.nodes() if node["Alive"])
            held = self._pool.units if self._pool is not None else sum(self._running.values()) + self._idle
            self._workers = min(total, workers_on(ray.available_resources(), self._resources) + held)
            self._cores = int(ray.cluster_resources().get("CPU", 0))
        return self._workers

    def start(self, index: int, size: int) -> None:
        """A trial starts; if there are too few gangs of its size, one more is started, in the place of idle others."""
        self._running[index] = size
        self._peak = max(self._peak, len(self._running))
        self._idle = 0
        if self._pool is None:
            return
        wanted = sum(1 for other in self._running.values() if other == size)
        if wanted > len(self._pool.gangs(size)):
            self._pool.make_room(size, self._pool.units + size - self.workers())
            self._pool.start(size)

    def end(self, index: int) -> None:
        """A trial is over."""
        self._giving.discard(index)
        if self._running.pop(index, None) is not None:
            self._idle = 1
        if self._pool is not None:
            self._pool.end(index)

    # on a cluster that is shared

    def join(self, lease: Lease, slot: Amounts) -> None:
        """From now on it keeps to a lease, which counts in trials that need so much."""
        self._lease, self._slot = lease, slot

    def leave(self) -> None:
        """The lease is over."""
        self._lease = None

    @property
    def running(self) -> int:
        """Trials that have their place, or wait for it."""
        return len(self._running)

    def held(self) -> dict[str, float]:
        """All that the sweep has of the cluster, idle processes included."""
        running = list(self._running.values())
        if self._pool is None:
            return self._use(running + [1] * self._idle)
        needs = {kind: self._pool.units * amount for kind, amount in self._resources.needs.items()}
        return {**needs, "CPU": needs["CPU"] + (len(running) + self._idle) * self._readers}

    def useful(self, size: int) -> int:
        """How many trials of so many workers it has use for: all that fit if it has wanted more, or those that it had.

        What it has wanted is forgotten then.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        total = sum(workers_on(node, self._resources) for node in nodes)
        cores = sum(int(node.get("CPU", 0)) for node in nodes)
        limits = (trials_that_fit(cores, self._resources, size, self._readers, total), self._limit)
        most = min(limit for limit in (*limits, fitting(self._slot, self._most)) if limit is not None)
        wanted, peak = self._wanted_more, self._peak
        self._wanted_more, self._peak = False, len(self._running)
        return most if wanted else min(peak, most)

    def gives_way(self, index: int) -> bool:
        """See `Room`."""
        if self._lease is None:
            return False
        staying = [size for other, size in self._running.items() if other not in self._giving]
        if within(self._use(staying), self._allowed()):
            return False
        self._giving.add(index)
        return True

    def gives_idle_back(self) -> bool:
        """Whether the process that waits for the next trial has to end, for the sake of others; gangs are told so."""
        if self._lease is None or within(self.held(), self._allowed()):
            return False
        if self._pool is not None:
            busy = sum(self._running.values())
            allowed = fitting(self._resources.needs, self._allowed())
            idle = 0 if allowed is None else self._pool.units - max(busy, allowed)
            if idle > 0:
                self._pool.make_room(0, idle)
        is_idle, self._idle = self._idle > 0, 0
        return is_idle

    def _allowed(self) -> Amounts:
        allowed = None if self._lease is None else self._lease.allowed
        return {} if allowed is None else {kind: allowed * need for kind, need in self._slot.items()}


class PlacementWatch(tune.Callback):  # type: ignore[misc]
    """Says what a sweep waits for when nothing of it finds a place, and ends it after a time."""

    def __init__(
        self, resources: ResourceConfig, timeout: float, pool: GangPool | None, notify: Callable[[str], None]
    ) -> None:
        """Args:
        resources: of one worker.
        timeout: seconds until an ExecutionError.
        pool: where trials get their gangs, if they do.
        notify: is told what it waits for.
        """
        self._resources, self._timeout, self._pool, self._notify = resources, timeout, pool, notify
        self._checked = self._placed = time.monotonic()
        self._told = False
        self._before = frozenset(actor.id for actor in living_actors())

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for its own way of resuming, which is not used here
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # noqa: ANN401
        """Tune: several times a second.

        Raises:
            ExecutionError: nothing was placed for too long, or what was cannot be started.
        """
        now = time.monotonic()
        if now - self._checked < 1:
            return
        self._checked = now
        if self._pool is not None and self._pool.failure is not None and not self._pool.gangs():
            # the trial that it was for would wait for ever
            raise ExecutionError(f"the workers of a trial cannot be started: {self._pool.failure}")
        if self._is_placed(trials):
            self._placed, self._told = now, False
            return
        waited = now - self._placed
        if waited <= min(NOTICE_SECONDS, self._timeout / 2) or (self._told and waited <= self._timeout):
            return
        starting = self._is_starting()
        if waited > self._timeout:
            wants = f"workers are starting for so long; {busy()}; {REMEDY}" if starting else self._wants()
            raise ExecutionError(f"nothing could be placed for {waited:.0f} s: {wants}")
        if not starting:
            self._told = True
            self._notify(f"waiting: {self._wants()}")
        elif waited > STARTING_SECONDS:
            self._told = True
            self._notify(f"the first workers are still starting; {busy()}")

    def _is_starting(self) -> bool:
        """Whether a trial has its place, or could have it, so that only its processes are to be waited for."""
        if is_starting(living_actors(), self._before, own_job(), gangs=self._pool is not None):
            return True
        # the process that asks for the workers of a gang takes its time, too
        return sum(workers_on(node, self._resources) for node in free_nodes()) >= self._size()

    def _is_placed(self, trials: list[Trial]) -> bool:
        waiting = [trial for trial in trials if trial.status in (Trial.PENDING, Trial.RUNNING)]
        if self._pool is None:
            return not waiting or any(trial.status == Trial.RUNNING for trial in waiting)
        return not self._pool.gangs() or any(there for _, there, _ in self._pool.state().values())

    def _size(self) -> int:
        """Workers of the largest trial that may be waiting."""
        return 1 if self._pool is None else max((gang.size for gang in self._pool.gangs()), default=1)

    def _wants(self) -> str:
        return place_wanted(self._resources, self._size(), self._before)


def place_wanted(resources: ResourceConfig, size: int, before: Collection[str] = ()) -> str:
    """Half a sentence about what a trial of so many workers needs, what is free, and who has the rest.

    Args:
        resources: of a worker.
        size: workers of the trial.
        before: ids of actors that were there before the sweep.
    """
    total, free = ray.cluster_resources(), ray.available_resources()
    has = " and ".join(f"{free.get(name, 0):g} of {total.get(name, 0):g} {name}" for name in resources.needs)
    needs = f"a trial needs {resources}" if size == 1 else f"a trial needs {size} workers with {resources} each"
    rest = holders(living_actors(), before, own_job(), programs())
    return f"{needs}, and {has} are free" + (f"; {rest}" if rest else "")
