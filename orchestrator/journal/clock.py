"""How long a trial was running, and a sweep, from the times of their events."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.journal.events import Begun, Closed, Event, Opened


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


@dataclass(kw_only=True)
class SweepTime:
    """Adds up the two times of a sweep, over its sessions.

    **Search** is from the start of a session's first trial to the end of its last one. **In all** is from the start of
    its driver to its end: also reading the data, starting Ray, choosing and testing the winner, and the report.
    """

    _search: float = 0.0
    _in_all: float = 0.0
    # of the present session: when its driver began, its first trial, when the search and it went on last
    _opened: float | None = None
    _begun: float | None = None
    _searched: float = 0.0
    _last: float = 0.0

    @property
    def search(self) -> float:
        """Seconds of search so far."""
        return self.search_at(self._searched)

    @property
    def has_begun(self) -> bool:
        """Whether a trial of the present session has."""
        return self._begun is not None

    @property
    def is_open(self) -> bool:
        """Whether the last session has not said that it is over."""
        return self._opened is not None

    def search_at(self, at: float) -> float:
        """Seconds of search at a time of the present session."""
        return self._search + (0.0 if self._begun is None else max(0.0, at - self._begun))

    def in_all(self, now: float | None = None) -> float:
        """Seconds in all, of a session that is open until `now` or until its last sign of life."""
        until = self._last if now is None else now
        return self._in_all + (0.0 if self._opened is None else max(0.0, until - self._opened))

    def tell(self, event: Event, *, running: bool) -> None:
        """Takes in an event; `running` says whether a trial was, until then."""
        if isinstance(event, Opened):
            # the session before may have had no chance to say that it ended
            self._search, self._in_all = self.search, self.in_all()
            self._opened, self._begun = event.at if event.begun is None else event.begun, None
        if isinstance(event, Begun) and self._begun is None:
            self._begun = event.at
        # what a sweep does after its last trial is no search
        if running or not isinstance(event, Closed):
            self._searched = event.at
        self._last = event.at
        if isinstance(event, Closed):
            self._in_all, self._opened = self.in_all(), None
