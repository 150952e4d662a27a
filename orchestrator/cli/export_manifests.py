"""`orchestrator export compose` and its like: a model, or a sweep, as files for programs that run them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from orchestrator.cli.base import Command, echo, tracking_option
from orchestrator.cli.numbers import WholeNumber
from orchestrator.cli.outputs import check_folder
from orchestrator.environment import without_password
from orchestrator.errors import NoSuchModelError, TrackingError

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig

COMPOSE = """Write a stack for `docker compose`: Ray, MLflow, an object store, Prometheus, Grafana, an endpoint.

\b
Example:
  orchestrator export compose --model models:/adult@champion -o stack
  orchestrator export compose --sweep sweep.yaml --workers 4 -o stack

All of it runs on one machine and is reached from there only. With --sweep there is a service that submits this sweep;
its data stays where it is, in folders that the services see. The first lines of compose.yaml say how to start it.
"""
SLURM = """Write a batch job for Slurm that starts Ray on its nodes and runs a sweep; requeued, it goes on.

\b
Example:
  orchestrator export slurm --sweep sweep.yaml --workers 4 --queue batch --tracking-uri http://mlflow:5000 -o job
  cd job && sbatch sweep.sbatch

The folder, the data and MLflow must be there on all nodes. See docs/machines.md.
"""
SYSTEMD = """Write services of systemd for one machine: the endpoint and MLflow, their settings, and what installs them.

\b
Example:
  orchestrator export systemd --model models:/adult@champion --host 0.0.0.0 -o units
  cd units && sudo ./install.sh
"""
SERVE = """Write the configuration of Ray Serve that has an endpoint, for a cluster that is there.

\b
Example:
  orchestrator export serve-config --model models:/adult@champion --workers 2 --max-workers 6 -o serve
  serve deploy serve/serve.yaml --address http://head:8265

