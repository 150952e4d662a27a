"""`orchestrator export kuberay`: a model, or a sweep, as objects of Kubernetes for the KubeRay operator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.base import SIZE, Command
from orchestrator.cli.export_manifests import (
    asked_sweep,
    check_workers,
    folder_option,
    look_for,
    model_option,
    put,
    sweep_option,
    tell_own,
)
from orchestrator.cli.numbers import WholeNumber
from orchestrator.units import parse_size

KUBERAY = """Write a sweep, or an endpoint, for Kubernetes with the KubeRay operator.

\b
Example:
  orchestrator export kuberay --sweep sweep.yaml --workers 4 --gpus 1 --volume datasets:/data -o sweep
  orchestrator export kuberay --sweep sweep.yaml --volume datasets:/data --queue gpus -o sweep
  orchestrator export kuberay --model models:/adult@champion --workers 2 --max-workers 6 -o endpoint
  orchestrator export kuberay -o platform

A sweep becomes a RayJob that goes on after any loss, an endpoint a RayService: kubectl apply -k FOLDER. Without either
it is what both stand on: MLflow with its database, Redis, secrets, network policies. Data of a sweep is on a volume:
--volume datasets:/data for data: /data/adult.csv.
"""


@click.command("kuberay", cls=Command, help=KUBERAY)
@model_option
@sweep_option
@click.option("--name", help="Of the RayJob or RayService. Default: made of the sweep's or the model's.")
@click.option("--namespace", default="orchestrator", show_default=True, help="Of all objects.")
@click.option(
    "--image", metavar="NAME", help="Of all containers of Ray. Default: orchestrator:cpu or orchestrator:gpu."
)
@click.option(
    "--tracking-uri", metavar="URI", default="http://mlflow:5000", show_default=True, help="MLflow, as pods reach it."
)
@click.option(
    "--storage",
    metavar="FOLDER|URI",
    default="s3://orchestrator/sweeps",
    show_default=True,
    help="For records and checkpoints of sweeps, unless the sweep's YAML names another one.",
)
@click.option(
    "--workers", type=WholeNumber(1), default=2, show_default=True, help="Pods that train, or replicas that answer."
)
@click.option("--max-workers", type=WholeNumber(1), help="As many replicas when they are busy. Default: --workers.")
@click.option("--cpus", type=WholeNumber(1), help="Of a pod that trains. Default: what trials need.")
@click.option("--gpus", type=WholeNumber(0), help="Of a pod that trains. Default: what trials need.")
@click.option("--memory", type=SIZE, help="Of a pod that trains. Default: 2 GiB for each CPU, 16 for each GPU.")
@click.option("--queue", metavar="NAME", help="Of Kueue, which starts the sweep when there is room.")
@click.option("--volume", "volumes", multiple=True, metavar="CLAIM:/PATH", help="That all pods have. May be repeated.")
@click.option("--host", metavar="NAME", help="By which an ingress is asked for the endpoint. Default: no ingress.")
@folder_option
def export_kuberay(model: str | None, sweep: Path | None, output: Path, **options: Any) -> None:  # noqa: ANN401
    """See KUBERAY."""
    from orchestrator.manifests.kuberay import KubernetesPlace, endpoint_files, sweep_files
    from orchestrator.manifests.platform import platform_files

    if model is not None and sweep is not None:
        raise click.UsageError("give --model or --sweep, and a folder for each")
    _check_belonging(options, of_model=model is not None, of_sweep=sweep is not None)
    place = KubernetesPlace(**{name: options[name] for name in ("namespace", "image", "tracking_uri", "storage")})
    tell_own(place.tracking_uri)
    if sweep is not None:
        memory = None if options["memory"] is None else parse_size(options["memory"])
        given = {name: options[name] for name in ("name", "workers", "cpus", "gpus", "queue", "volumes")}
        put(sweep_files(asked_sweep(sweep), place, memory=memory, **given), output)
        return
    if model is None:
        put(platform_files(place), output)
        return
    from orchestrator.config import ServeConfig

    check_workers(options["workers"], options["max_workers"])
    config = ServeConfig.create(models=(model,), min_replicas=options["workers"], max_replicas=options["max_workers"])
    files = endpoint_files(config, place, name=options["name"], host=options["host"])
    look_for(model, place.tracking_uri)
    put(files, output)


def _check_belonging(options: Mapping[str, Any], *, of_model: bool, of_sweep: bool) -> None:
    """Raises click.UsageError for an option of another kind."""
    both = () if of_model or of_sweep else ("name",)
    for names, belongs, kind in (
        (("max_workers", "host"), of_model, "--model"),
        (("cpus", "gpus", "memory", "queue", "volumes"), of_sweep, "--sweep"),
        (both, False, "--model or --sweep"),
    ):
        for name in names:
            if not belongs and options[name] not in (None, ()):
                option = "--volume" if name == "volumes" else f"--{name.replace('_', '-')}"
                raise click.UsageError(f"{option} goes with {kind}")
