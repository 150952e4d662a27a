"""What the trials of a sweep have held of the machines, in hours, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.sweeps.plan import SweepPlan
from orchestrator.sweeps.trial_table import TrialTable
from orchestrator.units import show_number

HOUR = 3600.0
CENT = 0.01
# of a unit, from which on all its digits are told, and no more than three before
MANY = 1000


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What trials have held, from when a worker took them up until they were over or paused; all sessions together.

    Attributes:
        cpu_hours, gpu_hours: cores and GPUs, each for an hour.
        cost: in the currency of the prices, None if no price is known.
    """

    cpu_hours: float
    gpu_hours: float
    cost: float | None = None

    def to_json(self) -> dict[str, float]:
        """Plain JSON without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Spent | None:
        """The inverse of `to_json`; None of sweeps of before, which do not say it."""
        if not content:
            return None
        return cls(cpu_hours=content["cpu_hours"], gpu_hours=content["gpu_hours"], cost=content.get("cost"))

    def __str__(self) -> str:
        gpus = f" and {_time(self.gpu_hours, 'GPU')}" if self.gpu_hours else ""
        cost = ""
        if self.cost is not None:
            cost = f", which cost {show_number(self.cost) if 0 < self.cost < CENT else f'{self.cost:,.2f}'}"
        return f"{_time(self.cpu_hours, 'CPU')}{gpus}{cost}"


def _time(hours: float, what: str) -> str:
    """Hours, or minutes or seconds where they say more."""
    units = {"hours": 1.0, "minutes": 60.0, "seconds": HOUR}
    unit = next((unit for unit, length in units.items() if hours * length >= 1), "seconds")
    amount = hours * units[unit]
    return f"{show_number(float(f'{amount:.3g}') if amount < MANY else amount)} {what}-{unit}"


def spent_by(plan: SweepPlan, table: TrialTable) -> Spent:
    """What the trials of a sweep have held so far, by the times in its journal.

    Args:
        plan: of the sweep.
        table: its trials.
    """
    return spent_for(
        plan, ((plan.workers[record.spec.architecture], record.seconds) for record in table.trials.values())
    )


def spent_for(plan: SweepPlan, held: Iterable[tuple[int, float]]) -> Spent:
    """What trials hold, by their workers and seconds."""
    config, resources = plan.config, plan.config.resources
    cpus = gpus = 0.0
    for workers, seconds in held:
        cpus += seconds * (workers * resources.cpus_per_worker + plan.readers) / HOUR
        gpus += seconds * workers * resources.gpus_per_worker / HOUR
    prices = (config.cost_per_cpu_hour, config.cost_per_gpu_hour)
    cost = None if prices == (None, None) else cpus * (prices[0] or 0.0) + gpus * (prices[1] or 0.0)
    return Spent(cpu_hours=cpus, gpu_hours=gpus, cost=cost)
