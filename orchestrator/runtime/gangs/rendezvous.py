"""Rendezvous: the actor through which trials, gangs and the driver of a sweep talk to each other.

Gangs come and go (`add`, `join`, `remove`), a trial that begins gets an idle one, and both go on epoch by epoch
(`report` and `advance`). Imports neither torch nor Ray: its process stays small.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.sweeps.messages import Attempt, FailureMessage, TrialMessage

LOST = "a worker of the trial was lost"
# Ray Train looks after its workers every 2 s
CAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class GangAssignment:
    """What a gang is given to train.

    Attributes:
        attempt: at a trial.
        context: reference to what all trials of the sweep share; only workers look at it.
        clean: whether the process group of the trial before can be used again: not after a failure.
    """

    attempt: Attempt
    context: Any
    clean: bool = False


@dataclass(kw_only=True)
class _Generation:
    """One life of a gang's workers: Ray Train replaces all of them when one is lost."""

    name: str
    workers: dict[int, Any] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    closing: bool = False
    # whether the process group of the trial before can be used again: not after a failure
    clean: bool = False


@dataclass(kw_only=True)
class _Gang:
    size: int
    generation: _Generation | None = None
    trial: _Trial | None = None
    dismissed: bool = False
    controller: Any = None

    @property
    def ready(self) -> bool:
        """Whether all of its workers wait for a trial."""
        generation = self.generation
        free = self.trial is None and not self.dismissed
        return free and generation is not None and not generation.closing and len(generation.waiting) == self.size


@dataclass(kw_only=True)
class _Trial:
    assignment: GangAssignment
    gang: str | None = None
    takers: set[int] = field(default_factory=set)
    reports: list[TrialMessage] = field(default_factory=list)
    decision: bool | None = None
    over: bool = False
    failed: bool = False
    # a worker has noticed that another one is gone, and why is not known yet
    unexplained: bool = False

    @property
    def size(self) -> int:
        """Workers that train it together."""
        return self.assignment.attempt.workers


