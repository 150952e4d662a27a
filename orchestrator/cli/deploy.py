"""`orchestrator deploy`, `status` and `undeploy`."""

from __future__ import annotations

from dataclasses import asdict

import click

from orchestrator.cli.base import Command, json_option, print_json, print_table, tracking_option
from orchestrator.cli.jobs import show_jobs, to_json
from orchestrator.cli.options import say
from orchestrator.jobs import ADDRESS_VARIABLE, Jobs

DEPLOY = """Answer predictions over HTTP with MODEL, until Ctrl-C.

\b
Example:
  orchestrator deploy models:/adult@champion --port 8000
  curl http://127.0.0.1:8000/schema
  orchestrator deploy models:/adult/3 --port 8001 --detach

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle. A browser shows a form at /.
POST /predict takes a row as JSON or a list of rows, POST /invocations MLflow's protocol.
"""
STATUS = """List the endpoints that were deployed from this machine, and a cluster's jobs.

\b
Example:
  orchestrator status
  orchestrator status --json
  orchestrator status --jobs-address http://head:8265
"""
UNDEPLOY = """Stop an endpoint.

\b
Example:
  orchestrator undeploy adult
"""


@click.command(cls=Command, help=DEPLOY)
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 for all networks.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Where to listen.")
@click.option("--detach", is_flag=True, help="Leave it running in the background.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster. Default: a local one for this endpoint.")
@tracking_option
@json_option
def deploy(
    model: str,
    host: str,
    port: int,
    detach: bool,
    address: str | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """See DEPLOY."""
    from orchestrator.config import ServeConfig
    from orchestrator.serving.deploy import run_endpoint, start_in_background

    if as_json and not detach:
        raise click.UsageError("--json needs --detach")
    config = ServeConfig.create(model=model, host=host, port=port, tracking_uri=tracking_uri, address=address)
    if not detach:
        run_endpoint(config, say)
        return
    deployment = start_in_background(config)
    if as_json:
        print_json(asdict(deployment))
    else:
        version = f" version {deployment.version}" if deployment.version else ""
        click.echo(f"{deployment.name}{version} answers on {deployment.url}")
        click.echo(f"stop it with: orchestrator undeploy {deployment.name}")


@click.command(cls=Command, help=STATUS)
@click.option(
    "--jobs-address",
    envvar=ADDRESS_VARIABLE,
    metavar="URL",
    help=f"Job server of a cluster whose jobs to list, too. Default: {ADDRESS_VARIABLE}.",
)
@json_option
def status(jobs_address: str | None, as_json: bool) -> None:
    """See STATUS."""
    from orchestrator.serving.deployments import list_deployments

    found = [{**asdict(deployment), "state": deployment.state} for deployment in list_deployments()]
    if as_json:
        jobs = Jobs(jobs_address).all() if jobs_address else []
        print_json(
            [{"kind": "endpoint", **item} for item in found]
            + [{"kind": "job", "name": job.sweep, "state": job.status.lower(), **to_json(job)} for job in jobs]
        )
        return
    if found:
        columns = ("name", "version", "url", "state", "pid")
        print_table(([item[column] for column in columns] for item in found), columns)
    else:
        click.echo("nothing is deployed; start with: orchestrator deploy models:/NAME@champion")
    if jobs_address:
        click.echo()
        show_jobs(Jobs(jobs_address).all(), jobs_address)


@click.command(cls=Command, help=UNDEPLOY)
@click.argument("name")
def undeploy(name: str) -> None:
    """See UNDEPLOY."""
    from orchestrator.serving.deployments import undeploy as stop

    deployment = stop(name)
    click.echo(f"{deployment.name} on {deployment.url} is stopped")
