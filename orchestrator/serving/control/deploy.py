"""Starting an endpoint: in the foreground until a signal, or as a process of its own in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from orchestrator.cluster import check_surroundings
from orchestrator.config import ServeConfig, check_name
from orchestrator.errors import ServingError, UsageError
from orchestrator.roles import Role
from orchestrator.serving.control.application import prepared
from orchestrator.serving.control.certificates import certificate_note
from orchestrator.serving.control.deployments import (
    Deployment,
    abandoned_places,
    check_not_deployed,
    find_deployment,
    list_deployments,
    log_file,
    private_place,
    stop_process,
    wait_until_answering,
)
from orchestrator.serving.control.haproxy import MESSAGES
from orchestrator.serving.control.ingress import (
    Ingress,
    check_access,
    check_listens_here,
    end_left_overs,
    free_port_or_complain,
    ingress_failure,
    listening_nodes,
    listens,
    plan_ingress,
)
from orchestrator.serving.control.registry_watcher import RegistryWatcher
from orchestrator.serving.control.supervisor import EndpointSupervisor, stop_event, terminated_as_interrupted
from orchestrator.serving.grpc.waiting import wait_until_called
from orchestrator.serving.http.auth import read_tokens
from orchestrator.serving.http.browsers import LOOPBACK_HOSTS
from orchestrator.tracking.models import name_of
from orchestrator.units import format_duration

# from the first replica to the first answer
START_SECONDS = 600.0
# from the first answer over HTTP to the first one over gRPC
CALLS_SECONDS = 30.0
# by then it is known which nodes of a cluster listen
LOOPBACK_SECONDS = 30.0
TELL_SECONDS = 30.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # noqa: S104
# options that can be given again and again
LISTED = {"cors_origins": "--cors-origin", "allowed_hosts": "--allowed-host"}
Notify = Callable[[str], None]


def url_of(config: ServeConfig, host: str | None = None) -> str:
    """Where the endpoint answers on this machine, or on another one."""
    scheme = "https" if config.tls_cert else "http"
    return f"{scheme}://{host or LOOPBACK.get(config.host, config.host)}:{config.port}"


def grpc_target(config: ServeConfig, url: str) -> str | None:
    """Where gRPC is answered beside that address, as its clients want it: `host:port`; None where it is not."""
    return None if config.grpc_port is None else f"{urlsplit(url).netloc.rpartition(':')[0]}:{config.grpc_port}"


def run_endpoint(config: ServeConfig, notify: Notify) -> None:
    """Serves models until SIGINT or SIGTERM, then answers what has arrived and stops everything that was started.

    Args:
        config: models, address, limits.
        notify: called with sentences for the user.

    Raises:
        UsageError, TrackingError, BundleError, GateError: there is no such model, it cannot be loaded or does not
            answer as it did when it was made; or an option cannot be used.
        ServingError: the port is in use, the name is deployed already, or Serve does not start.
    """
    _check(config, notify)
    with terminated_as_interrupted(), private_place(cluster=config.address is not None) as place:
        ingress = plan_ingress(config, place)
        watcher = _fetched(config, place)
        with EndpointSupervisor(config, place, ingress, watcher, url_of(config)) as supervisor, stop_event() as stop:
            supervisor.deploy(stop)
            if stop.is_set():
                return
            url = _listening(config, place, stop)
            if url is None:
                return
            supervisor.note_address(url)
            _announce(watcher, ingress, url, grpc_target(config, url), notify)
            supervisor.follow_until(stop, notify)
            notify("stopping: requests that have arrived are answered")


def start_in_background(config: ServeConfig, notify: Notify) -> Deployment:
    """Starts `orchestrator deploy` as a process of its own and waits until it answers, or has ended.

    Args:
        config: models, address, limits.
        notify: called with a sentence now and then while it takes long.

    Raises:
        UsageError, ServingError: it ended; with its last words.
    """
    _check(config, notify)
    name = config.name or name_of(config.models[0])
    check_not_deployed(name)
    # until it answers: another one of that name may be starting, or may run
    messages = log_file(f"{name}.{os.getpid()}")
    with messages.open("wb") as log:
        command = [sys.executable, "-m", "orchestrator", "deploy", *command_options(config)]
        process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    answering = False
    waited = 0.0
    try:
        # how long that takes depends on what else the machine does; the process itself gives up when there is no hope
        while not answering and process.poll() is None:
            found = wait_until_answering(partial(_addresses_of, config, name, process.pid), TELL_SECONDS, process)
            answering = found is not None and listens(config, process.pid)
            if answering and found is not None:
                _wait_for_calls(config, found)
            waited += TELL_SECONDS
            if not answering and process.poll() is None:
                notify(f"still starting after {waited:.0f} s (Ctrl-C gives up); its messages are in {messages}")
        if not answering:
            words = messages.read_text(errors="replace").strip().splitlines()
            silent = f"its process ended without a word ({process.returncode})"
            kind = UsageError if process.returncode == UsageError.exit_code else ServingError
            raise kind(words[-1].removeprefix("Error: ") if words else silent)
        messages.replace(log_file(name))
    finally:
        # also when the user interrupts the wait
        if not answering:
            stop_process(process)
        messages.unlink(missing_ok=True)
    return find_deployment(name)


def command_options(config: ServeConfig) -> list[str]:
    """The arguments of `orchestrator deploy` that give this configuration."""
    words = list(config.models)
    for name, value in config.model_dump().items():
        default = ServeConfig.model_fields[name].get_default()
        if name == "models" or value == default or value is None:
            continue
        option = LISTED.get(name, f"--{name.replace('_', '-')}")
        if isinstance(value, bool):
            words.append(option)
        elif isinstance(value, tuple):
            words += [word for item in value for word in (option, item)]
        else:
            words += [option, format_duration(value) if isinstance(value, timedelta) else str(value)]
    return words


def _check(config: ServeConfig, notify: Notify) -> None:
    check_access(config)
    check_surroundings(config.address)
    if config.auth_token_file is not None:
        read_tokens(Path(config.auth_token_file))
    end_left_overs(abandoned_places())
    for note in (certificate_note(config), free_port_or_complain(config)):
        if note is not None:
            notify(note)
    if config.name is not None:
        check_not_deployed(config.name)


def _fetched(config: ServeConfig, place: Path) -> RegistryWatcher:
    """The models, checked and prepared in a folder."""
    watcher = prepared(config, place)
    name = config.name or next(iter(watcher.models))
    check_name(name)
    check_not_deployed(name)
    return watcher


def _addresses_of(config: ServeConfig, name: str, process: int) -> list[str]:
    """Where an endpoint in the background answers: on a cluster its process notes that."""
    if config.address is None:
        return [url_of(config)]
    return [known.url for known in list_deployments() if (known.name, known.pid) == (name, process)]


def _listening(config: ServeConfig, place: Path, stop: threading.Event) -> str | None:
    """Waits until clients are answered; where, or None when told to stop."""
    started = time.monotonic()
    while not stop.is_set():
        answering = wait_until_answering(partial(_addresses, config), 1.0)
        # what answers may be another endpoint, which was started at the same time
        if listens(config, os.getpid()) and answering is not None:
            _wait_for_calls(config, answering)
            return answering
        if failure := ingress_failure(place):
            raise ServingError(failure)
        waited = time.monotonic() - started
        if waited > LOOPBACK_SECONDS and config.address is not None:
            check_listens_here(config.host)
        if waited > START_SECONDS:
            where = " or ".join(_addresses(config))
            raise ServingError(f"Ray Serve started, but {where} does not answer after {START_SECONDS:.0f} s")
    return None


def _wait_for_calls(config: ServeConfig, url: str) -> None:
    """Until gRPC is answered beside that address, for a while: HAProxy has its replicas a moment later than HTTP's."""
    target = grpc_target(config, url)
    if target is not None:
        wait_until_called(target, MESSAGES[503], certificate=config.tls_cert, seconds=CALLS_SECONDS)


