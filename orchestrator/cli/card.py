"""`orchestrator card`: what people should know of a model."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.base import Command, echo, tracking_option
from orchestrator.cli.outputs import check_output, write_text

EXAMPLE = """Print the model card of MODEL: what it predicts, how well, from which data, its limits, how to call it.

\b
Example:
  orchestrator card models:/adult@champion
  orchestrator card models:/adult/3 -o adult.md

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle. The card is Markdown. A sweep writes
it into its model, and MLflow shows it beside the version; of a model without one it is made of what the model knows.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File. Default: the screen.")
@tracking_option
def card(model: str, output: Path | None, tracking_uri: str | None) -> None:
    """See EXAMPLE."""
    from tempfile import TemporaryDirectory

    from orchestrator.bundle.content import read_content
    from orchestrator.bundle.files import read_folder
    from orchestrator.reports.card import card_in
    from orchestrator.tracking.models import fetch_model

    if output is not None:
        check_output(output, new=True)
    with TemporaryDirectory(prefix="orchestrator-") as folder:
        path = fetch_model(model, tracking_uri, Path(folder)).path
        found = card_in(read_content(read_folder(path), path), model)
    if output is None:
        echo(found.rstrip("\n"))
        return
    write_text(output, found)
    echo(str(output))
