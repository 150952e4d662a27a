"""What the pods of a Ray cluster on Kubernetes ask for, and the names and volumes that they may have."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.config import ResourceConfig
from orchestrator.errors import UsageError

# a name that Kubernetes takes for services (DNS-1035)
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# KubeRay makes names of pods and services of these
MOST_JOB_NAME, MOST_CLUSTER_NAME, MOST_NAMESPACE = 47, 53, 63
USUAL_CPUS = 4
# of each core, and of each GPU: weights, batches and the copy of a network that is exported
GIB_PER_CPU, GIB_PER_GPU, LEAST_GIB = 2, 16, 4


@dataclass(frozen=True)
class PodShape:
    """What a pod asks for, and has.

    Attributes:
        cpus: cores.
        gpus: whole ones, of NVIDIA.
        gib: memory, of which Ray takes a third for shared data.
        workers: of trials, that it holds at a time.
    """

    cpus: int
    gpus: int
    gib: int
    workers: int = 1


@dataclass(frozen=True)
class Volume:
    """A volume that all pods have.

    Attributes:
        claim: name of the PersistentVolumeClaim.
        path: where it is.
    """

    claim: str
    path: str


def worker_shape(
    resources: ResourceConfig, readers: int, *, cpus: int | None = None, gpus: int | None = None, gib: int | None = None
) -> PodShape:
    """A pod that holds workers of trials, whole ones.

    Args:
        resources: of a trial.
        readers: cores that read rows for a trial.
        cpus, gpus, gib: of the pod; made from the resources if left out.

    Raises:
        UsageError: not one worker fits.
    """
    each, share = resources.cpus_per_worker, resources.gpus_per_worker
    if gpus and not share:
        raise UsageError(f"--gpus {gpus}: trials of this sweep use no GPU; say gpus_per_worker in its resources")
    if gpus is None:
        gpus = math.ceil(share)
    by_gpu = math.floor(gpus / share + 1e-9) if share else None
    if cpus is None:
        usual = max(1, USUAL_CPUS // each) if by_gpu is None else max(1, by_gpu)
        cpus = usual * (each + readers)
    by_cpu = cpus // (each + readers)
    workers = by_cpu if by_gpu is None else min(by_cpu, by_gpu)
    if workers < 1:
        raise UsageError(
            f"a worker of a trial needs {resources}{f' and {readers} CPU to read rows' if readers else ''}, and a pod "
            f"has {cpus} CPU and {gpus} GPU; give more with --cpus and --gpus"
        )
    return PodShape(cpus, gpus, gib or max(LEAST_GIB, cpus * GIB_PER_CPU + gpus * GIB_PER_GPU), workers)


def checked_label(name: str, option: str, most: int) -> str:
    """The name, if Kubernetes and KubeRay take it.

    Raises:
        UsageError: they do not.
    """
    if LABEL.fullmatch(name) is None or len(name) > most:
        raise UsageError(
            f"{option} {name}: give a name of at most {most} small letters, digits and -, that begins with a letter"
        )
    return name


def label_of(name: str, prefix: str, most: int) -> str:
    """A name for Kubernetes, made of one of ours."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{prefix}{plain or 'data'}"[:most].rstrip("-")


def volumes_of(texts: Sequence[str]) -> tuple[Volume, ...]:
    """`CLAIM:/PATH` -> `Volume`.

    Raises:
        UsageError: another form.
    """
    found = []
    for text in texts:
        claim, _, path = text.partition(":")
        if LABEL.fullmatch(claim) is None or re.fullmatch(r"/[\w./-]+", path) is None:
            raise UsageError(f"--volume {text}: give CLAIM:/PATH, such as datasets:/data")
        found.append(Volume(claim, path.rstrip("/")))
    return tuple(found)


def check_mounted(path: str, what: str, volumes: Sequence[Volume]) -> None:
    """Raises UsageError when pods would not have a path."""
    if "://" in path or not path.startswith("/"):
        return
    if not any(PurePosixPath(path).is_relative_to(volume.path) for volume in volumes):
        raise UsageError(
            f"{what} {path} is on this machine, and no pod would have it; name the volume that has it there: "
            f"--volume CLAIM:{PurePosixPath(path).parent}"
        )
