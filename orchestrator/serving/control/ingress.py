"""What listens for clients: HAProxy in front of the replicas where there is one, else Ray Serve's Python proxy."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import shutil
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from orchestrator.config import ServeConfig
from orchestrator.environment import clients_for, few_open_files, holders_of, other_place, port_problem, shown_holder
from orchestrator.errors import ServingError, UsageError
from orchestrator.serving.control.certificates import certificate_note
from orchestrator.serving.control.deployments import Deployment, list_deployments
from orchestrator.serving.control.haproxy import (
    BINARY_VARIABLE,
    BODY_SECONDS_VARIABLE,
    CERTIFICATE_VARIABLE,
    HOST_VARIABLE,
    SERVE_VARIABLE,
    real_binary,
)
from orchestrator.serving.control.haproxy_double import ENDPOINT_VARIABLE
from orchestrator.serving.control.haproxy_watchdog import DEATHS_FILE, FAILURE_FILE, read_deaths, read_failure
from orchestrator.serving.http.browsers import LOOPBACK_HOSTS
from orchestrator.tracking.models import name_of

WRAPPER = "orchestrator-haproxy"
MIDDLEWARES = "orchestrator.serving.control.replica.middlewares"
STOP_SECONDS = 5.0
# for clients that hold a connection: it is closed after their next answer
CLOSE_SECONDS = 3.0
# a death of HAProxy is told for so long
TOLD_SECONDS = 600.0
CLIENT_SECONDS = 10
TUNED = {
    # Ray gives its workers a niceness of 15: anything else on the machine would come before answers
    "RAY_worker_niceness": "0",
    # one event loop: a request changes threads never instead of twice
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": MIDDLEWARES,
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
    # nothing scrapes Serve's own figures of each request: the endpoint has better ones
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
    # a prediction can be asked again: also when a replica dies with the request in its hands
    # (500: what Serve's proxy says of it, to which HAProxy turns when no replica is left)
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response junk-response 500",
    "RAY_SERVE_HAPROXY_RETRIES": "5",
    # a body that does not fit cannot be sent again
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(128 * 1024),
    "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "60",
    # on a busy machine HAProxy takes longer than Serve's 5 s to start, and would be killed and started anew
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    # how long a replica that is to end stays reachable: HAProxy is told within a fraction of a second
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
}


@dataclass(frozen=True)
class Ingress:
    """How clients reach the replicas.

    Attributes:
        name: `haproxy` or `python`.
        host: that Ray Serve is told to listen on.
        environment: variables for Ray's processes, to be set before Ray is imported.
    """

    name: str
    host: str
    environment: dict[str, str]


def plan_ingress(config: ServeConfig, place: Path) -> Ingress:
    """Decides what listens.

    Args:
        config: of the endpoint.
        place: a private folder with a short path, for HAProxy's files.

    Raises:
        UsageError: HAProxy is asked for and not there; or TLS files cannot be used.
    """
    certificate = _certificate(config, place)
    wrapper = Path(sysconfig.get_path("scripts")) / WRAPPER
    problem = None
    if real_binary() is None or sys.platform != "linux":
        problem = "HAProxy is not installed; it comes with ray[serve] on Linux"
    elif not wrapper.is_file():
        # what Serve writes by itself lets everybody on the network see and stop it
        problem = f"it needs this package's program {WRAPPER}; install the package with pip"
    else:
        problem = few_open_files()
    if config.ingress == "haproxy" and problem is not None:
        raise UsageError(f"--ingress haproxy: {problem}")
    environment = dict(TUNED)
    if config.grpc_port is not None and (config.ingress == "python" or problem is not None):
        raise UsageError(f"--grpc-port needs HAProxy: {problem or 'leave out --ingress python'}")
    if config.ingress == "python" or problem is not None:
        return Ingress("python", config.host, environment)
    environment |= {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(clients_for(resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
        # a client that stops within its body, also after the replica has refused to wait longer
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(math.ceil(config.timeout.total_seconds()) + CLIENT_SECONDS),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(place / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(place / "s"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(place),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(place / "state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(place / "m"),
    }
    environment |= {
        SERVE_VARIABLE: str(wrapper),
        BINARY_VARIABLE: os.environ.get(SERVE_VARIABLE, ""),
        HOST_VARIABLE: config.host,
        CERTIFICATE_VARIABLE: str(certificate or ""),
        BODY_SECONDS_VARIABLE: str(config.timeout.total_seconds()),
        # on a cluster HAProxy may run on machines that do not see this process
        ENDPOINT_VARIABLE: "" if config.address else str(os.getpid()),
    }
    # on a cluster HAProxy reaches replicas on other nodes; on one machine nobody else needs to
    return Ingress("haproxy", "0.0.0.0" if config.address else "127.0.0.1", environment)  # noqa: S104


def check_access(config: ServeConfig) -> None:
    """Raises UsageError when the endpoint would answer everybody on a network."""
    if config.host not in LOOPBACK_HOSTS and not config.auth_token_file and not config.insecure:
        raise UsageError(
            f"on {config.host} everybody who reaches this machine could ask; give --auth-token-file FILE "
            "(one token a line), or --insecure if that is meant"
        )


def free_port_or_complain(config: ServeConfig) -> str | None:
    """Makes sure that the ports can be listened on.

    Returns:
        A sentence about a left-over HAProxy that was ended, or None.

    Raises:
        ServingError: the port is in use; the message names the process where it can be seen.
    """
    ports = [("--port", config.port), ("--grpc-port", config.grpc_port)]
    found = [_free_or_complain(config, port, option) for option, port in ports if port is not None]
    return next((note for note in found if note is not None), None)


def _free_or_complain(config: ServeConfig, port: int, option: str) -> str | None:
    host = config.host
    problem = port_problem(host, port)
    if problem is None:
        return None
    holder = next(holders_of(port), None)
    if holder is not None and _is_left_over(holder):
        _end(holder)
        if port_problem(host, port) is None:
            return f"an HAProxy that a former endpoint had left behind on port {port} was ended"
    where = f"cannot listen on {host} port {port}"
    endpoint = _endpoint_of(holder)
    if endpoint is None:
        raise ServingError(f"{where} ({problem}{shown_holder(port)}); {other_place(host, option)}")
    # two of one name cannot be there either
    same = endpoint.name == (config.name or name_of(config.models[0]))
    raise ServingError(
        f"{where} ({problem} by the endpoint '{endpoint.name}', process {endpoint.pid}, which serves "
        f"{', '.join(endpoint.models) or endpoint.name}); `orchestrator undeploy {endpoint.name}` stops it, or give "
        f"another {option}{' and another --name' if same else ''}"
    )


def _endpoint_of(holder: psutil.Process | None) -> Deployment | None:
    """The endpoint of this machine that a process belongs to, None if it belongs to none that is known."""
    if holder is None:
        return None
    with contextlib.suppress(psutil.Error):
        family = {holder.pid, *(parent.pid for parent in holder.parents())}
        return next((known for known in list_deployments() if known.pid in family and known.process), None)
    return None


def listens(config: ServeConfig, pid: int) -> bool:
    """Whether the endpoint of a process listens on its port, and not somebody who was faster.

    Args:
        config: of the endpoint.
        pid: of `orchestrator deploy`.

    Returns:
        False while nobody listens. True also where it cannot be seen: on a cluster it may be another machine.

    Raises:
        ServingError: another process does, so that this endpoint never will.
    """
    if config.address is not None or sys.platform != "linux":
        return True
    if port_problem(config.host, config.port) is None:
        return False
    for holder in holders_of(config.port):
        with contextlib.suppress(psutil.Error):
            if pid in (holder.pid, *(parent.pid for parent in holder.parents())):
                return True
    free_port_or_complain(config)
    return False


def listening_nodes() -> dict[str, str]:
    """Addresses of the nodes of a cluster that listen for clients, by node: the head, and those with a replica."""
    import ray
    from ray import serve

    addresses = {node["NodeID"]: str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"]}
    proxies = [node for node in serve.status().proxies if node in addresses]
    return {node: f"[{addresses[node]}]" if ":" in addresses[node] else addresses[node] for node in proxies}


def check_listens_here(host: str) -> None:
    """Raises ServingError when an endpoint on a cluster listens on loopback addresses, and none is on this machine."""
    import ray

    if host in LOOPBACK_HOSTS and ray.get_runtime_context().get_node_id() not in listening_nodes():
        raise ServingError(
            f"on {host} each machine of the cluster answers only itself, and this one has no replica of the endpoint; "
            "give --host 0.0.0.0 with --auth-token-file FILE, or start it on the head node"
        )


def stop_listening(place: Path) -> None:
    """Has the HAProxy with files in that folder accept nobody any more, and waits a little for its last answers."""
    found = list(_proxies([place]))
    for process in found:
        with contextlib.suppress(psutil.Error):
            # a soft stop, see HAProxy's management guide, "Stopping and restarting HAProxy"
            process.send_signal(signal.SIGUSR1)
    psutil.wait_procs(found, timeout=CLOSE_SECONDS)


def ingress_problems(place: Path) -> list[str]:
    """Sentences about the HAProxy with files in that folder: that it does not run, or has died lately."""
    found = []
    for file in place.glob(f"*/{DEATHS_FILE}"):
        deaths = read_deaths(file.parent)
        if deaths is None or time.time() - deaths.last > TOLD_SECONDS:
            continue
        when = datetime.fromtimestamp(deaths.last).astimezone().strftime("%H:%M:%S")
        again = (
            f"answered again {deaths.back - deaths.last:.1f} s later"
            if deaths.back is not None
            else "is being started again: nobody is answered until then"
        )
        times = f"; that was death {deaths.count} since the start" if deaths.count > 1 else ""
        found.append(f"HAProxy died at {when} ({deaths.reason}) and {again}{times}")
    failure = ingress_failure(place)
    if failure is not None:
        found.append(f"HAProxy cannot be started: {failure}")
    elif not any(_proxies([place])):
        found.append(
            "HAProxy does not run, so that nobody is answered; Ray Serve starts it again after half a minute or more"
        )
    return found


def ingress_failure(place: Path) -> str | None:
    """Why HAProxy cannot be started on this machine, or None."""
    return next((read_failure(file.parent) for file in place.glob(f"*/{FAILURE_FILE}")), None)


def end_left_overs(places: Iterator[Path]) -> None:
    """Ends the HAProxy processes whose files lie in these folders, and removes the folders."""
    left = list(places)
    for process in _proxies(left):
        _end(process)
    for place in left:
        shutil.rmtree(place, ignore_errors=True)


def _proxies(places: list[Path]) -> Iterator[psutil.Process]:
    """Those who watch over HAProxies before the HAProxies: they would start other ones."""
    beginnings = tuple(f"{place}/" for place in places)
    proxies = []
    for process in psutil.process_iter(["name", "cmdline"]) if places else ():
        words = process.info["cmdline"] or []
        if not any(word.startswith(beginnings) for word in words):
            continue
        if any(word.endswith(f"/{WRAPPER}") for word in words):
            yield process
        elif process.info["name"] == "haproxy":
            proxies.append(process)
    yield from proxies


def _is_left_over(process: psutil.Process) -> bool:
    """Whether it is an HAProxy of Ray Serve whose parent, who manages it, is gone."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        ours = process.name() == "haproxy" and any(word.endswith(".cfg") for word in words)
        parent = process.parent()
        managed = " ".join([parent.name(), *parent.cmdline()]) if parent is not None else ""
        return ours and "HAProxyMan" not in managed and WRAPPER not in managed
    return False


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _certificate(config: ServeConfig, place: Path) -> Path | None:
    """Certificate and key in one private file, as HAProxy wants them."""
    certificate_note(config)
    if config.tls_cert is None or config.tls_key is None:
        return None
    joined = place / "certificate.pem"
    joined.touch(mode=0o600)
    with joined.open("wb") as target:
        for source in (config.tls_cert, config.tls_key):
            with Path(source).open("rb") as part:
                shutil.copyfileobj(part, target)
            target.write(b"\n")
    return joined


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
