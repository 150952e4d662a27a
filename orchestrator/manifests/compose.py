"""A stack on one machine for `docker compose`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from orchestrator.manifests.rendering import rendered
from orchestrator.manifests.subjects import packed, registered_model

KIND = "compose"
EXAMPLE = "models:/iris@champion"
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
    *, model: str = EXAMPLE, sweep: Path | None = None, workers: int = 2, replicas: int = 2
) -> dict[PurePosixPath, str]:
    """The files of a stack.

    Args:
        model: what its endpoint serves.
        sweep: a YAML file; the stack has a service that submits this sweep.
        workers: of Ray.
        replicas: of the endpoint, at most.

    Raises:
        UsageError: the model is not a registered one, or the sweep's data is not there.
        ConfigError: the sweep is not valid.
    """
    submitted = None if sweep is None else packed(sweep, tracking_uri=MLFLOW, storage=SWEEPS)
    values = {
        "model": registered_model(model),
        "sweep": submitted is not None,
        # a dollar begins a variable of compose
        "folders": [folder.replace("$", "$$") for folder in submitted.folders] if submitted else [],
        "workers": workers,
        "replicas": replicas,
        "secrets": SECRETS,
    }
    files = rendered(KIND, values)
    if submitted is not None:
        files |= {"sweep" / path: text for path, text in submitted.files.items()}
    return files
