"""An endpoint as an application of Ray Serve, for `serve deploy` on a cluster that is there."""

from __future__ import annotations

from pathlib import PurePosixPath

from orchestrator.config import ServeConfig
from orchestrator.errors import UsageError
from orchestrator.manifests.kuberay import serve_config
from orchestrator.manifests.rendering import rendered
from orchestrator.manifests.subjects import registered_model

KIND = "serve"
TOKENS = PurePosixPath("/etc/orchestrator/tokens")


def serve_files(
    model: str,
    *,
    tracking_uri: str = "http://mlflow:5000",
    tokens: PurePosixPath = TOKENS,
    workers: int = 1,
    max_workers: int | None = None,
) -> dict[PurePosixPath, str]:
    """The configuration that `serve deploy` takes.

    Args:
        model: what is served.
        tracking_uri: MLflow, as all nodes reach it.
        tokens: a file of tokens that is on every node.
        workers, max_workers: replicas, and how many there may be when they are busy.

    Raises:
        UsageError: the model is not a registered one, or the path of the tokens would depend on where it is read.
        ConfigError: there are fewer replicas at most than at least.
    """
    if not tokens.is_absolute():
        raise UsageError(f"--auth-token-file {tokens}: give an absolute path, the same on every node")
    config = ServeConfig.create(
        models=(registered_model(model),),
        min_replicas=workers,
        max_replicas=max_workers,
        auth_token_file=str(tokens),
    )
    return rendered(KIND, {"config": serve_config(config, tracking_uri)})


def default_files() -> dict[PurePosixPath, str]:
    """Those in the repository."""
    return serve_files("models:/iris@champion", max_workers=2)
