"""The record of a sweep: every event as a line of JSON, written before anything else learns of it."""

from orchestrator.journal.clock import RunningTime, SweepTime
from orchestrator.journal.events import (
    Begun,
    Closed,
    Continued,
    Drawn,
    Ended,
    Event,
    Lost,
    Opened,
    Outlook,
    Paused,
    Reported,
    Yielded,
)
from orchestrator.journal.journal import Journal
from orchestrator.journal.statuses import FINAL, SweepStatus, TrialStatus

__all__ = [
    "FINAL",
    "Begun",
    "Closed",
    "Continued",
    "Drawn",
    "Ended",
    "Event",
    "Journal",
    "Lost",
    "Opened",
    "Outlook",
    "Paused",
    "Reported",
    "RunningTime",
    "SweepStatus",
    "SweepTime",
    "TrialStatus",
    "Yielded",
]
