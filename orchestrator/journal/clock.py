"""How long a trial was running, from the times of its events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class RunningTime:
    """Adds up the times between signs of life; when its driver was killed, a trial ends with the last one.

    Attributes:
        seconds: so far.
    """

    seconds: float = 0.0
    _since: float | None = None

    def start(self, at: float) -> None:
        """A worker takes it up."""
        self._since = at

    def tick(self, at: float) -> None:
        """A sign of life."""
        if self._since is not None:
            self.seconds += max(0.0, at - self._since)
            self._since = at

    def stop(self, at: float) -> None:
        """Nothing runs it any more."""
        self.tick(at)
        self._since = None

    def leave(self) -> None:
        """Nothing runs it any more, since the last sign of life or later."""
        self._since = None