def _addresses(config: ServeConfig) -> list[str]:
    """Where clients may be answered, this machine first: on a cluster it need not be one of those that listen."""
    own = url_of(config)
    if config.address is None or config.host in LOOPBACK_HOSTS:
        return [own]
    return [own, *(url_of(config, host) for host in listening_nodes().values())]


def _announce(watcher: RegistryWatcher, ingress: Ingress, url: str, calls: str | None, notify: Notify) -> None:
    for name, model in watcher.models.items():
        served = model.roles[Role.CHAMPION]
        version = f" version {served.version}" if served.version else ""
        notify(f"{name}{version}, computed by {served.execution} ({served.reason})")
        if model.problem:
            notify(f"{name}: {model.problem}")
    proxy = "HAProxy" if ingress.name == "haproxy" else "Ray Serve's Python proxy, which is slower than HAProxy,"
    first = next(iter(watcher.models))
    prefix = "" if len(watcher.models) == 1 else f"/models/{first}"
    only = watcher.models[first].roles[Role.CHAMPION].version if len(watcher.models) == 1 else None
    said = f" version {only}" if only else ""
    notify(f"{', '.join(watcher.models)}{said} answers on {url} through {proxy} (Ctrl-C stops it)")
    if calls is not None:
        notify(f"gRPC (Open Inference Protocol) answers on {calls}")
    notify(f"try it in a browser, or: curl {url}{prefix}/schema")
