"""Untracked: in the place of a sweep's run in MLflow, where none is wanted. The sweep's folder has it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import NoReturn, Protocol

from orchestrator.bundle.registration import Figure
from orchestrator.errors import TrackingError
from orchestrator.journal import Event
from orchestrator.journal.folder import Header, write_header
from orchestrator.runtime.assembly import Origin, first_header
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import Outcome, Tracker
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.tracking.written import Backlog


class EventSink(Protocol):
    """What is told of the events of a sweep."""

    def put(self, event: Event) -> None:
        """Takes in an event."""


class OpenTracker(Tracker, Protocol):
    """Where a sweep is written down besides its folder, from its start to its end; see `SweepTracker`."""

    @property
    def run_id(self) -> str:
        """Of the parent run."""

    @property
    def has_begun(self) -> bool:
        """Whether `start` was called."""

    def start(self, labels: Mapping[str, str], past: Iterable[Event] = ()) -> EventSink:
        """What the events of this session are given to."""

    def backlog(self, now: float) -> Backlog | None:
        """What is not written down yet, at `now` (seconds since 1970); None if nothing ever is."""

    def log_report(self, content: bytes, pictures: Mapping[str, bytes]) -> None:
        """Takes in the report of the sweep, and pictures of its charts by the names of their files."""

    def log_winner(self, storage: Storage) -> None:
        """Takes in what is found out about the winner, from the folder of the sweep."""

    def halt(self) -> None:
        """Writes nothing more: another driver does."""

    def abandon(self, status: str, reason: str) -> None:
        """The sweep has ended without an outcome."""


class Untracked:
    """See `OpenTracker`, which this is: it writes nothing down."""

    run_id = ""
    has_begun = False

    def start(self, labels: Mapping[str, str], past: Iterable[Event] = ()) -> Untracked:
        """See `OpenTracker`."""
        del labels, past
        return self

    def put(self, event: Event) -> None:
        """See `EventSink`."""

    def backlog(self, now: float) -> None:
        """See `OpenTracker`."""

    def close_trials(self, trials: int, reports: int, patience: float) -> str | None:
        """See `Tracker`: nothing is waited for."""
        del trials, reports, patience
        return None

    def looks(self, digest: str) -> int:
        """See `Tracker`: of no others is known."""
        del digest
        return 0

    def register(
        self, trial: int, name: str, *, folder: Path, figure: Figure, model_digest: str, doubt: str
    ) -> NoReturn:
        """See `Tracker`.

        Raises:
            TrackingError: always.
        """
        del trial, folder, figure, model_digest, doubt
        raise TrackingError(f"the model {name} cannot be registered: the sweep is not tracked; say a tracking_uri")

    def tell(self, outcome: Outcome) -> None:
        """See `Tracker`."""

    def leave(self, *, failed: bool) -> None:
        """See `Tracker`."""

    def log_report(self, content: bytes, pictures: Mapping[str, bytes]) -> None:
        """See `OpenTracker`."""

    def log_winner(self, storage: Storage) -> None:
        """See `OpenTracker`."""

    def halt(self) -> None:
        """See `OpenTracker`."""

    def abandon(self, status: str, reason: str) -> None:
        """See `OpenTracker`."""


def open_untracked(origin: Origin, planning: Future[SweepPlan]) -> tuple[Untracked, Header]:
    """A sweep that MLflow hears nothing of, as long as nobody sends it with `sync`; see `open_tracker`."""
    header = first_header(planning.result(), origin, "")
    write_header(origin.storage, header)
    return Untracked(), header
