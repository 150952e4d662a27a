"""A stack on one machine for `docker compose`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orchestrator.manifests.monitoring import monitoring_files
from orchestrator.manifests.rendering import rendered
from orchestrator.manifests.subjects import packed, registered_model

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig

KIND = "compose"
EXAMPLE = "models:/iris@champion"
MONITORING = PurePosixPath("monitoring")
MLFLOW, SWEEPS = "http://mlflow:5000", "s3://sweeps"
SECRETS = (
    "ray_token",
    "postgres_password",
    "s3_access_key",
    "s3_secret_key",
    "s3_credentials",
    "endpoint_tokens",
    "prometheus_token",
    "grafana_password",
)


def compose_files(
    *,
    model: str = EXAMPLE,
    sweep: SweepConfig | None = None,
    workers: int = 2,
    replicas: int = 2,
    monitoring: PurePosixPath = MONITORING,
) -> dict[PurePosixPath, str]:
    """The files of a stack.

    Args:
        model: what its endpoint serves.
        sweep: the stack has a service that submits this one, with the stack's MLflow and, unless it names one, storage.
        workers: of Ray.
        replicas: of the endpoint, at most.
        monitoring: where the dashboard and the rules of alerts are, if they are not written beside the stack.

    Raises:
        SearchSpaceError, ArchitectureError: the sweep's search space or a network is not valid.
        UsageError: the model is not a registered one, or the sweep's data is not there.
    """
    submitted = None
    if sweep is not None:
        submitted = packed(sweep.model_copy(update={"tracking_uri": MLFLOW, "storage": sweep.storage or SWEEPS}))
    values = {
        "model": registered_model(model),
        "sweep": submitted is not None,
        # a dollar begins a variable of compose
        "folders": [folder.replace("$", "$$") for folder in submitted.folders] if submitted else [],
        "workers": workers,
        # a path of compose's begins with a dot
        "monitoring": monitoring if ".." in monitoring.parts else f"./{monitoring}",
        "replicas": replicas,
        "secrets": SECRETS,
    }
    files = rendered(KIND, values)
    if monitoring == MONITORING:
        files |= {monitoring / path: text for path, text in monitoring_files().items()}
    if submitted is not None:
        files |= {"sweep" / path: text for path, text in submitted.files.items()}
    return files


def default_files() -> dict[PurePosixPath, str]:
    """Those in the repository, where dashboard and rules are in `deploy`."""
    return compose_files(monitoring=PurePosixPath("../deploy"))
