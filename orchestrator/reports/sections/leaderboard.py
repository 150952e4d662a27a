"""The best trials."""

from __future__ import annotations

from orchestrator.reports.content import Paragraph, ReportTable, Section
from orchestrator.reports.story import SweepStory
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.units import show_number

SHOWN = 20
# of an entry that takes too many words, or says nothing of the trial
LEFT_OUT = frozenset({"architecture", "metric", "seed"})


def section(story: SweepStory) -> Section | None:
    """Trials, the best first; None before there is one."""
    records = story.ranked
    if not records:
        return None
    varying = story.varying - LEFT_OUT
    rows = tuple(
        (
            record.index,
            record.value,
            record.spec.architecture,
            record.report.best_epoch if record.report else None,
            record.epochs,
            story.status_of(record),
            round(record.seconds, 1),
            _settings(story, record, varying),
        )
        for record in records[:SHOWN]
    )
    headers = ("trial", story.metric.name, "architecture", "best epoch", "epochs", "status", "seconds", "settings")
    more = len(records) - len(rows)
    said = f"The best {SHOWN} of {len(records):,} trials; all of them: `orchestrator trials {story.header.id}`."
    alike = "Settings that are the same in all trials are left out."
    return Section(
        name="leaderboard",
        title="Leaderboard",
        paragraphs=(Paragraph((said, alike) if more > 0 else (alike,)),),
        tables=(ReportTable(headers, rows),),
    )


def _settings(story: SweepStory, record: TrialRecord, names: frozenset[str]) -> str:
    """Of a trial, in words."""
    found = story.settings[record.index].items()
    return ", ".join(f"{name} {show_number(value)}" for name, value in found if name in names)
