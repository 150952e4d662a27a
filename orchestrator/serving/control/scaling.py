"""How many replicas a load needs: as a policy for Ray Serve's autoscaler."""

from __future__ import annotations

import math
from typing import Any

# as Kubernetes' horizontal pod autoscaler: replicas * busy / target, and nothing within 10 % of the target
TARGET_BUSY = 0.7
TOLERANCE = 0.1
BUSY = "busy"
# more is not to be told apart: whoever waits for a busy replica waits in its queue
MOST_BUSY = 2.0


def desired_replicas(context: Any) -> tuple[float, dict[str, Any]]:  # noqa: ANN401
    """Replicas so that each is busy for 70 % of the time.

    Args:
        context: Ray Serve's `AutoscalingContext`; each replica's `busy` metric is the share of one core that it used.

    Returns:
        The number, which Serve bounds and delays, and a state that is not used.
    """
    shares = list((context.aggregated_metrics or {}).get(BUSY, {}).values())
    return wanted(shares, context.target_num_replicas), {}


def wanted(shares: list[float], present: int) -> float:
    """`ceil(sum of the shares / target)`; `present` where nothing is known, or near enough to the target."""
    if not shares:
        return present
    mean = sum(shares) / len(shares)
    if abs(mean / TARGET_BUSY - 1) <= TOLERANCE and len(shares) == present:
        return present
    return max(1, math.ceil(sum(shares) / TARGET_BUSY - 1e-9))
