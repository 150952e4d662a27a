"""How many trials of a sweep the cluster can hold at once."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.config import SweepConfig
from orchestrator.sweeps.slots import Slots, plan_slots


def cluster_slots(config: SweepConfig, sizes: Mapping[str, int], trials: int | None, readers: int) -> Slots:
    """`plan_slots` for the cluster that this process is connected to."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return plan_slots(nodes, config.resources, sizes=sizes, trials=trials, limit=config.concurrency, readers=readers)
