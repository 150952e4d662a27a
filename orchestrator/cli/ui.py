"""`orchestrator ui`: MLflow's own pages on what was tracked."""

from __future__ import annotations

import subprocess
import sys

import click

from orchestrator.cli.base import Command, tracking_option
from orchestrator.cli.options import say
from orchestrator.environment import port_problem

EXAMPLE = """Show sweeps, trials and models in MLflow's own pages, until Ctrl-C.

\b
Example:
  orchestrator ui
  orchestrator ui --port 5001 --tracking-uri sqlite:///other/mlflow.db
"""


@click.command(cls=Command, help=EXAMPLE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Where to listen.")
@tracking_option
def ui(host: str, port: int, tracking_uri: str | None) -> None:
    """See EXAMPLE."""
    from orchestrator.errors import TrackingError, UsageError
    from orchestrator.tracking.store import client_for, resolve_tracking_uri

    uri = resolve_tracking_uri(tracking_uri)
    if uri.startswith(("http://", "https://")):
        click.echo(f"{uri} is a server already: open it in a browser")
        return
    if port_problem(host, port) is not None:
        raise UsageError(f"port {port} on {host} is in use; give another one with --port")
    client_for(tracking_uri).search_experiments(max_results=1)
    say(f"MLflow on {uri}: http://{host}:{port} (Ctrl-C stops it)")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    process = subprocess.Popen([*command, "--host", host, "--port", str(port), "--workers", "1"])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(timeout=30)
        return
    if code:
        raise TrackingError(f"MLflow's server ended with exit code {code}")
