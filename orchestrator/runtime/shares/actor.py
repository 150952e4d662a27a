"""The actor that shares out a cluster: detached, so that it outlives the program that has made it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ray

from orchestrator.runtime.shares.ledger import Ledger
from orchestrator.runtime.shares.queues import queue_limits
from orchestrator.sweeps.shares import Claim

# all programs know it by this; what it is told and answers is plain data
NAME, NAMESPACE = "shares-1", "orchestrator"
LOOK_SECONDS = 1.0


class SharesActor:
    """See `Ledger`, of which this is the shell. It ends with the last sweep, and is made again for the next one."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._looked = float("-inf")

    def renew(self, claim: Mapping[str, Any]) -> dict[str, Any]:
        """A sweep is alive: how many trials it may have at a time, and what it waits for."""
        self._look()
        now = time.monotonic()
        slots = self._ledger.renew(Claim.from_json(claim), now)
        row = next(row for row in self._ledger.rows(now) if row.sweep == claim["sweep"])
        return {"slots": slots, "waits_for": row.waits_for}

    def release(self, sweep: str) -> None:
        """A sweep is over."""
        self._ledger.release(sweep)
        if self._ledger.is_empty:
            ray.actor.exit_actor()

    def rows(self) -> list[dict[str, Any]]:
        """All sweeps; see `Row`."""
        self._look()
        return [row.to_json() for row in self._ledger.rows(time.monotonic())]

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._ledger.look(now, total=ray.cluster_resources(), free=ray.available_resources(), limits=queue_limits())


def shares_actor() -> Any:  # noqa: ANN401
    """The cluster's; it is made if there is none."""
    # it is started again if its process or its node is lost, and hears of all sweeps when they renew their leases
    actor = ray.remote(num_cpus=0, max_restarts=-1)(SharesActor)
    return actor.options(name=NAME, namespace=NAMESPACE, lifetime="detached", get_if_exists=True).remote()


def shown_rows() -> list[dict[str, Any]]:
    """All sweeps that share the cluster; empty if there are none."""
    try:
        found = ray.get_actor(NAME, namespace=NAMESPACE)
    except ValueError:
        return []
    try:
        rows: list[dict[str, Any]] = ray.get(found.rows.remote(), timeout=LOOK_SECONDS * 30)
    except ray.exceptions.ActorDiedError:
        # the last sweep has just ended
        return []
    return rows
