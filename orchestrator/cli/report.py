"""`orchestrator report`: what a sweep has found, as a page."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.base import Command, OneOf, echo
from orchestrator.cli.outputs import check_output

EXAMPLE = """Write the report of a sweep: what was asked and found, what to do next, and charts of all of it.

\b
Example:
  orchestrator report                          # the latest sweep, as report.html in its folder
  orchestrator report adult -o adult.html      # the latest sweep of that name
  orchestrator report adult --format md        # as Markdown; json is all of its numbers

A sweep writes its report at its end, too. It is made of the sweep's journal and its model, also while the sweep runs.
The page is one file that needs no network. SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("sweep", required=False)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; - for the screen."
)
@click.option("--format", "form", type=OneOf(["html", "md", "json"]), help="Default: as the file's name, or html.")
@click.option("--storage", metavar="FOLDER|URI", help="Where sweeps are. Default: where this machine knows of some.")
def report(sweep: str | None, output: Path | None, form: str | None, storage: str | None) -> None:
    """See EXAMPLE."""
    from orchestrator.journal.folder import find_sweep
    from orchestrator.reports import make_report
    from orchestrator.reports.content import REPORT_FILE
    from orchestrator.reports.page import ReportPage, form_of, rendered
    from orchestrator.storage import Storage

    to_screen = output == Path("-")
    if output is not None and not to_screen:
        check_output(output)
    found = find_sweep(sweep, None if storage is None else Storage.at(storage))
    made = make_report(found)
    form = form or form_of(output)
    for trouble in made.troubles:
        echo(f"note: {trouble}", err=True)
    if to_screen:
        echo(rendered(made, form))
        return
    if output is None:
        name = str(Path(REPORT_FILE).with_suffix(f".{form}"))
        found.storage.write(name, rendered(made, form).encode())
        echo(f"{found.storage}/{name}")
        return
    ReportPage(made).save(output, form)
    echo(str(output))
