"""A report as one text, to be written into a file, or to be seen in a notebook."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import StorageError
from orchestrator.reports.content import Report
from orchestrator.reports.html import to_html
from orchestrator.reports.markdown import to_markdown

# of the frame in a notebook
HEIGHT = "80vh"


def form_of(path: Path | None) -> str:
    """`html`, `md` or `json`, as a file is called."""
    return {".md": "md", ".json": "json"}.get("" if path is None else path.suffix.lower(), "html")


def rendered(report: Report, form: str) -> str:
    """A report as `html`, `md` or `json`."""
    if form == "html":
        return to_html(report)
    return to_markdown(report) if form == "md" else json.dumps(report.to_json(), indent=1, ensure_ascii=False)


@dataclass(frozen=True)
class ReportPage:
    """A report that a notebook shows.

    Attributes:
        report: its content.
    """

    report: Report

    def save(self, path: Path | str, form: str | None = None) -> None:
        """Writes it: as Markdown if the file's name ends with .md, as numbers with .json, else as one HTML page.

        Args:
            path: of the file.
            form: `html`, `md` or `json`, whatever the file is called.

        Raises:
            StorageError: it cannot be written.
        """
        path = Path(path)
        try:
            path.write_text(rendered(self.report, form or form_of(path)), encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from None

    def __repr__(self) -> str:
        return f"<report of the sweep {self.report.sweep}: save('report.html') writes it, a notebook shows it>"

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame of its own, so that neither changes how the other looks."""
        page = html.escape(to_html(self.report))
        title = html.escape(self.report.title)
        return f'<iframe title="{title}" width="100%" style="height: {HEIGHT}" srcdoc="{page}"></iframe>'
