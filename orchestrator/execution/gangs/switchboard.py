"""Switchboard: the actor through which trials, gangs and the driver of a sweep talk to each other.

Gangs come and go (`add`, `join`, `remove`), a trial that begins gets an idle one, and both go on epoch by epoch
(`report` and `advance`). Imports neither torch nor Ray: its process stays small.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
LOST = "a worker of the trial was lost"
# Ray Train looks after its workers every 2 s
CAUSE_SECONDS = 10.0


@dataclass
class _Attempt:
    """One life of a gang's workers: Ray Train replaces all of them when one is lost."""

    name: str
    workers: dict[int, Any] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    closing: bool = False
    # whether the process group of the trial before can be used again: not after a failure
    clean: bool = False


@dataclass
class _Gang:
    size: int
    attempt: _Attempt | None = None
    trial: _Trial | None = None
    dismissed: bool = False
    controller: Any = None

    @property
    def ready(self) -> bool:
        """Whether all of its workers wait for a trial."""
        attempt = self.attempt
        free = self.trial is None and not self.dismissed
        return free and attempt is not None and not attempt.closing and len(attempt.waiting) == self.size


@dataclass
class _Trial:
    index: int
    job: Message
    size: int
    gang: str | None = None
    takers: set[int] = field(default_factory=set)
    reports: list[Message] = field(default_factory=list)
    decision: bool | None = None
    over: bool = False
    failed: bool = False
    # a worker has noticed that another one is gone, and why is not known yet
    unexplained: bool = False


class Switchboard:
    """See the module. All methods are called from other processes; a call that waits, waits here."""

    def __init__(self) -> None:
        self._gangs: dict[str, _Gang] = {}
        self._trials: dict[int, _Trial] = {}
        self._changed = asyncio.Condition()

    # gangs

    async def add(self, gang: str, size: int) -> None:
        """The driver is about to start a gang of so many workers."""
        self._gangs[gang] = _Gang(size)

    async def dismiss(self, gang: str) -> None:
        """The driver has no more use for a gang: its workers are told to end when they are idle."""
        async with self._changed:
            self._gangs[gang].dismissed = True
            self._changed.notify_all()

    async def remove(self, gang: str, reason: str) -> None:
        """A gang has ended, or could not be started."""
        async with self._changed:
            gone = self._gangs.pop(gang, None)
            if gone is not None and gone.trial is not None:
                self._fail(gone.trial, reason, lost=True)
            self._place()

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
                self._fail(found.trial, f"{LOST} ({cause})", lost=True)

    async def join(self, gang: str, attempt: str, rank: int, worker: Any) -> None:  # noqa: ANN401
        """A worker is there; `worker` is its actor."""
        async with self._changed:
            found = self._gangs[gang]
            if found.attempt is None or found.attempt.name != attempt:
                self._lose(found)
                found.attempt = _Attempt(attempt)
            found.attempt.workers[rank] = worker

    async def next_job(self, gang: str, attempt: str, rank: int) -> Message | None:
        """A worker is idle: waits for a trial and returns its job, None when the worker shall end."""
        async with self._changed:
            while True:
                found = self._gangs.get(gang)
                if found is None or found.attempt is None or found.attempt.name != attempt or found.attempt.closing:
                    return None
                trial = found.trial
                if trial is not None and rank not in trial.takers:
                    trial.takers.add(rank)
                    found.attempt.waiting.discard(rank)
                    return {**trial.job, "clean": found.attempt.clean}
                if trial is not None and trial.over:
                    # all come back before the gang is free again
                    found.attempt.waiting.add(rank)
                    if len(found.attempt.waiting) == found.size:
                        found.trial, found.attempt.clean = None, not trial.failed
                        self._place()
                        continue
                elif trial is None:
                    if found.dismissed:
                        return None
                    if rank not in found.attempt.waiting:
                        found.attempt.waiting.add(rank)
                        self._place()
                        continue
                await self._changed.wait()

    async def report(self, gang: str, attempt: str, index: int, content: Message) -> bool:
        """Rank 0 has finished an epoch, or any rank cannot go on (`failure`); returns whether to go on."""
        async with self._changed:
            trial = self._trials.get(index)
            found = self._gangs.get(gang)
            if "failure" in content and found and found.trial and found.attempt and found.attempt.name == attempt:
                found.attempt.closing |= bool(content.get("closing"))
                found.trial.failed = True
            if trial is None or trial.over or trial.gang != gang:
                return False
            if content.get("failure") == LOST:
                trial.over = trial.unexplained = True
                self._changed.notify_all()
                return False
            if "failure" in content:
                self._fail(trial, content["failure"], lost=bool(content.get("lost")))
                return False
            trial.reports.append(content)
            trial.decision = None
            trial.over = bool(content.get("done"))
            self._changed.notify_all()
            while trial.decision is None and not trial.over:
                await self._changed.wait()
            return not trial.over

    # trials

    async def begin(self, index: int, size: int, job: Message) -> None:
        """A trial starts; it gets the first gang of this size that is idle."""
        async with self._changed:
            self._trials[index] = _Trial(index, job, size)
            self._place()

    async def advance(self, index: int, *, go_on: bool) -> Message:
        """Waits for the next report of a trial; `go_on` is the answer to the one before."""
        trial = self._trials[index]
        async with self._changed:
            if go_on:
                trial.decision = True
                self._changed.notify_all()
            while not trial.reports:
                if trial.over and not trial.unexplained:
                    return {"failure": LOST, "lost": True, "done": True}
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
                gang.attempt is not None and len(gang.attempt.workers) == gang.size,
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
            self._fail(trial, LOST, lost=True)

    def _fail(self, trial: _Trial, reason: str, *, lost: bool) -> None:
        """The first reason counts: a worker that fails takes the others down with it."""
        if not trial.over or trial.unexplained:
            trial.reports.append({"failure": reason, "lost": lost, "done": True})
            trial.over, trial.unexplained = True, False
        self._changed.notify_all()
