"""`orchestrator deploy`, `status` and `undeploy`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from orchestrator.choices import ExecutionName, IngressName, names_of
from orchestrator.cli.base import DURATION, SIZE, Command, OneOf, echo, json_option, print_json, tracking_option
from orchestrator.cli.endpoints import show_endpoints
from orchestrator.cli.jobs import show_jobs, to_json
from orchestrator.cli.json_log import log_format_option
from orchestrator.cli.numbers import Number, WholeNumber
from orchestrator.cli.options import notify
from orchestrator.jobs import ADDRESS_VARIABLE, Jobs

DEPLOY = """Answer predictions over HTTP with MODEL, until Ctrl-C.

\b
Example:
  orchestrator deploy models:/adult@champion --port 8000
  curl http://127.0.0.1:8000/schema
  orchestrator deploy models:/adult@champion models:/letter@champion --port 8001 --detach
  orchestrator deploy models:/adult@champion --host 0.0.0.0 --auth-token-file tokens.txt --max-replicas 4

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle; several answer under /models/NAME/.
With @champion the endpoint follows the registry: `orchestrator promote` and `rollback` change it while it answers.
A browser shows a form at /. POST /predict takes a row as JSON or a list of rows, POST /invocations MLflow's protocol,
POST /v2/models/NAME/infer the Open Inference Protocol, which --grpc-port has over gRPC; GET /metrics is for Prometheus.
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
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--name", help="Of the endpoint, for `status` and `undeploy`. Default: the first model's.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 for all networks.")
@click.option("--port", type=WholeNumber(1, 65535), default=8000, show_default=True, help="Where to listen.")
@click.option("--grpc-port", type=WholeNumber(1, 65535), help="Where to listen for gRPC, too. Default: nowhere.")
@click.option("--detach", is_flag=True, help="Leave it running in the background.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster. Default: a local one for this endpoint.")
@click.option("--min-replicas", type=WholeNumber(1), help="Processes that answer. Default: 1.")
@click.option("--max-replicas", type=WholeNumber(1), help="As many when they are busy. Default: --min-replicas.")
@click.option("--downscale-delay", type=DURATION, help="Before a replica that is too many is stopped. Default: 1m.")
@click.option(
    "--execution",
    type=OneOf(names_of(ExecutionName)),
    help="What computes. Default: auto, the faster one where both agree to 1e-5.",
)
@click.option(
    "--ingress",
    type=OneOf(names_of(IngressName)),
    help="What listens. Default: auto, HAProxy where it is installed.",
)
@click.option("--max-queue", type=WholeNumber(1), help="Requests that wait in a replica; more get 503. Default: 256.")
@click.option("--max-rows", type=WholeNumber(1), help="Of a request. Default: 10000.")
@click.option("--max-body", type=SIZE, help="Of a request. Default: 8.4MB.")
@click.option("--timeout", type=DURATION, help="From a request to its answer. Default: 30s.")
@click.option("--auth-token-file", metavar="FILE", help="Only who has one of these bearer tokens may ask; one a line.")
@click.option("--insecure", is_flag=True, help="Answer everybody on a network, without tokens.")
@click.option("--cors-origin", "cors_origins", multiple=True, metavar="ORIGIN", help="Web pages from there may ask.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Answer when asked by this name, too (the Host header); * for any. Default: the names of this machine.",
)
@click.option("--tls-cert", metavar="FILE", help="Certificate (PEM) for HTTPS.")
@click.option("--tls-key", metavar="FILE", help="Its key (PEM).")
@click.option("--log-folder", metavar="FOLDER", help="Where requests and answers are written as Parquet.")
@click.option("--log-share", type=Number(0, 1), help="Which part of them, 0 to 1. Default: 0.")
@click.option(
    "--log-keep", metavar="AGE|SIZE", help="30d or 10GB: what is older, or too much, is deleted. Default: all."
)
@click.option("--log-drop", multiple=True, metavar="COLUMN", help="Not written there; may be repeated.")
@click.option("--explain", is_flag=True, help="POST /explain and the form page say why rows are answered so.")
@tracking_option
@log_format_option
@json_option
def deploy(detach: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """See DEPLOY."""
    from orchestrator.config import ServeConfig
    from orchestrator.serving.control.deploy import run_endpoint, start_in_background

    if as_json and not detach:
        raise click.UsageError("--json needs --detach")
    config = ServeConfig.create(**options)
    if not detach:
        run_endpoint(config, notify)
        return
    deployment = start_in_background(config, notify)
    if as_json:
        print_json(asdict(deployment))
    else:
        version = f" version {deployment.version}" if deployment.version else ""
        echo(f"{deployment.name}{version} answers on {deployment.url}")
        echo(f"stop it with: orchestrator undeploy {deployment.name}")


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
    from orchestrator.serving.control.control_socket import status_of
    from orchestrator.serving.control.deployments import list_deployments

    found = [status_of(deployment) for deployment in list_deployments()]
    if as_json:
        jobs = Jobs(jobs_address).all() if jobs_address else []
        print_json(
            [{"kind": "endpoint", **item.to_json()} for item in found]
            + [{"kind": "job", "name": job.sweep, "state": job.status.lower(), **to_json(job)} for job in jobs]
        )
        return
    if found:
        show_endpoints(found)
    else:
        click.echo("nothing is deployed; start with: orchestrator deploy models:/NAME@champion")
    if jobs_address:
        click.echo()
        show_jobs(Jobs(jobs_address).all(), jobs_address)


@click.command(cls=Command, help=UNDEPLOY)
@click.argument("name")
def undeploy(name: str) -> None:
    """See UNDEPLOY."""
    from orchestrator.serving.control.deployments import find_deployment

    deployment = find_deployment(name)
    gone = deployment.process is None
    deployment.stop()
    if gone and deployment.on_cluster:
        echo(
            f"the process of {name} was gone before, and Ray Serve may still answer on its cluster; stop that with: "
            "serve shutdown"
        )
    else:
        echo(f"{deployment.name} on {deployment.url} is stopped")
