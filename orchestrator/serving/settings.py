"""What an endpoint is told when it starts: limits of requests, who may ask, and the request log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class RequestLimits:
    """What a replica takes.

    Attributes:
        body: bytes of a request.
        rows: of a request, and of a batch.
        queue: requests that may wait for a model.
        timeout: seconds from a request to its answer.
    """

    body: int = 8 * 2**20
    rows: int = 10_000
    queue: int = 256
    timeout: float = 30.0


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """How an endpoint behaves, apart from its models.

    Attributes:
        limits: see `RequestLimits`.
        token_file: of bearer tokens, or None when everybody may ask.
        cors_origins: web pages of these origins may ask.
        hosts: names by which the endpoint may be asked, see `browsers.allowed_hosts`; None for any.
        local: whether nothing outside of this machine has to reach the replica.
        log_folder, log_share: where a share of requests and answers is written, or None.
        log_keep, log_drop: what of it is deleted again, and what is never written, see `RequestLog`.
        explain: whether `/explain` says why rows are answered as they are.
        failure_status: sent instead of 500 to an ingress that makes 500 of it, see `haproxy.FAILURE_STATUS`.
    """

    limits: RequestLimits = field(default_factory=RequestLimits)
    token_file: str | None = None
    cors_origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None
    local: bool = False
    log_folder: str | None = None
    log_share: float = 0.0
    log_keep: timedelta | int | None = None
    log_drop: tuple[str, ...] = ()
    explain: bool = False
    failure_status: int = 500
