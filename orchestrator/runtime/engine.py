"""What the trials of a sweep run on, Ray or this process, as the rest of the sweep sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.data import Dataset, Examples, Part
from orchestrator.runtime.describing import describe_seconds
from orchestrator.runtime.findings import finding_seconds
from orchestrator.runtime.reporting import REPORT_SECONDS
from orchestrator.sweeps.budget import CANDIDATE_SECONDS, MEASURED_SECONDS, TimeBudget

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.hooks import Notify
    from orchestrator.runtime.worker.session import WorkerSettings
    from orchestrator.sweeps.controller import SweepController
    from orchestrator.sweeps.plan import SweepPlan
    from orchestrator.sweeps.room import Room
    from orchestrator.sweeps.slots import Slots


class Runner(Protocol):
    """Runs the attempts that a controller asks for."""

    def run(self, plan: SweepPlan, controller: SweepController) -> bool:
        """Runs all trials.

        Returns:
            Whether the user stopped it.
        """


class Engine(Protocol):
    """Where trials run."""

    def rows(self, dataset: Dataset, part: Part) -> Iterable[Examples]:
        """All rows of a part in chunks."""

    def slots(self, plan: SweepPlan) -> Slots:
        """Trials at once, and threads of each.

        Raises:
            ExecutionError: a trial of the plan finds no place.
        """

    def room(self, config: SweepConfig, limit: int | None, readers: int) -> Room:
        """What says whether a trial may start; `limit` of them at once, with so many reading processes each."""

    def runner(
        self,
        plan: SweepPlan,
        *,
        slots: Slots,
        settings: WorkerSettings,
        room: Any,  # noqa: ANN401
        notify: Notify,
    ) -> Runner:
        """What runs the trials of the plan, with what `slots` and `room` have given."""


def limit_time(plan: SweepPlan, controller: SweepController) -> bool:
    """Has the controller keep to the time budget of a plan; whether there is time to search."""
    if plan.config.time_budget is None:
        return True
    left = plan.config.time_budget.total_seconds() - controller.trial_table.spent
    train_rows, validation_rows, test_rows = plan.dataset.counts
    rows = train_rows + validation_rows
    budget = TimeBudget(
        left,
        test_rows / rows,
        candidates=plan.config.candidates,
        validation_share=validation_rows / rows,
        candidate_seconds=MEASURED_SECONDS if plan.config.has_bounds else CANDIDATE_SECONDS,
        report_seconds=REPORT_SECONDS
        + describe_seconds(plan.config.time_budget)
        + finding_seconds(plan, plan.config.time_budget.total_seconds()).total,
        folds=plan.networks,
    )
    controller.limit_time(budget)
    if left <= 0 and controller.trial_table.reports:
        budget.begin()
        controller.close()
        return False
    return True