Ray Serve then keeps it, and no process of ours has to run; it follows the registry as `orchestrator deploy` does.
"""
folder_option = click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="Where the files are put."
)
model_option = click.option("--model", metavar="URI", help="What the endpoint serves: models:/NAME@champion.")
sweep_option = click.option(
    "--sweep", type=click.Path(path_type=Path), metavar="FILE", help="YAML of a sweep, see `orchestrator init`."
)


def asked_sweep(path: Path, tracking_uri: str | None = None) -> SweepConfig:
    """The sweep of a YAML file, with this MLflow unless there is none."""
    from orchestrator.config import SweepConfig

    return SweepConfig.load(path, {"tracking_uri": tracking_uri})


def tell_own(tracking_uri: str | None) -> None:
    """Notes that a server's address is each machine's own, where several have to reach it."""
    host = urlsplit(tracking_uri or "").hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1":
        shown = without_password(str(tracking_uri))
        echo(
            f"note: {shown} is on each machine that asks; name the one where MLflow is, so that all reach it", err=True
        )


def check_workers(workers: int, max_workers: int | None) -> None:
    """Raises click.UsageError for replicas that would become fewer when they are busy."""
    if max_workers is not None and max_workers < workers:
        raise click.UsageError(f"--max-workers ({max_workers}) is less than --workers ({workers})")


def put(files: Mapping[PurePosixPath, str], folder: Path) -> None:
    """Writes the files and says so."""
    from orchestrator.manifests.rendering import write_files

    check_folder(folder)
    write_files(files, folder)
    echo(f"{', '.join(map(str, files))} written to {folder}", err=True)


def look_for(model: str, tracking_uri: str) -> None:
    """Notes when nobody can see from here whether a model is where the endpoint will look for it.

    Args:
        model: the URI of what is served, which is a valid one.
        tracking_uri: of MLflow, as the endpoint reaches it.

    Raises:
        NoSuchModelError: the store can be seen, and has no such model, version or alias.
    """
    from orchestrator.tracking.lookups import check_seen
    from orchestrator.tracking.models import registered_version

    try:
        check_seen(tracking_uri)
        registered_version(model, tracking_uri)
    except NoSuchModelError:
        raise
    except TrackingError as error:
        echo(f"note: the endpoint needs {model}, and nobody can see from here whether it is there ({error})", err=True)


@click.command("compose", cls=Command, help=COMPOSE)
@model_option
@sweep_option
@click.option("--workers", type=WholeNumber(1), default=2, show_default=True, help="Of Ray, that run trials.")
@click.option("--replicas", type=WholeNumber(1), default=2, show_default=True, help="Of the endpoint, at most.")
@folder_option
def export_compose(model: str | None, sweep: Path | None, workers: int, replicas: int, output: Path) -> None:
    """See COMPOSE."""
    from orchestrator.manifests.compose import EXAMPLE, MLFLOW, compose_files

    if model is None and sweep is None:
        raise click.UsageError("give --model, --sweep or both")
    config = None if sweep is None else asked_sweep(sweep)
    files = compose_files(model=model or EXAMPLE, sweep=config, workers=workers, replicas=replicas)
    if model is not None:
        look_for(model, MLFLOW)
    put(files, output)


@click.command("slurm", cls=Command, help=SLURM)
@click.option(
    "--sweep", required=True, type=click.Path(path_type=Path), metavar="FILE", help="YAML, see `orchestrator init`."
)
@click.option("--workers", type=WholeNumber(1), default=2, show_default=True, help="Nodes of the job.")
@click.option("--cpus", type=WholeNumber(1), default=8, show_default=True, help="Cores of each node.")
@click.option("--gpus", type=WholeNumber(0), default=0, show_default=True, help="GPUs of each node.")
@click.option("--queue", metavar="NAME", help="The partition. Default: Slurm's own.")
@click.option("--time", default="24:00:00", show_default=True, help="Of the job, as sbatch takes it; then it goes on.")
@tracking_option
@folder_option
def export_slurm(sweep: Path, tracking_uri: str | None, output: Path, **options: Any) -> None:  # noqa: ANN401
    """See SLURM."""
    from orchestrator.manifests.slurm import slurm_files

    config = asked_sweep(sweep, tracking_uri)
    files = slurm_files(config, **options)
    tell_own(config.tracking_uri)
    put(files, output)


@click.command("systemd", cls=Command, help=SYSTEMD)
@click.option("--model", required=True, metavar="URI", help="What the endpoint serves: models:/NAME@champion.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens; 0.0.0.0 for all networks.")
@click.option("--port", type=WholeNumber(1, 65535), default=8000, show_default=True, help="Where it listens.")
@click.option("--replicas", type=WholeNumber(1), default=1, show_default=True, help="Processes that answer, at most.")
@click.option(
    "--environment",
    "folder",
    type=click.Path(path_type=Path),
    default="/opt/orchestrator",
    show_default=True,
    help="Where orchestrator is installed: a folder with bin/orchestrator in it.",
)
@click.option(
    "--tracking-uri",
    default="http://127.0.0.1:5000",
    show_default=True,
    metavar="URI",
    help="MLflow, that of the unit unless another one is given.",
)
@folder_option
def export_systemd(output: Path, **options: Any) -> None:  # noqa: ANN401
    """See SYSTEMD."""
    from orchestrator.manifests.systemd import systemd_files

    files = systemd_files(**options)
    look_for(options["model"], options["tracking_uri"])
    put(files, output)


@click.command("serve-config", cls=Command, help=SERVE)
@click.option("--model", required=True, metavar="URI", help="What the endpoint serves: models:/NAME@champion.")
@click.option("--workers", type=WholeNumber(1), default=1, show_default=True, help="Replicas that answer.")
@click.option("--max-workers", type=WholeNumber(1), help="As many replicas when they are busy. Default: --workers.")
@click.option(
    "--auth-token-file",
    "tokens",
    type=click.Path(path_type=PurePosixPath),
    default="/etc/orchestrator/tokens",
    show_default=True,
    help="On every node: who has one of its tokens may ask.",
)
@click.option(
    "--tracking-uri", metavar="URI", default="http://mlflow:5000", show_default=True, help="MLflow, as nodes reach it."
)
@folder_option
def export_serve_config(model: str, output: Path, **options: Any) -> None:  # noqa: ANN401
    """See SERVE."""
    from orchestrator.manifests.serve import serve_files

    check_workers(options["workers"], options["max_workers"])
    files = serve_files(model, **options)
    tell_own(options["tracking_uri"])
    look_for(model, options["tracking_uri"])
    put(files, output)
