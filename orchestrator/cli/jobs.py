"""`orchestrator submit` and `orchestrator jobs`: sweeps that run on a cluster without this terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.base import Command, json_option, print_json, print_table
from orchestrator.cli.job_log import followed_log
from orchestrator.cli.options import notify, sweep_config, sweep_options
from orchestrator.errors import ExecutionError
from orchestrator.jobs import ADDRESS_VARIABLE, DEFAULT_ADDRESS, Job, Jobs, packed_sweep, server_url

MESSAGE_WIDTH = 100

SUBMIT = """Run a command on a cluster, without this terminal.

\b
Example:
  orchestrator submit sweep adult.csv --target income --tracking-uri http://mlflow:5000
"""
SUBMIT_SWEEP = """Search for the best network for DATA on a cluster; goes on when this terminal is closed.

\b
Example:
  orchestrator submit sweep adult.csv --target income --tracking-uri http://mlflow:5000
  orchestrator submit sweep /shared/adult.parquet --no-upload --target income --storage s3://bucket/sweeps --no-wait

Takes the arguments of `orchestrator sweep`. Sends DATA, the search space and, from the current folder, the module of a
network of your own. Prints the job's id, then its log; Ctrl-C leaves the job running.
"""
SUBMIT_RESUME = """Go on with a sweep that a job has begun, or extend it; see `orchestrator resume`.

\b
Example:
  orchestrator submit resume adult
  orchestrator submit resume adult --trials +20 --no-wait

SWEEP is a name (its latest sweep), an id, as the log of the job says it, or an MLflow run.
"""
JOBS = """List the sweeps that were submitted to a cluster, newest first.

\b
Example:
  orchestrator jobs
  orchestrator jobs --address http://head:8265 --json
  orchestrator jobs logs sweep-adult-1a2b3c --follow
  orchestrator jobs stop sweep-adult-1a2b3c
"""
LOGS = """Show what a job has printed.

\b
Example:
  orchestrator jobs logs sweep-adult-1a2b3c
  orchestrator jobs logs sweep-adult-1a2b3c --follow

With --follow until it ends; Ctrl-C leaves the job running.
"""
STOP = """Stop a job as Ctrl-C stops a sweep: what is finished is kept, the best of it registered.

\b
Example:
  orchestrator jobs stop sweep-adult-1a2b3c
"""


class CommandGroup(Command, click.Group):
    """A command with commands of its own."""


def _server_option(*, own: bool) -> click.Option:
    """`--address` of a job server; where it is not `own`, that of the command above counts when it is left out."""
    return click.Option(
        ["--address"],
        envvar=ADDRESS_VARIABLE if own else None,
        default=DEFAULT_ADDRESS if own else None,
        metavar="URL",
        help=f"The cluster's job server. Default: {ADDRESS_VARIABLE}, or {DEFAULT_ADDRESS}.",
    )


@click.group(help=SUBMIT)
def submit() -> None:
    """See SUBMIT."""


@submit.command("sweep", cls=Command, help=SUBMIT_SWEEP)
@sweep_options
@click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    metavar="URI",
    help="MLflow store or server that the cluster reaches. Needed.",
)
@click.option("--no-upload", is_flag=True, help="Do not send DATA: it is an absolute path that every node can read.")
@click.option("--no-wait", is_flag=True, help="Print the job's id and return.")
@json_option
def submit_sweep(
    *,
    data: str | None,
    config_file: Path | None,
    address: str,
    no_upload: bool,
    no_wait: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """See SUBMIT_SWEEP."""
    if as_json and not no_wait:
        raise click.UsageError("--json needs --no-wait")
    config = sweep_config(data, config_file, options)
    with packed_sweep(config, upload=not no_upload) as package:
        for module in package.missing:
            notify(f"note: {module} is not in the current folder: the cluster's Python must have it")
        server = Jobs(address)
        job_id = server.submit(package)
        name = package.name
    _show_start(server, job_id, name, wait=not no_wait, as_json=as_json)


@submit.command("resume", cls=Command, params=[_server_option(own=True)], help=SUBMIT_RESUME)
@click.argument("sweep")
@click.option("--storage", metavar="FOLDER|URI", help="Where the sweep is. Default: where the head node knows of it.")
@click.option("--trials", metavar="N|+N", help="So many in all, or so many more. Default: as planned.")
@click.option("--no-wait", is_flag=True, help="Print the job's id and return.")
@json_option
def submit_resume(
    *, sweep: str, storage: str | None, trials: str | None, address: str, no_wait: bool, as_json: bool
) -> None:
    """See SUBMIT_RESUME."""
    if as_json and not no_wait:
        raise click.UsageError("--json needs --no-wait")
    server = Jobs(address)
    options = [f"{name}={value}" for name, value in (("--storage", storage), ("--trials", trials)) if value]
    _show_start(server, server.resume(sweep, options), sweep, wait=not no_wait, as_json=as_json)


# where `sweep` takes the address of Ray, a job takes that of the job server
submit_sweep.params = [
    _server_option(own=True) if parameter.name == "address" else parameter for parameter in submit_sweep.params
]


@click.group(cls=CommandGroup, params=[_server_option(own=True)], invoke_without_command=True, help=JOBS)
@json_option
@click.pass_context
def jobs(context: click.Context, address: str, as_json: bool) -> None:
    """See JOBS."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"--json does not go with {context.invoked_subcommand}")
        return
    found = Jobs(address).all()
    if as_json:
        print_json([to_json(job) for job in found])
    else:
        show_jobs(found, address)