class Rendezvous:
    """See the module. All methods are called from other processes; a call that waits, waits here."""

    def __init__(self) -> None:
        self._gangs: dict[str, _Gang] = {}
        self._trials: dict[int, _Trial] = {}
        self._changed = asyncio.Condition()

    # gangs

    async def add(self, gang: str, size: int) -> None:
        """The driver is about to start a gang of so many workers."""
        self._gangs[gang] = _Gang(size=size)

    async def dismiss(self, gang: str) -> None:
        """The driver has no more use for a gang: its workers are told to end when they are idle."""
        async with self._changed:
            self._gangs[gang].dismissed = True
            self._changed.notify_all()

    async def remove(self, gang: str, reason: str) -> bool:
        """A gang has ended, or could not be started; returns whether a worker of it was ever there."""
        async with self._changed:
            gone = self._gangs.pop(gang, None)
            if gone is not None and gone.trial is not None:
                self._fail(gone.trial, FailureMessage(reason, lost=True))
            self._place()
            return gone is not None and gone.generation is not None

    async def register(self, gang: str, controller: Any) -> bool:  # noqa: ANN401
        """Ray Train's controller of a gang is there, before it asks for a place; returns whether it is still wanted."""
        found = self._gangs.get(gang)
        if found is not None:
            found.controller = controller
        return found is not None and not found.dismissed

    async def explain(self, gang: str, cause: str) -> None:
        """The controller of a gang knows why one of its workers is gone; the trial ends with that reason."""
        async with self._changed:
            found = self._gangs.get(gang)
            if found is not None and found.trial is not None:
                self._fail(found.trial, FailureMessage(f"{LOST} ({cause})", lost=True))

    async def join(self, gang: str, generation: str, rank: int, worker: Any) -> None:  # noqa: ANN401
        """A worker is there; `worker` is its actor."""
        async with self._changed:
            found = self._gangs[gang]
            if found.generation is None or found.generation.name != generation:
                self._lose(found)
                found.generation = _Generation(name=generation)
            found.generation.workers[rank] = worker

    async def next_attempt(self, gang: str, generation: str, rank: int) -> GangAssignment | None:
        """A worker is idle: waits for a trial and returns what to train, None when the worker shall end."""
        async with self._changed:
            while True:
                found = self._gangs.get(gang)
                if (
                    found is None
                    or found.generation is None
                    or found.generation.name != generation
                    or found.generation.closing
                ):
                    return None
                trial = found.trial
                if trial is not None and rank not in trial.takers:
                    trial.takers.add(rank)
                    found.generation.waiting.discard(rank)
                    return replace(trial.assignment, clean=found.generation.clean)
                if trial is not None and trial.over:
                    # all come back before the gang is free again
                    found.generation.waiting.add(rank)
                    if len(found.generation.waiting) == found.size:
                        found.trial, found.generation.clean = None, not trial.failed
                        self._place()
                        continue
                elif trial is None:
                    if found.dismissed:
                        return None
                    if rank not in found.generation.waiting:
                        found.generation.waiting.add(rank)
                        self._place()
                        continue
                await self._changed.wait()

    async def report(
        self, gang: str, generation: str, index: int, message: TrialMessage, *, closing: bool = False
    ) -> bool:
        """Rank 0 has finished an epoch, or any rank cannot go on; returns whether to go on.

        Args:
            gang, generation: whose.
            index: of the trial.
            message: what is to be told.
            closing: whether this worker ends, and its generation with it.
        """
        async with self._changed:
            trial = self._trials.get(index)
            found = self._gangs.get(gang)
            failure = message if isinstance(message, FailureMessage) else None
            if failure and found and found.trial and found.generation and found.generation.name == generation:
                found.generation.closing |= closing
                found.trial.failed = True
            if trial is None or trial.over or trial.gang != gang:
                return False
            if failure and failure.reason == LOST:
                trial.over = trial.unexplained = True
                self._changed.notify_all()
                return False
            if failure:
                self._fail(trial, failure)
                return False
            trial.reports.append(message)
            trial.decision = None
            trial.over = message.is_last
            self._changed.notify_all()
            while trial.decision is None and not trial.over:
                await self._changed.wait()
            return not trial.over

    # trials

    async def begin(self, assignment: GangAssignment) -> None:
        """A trial starts; it gets the first gang of this size that is idle."""
        async with self._changed:
            self._trials[assignment.attempt.index] = _Trial(assignment=assignment)
            self._place()

    async def advance(self, index: int, *, go_on: bool) -> TrialMessage:
        """Waits for the next report of a trial; `go_on` is the answer to the one before."""
        trial = self._trials[index]
        async with self._changed:
            if go_on:
                trial.decision = True
                self._changed.notify_all()
            while not trial.reports:
                if trial.over and not trial.unexplained:
                    return FailureMessage(LOST, lost=True)
                try:
                    async with asyncio.timeout(CAUSE_SECONDS if trial.unexplained else None):
                        await self._changed.wait()
                except TimeoutError:
                    trial.unexplained = False
            return trial.reports.pop(0)

    async def end(self, index: int) -> None:
        """A trial is over, by itself or stopped: its gang is free as soon as all workers are back."""
        async with self._changed:
            trial = self._trials.pop(index, None)
            if trial is not None:
                trial.over = True
                self._changed.notify_all()

    # for the driver

    async def state(self) -> dict[str, tuple[int, bool, bool]]:
        """Of each gang: its size, whether all of its workers are there, and whether no trial needs it."""
        return {
            name: (
                gang.size,
                gang.generation is not None and len(gang.generation.workers) == gang.size,
                gang.trial is None or gang.trial.over,
            )
            for name, gang in self._gangs.items()
        }

    async def controller(self, gang: str) -> Any:  # noqa: ANN401
        """The actor that controls a gang, None if there is none yet."""
        found = self._gangs.get(gang)
        return None if found is None else found.controller

    def _place(self) -> None:
        """Gives idle gangs to the trials that have none, in the order in which these began."""
        for trial in self._trials.values():
            if trial.gang is not None or trial.over:
                continue
            for name, gang in self._gangs.items():
                if gang.size == trial.size and gang.ready:
                    trial.gang, gang.trial = name, trial
                    break
        self._changed.notify_all()

    def _lose(self, gang: _Gang) -> None:
        """The workers of a gang are gone, and with them what they were doing."""
        trial, gang.trial = gang.trial, None
        if trial is not None:
            self._fail(trial, FailureMessage(LOST, lost=True))

    def _fail(self, trial: _Trial, failure: FailureMessage) -> None:
        """The first reason counts: a worker that fails takes the others down with it."""
        if not trial.over or trial.unexplained:
            trial.reports.append(failure)
            trial.over, trial.unexplained = True, False
        self._changed.notify_all()
