"""RayEngine: the trials of a sweep run on the Ray that this process is connected to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.data import Dataset, Examples, Part
from orchestrator.runtime.slots import cluster_slots
from orchestrator.runtime.tune.run import TuneRunner

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.gangs.pool import GangPool
    from orchestrator.runtime.hooks import Notify
    from orchestrator.runtime.tune.room import ClusterRoom
    from orchestrator.runtime.worker.session import WorkerSettings
    from orchestrator.sweeps.plan import SweepPlan
    from orchestrator.sweeps.slots import Slots


@dataclass(frozen=True)
class RayEngine:
    """See `Engine`, which this is.

    Attributes:
        pool: of gangs, None if each trial is its own worker.
    """

    pool: GangPool | None

    def rows(self, dataset: Dataset, part: Part) -> Iterable[Examples]:
        """See `Engine`."""
        from orchestrator.runtime.streaming.rows import rows_on_cluster

        return rows_on_cluster(dataset, part)

    def slots(self, plan: SweepPlan) -> Slots:
        """See `Engine`."""
        return cluster_slots(plan.config, plan.workers, plan.trials, plan.readers)

    def room(self, config: SweepConfig, limit: int | None, readers: int) -> ClusterRoom:
        """See `Engine`."""
        from orchestrator.runtime.tune.room import ClusterRoom

        return ClusterRoom(config.resources, limit, self.pool, readers, config.own_limits)

    def runner(
        self, plan: SweepPlan, *, slots: Slots, settings: WorkerSettings, room: ClusterRoom, notify: Notify
    ) -> TuneRunner:
        """See `Engine`."""
        from orchestrator.runtime.streaming.rows import validation_references

        return TuneRunner(
            slots=slots,
            settings=settings,
            validation=validation_references(plan.dataset),
            pool=self.pool,
            room=room,
            notify=notify,
        )
