"""Limits of queues. They lie in Ray's own store, so that they outlive all processes of ours on the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping

from orchestrator.runtime.holders import NAMESPACE, store
from orchestrator.sweeps.shares import Amounts

KEY = b"queues"


def queue_limits() -> dict[str, Amounts]:
    """What all sweeps of a queue together may have, by its name, such as `{"CPU": 8.0}`."""
    content = store().internal_kv_get(KEY, NAMESPACE)
    found: dict[str, Amounts] = json.loads(content) if content else {}
    return found


def limit_queue(name: str, limit: Amounts) -> None:
    """Sets the limit of a queue, or takes it away if nothing is named; running sweeps keep to it within seconds."""
    limits: Mapping[str, Amounts] = {**queue_limits(), name: limit}
    kept = {queue: amounts for queue, amounts in limits.items() if amounts}
    store().internal_kv_put(KEY, json.dumps(kept).encode(), True, NAMESPACE)
