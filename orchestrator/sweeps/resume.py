"""Going on with a sweep of an earlier session: what has happened, and what it is to do now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.columns.features_wish import BEFORE as FEATURES_BEFORE
from orchestrator.columns.rows_wish import BEFORE
from orchestrator.columns.target_wish import BEFORE as TARGET_BEFORE
from orchestrator.config import DEFAULT_TRIALS, SweepConfig
from orchestrator.errors import StorageError, UsageError
from orchestrator.journal import Closed, Drawn, Opened
from orchestrator.journal.folder import Header, KnownSweep
from orchestrator.journal.journal import Past, read_past
from orchestrator.journal.statuses import SweepStatus
from orchestrator.search import SearchSpace, find_searcher
from orchestrator.sweeps.plan import sampler_of, space_size
from orchestrator.units import format_duration

# what a sentence ends with that says why a sweep has not come to its end; the id of the sweep follows
GOES_ON = "finished trials are kept, go on with: orchestrator resume"
MORE = re.compile(r"\+(\d+)")


def past_of(found: KnownSweep) -> Past:
    """What has happened in a sweep.

    Raises:
        StorageError: that cannot be read, or all or a part of it is gone.
    """
    past = read_past(found.storage)
    drawn: set[int] = set()
    for event in past.events:
        if isinstance(event, Drawn):
            drawn.add(event.index)
        elif not isinstance(event, Opened | Closed) and event.index not in drawn:
            raise StorageError(
                f"{found.storage}: lines of the journal are missing (it tells of trial {event.index}, and not how that "
                "began), so the sweep can be neither sent nor gone on with; bring them back, or start a new sweep"
            )
    if not past.events and found.header.status != SweepStatus.RUNNING:
        raise StorageError(
            f"{found.storage}: the journal of the sweep is gone (its status is {found.header.status}), so it can be "
            "neither sent nor gone on with; bring it back, or start a new sweep"
        )
    return past


def session_options(found: KnownSweep, past: Past, trials: str | int | None, options: Mapping[str, Any]) -> SweepConfig:
    """What a session goes on with: the options of the sessions before, with what is given now in their place.

    Args:
        found: the sweep.
        past: what has happened in it.
        trials: how many there shall be in all, or `+N` for so many more; as before if None.
        options: fields of `SweepConfig`; those that are None count as not given.

    Raises:
        UsageError: nothing would be added to a finished sweep.
    """
    header = found.header
    values = {
        "equal_rows": BEFORE,
        **TARGET_BEFORE.said,
        **FEATURES_BEFORE,
        # sweeps of before have kept the weights of their best trial only
        "ensemble": "none",
        **header.config,
        **{name: value for name, value in options.items() if value is not None},
    }
    if trials is not None and values.get("preset") and options.get("time_budget") is None:
        # who asks for more trials than its preset means more than its time
        values["preset"] = values["time_budget"] = None
    drawn = sum(isinstance(event, Drawn) for event in past.events)
    planned = next((event.trials for event in reversed(past.events) if isinstance(event, Opened)), None)
    wanted = _wanted(trials, max(planned or 0, drawn), drawn)
    if wanted is not None:
        values["trials"] = wanted
    config = SweepConfig.create(**values)
    if header.status == SweepStatus.FINISHED:
        _check_extension(header, config, drawn, longer=options.get("time_budget") is not None, wanted=wanted)
    return config


def _check_extension(header: Header, config: SweepConfig, drawn: int, *, longer: bool, wanted: int | None) -> None:
    """Refuses to go on with a finished sweep if nothing would be added to it.

    Raises:
        UsageError: says what to give.
    """
    size = space_size(config, sampler_of(config, SearchSpace.model_validate(header.space), header.metric))
    if size is not None and drawn >= size:
        what = find_searcher(config.algorithm).searches
        raise UsageError(
            f"the sweep {header.id} is finished: its {what} has no more than {size} configurations, "
            "and none is trained twice"
        )
    if config.time_budget is not None and not longer:
        raise UsageError(
            f"the sweep {header.id} is finished and its time budget of {format_duration(config.time_budget)} is spent; "
            "give a longer --time-budget, which is that of all sessions together"
        )
    if not longer and (wanted is None or wanted <= drawn):
        raise UsageError(
            f"the sweep {header.id} is finished; --trials +{DEFAULT_TRIALS} would extend it by {DEFAULT_TRIALS} trials"
        )


def check_trials(trials: str | int | None) -> None:
    """That it says how many trials there shall be, see `session_options`.

    Raises:
        UsageError: it does not.
    """
    if trials is None:
        return
    text = str(trials).strip()
    if MORE.fullmatch(text) is None and (not text.isdecimal() or int(text) < 1):
        raise UsageError(f"--trials {text}: give a number, or +20 for 20 more")


def _wanted(trials: str | int | None, planned: int, drawn: int) -> int | None:
    if trials is None:
        return None
    check_trials(trials)
    text = str(trials).strip()
    more = MORE.fullmatch(text)
    if more is not None:
        return planned + int(more[1])
    if int(text) < drawn:
        raise UsageError(f"--trials {text}: there are {drawn} trials already; give more, or +20 for 20 more")
    return int(text)
