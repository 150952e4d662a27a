"""What a controller keeps to: room for trials, and when to give up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# fewer failures say nothing about their share
MIN_FAILURES = 10


class Room(Protocol):
    """What says whether a trial may start now; see `ClusterRoom`."""

    def admits(self, size: int) -> bool:
        """Whether a trial of so many workers may start."""

    def start(self, index: int, size: int) -> None:
        """One starts."""

    def end(self, index: int) -> None:
        """It is over, or has made room."""


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Attributes:
        max_failures: so often a trial whose process was lost is tried again.
        failed_share: the sweep gives up when a larger share of its trials has failed.
        epoch_timeout: seconds of an epoch at most, None for no limit.
    """

    max_failures: int = 2
    failed_share: float = 0.8
    epoch_timeout: float | None = None
