"""`orchestrator watch`: how a sweep stands that another process drives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.base import Command, echo
from orchestrator.cli.displays import Form, open_display
from orchestrator.cli.options import notify

if TYPE_CHECKING:
    from orchestrator.journal.folder import KnownSweep
    from orchestrator.journal.statuses import SweepStatus

EXAMPLE = """Show a sweep that another process runs, or a job on another machine, until it ends.

\b
Example:
  orchestrator watch                                    # the latest sweep
  orchestrator watch adult                              # the latest sweep of that name
  orchestrator watch adult --storage s3://bucket/sweeps

It reads the journal in the sweep's folder, and changes nothing. Ctrl-C ends the watching, not the sweep. The exit code
is 0 if the sweep has finished. SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("sweep", required=False)
@click.option("--storage", metavar="FOLDER|URI", help="Where sweeps are. Default: where this machine knows of some.")
@click.option("--json-lines", is_flag=True, help="Print each event from now on as a line of JSON.")
def watch(sweep: str | None, storage: str | None, json_lines: bool) -> None:
    """See EXAMPLE."""
    from orchestrator.display.following import find_followed, follow_sweep
    from orchestrator.storage import Storage

    found = find_followed(sweep, None if storage is None else Storage.at(storage), notify)
    form = Form.JSON_LINES if json_lines else Form.SHOWN
    try:
        with open_display(form, hint=False) as display:
            status = follow_sweep(found, display)
    except KeyboardInterrupt:
        notify(f"no longer watched; {found.id} goes on")
        raise click.exceptions.Exit(1) from None
    conclude(found, status, form)


def conclude(found: KnownSweep, status: SweepStatus, form: Form) -> None:
    """Says how a sweep has ended that was followed, and ends the command accordingly."""
    from orchestrator.journal.statuses import SweepStatus

    finished = status == SweepStatus.FINISHED
    if form is not Form.JSON_LINES:
        how = f"look at its trials with: orchestrator trials {found.id}"
        echo(f"{found.id} is {status}; {how if finished else f'go on with: orchestrator resume {found.id}'}")
    if not finished:
        raise click.exceptions.Exit(1)
