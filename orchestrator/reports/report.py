"""Making the report of a sweep, and keeping it in its folder."""

from __future__ import annotations

import time

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
    return _report(found.storage, found.header, found.state)


def keep_report(storage: Storage, header: Header, status: SweepStatus) -> bytes:
    """Writes the report of a sweep that has just ended as `report.html` into its folder.

    Args:
        storage: its folder.
        header: what it is.
        status: how it has ended.

    Returns:
        What was written.

    Raises:
        StorageError: its journal cannot be read, or the report cannot be written.
    """
    content = to_html(_report(storage, header, status)).encode()
    storage.write(REPORT_FILE, content)
    return content


def _report(storage: Storage, header: Header, state: SweepStatus) -> Report:
    story = read_story(storage, header, state)
    sections = tuple(found for make in SECTIONS if (found := make(story)) is not None)
    title = f"Sweep {header.name}"
    return Report(title=title, sweep=header.id, made=time.time(), sections=sections, troubles=tuple(story.troubles))
