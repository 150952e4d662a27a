"""How far the runs of a sweep's trials are written to MLflow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredRun:
    """A run that was there before.

    Attributes:
        run_id: in the store.
        complete: whether nothing of the trial is missing in it.
        reasoned: whether it says why it has ended.
    """

    run_id: str
    complete: bool
    reasoned: bool = False


@dataclass(frozen=True)
class WrittenCounts:
    """What is in the store: runs of trials, and epochs (one metric point each)."""

    runs: int
    points: int


@dataclass(frozen=True)
class Backlog:
    """What is not in the store yet: events and epochs, and how many seconds ago the oldest of the epochs was over."""

    events: int
    seconds: float
