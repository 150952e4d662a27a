"""Sweeps and endpoints on Kubernetes, for the KubeRay operator: a `RayJob`, and a `RayService`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import yaml

from orchestrator.config import ResourceConfig, ServeConfig, SweepConfig
from orchestrator.errors import UsageError
from orchestrator.manifests.pods import (
    MOST_JOB_NAME,
    MOST_NAMESPACE,
    check_mounted,
    checked_label,
    label_of,
    volumes_of,
    worker_shape,
)
from orchestrator.manifests.rendering import rendered
from orchestrator.manifests.subjects import PLAIN, SWEEP_FILE, packed, registered_model

SWEEP, ENDPOINT = "kuberay/sweep", "kuberay/endpoint"
TOKENS = "/etc/orchestrator/tokens/tokens"
DAY = timedelta(days=1)
# of the API server: what one object may have, less what is not files
MOST_BYTES = 900 * 2**10
PORT = 8000
SCRIPT = PurePosixPath("run.sh")
# for what the proxies of Ray Serve add to an answer's time
PROXY_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class KubernetesPlace:
    """Where on Kubernetes something runs.

    Attributes:
        namespace: of all objects.
        image: of all containers of Ray; None for the project's own, for CPUs or for GPUs.
        tracking_uri: MLflow, as pods reach it.
        storage: of sweeps, as pods reach it.
    """

    namespace: str = "orchestrator"
    image: str | None = None
    tracking_uri: str = "http://mlflow:5000"
    storage: str = "s3://orchestrator/sweeps"

    def values(self, *, gpus: bool) -> dict[str, Any]:
        """For templates.

        Raises:
            UsageError: the namespace is none.
        """
        from importlib.metadata import version

        return {
            "namespace": checked_label(self.namespace, "--namespace", MOST_NAMESPACE),
            "image": self.image or ("orchestrator:gpu" if gpus else "orchestrator:cpu"),
            "tracking_uri": self.tracking_uri,
            # KubeRay goes by it, for tokens and probes
            "ray_version": version("ray"),
        }


def sweep_files(
    sweep: SweepConfig,
    place: KubernetesPlace,
    *,
    name: str | None = None,
    workers: int = 2,
    cpus: int | None = None,
    gpus: int | None = None,
    memory: int | None = None,
    queue: str | None = None,
    volumes: Sequence[str] = (),
) -> dict[PurePosixPath, str]:
    """A sweep as a `RayJob`, with its files.

    Args:
        sweep: which one; paths in it are relative to the current folder. Its MLflow is that of the place.
        place: where it runs.
        name: of the job; made of the sweep's if left out.
        workers: pods that train.
        cpus, gpus, memory: of each (memory in bytes); made of what a trial needs if left out.
        queue: of Kueue, which then starts it.
        volumes: `CLAIM:/PATH` that all pods have.

    Raises:
        SearchSpaceError, ArchitectureError: the search space or a network is not valid.
        UsageError: its data would not be there, a trial fits on no worker, or a name is none.
    """
    from orchestrator.data import is_streamed
    from orchestrator.search.space import space_of
    from orchestrator.sweeps.plan import readers_of, workers_of

    there = {"tracking_uri": place.tracking_uri, "storage": sweep.storage or place.storage}
    package = packed(sweep.model_copy(update=there))
    # another cluster goes on with it, where these files are not in the same folder
    config = package.config.model_copy(update={"keep_package": True})
    said = config.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    files = {**package.files, SWEEP_FILE: yaml.safe_dump(said, sort_keys=False, allow_unicode=True)}
    mounted = volumes_of(volumes)
    for what in ("data", "validation", "test", "storage"):
        if getattr(config, what):
            check_mounted(str(getattr(config, what)), what, mounted)
    readers = readers_of(config, streamed=is_streamed(config.data))
    gib = None if memory is None else math.ceil(memory / 2**30)
    shape = worker_shape(config.resources, readers, cpus=cpus, gpus=gpus, gib=gib)
    largest = max(workers_of(config, space_of(sweep)).values())
    if largest > workers * shape.workers:
        raise UsageError(
            f"a trial has up to {largest} workers, and {workers} pods hold {workers * shape.workers}; "
            "give more --workers"
        )
    if sum(map(len, files.values())) > MOST_BYTES:
        raise UsageError(
            f"the search space and the networks of the sweep have more than {MOST_BYTES >> 10} KiB together"
        )
    called = config.sweep_name
    made = checked_label(name, "--name", MOST_JOB_NAME) if name else label_of(called, "sweep-", MOST_JOB_NAME)
    values = {
        **place.values(gpus=shape.gpus > 0),
        "name": made,
        "queue": queue and checked_label(queue, "--queue", MOST_NAMESPACE),
        "workers": workers,
        "shape": shape,
        "needs": str(config.resources),
        "volumes": mounted,
        # a key of a ConfigMap has no folders
        "files": {str(path).replace("/", "__"): str(path) for path in sorted({*files, SCRIPT})},
        "deadline": round(max(DAY, 3 * (config.time_budget or timedelta())).total_seconds()),
        "metadata": _metadata(called, config.data),
        "environment": _job_environment(),
    }
    return {**rendered(SWEEP, values), **files}


def example_sweep(resources: ResourceConfig | None = None, **options: Any) -> dict[PurePosixPath, str]:  # noqa: ANN401
    """`sweep_files` of a small sweep, whose data is in every image."""
    sweep = SweepConfig.create(data="sklearn:breast_cancer", preset="good", resources=resources)
    return sweep_files(sweep, KubernetesPlace(), **options)


def example_endpoint() -> dict[PurePosixPath, str]:
    """`endpoint_files` of the model that this sweep registers."""
    config = ServeConfig(models=("models:/breast_cancer@champion",), min_replicas=2, max_replicas=4)
    return endpoint_files(config, KubernetesPlace(), host="models.example.org")


def endpoint_files(
    config: ServeConfig, place: KubernetesPlace, *, name: str | None = None, host: str | None = None
) -> dict[PurePosixPath, str]:
    """An endpoint as a `RayService`.

    Args:
        config: models, replicas and limits; who may ask is said by the Secret `endpoint-tokens`.
        place: where it runs.
        name: of the service; made of the first model's if left out.
        host: by which an ingress is asked from outside; there is none if left out.

    Raises:
        UsageError: a model is not a registered one, or a name is none.
    """
    from orchestrator.tracking.models import name_of

    for uri in config.models:
        registered_model(uri)
    made = (
        checked_label(name, "--name", MOST_JOB_NAME)
        if name
        else label_of(name_of(config.models[0]), "endpoint-", MOST_JOB_NAME)
    )
    if host is not None and not PLAIN.fullmatch(host):
        raise UsageError(f"--host {host}: give the name of a host, such as models.example.org")
    least, most = config.replicas
    values = {
        **place.values(gpus=False),
        "name": made,
        "host": host,
        "least": least,
        "most": most,
        "grace": round(config.timeout.total_seconds()) + 30,
        "serve_config": serve_config(config, place.tracking_uri, replicas_per_node=1),
        "environment": _serve_environment(),
    }
    return rendered(ENDPOINT, values)


def serve_config(config: ServeConfig, tracking_uri: str, *, replicas_per_node: int | None = None) -> str:
    """The configuration that Ray Serve is given, as YAML: of `serve deploy`, or of a `RayService`."""
    from orchestrator.serving.control.application import IMPORT_PATH, arguments_of

    known = config.model_copy(
        update={"tracking_uri": tracking_uri, "auth_token_file": config.auth_token_file or TOKENS}
    )
    application: dict[str, Any] = {
        "name": "endpoint",
        "route_prefix": "/",
        "import_path": IMPORT_PATH,
        "args": arguments_of(known),
    }
    if replicas_per_node is not None:
        least, most = config.replicas
        # where no pod is added, another replica would wait for a place for ever
        room = {} if most > least else {"max_surge_percent": 0}
        application["deployments"] = [{"name": "endpoint", "max_replicas_per_node": replicas_per_node, **room}]
    content = {
        "proxy_location": "EveryNode",
        "http_options": {
            "host": "0.0.0.0",  # noqa: S104  who reaches it is said by network policies and tokens
            "port": PORT,
            "request_timeout_s": config.timeout.total_seconds() + PROXY_SECONDS,
        },
        "applications": [application],
    }
    return yaml.safe_dump(content, sort_keys=False).rstrip("\n")


def _metadata(name: str, data: str) -> Mapping[str, str]:
    """What the job server is told of a sweep; it comes through a shell."""
    from importlib.metadata import version

    from orchestrator.jobs.job import DATA, SWEEP, VERSION

    told = {SWEEP: name, DATA: data}
    plain = {key: value for key, value in told.items() if PLAIN.fullmatch(value)}
    return {VERSION: version("orchestrator-automl"), **plain}


def _job_environment() -> Mapping[str, str]:
    from orchestrator.jobs.server import JOB_ENVIRONMENT

    return JOB_ENVIRONMENT


def _serve_environment() -> Mapping[str, str]:
    """What makes Ray Serve fast, as far as it concerns its Python proxy."""
    from orchestrator.serving.control.ingress import TUNED

    return {name: value for name, value in TUNED.items() if "HAPROXY" not in name and "DIRECT_INGRESS" not in name}
