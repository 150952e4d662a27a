"""How many trials of a sweep the cluster can hold at once."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.config import SweepConfig
from orchestrator.sweeps.slots import Slots, own_limit, plan_slots


def cluster_slots(config: SweepConfig, sizes: Mapping[str, int], trials: int | None, readers: int) -> Slots:
    """`plan_slots` for the cluster that this process is connected to."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    limit = own_limit(config, sizes, readers)
    return plan_slots(nodes, config.resources, sizes=sizes, trials=trials, limit=limit, readers=readers)
