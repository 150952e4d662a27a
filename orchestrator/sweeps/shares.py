"""The rule by which sweeps share a cluster: how many trials each of them may train at a time. A pure function."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# what there is of each kind, such as `{"CPU": 8.0, "GPU": 1.0}`
Amounts = Mapping[str, float]
# sums of parts of a GPU are not exact
ROUNDING = 1e-6
CLUSTER, QUEUE = "cluster", "queue"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a sweep asks for.

    Attributes:
        sweep: its id.
        user: who has started it.
        queue: whose limit counts for it.
        priority: higher ones come first.
        share: its weight among sweeps of the same priority.
        slot: what one trial needs.
        most: trials at a time for which it has use.
        running: trials that have their place now.
        held: all that it has of the cluster.
    """

    sweep: str
    user: str
    queue: str
    priority: int
    share: float
    slot: Amounts
    most: int
    running: int = 0
    held: Amounts

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Claim:
        """The inverse of `asdict`."""
        return cls(**content)


@dataclass(frozen=True)
class Grant:
    """What a sweep gets.

    Attributes:
        slots: trials at a time.
        held_by: why not more of them, `cluster` or `queue`; empty if it has use for no more.
    """

    slots: int
    held_by: str = ""


def divide(capacity: Amounts, claims: Iterable[Claim], limits: Mapping[str, Amounts]) -> dict[str, Grant]:
    """Shares out what there is: higher priorities first, then by weight, as seats of a parliament (Sainte-Lague).

    Slot after slot goes to the sweep that has least for its share, half of the next slot included; between equals to
    the one that is named first. Who has use for no more, or comes to a limit, leaves the rest to the others.

    Args:
        capacity: of the cluster.
        claims: of all sweeps, in the order in which they came.
        limits: of all sweeps of a queue together; kinds that are not named have none.

    Returns:
        By the sweeps' ids.
    """
    order = list(claims)
    free, queues = dict(capacity), {name: dict(limit) for name, limit in limits.items()}
    given = dict.fromkeys((claim.sweep for claim in order), 0)
    held_by = dict.fromkeys(given, "")
    for priority in sorted({claim.priority for claim in order}, reverse=True):
        level = [(place, claim) for place, claim in enumerate(order) if claim.priority == priority]
        heap = [(_standing(claim, 0, capacity), place) for place, claim in level]
        heapq.heapify(heap)
        while heap:
            _, place = heapq.heappop(heap)
            claim = order[place]
            if given[claim.sweep] >= claim.most:
                continue
            queue = queues.get(claim.queue, {})
            held_by[claim.sweep] = QUEUE if not _fits(claim.slot, queue, queue) else ""
            if not _fits(claim.slot, free, claim.slot):
                held_by[claim.sweep] = held_by[claim.sweep] or CLUSTER
            if held_by[claim.sweep]:
                # what is left only becomes less
                continue
            for pot in (free, queue):
                for kind in pot.keys() & claim.slot.keys():
                    pot[kind] -= claim.slot[kind]
            given[claim.sweep] += 1
            heapq.heappush(heap, (_standing(claim, given[claim.sweep], capacity), place))
    return {sweep: Grant(count, held_by[sweep]) for sweep, count in given.items()}


def fitting(slot: Amounts, most: Amounts) -> int | None:
    """How many slots there are in what is named; None if nothing that is named counts for them."""
    found = [int((most[kind] + ROUNDING) // need) for kind, need in slot.items() if kind in most and need > 0]
    return min(found, default=None)


def within(use: Amounts, most: Amounts) -> bool:
    """Whether what is used is no more than what is named; kinds that are not named have no limit."""
    return _fits(use, most, most)


def _standing(claim: Claim, slots: int, capacity: Amounts) -> float:
    """How much it would have for its share, of what is scarcest for it."""
    part = max((need / capacity[kind] for kind, need in claim.slot.items() if capacity.get(kind, 0) > 0), default=0.0)
    return (slots + 0.5) * part / claim.share


def _fits(slot: Amounts, pot: Amounts, kinds: Iterable[str]) -> bool:
    return all(slot.get(kind, 0) <= pot.get(kind, 0) + ROUNDING for kind in kinds)
