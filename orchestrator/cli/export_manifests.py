"""`orchestrator export compose` and its like: a model, or a sweep, as files for programs that run them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import click

from orchestrator.cli.base import Command, echo

COMPOSE = """Write a stack for `docker compose`: Ray, MLflow, an object store, Prometheus, Grafana, an endpoint.

\b
Example:
  orchestrator export compose --model models:/adult@champion -o stack
  orchestrator export compose --sweep sweep.yaml --workers 4 -o stack

All of it runs on one machine and is reached from there only. With --sweep there is a service that submits this sweep;
its data stays where it is, in folders that the services see. The first lines of compose.yaml say how to start it.
"""
folder_option = click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="Where the files are put."
)
model_option = click.option("--model", metavar="URI", help="What the endpoint serves: models:/NAME@champion.")
sweep_option = click.option(
    "--sweep", type=click.Path(path_type=Path), metavar="FILE", help="YAML of a sweep, see `orchestrator init`."
)


def put(files: Mapping[PurePosixPath, str], folder: Path) -> None:
    """Writes the files and says so."""
    from orchestrator.manifests.rendering import write_files

    write_files(files, folder)
    echo(f"{', '.join(map(str, files))} written to {folder}", err=True)


@click.command("compose", cls=Command, help=COMPOSE)
@model_option
@sweep_option
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Of Ray, that run trials.")
@click.option("--replicas", type=click.IntRange(1), default=2, show_default=True, help="Of the endpoint, at most.")
@folder_option
def export_compose(model: str | None, sweep: Path | None, workers: int, replicas: int, output: Path) -> None:
    """See COMPOSE."""
    from orchestrator.manifests.compose import EXAMPLE, compose_files

    if model is None and sweep is None:
        raise click.UsageError("give --model, --sweep or both")
    put(compose_files(model=model or EXAMPLE, sweep=sweep, workers=workers, replicas=replicas), output)
