"""A report as one HTML file that needs nothing else: Plotly's script is in it once."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files

from orchestrator.reports.content import Report
from orchestrator.reports.plotly import plotly_json
from orchestrator.units import show_number

TEMPLATE = "page.html"
# names of columns that are not broken
SHORT = 12


def to_html(report: Report) -> str:
    """The report as a page: light and dark, for screens of any width and for paper."""
    from jinja2 import Environment, select_autoescape
    from markupsafe import Markup, escape

    def words(text: str) -> Markup:
        """Words, with what is between backticks as code."""
        parts = [
            Markup("<code>%s</code>") % part if place % 2 else escape(part)
            for place, part in enumerate(text.split("`"))
        ]
        return Markup("").join(parts)

    def breakable(name: str) -> Markup:
        """A name that may be broken behind each underscore, if it is long."""
        return Markup("_<wbr>").join(name.split("_")) if len(name) > SHORT else escape(name)

    environment = Environment(autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"words": words, "breakable": breakable, "number": show_number}
    template = environment.from_string((files(__package__) / TEMPLATE).read_text(encoding="utf-8"))
    made = datetime.fromtimestamp(report.made).astimezone().isoformat(sep=" ", timespec="minutes")
    charts = {chart.name: plotly_json(chart) for chart in report.charts}
    script = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    # the file of a package that is installed, which is code of ours as much as any other
    return template.render(report=report, made=made, charts=charts, plotly=Markup(script))  # noqa: S704
