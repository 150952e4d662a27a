"""A sweep as a batch job of Slurm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.manifests.rendering import rendered
from orchestrator.manifests.subjects import packed

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig

KIND = "slurm"
# as sbatch takes it: minutes, hours:minutes:seconds, days-hours, and others of these
TIME = re.compile(r"\d+(-\d+)?(:\d+){0,2}")
QUEUE = re.compile(r"[\w.,+-]+")


def slurm_files(
    sweep: SweepConfig,
    *,
    workers: int = 2,
    cpus: int = 8,
    gpus: int = 0,
    queue: str | None = None,
    time: str = "24:00:00",
) -> dict[PurePosixPath, str]:
    """The files of a batch job.

    Args:
        sweep: which one; its MLflow must be reached from the nodes.
        workers: nodes of the job; the first one is Ray's head, too.
        cpus, gpus: of each node.
        queue: the partition.
        time: after which the job is put into the queue again.

    Raises:
        SearchSpaceError, ArchitectureError: the search space or a network is not valid.
        UsageError: the sweep needs GPUs and gets none, its data is not there, or its MLflow would not be.
    """
    if not TIME.fullmatch(time):
        raise UsageError(f"--time {time}: give minutes, or hours:minutes:seconds, or days-hours, as sbatch takes it")
    if queue is not None and not QUEUE.fullmatch(queue):
        raise UsageError(f"--queue {queue}: that is no name of a partition")
    wanted = sweep.resources.gpus_per_worker
    if wanted and not gpus:
        raise UsageError(f"the sweep wants {wanted:g} GPUs for each worker; say with --gpus how many a node has")
    package = packed(sweep)
    values: Mapping[str, object] = {
        "job_name": "sweep-" + re.sub(r"[^\w.-]+", "-", package.config.sweep_name),
        "nodes": workers,
        "cpus": cpus,
        "gpus": gpus,
        "queue": queue,
        "time": time,
        "storage": package.config.storage,
    }
    return {**rendered(KIND, values), **package.files}


def default_files() -> dict[PurePosixPath, str]:
    """Those in the repository: a sweep over iris."""
    from orchestrator.config import SweepConfig

    return slurm_files(SweepConfig.create(data="sklearn:iris", preset="quick", tracking_uri="http://mlflow:5000"))
