"""The lock of a sweep in an object store, where no file can be locked: claims that are written and verified.

Each contender writes claims under names of its own, and only ever deletes those. It first writes and then lists: of two
that do so at the same time at least one sees the other, because stores list what was written before. So no two believe
that they hold the lock, and no write has to be conditional. A claim that was not renewed for long is dead; all ages are
taken from the store's own clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestrator.errors import ExecutionError, LostLockError, StorageError

BEAT_SECONDS = 10.0
# a driver that has not renewed its claim for so long is dead
SILENT_SECONDS = 60.0
# one that has not renewed it for so long asks again before it writes anything
LEASE_SECONDS = 30.0
WAIT_SECONDS = 0.5
CANDIDATE, HOLDER = "candidate", "holder"


class Place(Protocol):
    """Where claims are."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a file."""

    def read(self, name: str) -> bytes:
        """Reads it."""

    def remove(self, name: str) -> None:
        """Deletes it, if it is there."""

    def modified(self) -> Mapping[str, float | None]:
        """When each file was written, by the clock of the store; None where it does not say."""


class Clock:
    """The time of this machine, which goes on while it sleeps or this process is stopped."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


@dataclass(frozen=True)
class _Claim:
    """A file of a contender; a holder has a higher term than all before it."""

    name: str
    term: int
    token: str
    modified: float

    @property
    def is_holder(self) -> bool:
        """Whether it is more than a candidate."""
        return self.name.startswith(HOLDER)


class StoreLock:
    """One contender for the lock of a sweep."""

    def __init__(
        self, place: Place, sweep_id: str, settle: float = 0.0, clock: Clock | None = None, token: str | None = None
    ) -> None:
        """Args:
        place: where the claims of the sweep are.
        sweep_id: for messages.
        settle: seconds after which a store lists what was written; 0 for one that does at once.
        clock: of this machine.
        token: which no other contender has.
        """
        self._place, self._sweep_id, self._settle, self._clock = place, sweep_id, settle, clock or Clock()
        self._token = token or secrets.token_hex(4)
        self._candidate = f"{CANDIDATE}-{0:015d}-{self._token}.json"
        self._holder = ""
        self._term, self._now, self._stood = 0, 0.0, 0.0
        self._confirmed = 0.0
        self._beating = threading.Lock()
        self.lost: LostLockError | None = None

    def acquire(self) -> None:
        """Takes the lock.

        Raises:
            ExecutionError: another contender has it, or goes first.
            StorageError: the store does not answer, or took so long that another one has taken over.
        """
        try:
            dead = self._stand()
            started = self._clock.now()
            # higher than all before, also than those of whom nothing is left: the store's clock does not go backwards
            self._term = max(int(1000 * self._now), *(1 + claim.term for claim in dead), 1)
            self._holder = f"{HOLDER}-{self._term:015d}-{self._token}.json"
            self._place.write(self._holder, here())
            self._clock.sleep(self._settle)
            self._verify()
            self._confirmed = started
        except BaseException:
            self.release()
            raise
        self._place.remove(self._candidate)
        for claim in dead:
            self._place.remove(claim.name)
        self.check()

    def check(self) -> None:
        """Whether this contender still holds the lock; asks the store only if it was not heard there for a while.

        Raises:
            LostLockError: another one holds it.
            StorageError: that is not known now.
        """
        if self.lost is not None:
            raise self.lost
        # to ask may take long, too
        while self._clock.now() - self._confirmed > LEASE_SECONDS:
            self.beat()

    def beat(self) -> None:
        """Renews the claim, and looks afterwards whether there is a later one.

        Raises:
            LostLockError: another one holds the lock.
            StorageError: that is not known now.
        """
        with self._beating:
            if self.lost is None:
                started = self._clock.now()
                # first written, then listed: who takes the claim for dead sees that it is not, or is seen here
                self._place.write(self._holder, here())
                found = self._others(self._holder)
                if found is not None and not any(c.is_holder and c.term > self._term for c in (*found[0], *found[1])):
                    self._confirmed = started
                    return
                self.lost = LostLockError(
                    f"the sweep {self._sweep_id} is driven by another process, which has taken over while this one was "
                    "not heard of; this one has stopped and writes nothing more"
                )
                self.release()
            raise self.lost

    def release(self) -> None:
        """Deletes the claims of this contender, and no others."""
        for name in (self._holder, self._candidate):
            with contextlib.suppress(StorageError):
                if name:
                    self._place.remove(name)

    def _stand(self) -> list[_Claim]:
        """Waits as a candidate until no other one is alive; returns the claims of dead ones."""
        deadline = self._clock.now() + 2 * SILENT_SECONDS
        while self._clock.now() < deadline:
            self._stood = self._clock.now()
            self._place.write(self._candidate, here())
            self._clock.sleep(self._settle)
            found = self._others(self._candidate)
            # None: who was taken for dead begins anew
            alive, dead = found or ([], [])
            if found is not None and not alive:
                return dead
            if any(claim.is_holder or claim.token < self._token for claim in alive):
                raise self._taken(alive)
            self._clock.sleep(WAIT_SECONDS)
        raise self._taken([])

    def _verify(self) -> None:
        """Raises if there is another holder, or may be: a dead one that was not there before may live again."""
        found = self._others(self._holder)
        if found is None:
            raise self._taken([])
        alive, dead = found
        if self._clock.now() - self._stood > LEASE_SECONDS:
            # others may have come and gone, and its term is lower than theirs
            raise self._taken(alive)
        if any(claim.is_holder for claim in alive) or any(c.is_holder and c.term >= self._term for c in dead):
            raise self._taken(alive or dead)

    def _others(self, own: str) -> tuple[list[_Claim], list[_Claim]] | None:
        """The claims of others, the living and the dead; None if our own is not there."""
        found = self._place.modified()
        if own not in found:
            return None
        self._now = now = _moment(self._place, own, found[own])
        claims = [claim for name in found for claim in _parse(self._place, name, found[name])]
        claims = [claim for claim in claims if claim.token != self._token]
        alive = [claim for claim in claims if now - claim.modified < SILENT_SECONDS]
        return alive, [claim for claim in claims if claim not in alive]

    def _taken(self, claims: list[_Claim]) -> ExecutionError:
        content = b""
        for claim in sorted(claims, key=lambda claim: claim.is_holder, reverse=True)[:1]:
            with contextlib.suppress(StorageError):
                content = self._place.read(claim.name)
        return taken(self._sweep_id, content.decode(errors="replace"))


def is_claimed(place: Place) -> bool:
    """Whether somebody holds the lock, by the clock of this machine.

    Raises:
        StorageError: the store does not answer.
    """
    found = place.modified()
    claims = [claim for name in found for claim in _parse(place, name, found[name])]
    return any(claim.is_holder and time.time() - claim.modified < SILENT_SECONDS for claim in claims)


def _parse(place: Place, name: str, modified: float | None) -> list[_Claim]:
    """The claim of a file, none if it is something else or gone."""
    parts = name.removesuffix(".json").split("-")
    if len(parts) != 3 or parts[0] not in (CANDIDATE, HOLDER) or not parts[1].isdigit():  # noqa: PLR2004
        return []
    return [_Claim(name, int(parts[1]), parts[2], _moment(place, name, modified))]


def _moment(place: Place, name: str, modified: float | None) -> float:
    """When a claim was written; of a store that does not say, as its writer says."""
    if modified is not None:
        return modified
    try:
        return float(json.loads(place.read(name))["at"])
    except (StorageError, ValueError, KeyError, TypeError):
        return 0.0


def here() -> bytes:
    """Who writes, and when."""
    return json.dumps({"host": platform.node(), "process": os.getpid(), "at": time.time()}).encode()


def taken(sweep_id: str, content: str) -> ExecutionError:
    """The error for a sweep that another process drives; `content` is what that has written."""
    try:
        holder = json.loads(content)
        where = f"process {holder['process']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        where = "another process"
    return ExecutionError(
        f"the sweep {sweep_id} is running ({where}); wait for its end, or stop it there with Ctrl-C "
        f"(a process that is gone is noticed within {SILENT_SECONDS:.0f} s)"
    )
