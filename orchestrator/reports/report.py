"""Making the report of a sweep, and keeping it in its folder."""

from __future__ import annotations

import time
from dataclasses import replace

from orchestrator.journal.folder import Header, KnownSweep
from orchestrator.journal.statuses import SweepStatus
from orchestrator.reports.content import REPORT_FILE, Report
from orchestrator.reports.html import to_html
from orchestrator.reports.sections import SECTIONS
from orchestrator.reports.story import read_story
from orchestrator.storage import Storage


def make_report(found: KnownSweep) -> Report:
    """The report of a sweep, as it is now.

    Raises:
        StorageError: its journal cannot be read.
    """
    return _report(found)


def keep_report(storage: Storage, header: Header, status: SweepStatus) -> tuple[Report, bytes]:
    """Writes the report of a sweep that has just ended as `report.html` into its folder.

    Args:
        storage: its folder.
        header: what it is.
        status: how it has ended.

    Returns:
        It, and what was written.

    Raises:
        StorageError: its journal cannot be read, or the report cannot be written.
    """
    # the header in the folder may not say yet how it has ended
    report = _report(KnownSweep(replace(header, status=status), storage))
    content = to_html(report).encode()
    storage.write(REPORT_FILE, content)
    return report, content


def _report(found: KnownSweep) -> Report:
    story = read_story(found)
    sections = tuple(section for make in SECTIONS if (section := make(story)) is not None)
    title = f"Sweep {found.name}"
    return Report(title=title, sweep=found.id, made=time.time(), sections=sections, troubles=tuple(story.troubles))
