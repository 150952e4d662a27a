"""Between training and registration: what people will want to know of a model, found out in a bounded time."""

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
    from orchestrator.data import Dataset
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
    seconds = describe_seconds(plan.config.time_budget)
    return with_card(winner, plan.dataset, card_source(plan.config, plan.name, sweep), seconds)


def with_card(winner: Winner, dataset: Dataset, source: CardSource, seconds: float = DESCRIBE_SECONDS) -> Winner:
    """A trained model with what is found out about it, and with its card.

    Args:
        winner: the model.
        dataset: that it was trained on.
        source: what else is known of it.
        seconds: that it may take.
    """
    from orchestrator.evaluation.kept_answers import KeptAnswers
    from orchestrator.evaluation.winner_description import describe_answers
    from orchestrator.reports.card import model_card

    answers = KeptAnswers.unpacked(winner.answers)
    found = describe_answers(winner.bundle.explained, dataset, answers, winner.test, seconds)
    bundle = replace(winner.bundle, card=model_card(winner.bundle.content, replace(source, winner=found)))
    return replace(winner, bundle=bundle, description=found.packed())


def data_name(data: object) -> str:
    """How data is called where others read it: the folder on its user's machine is nobody's business."""
    text = str(data)
    return Path(text).name if Path(text).is_absolute() else text


def card_source(config: SweepConfig, name: str, sweep: str) -> CardSource:
    """What a sweep says of its model.

    Args:
        config: of the sweep.
        name: of the registered model.
        sweep: id of the sweep.
    """
    from orchestrator.reports.card import CardSource

    return CardSource(
        model=f"models:/{name}@{Role.CHAMPION}" if config.register_model else "FOLDER",
        data=data_name(config.data or FRAME),
        sweep=sweep,
        rows=config.rows,
    )
