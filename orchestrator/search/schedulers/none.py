"""No scheduler: every trial runs to its end."""

from __future__ import annotations

from orchestrator.search.schedulers._base import Scheduler


class NoScheduler(Scheduler):
    """Neither stops nor pauses a trial."""
