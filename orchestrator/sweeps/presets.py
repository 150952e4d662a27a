"""Presets: how much is tried, in one word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from orchestrator.choices import PresetName
from orchestrator.columns.rows_wish import AUTO
from orchestrator.config import SweepConfig
from orchestrator.data.folders import is_streamed
from orchestrator.search import find_scheduler, find_searcher

DEFAULT: PresetName = "good"


@dataclass(frozen=True)
class Preset:
    """How much a sweep tries.

    Attributes:
        time_budget: of the search and its end.
        trials: at most; None for as many as the time allows.
        always: whether so many end it also where the user says how much time there is.
        folds: of a trial, see `RowsWish`; None for one split.
    """

    time_budget: timedelta
    trials: int | None
    always: bool = False
    folds: str | None = None


# what starts and ends a sweep comes on top of what a quick one searches
PRESETS: dict[PresetName, Preset] = {
    "quick": Preset(timedelta(seconds=50), 10, always=True),
    "good": Preset(timedelta(minutes=10), 40, folds=AUTO),
    "best": Preset(timedelta(hours=1), None, folds=AUTO),
}


def with_preset(config: SweepConfig) -> SweepConfig:
    """The configuration of a new sweep with what its preset says and the user does not.

    Without a preset, it is `good`, unless the user has said how many trials there shall be, or how much time, or the
    algorithm or the scheduler works with a fixed number of trials. A time budget of the user's is used whole: the
    number of trials of `good` and `best` does not end it. They train each trial on as many folds as the table wants,
    unless the user has said which rows validate.

    Args:
        config: as the user gave it.
    """
    name = config.preset
    if name is None:
        fixed = find_searcher(config.algorithm).tries_all or find_scheduler(config.scheduler).wants_all
        if config.trials is not None or config.time_budget is not None or fixed:
            return config
        name = DEFAULT
    preset = PRESETS[name]
    trials = config.trials
    if trials is None and (config.time_budget is None or preset.always):
        trials = preset.trials
    update: dict[str, Any] = {"preset": name, "trials": trials, "time_budget": config.time_budget or preset.time_budget}
    if _can_have_folds(config):
        update["folds"] = preset.folds
    return config.model_copy(update=update)


def _can_have_folds(config: SweepConfig) -> bool:
    """Whether nothing speaks against folds that the user has not asked for."""
    said = (config.folds, config.validation, config.split_column, config.time, config.group)
    return not any(said) and not find_scheduler(config.scheduler).copies_weights and not is_streamed(config.data)
