"""Waiting until calls over gRPC reach a replica, which requests over HTTP may do a moment earlier."""

from __future__ import annotations

import time
from pathlib import Path

from orchestrator.serving.grpc import SERVICE

CALL_SECONDS = 2.0
PAUSE_SECONDS = 0.1


def wait_until_called(target: str, refusal: str, *, certificate: str | None, seconds: float) -> bool:
    """Asks until it is not HAProxy itself that answers; a refused token is an answer, and a certificate that this
    machine does not trust, too: nothing more can be told then.

    Args:
        target: `host:port`.
        refusal: what is said while there is no replica.
        certificate: file of the endpoint's, in PEM; None if it answers without TLS.
        seconds: to wait at most.

    Returns:
        Whether there was an answer.
    """
    import grpc

    end = time.monotonic() + seconds
    options = [("grpc.enable_http_proxy", 0)]
    if certificate is None:
        channel = grpc.insecure_channel(target, options)
    else:
        credentials = grpc.ssl_channel_credentials(Path(certificate).read_bytes())
        channel = grpc.secure_channel(target, credentials, options)
    with channel:
        ask = channel.unary_unary(f"/{SERVICE}/ServerLive")
        while time.monotonic() < end:
            try:
                ask(b"", timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                if refusal in str(error.details()) or error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    time.sleep(PAUSE_SECONDS)
                    continue
            return True
    return False
