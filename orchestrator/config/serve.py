"""What an endpoint is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from orchestrator.choices import ExecutionName, IngressName
from orchestrator.fields import Duration, Keep, Name, Size
from orchestrator.validated import Validated


class ServeConfig(Validated):
    """An endpoint.

    Attributes:
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
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    name: Name | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    grpc_port: int | None = Field(default=None, ge=1, le=65535)
    tracking_uri: str | None = None
    address: str | None = None
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int | None = Field(default=None, ge=1)
    downscale_delay: Duration = timedelta(minutes=1)
    execution: ExecutionName = "auto"
    ingress: IngressName = "auto"
    max_queue: int = Field(default=256, ge=1)
    max_rows: int = Field(default=10_000, ge=1)
    max_body: Size = 8 * 2**20
    timeout: Duration = timedelta(seconds=30)
    auth_token_file: str | None = None
    insecure: bool = False
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    log_folder: str | None = None
    log_share: float = Field(default=0.0, ge=0, le=1)
    log_keep: Keep | None = None
    log_drop: tuple[str, ...] = ()
    explain: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> ServeConfig:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas ({self.max_replicas}) is less than min_replicas ({self.min_replicas})")
        if self.grpc_port == self.port:
            raise ValueError(f"grpc_port and port are both {self.port}; they must differ")
        if self.log_share and not self.log_folder:
            raise ValueError("log_share needs log_folder: where shall the requests be written?")
        if not self.log_share and (self.log_keep is not None or self.log_drop):
            raise ValueError("log_keep and log_drop need log_share: without it no requests are written")
        if self.log_folder and not self.log_share:
            raise ValueError("log_folder needs log_share: without it no requests are written, with 1 all of them")
        return self

    @property
    def replicas(self) -> tuple[int, int]:
        """Least and most."""
        return self.min_replicas, max(self.max_replicas or self.min_replicas, self.min_replicas)
