"""GangCallback: what we do in the process that controls a gang, which computes nothing: imports no torch."""

from __future__ import annotations

from typing import Any

import ray
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2._internal.execution.callback import WorkerGroupCallback

from orchestrator.cluster import ray_logs
from orchestrator.runtime.lost_processes import explain_lost_process


class GangCallback(WorkerGroupCallback):  # type: ignore[misc]
    """Runs in a gang's controller: lets the pool reach it, asks before each try to find a place, tells of losses."""

    def __init__(self, rendezvous: Any, gang: str) -> None:  # noqa: ANN401
        self._rendezvous, self._gang = rendezvous, gang

    def before_worker_group_start(self, worker_group_context: Any) -> None:  # noqa: ANN401
        """Ray Train: no place was asked for yet, or the one before was given up."""
        here = ray.get_runtime_context().current_actor
        if not ray.get(self._rendezvous.register.remote(self._gang, here)):
            ray.actor.exit_actor()

    def after_worker_group_poll_status(self, worker_group_status: Any) -> None:  # noqa: ANN401
        """Ray Train: it has looked after the workers; of those that are gone, the first tells why."""
        for error in worker_group_status.errors.values():
            if isinstance(error, WorkerHealthCheckFailedError):
                cause = explain_lost_process(str(error.health_check_failure), ray_logs())
                ray.get(self._rendezvous.explain.remote(self._gang, cause))
                return