@jobs.command("logs", cls=Command, params=[_server_option(own=False)], help=LOGS)
@click.argument("job_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the job has ended.")
@click.pass_context
def jobs_logs(context: click.Context, job_id: str, follow: bool, address: str | None) -> None:
    """See LOGS."""
    server = _server(context, address)
    if follow:
        _follow(server, job_id)
    else:
        click.echo(server.log(job_id), nl=False)


@jobs.command("stop", cls=Command, params=[_server_option(own=False)], help=STOP)
@click.argument("job_id", metavar="ID")
@click.pass_context
def jobs_stop(context: click.Context, job_id: str, address: str | None) -> None:
    """See STOP."""
    server = _server(context, address)
    job = server.find(job_id)
    if not job.ended:
        notify(f"{job_id}: waiting for its end")
        job = server.stop(job_id)
    click.echo(f"{job_id}: {job.status}")


def to_json(job: Job) -> dict[str, Any]:
    """What a script wants to know."""
    return {**asdict(job), "started": job.started.isoformat(timespec="seconds") if job.started else None}


def show_jobs(found: Iterable[Job], address: str) -> None:
    """Prints a table of jobs, or how to start one."""
    rows = [
        [
            job.id,
            job.sweep,
            job.status,
            job.started.astimezone().strftime("%Y-%m-%d %H:%M:%S") if job.started else "",
            job.seconds,
            job.message if len(job.message) <= MESSAGE_WIDTH else f"{job.message[: MESSAGE_WIDTH - 3]}...",
        ]
        for job in found
    ]
    if rows:
        print_table(rows, ["id", "sweep", "status", "started", "seconds", "message"])
    else:
        click.echo(f"no jobs at {address}; start one with: orchestrator submit sweep DATA --target COLUMN")


def _show_start(server: Jobs, job_id: str, name: str, *, wait: bool, as_json: bool) -> None:
    if as_json:
        print_json({"job": job_id, "sweep": name})
        return
    click.echo(job_id)
    if wait:
        _follow(server, job_id)


def _server(context: click.Context, address: str | None) -> Jobs:
    above = context.parent.params["address"] if context.parent else DEFAULT_ADDRESS
    return Jobs(address or above)


def _follow(server: Jobs, job_id: str) -> None:
    """Prints a job's log until it ends, and ends the command as the job has ended.

    Raises:
        ExecutionError: the job failed or was stopped.
    """
    usual = server_url(os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS)
    place = "" if server.address == usual else f" --address {server.address}"
    try:
        with followed_log() as write:
            job = server.follow(job_id, write)
    except KeyboardInterrupt:
        notify(
            f"\n{job_id} goes on; follow it with: orchestrator jobs logs {job_id} --follow{place}\n"
            f"stop it with: orchestrator jobs stop {job_id}{place}"
        )
        raise click.exceptions.Exit(1) from None
    if job.status == "STOPPED":
        raise ExecutionError(f"{job_id} was stopped")
    if job.status != "SUCCEEDED":
        raise ExecutionError(f"{job_id} has failed: {job.message}")
    notify(f"{job_id} has succeeded")
