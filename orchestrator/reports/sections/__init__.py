"""The parts of a report, one module each; their order is that in which they stand there."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.reports.content import Section
from orchestrator.reports.sections import (
    curves,
    data,
    ensemble,
    explanation,
    leaderboard,
    parameters,
    progress,
    references,
    rungs,
    slots,
    summary,
    winner,
)
from orchestrator.reports.story import SweepStory

# gives None where there is nothing to tell
SECTIONS: tuple[Callable[[SweepStory], Section | None], ...] = (
    summary.section,
    winner.section,
    references.section,
    explanation.section,
    leaderboard.section,
    progress.section,
    curves.section,
    ensemble.section,
    parameters.section,
    rungs.section,
    slots.section,
    data.section,
)

__all__ = ["SECTIONS"]
