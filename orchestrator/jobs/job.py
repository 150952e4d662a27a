"""What is known of a sweep that a cluster runs."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# by these entries of a job's metadata we know our own
VERSION, SWEEP, DATA = "orchestrator", "sweep", "data"
ENDS = ("SUCCEEDED", "FAILED", "STOPPED")
ABSENT = re.compile(r"No module named '?orchestrator'?\s*$|python: (?:command )?not found", re.MULTILINE)
INSTALL = "the cluster's Python has no orchestrator: install it on all nodes, where Ray is installed"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A sweep on a cluster.

    Attributes:
        id: what the job server calls it.
        sweep: its name, which is the registered model's, too.
        data: as the user wrote it.
        version: orchestrator's, of the machine that submitted it.
        status: `PENDING`, `RUNNING`, or one of `ENDS`.
        started: when it was submitted.
        seconds: since then, or how long it took.
        message: one sentence about the state, the reason of a failure.
    """

    id: str
    sweep: str
    data: str
    version: str
    status: str
    started: datetime | None
    seconds: float | None
    message: str

    @property
    def ended(self) -> bool:
        """Whether nothing of it will happen any more."""
        return self.status in ENDS


def job_of(details: Any) -> Job:  # noqa: ANN401
    """What the job server says about a job of ours."""
    metadata = details.metadata
    started = datetime.fromtimestamp(details.start_time / 1000, UTC) if details.start_time else None
    seconds = None
    if details.start_time:
        seconds = round(max(0.0, (details.end_time or time.time() * 1000) - details.start_time) / 1000, 1)
    return Job(
        id=str(details.submission_id),
        sweep=metadata.get(SWEEP, ""),
        data=metadata.get(DATA, ""),
        version=metadata[VERSION],
        status=str(details.status.value),
        started=started,
        seconds=seconds,
        message=reason_of(details.message or ""),
    )


def reason_of(message: str) -> str:
    """The one sentence of a message that says most; that of a failure holds the last lines of the log."""
    if ABSENT.search(message):
        return INSTALL
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return (errors or lines or [""])[-1]
