"""Between the choice of a winner and its registration: what people will want to know of it, in a bounded time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.columns.rows_wish import FRAME
from orchestrator.roles import Role
from orchestrator.sweeps.plan import SweepPlan

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.reports.card import CardSource
    from orchestrator.sweeps.choice import Winner

# that it takes at most, and as a share of a time budget
DESCRIBE_SECONDS, DESCRIBE_SHARE = 2.0, 0.05


def describe_seconds(budget: timedelta | None) -> float:
    """How long it may take in a sweep with this time budget."""
    return DESCRIBE_SECONDS if budget is None else min(DESCRIBE_SECONDS, DESCRIBE_SHARE * budget.total_seconds())


def described(winner: Winner, plan: SweepPlan, sweep: str) -> Winner:
    """The winner with what is found out about it, and with its card.

    Args:
        winner: of the sweep.
        plan: of the sweep.
        sweep: its id.
    """
    from orchestrator.evaluation.kept_answers import KeptAnswers
    from orchestrator.evaluation.winner_description import describe_answers
    from orchestrator.reports.card import model_card

    answers = KeptAnswers.unpacked(winner.answers)
    seconds = describe_seconds(plan.config.time_budget)
    found = describe_answers(winner.bundle.explained, plan.dataset, answers, winner.test, seconds)
    source = replace(card_source(plan.config, plan.name, sweep), winner=found)
    bundle = replace(winner.bundle, card=model_card(winner.bundle.content, source))
    return replace(winner, bundle=bundle, description=found.packed())


def card_source(config: SweepConfig, name: str, sweep: str) -> CardSource:
    """What a sweep says of its model.

    Args:
        config: of the sweep.
        name: of the registered model.
        sweep: id of the sweep.
    """
    from orchestrator.reports.card import CardSource

    data = str(config.data or FRAME)
    return CardSource(
        model=f"models:/{name}@{Role.CHAMPION}" if config.register_model else "FOLDER",
        # where it lies on the machine of its user is nobody's business
        data=Path(data).name if Path(data).is_absolute() else data,
        sweep=sweep,
        rows=config.rows,
    )
