"""Room for trials, as a controller asks for it; how a cluster answers: `orchestrator/runtime/tune/room.py`."""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """What says whether a trial may start now; see `ClusterRoom`."""

    def admits(self, size: int) -> bool:
        """Whether a trial of so many workers may start."""

    def start(self, index: int, size: int) -> None:
        """One starts."""

    def end(self, index: int) -> None:
        """It is over, or has made room."""

    def gives_way(self, index: int) -> bool:
        """Whether a running trial, which has a checkpoint, has to make room for another sweep's."""
