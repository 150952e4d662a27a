"""What a version of a registered model does at an endpoint: an alias in the registry, a label of what is told of it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Of a version. As JSON, as an alias and in metrics it is its plain name."""

    # it answers
    CHAMPION = "champion"
    # it answers a share of the requests
    CANARY = "canary"
    # it answers copies of requests, which nobody reads
    SHADOW = "shadow"
