"""Lease: what a sweep may have of a cluster that it shares, kept alive by a thread beside the sweep."""

from __future__ import annotations

import contextlib
import getpass
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import ray

from orchestrator.cluster import lost_ray
from orchestrator.runtime.shares.actor import shares_actor
from orchestrator.runtime.shares.ledger import BEAT_SECONDS, GIVING, LEASE_SECONDS, STARTING
from orchestrator.sweeps.shares import Claim
from orchestrator.sweeps.slots import needs_of

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.tune.room import ClusterRoom
    from orchestrator.sweeps.plan import SweepPlan

# of one answer; of the first one, for which the actor may have to be started; until a sweep says that it waits
ANSWER_SECONDS, FIRST_SECONDS, NOTICE_SECONDS = 5.0, 30.0, 15.0
RETRY_SECONDS = 0.5


class Lease:
    """How many trials a sweep may have at a time.

    Attributes:
        allowed: so many; None for as many as fit, if nobody is there to ask.
        waits_for: half a sentence; empty if it waits for nothing.
    """

    def __init__(self, sweep: str, claim: Callable[[], Claim], notify: Callable[[str], None]) -> None:
        """Args:
        sweep: its id.
        claim: what the sweep wants at this moment; called in a thread.
        notify: is told when it waits, or has nobody to ask.
        """
        self.allowed: int | None = 0
        self.waits_for = ""
        self._sweep, self._claim, self._notify = sweep, claim, notify
        self._actor: Any = None
        self._heard = self._moved = time.monotonic()
        self._told: set[str] = set()
        self._answered, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    @property
    def is_given(self) -> bool:
        """Whether others are about to make room, so that no trial must wait in line for what is not there yet."""
        return self.waits_for == GIVING

    def open(self) -> None:
        """Asks for the first time, and goes on to ask."""
        self._thread.start()
        if not self._answered.wait(FIRST_SECONDS):
            self._give_up("it does not answer")

    def close(self) -> None:
        """What it had is the others' again. No thread waits for Ray afterwards."""
        self._ended.set()
        self._thread.join(2 * ANSWER_SECONDS)
        if self._actor is not None and lost_ray() is None:
            # the actor ends with its last sweep, which is an error for who asks
            with contextlib.suppress(Exception):
                ray.get(self._actor.release.remote(self._sweep), timeout=ANSWER_SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            pause = BEAT_SECONDS
            try:
                self._renew()
            except Exception as error:  # Ray raises many kinds here
                # it may have ended with what was the last sweep, or be lost: the next one is made anew
                self._actor, pause = None, RETRY_SECONDS
                if time.monotonic() - self._heard > LEASE_SECONDS:
                    self._give_up(type(error).__name__)
            else:
                self._answered.set()
            self._ended.wait(pause)

    def _renew(self) -> None:
        if self._actor is None:
            self._actor = shares_actor()
        claim = self._claim()
        timeout = ANSWER_SECONDS if self._answered.is_set() else FIRST_SECONDS
        answer = ray.get(self._actor.renew.remote(asdict(claim)), timeout=timeout)
        self.allowed, self.waits_for = answer["slots"], answer["waits_for"]
        self._heard = time.monotonic()
        if claim.running or self.waits_for in ("", STARTING):
            self._moved = self._heard
        elif self._heard - self._moved > NOTICE_SECONDS:
            self._tell(f"waiting for {self.waits_for}; `orchestrator queue` shows who has the cluster")

    def _give_up(self, reason: str) -> None:
        if self.allowed is None:
            return
        self.allowed, self.waits_for = None, ""
        self._tell(f"what shares out the cluster cannot be asked ({reason}), so this sweep takes what is free")

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._notify(sentence)


@contextmanager
def shared(plan: SweepPlan, sweep: str, room: ClusterRoom, notify: Callable[[str], None]) -> Iterator[None]:
    """While it is open, the sweep keeps to its part of the cluster.

    Args:
        plan: of the sweep.
        sweep: its id.
        room: that keeps to the lease.
        notify: is told when the sweep waits.
    """
    config = plan.config
    size = max(plan.workers.values())
    slot = needs_of(config.resources, size, plan.readers)

    def claim() -> Claim:
        return Claim(
            sweep=sweep,
            user=_user(),
            queue=_queue(config),
            priority=config.priority,
            share=config.share,
            slot=slot,
            most=room.useful(size),
            running=room.running,
            held=room.held(),
        )

    lease = Lease(sweep, claim, notify)
    room.join(lease, slot)
    try:
        lease.open()
        yield
    finally:
        room.leave()
        lease.close()


def _queue(config: SweepConfig) -> str:
    return config.queue or _user()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # in a container, say
        return "unknown"
