"""Clusters for Ray's own launcher, `ray up`: on AWS, on Google Cloud, on machines that there are."""

from __future__ import annotations

from pathlib import PurePosixPath

from orchestrator.manifests.rendering import rendered


def cluster_files() -> dict[PurePosixPath, str]:
    """A file for each kind of place."""
    return rendered("ray", {})
