"""Endpoints, as the Python API has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.silence import silent
from orchestrator.choices import ExecutionName, IngressName

if TYPE_CHECKING:
    from orchestrator.runtime.hooks import Notify
    from orchestrator.serving.control.deployments import Deployment


def deploy(
    models: str | Path | Sequence[str | Path],
    *,
    name: str | None = None,
    host: str | None = None,
    port: int | None = None,
    grpc_port: int | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    downscale_delay: timedelta | str | None = None,
    execution: ExecutionName | None = None,
    ingress: IngressName | None = None,
    max_queue: int | None = None,
    max_rows: int | None = None,
    max_body: int | str | None = None,
    timeout: timedelta | str | None = None,
    auth_token_file: str | None = None,
    insecure: bool | None = None,
    cors_origins: Sequence[str] | None = None,
    allowed_hosts: Sequence[str] | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    log_folder: str | None = None,
    log_share: float | None = None,
    log_keep: timedelta | int | str | None = None,
    log_drop: Sequence[str] | None = None,
    explain: bool | None = None,
    notify: Notify | None = None,
) -> Deployment:
    """Starts an endpoint as a process of its own, and returns when it answers; it goes on until `stop` or `undeploy`.

    with orchestrator.deploy("models:/adult@champion", port=8123) as endpoint:
        requests.post(f"{endpoint.url}/predict", json=[...])

    Args:
        models: each `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a bundle's folder. What is named by the alias
            champion changes with the registry.
        name: of the endpoint; the first model's if left out.
        host, port: where to listen.
        grpc_port: where to listen for gRPC (Open Inference Protocol), too; nowhere if left out.
        tracking_uri: MLflow store.
        address: of a Ray cluster; a local one is started if left out.
        min_replicas, max_replicas: processes that answer; Ray Serve adds some when they are busy.
        downscale_delay: how long replicas are too many before one is stopped.
        execution: `torch`, `onnxruntime`, or `auto` for the faster one where both give the same.
        ingress: `haproxy`, `python`, or `auto` for HAProxy where it is installed.
        max_queue: requests that may wait for a model in each replica; more get 503.
        max_rows, max_body: of a request (rows, bytes).
        timeout: from a request to its answer.
        auth_token_file: bearer tokens, one a line, read again when the file changes.
        insecure: whether everybody on a network may ask.
        cors_origins: web pages of these origins may ask.
        allowed_hosts: further names by which the endpoint may be asked (the `Host` header); `*` for all.
        tls_cert, tls_key: PEM files for HTTPS.
        log_folder, log_share: a share (0 to 1) of requests and answers is written there as Parquet.
        log_keep: how old parts of that may become, or how many bytes all may have.
        log_drop: columns that are not written there.
        explain: whether `/explain` and the form page say why rows are answered as they are.
        notify: called with sentences for the user.

    Raises:
        UsageError: a combination that cannot be, or an endpoint of that name runs already.
        ServingError: it did not start; with its last words.
    """
    given = dict(locals())
    from orchestrator.config import ServeConfig
    from orchestrator.serving.control.deploy import start_in_background

    del given["notify"]
    given["models"] = tuple(map(str, (models,) if isinstance(models, str | Path) else models))
    return start_in_background(ServeConfig.create(**given), notify or silent)
