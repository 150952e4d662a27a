"""The kinds of manifests whose files with default values are kept in the repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from orchestrator.config import ResourceConfig
from orchestrator.manifests import compose, kuberay, monitoring, platform, ray_clusters, serve, slurm, systemd
from orchestrator.manifests.rendering import overwrite_files


@dataclass(frozen=True)
class ManifestKind:
    """One of them.

    Attributes:
        folder: of the repository, that the files are in.
        files: makes them, with default values.
    """

    folder: str
    files: Callable[[], Mapping[PurePosixPath, str]]


ON_GPUS = ResourceConfig(gpus_per_worker=1)
KINDS = {
    "compose": ManifestKind("docker", compose.default_files),
    "monitoring": ManifestKind("deploy", monitoring.monitoring_files),
    "serve": ManifestKind("deploy/serve", serve.default_files),
    "slurm": ManifestKind("deploy/slurm", slurm.default_files),
    "systemd": ManifestKind("deploy/systemd", systemd.systemd_files),
    "kuberay": ManifestKind("deploy/kuberay", platform.platform_files),
    "kuberay-sweep": ManifestKind("deploy/kuberay/sweep", kuberay.example_sweep),
    "kuberay-queued": ManifestKind(
        "deploy/kuberay/queued-sweep",
        partial(kuberay.example_sweep, ON_GPUS, name="queued-sweep", queue=platform.QUEUE),
    ),
    "kuberay-endpoint": ManifestKind("deploy/kuberay/endpoint", kuberay.example_endpoint),
    "ray": ManifestKind("deploy/ray", ray_clusters.cluster_files),
}


def default_files() -> dict[PurePosixPath, str]:
    """All of them, by path in the repository."""
    return {PurePosixPath(kind.folder) / path: text for kind in KINDS.values() for path, text in kind.files().items()}


def write_defaults(root: Path) -> None:
    """Writes all of them anew: `python -m orchestrator.manifests`, after a template was changed."""
    overwrite_files(default_files(), root)
