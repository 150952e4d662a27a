"""Schedulers: which trials are stopped, paused and promoted. One file each; none knows of Ray.

CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from orchestrator.choices import SchedulerName, names_of
from orchestrator.registry import class_of
from orchestrator.search.schedulers._base import Continuation, Decision, Observation, Scheduler


def find_scheduler(name: str) -> type[Scheduler]:
    """The scheduler of this name; its module is `name` with underscores.

    Raises:
        ConfigError: there is none.
    """
    return class_of(name, names_of(SchedulerName), __name__, Scheduler)


__all__ = ["Continuation", "Decision", "Observation", "Scheduler", "find_scheduler"]
