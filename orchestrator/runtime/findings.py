"""What a sweep finds out about its winner when it has one: each thing in a share of the sweep's time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.data import Dataset
from orchestrator.runtime.reporting import REPORT_SECONDS
from orchestrator.storage import Storage
from orchestrator.sweeps.choice import Winner
from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.trial_table import TrialTable

# of a sweep's time, and at most
REFERENCE_SHARE, MOST_REFERENCE_SECONDS = 0.1, 30.0
# what references take on one core: to begin, for each class or number, and for each cell of it
FIRST_SECONDS, OUTPUT_SECONDS, CELL_SECONDS = 2.5, 0.5, 4e-6


@dataclass(frozen=True)
class FindingSeconds:
    """How long each may take.

    Attributes:
        references: reference models, all together.
    """

    references: float

    @property
    def total(self) -> float:
        """Of all."""
        return self.references


def finding_seconds(plan: SweepPlan, whole: float, left: float = math.inf) -> FindingSeconds:
    """How long each may take in a sweep.

    Args:
        plan: of the sweep.
        whole: seconds of the sweep, its time budget if it has one.
        left: seconds until it has to be over.
    """
    wanted = min(REFERENCE_SHARE * whole, MOST_REFERENCE_SECONDS, _needed(plan.dataset))
    references = wanted if plan.config.references else 0.0
    return FindingSeconds(max(0.0, min(references, left)))


def find_out(
    plan: SweepPlan, table: TrialTable, winner: Winner, storage: Storage, notify: Callable[[str], None]
) -> None:
    """Compares the parts of the rows, and the winner with reference models; writes both into the sweep's folder.

    Args:
        plan, table: of the sweep.
        winner: that it has found.
        storage: its folder.
        notify: is told what could not be found out.
    """
    elapsed, budget = table.elapsed(time.time()), plan.config.time_budget
    whole = elapsed if budget is None else budget.total_seconds()
    left = math.inf if budget is None else whole - elapsed - REPORT_SECONDS
    seconds = finding_seconds(plan, whole, left)
    with _told("the parts of the data were not compared", notify):
        from orchestrator.evaluation.data_parts import DataParts

        distribution = winner.bundle.distribution
        parts = None if distribution is None else DataParts.of(plan.dataset, distribution)
        if parts is not None:
            parts.keep(storage)
    if plan.config.references and winner.answers:
        with _told("the winner was not compared with reference models", notify):
            from orchestrator.evaluation.kept_answers import KeptAnswers
            from orchestrator.evaluation.references import keep_references, measure_references

            kept = KeptAnswers.unpacked(winner.answers)
            found = measure_references(plan.dataset, plan.metric, kept, winner.test, seconds.references)
            keep_references(storage, found)


@contextmanager
def _told(what: str, notify: Callable[[str], None]) -> Iterator[None]:
    """A sweep that has its model has not failed, whatever a library says about the rows."""
    try:
        yield
    except Exception as error:
        notify(f"{what} ({type(error).__name__}: {' '.join(str(error).split())[:300]})")


def _needed(dataset: Dataset) -> float:
    """Seconds that references are likely to take."""
    outputs = max(1, dataset.schema.target.task.outputs)
    width = sum(spec.shape[0] or 0 for spec in dataset.encoder.inputs) or 1
    return FIRST_SECONDS + outputs * (OUTPUT_SECONDS + CELL_SECONDS * dataset.counts[0] * width)
