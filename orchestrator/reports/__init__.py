"""What a sweep has found, told in a report: read from its journal and its model, shown as HTML, Markdown or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.reports.content import Report
    from orchestrator.reports.html import to_html
    from orchestrator.reports.markdown import to_markdown
    from orchestrator.reports.page import ReportPage
    from orchestrator.reports.pictures import pictures_of
    from orchestrator.reports.report import keep_report, make_report
else:
    __getattr__ = lazily(
        __name__,
        content=["Report"],
        html=["to_html"],
        markdown=["to_markdown"],
        page=["ReportPage"],
        pictures=["pictures_of"],
        report=["keep_report", "make_report"],
    )

__all__ = ["Report", "ReportPage", "keep_report", "make_report", "pictures_of", "to_html", "to_markdown"]
