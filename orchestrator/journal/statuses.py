"""In what state a trial or a sweep can be. As JSON and in MLflow they are their plain names."""

from __future__ import annotations

from enum import StrEnum


class TrialStatus(StrEnum):
    """Of a trial."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    # by the scheduler or a limit
    STOPPED = "stopped"
    FAILED = "failed"
    # it can go on in another session
    INTERRUPTED = "interrupted"


# those that nothing more happens to
FINAL = (TrialStatus.FINISHED, TrialStatus.STOPPED, TrialStatus.FAILED)


class SweepStatus(StrEnum):
    """Of a sweep: the first four are written down, the others are seen when sweeps are looked for."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    # it should be running, and no process drives it
    KILLED = "killed"
    DAMAGED = "damaged"
    # another version of this program has written it
    NEWER = "newer"
    # killed before anything was written down
    UNSTARTED = "unstarted"
    MISSING = "missing"
