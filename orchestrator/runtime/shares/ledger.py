"""Ledger: which sweeps share a cluster, and what each of them gets now. Knows nothing of Ray and of clocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from orchestrator.sweeps.shares import QUEUE, Amounts, Claim, Grant, divide

# a driver renews its lease so often, and has lost it when nothing was heard for so long
BEAT_SECONDS, LEASE_SECONDS = 2.0, 20.0
# what others use is known by what nobody has; what a sweep has just begun or ended is told by its next renewal only
FOREIGN_SECONDS = 10.0
# what a sweep waits for
GIVING, STARTING = "the end of an epoch of another sweep", "its workers to start"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A sweep as `orchestrator queue` shows it.

    Attributes:
        sweep, user, queue, priority, share: see `Claim`.
        running: trials that have their place.
        allowed: trials that may have one.
        cores, gpus: that it has.
        waits_for: half a sentence; empty if it waits for nothing.
    """

    sweep: str
    user: str
    queue: str
    priority: int
    share: float
    running: int
    allowed: int
    cores: float
    gpus: float
    waits_for: str

    def to_json(self) -> dict[str, str | int | float]:
        """Plain data."""
        return asdict(self)


class Ledger:
    """Leases of sweeps; one that is not renewed ends, and what it had is the others'."""

    def __init__(self) -> None:
        # in the order in which they came
        self._claims: dict[str, Claim] = {}
        self._heard: dict[str, float] = {}
        self._foreign: deque[tuple[float, Amounts]] = deque()
        self._capacity: Amounts = {}
        self._limits: Mapping[str, Amounts] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no sweep has a lease."""
        return not self._claims

    def look(self, now: float, *, total: Amounts, free: Amounts, limits: Mapping[str, Amounts]) -> None:
        """What there is on the cluster at this moment.

        Args:
            now: seconds, of any clock that only goes forward.
            total: of the cluster.
            free: what nobody uses of it.
            limits: of queues.
        """
        self._expire(now)
        self._limits = limits
        held = [claim.held for claim in self._claims.values()]
        foreign = {
            kind: max(0.0, amount - free.get(kind, 0.0) - sum(item.get(kind, 0.0) for item in held))
            for kind, amount in total.items()
        }
        self._foreign.append((now, foreign))
        while self._foreign[0][0] < now - FOREIGN_SECONDS:
            self._foreign.popleft()
        self._capacity = {
            kind: amount - min(seen.get(kind, 0.0) for _, seen in self._foreign) for kind, amount in total.items()
        }

    def renew(self, claim: Claim, now: float) -> int:
        """A sweep is alive and says what it wants; how many trials it may have at a time."""
        self._expire(now)
        self._claims[claim.sweep] = claim
        self._heard[claim.sweep] = now
        return self._grants()[claim.sweep].slots

    def release(self, sweep: str) -> None:
        """A sweep is over."""
        self._claims.pop(sweep, None)
        self._heard.pop(sweep, None)

    def rows(self, now: float) -> list[Row]:
        """All sweeps, in the order in which the cluster is theirs."""
        self._expire(now)
        grants = self._grants()
        order = sorted(self._claims.values(), key=lambda claim: -claim.priority)
        return [self._row(claim, grants) for claim in order]

    def _expire(self, now: float) -> None:
        for sweep in [sweep for sweep, heard in self._heard.items() if now - heard > LEASE_SECONDS]:
            self.release(sweep)

    def _grants(self) -> dict[str, Grant]:
        return divide(self._capacity, self._claims.values(), self._limits)

    def _row(self, claim: Claim, grants: Mapping[str, Grant]) -> Row:
        return Row(
            sweep=claim.sweep,
            user=claim.user,
            queue=claim.queue,
            priority=claim.priority,
            share=claim.share,
            running=claim.running,
            allowed=grants[claim.sweep].slots,
            cores=claim.held.get("CPU", 0.0),
            gpus=claim.held.get("GPU", 0.0),
            waits_for=self._waits_for(claim, grants),
        )

    def _waits_for(self, claim: Claim, grants: Mapping[str, Grant]) -> str:
        grant = grants[claim.sweep]
        others = [other for other in self._claims.values() if other is not claim]
        if claim.running > grant.slots:
            count = claim.running - grant.slots
            return f"gives {count} place{'s' if count > 1 else ''} back after the next epoch"
        if claim.running < grant.slots:
            giving = any(other.running > grants[other.sweep].slots for other in others)
            return GIVING if giving else STARTING
        if not grant.held_by:
            return ""
        if grant.held_by == QUEUE:
            return f"the limit of the queue {claim.queue}"
        if any(other.priority > claim.priority and grants[other.sweep].slots for other in others):
            return "sweeps of a higher priority"
        return "the end of another sweep" if others else "more room on the cluster"
