"""Starting an endpoint: in the foreground until a signal, or as a process of its own in the background."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil

from orchestrator.bundle import ModelBundle
from orchestrator.cluster import ray_session, silence
from orchestrator.config import ServeConfig
from orchestrator.environment import debugging, port_problem
from orchestrator.errors import ServingError
from orchestrator.serving.deployments import (
    Deployment,
    check_not_deployed,
    find_deployment,
    folder,
    log_file,
    model_folder_prefix,
    recorded,
    stop_process,
    wait_until_answering,
)
from orchestrator.tracking.models import ModelSource, fetch_model

START_SECONDS = 120.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
Say = Callable[[str], None]


def url_of(config: ServeConfig) -> str:
    """Where the endpoint answers on this machine."""
    return f"http://{LOOPBACK.get(config.host, config.host)}:{config.port}"


def run_endpoint(config: ServeConfig, say: Say) -> None:
    """Serves a model until SIGINT or SIGTERM, then stops everything that was started.

    Args:
        config: model and address.
        say: called with sentences for the user.

    Raises:
        UsageError, TrackingError, BundleError: there is no such model, or it cannot be loaded.
        ServingError: the port is in use, the name is deployed already, or Serve does not start.
    """
    check_port(config)
    url = url_of(config)
    with (
        _terminated_as_interrupted(),
        _fetched(config) as source,
        recorded(source.name, source.version, url),
        ray_session(config.address),
        _stop_event() as stop,
    ):
        from ray import serve

        _quiet_serve()
        _check_no_serve(config.address)
        try:
            serve.start(
                http_options={"host": config.host, "port": config.port}, logging_config={"log_level": _log_level()}
            )
            _run(source, stop)
            if stop.is_set():
                return
            if not wait_until_answering(url, START_SECONDS):
                raise ServingError(f"Ray Serve started, but {url} does not answer")
            _announce(source, url, say)
            stop.wait()
            say("stopping")
        finally:
            with silence():
                serve.shutdown()
                # its last messages come from another process, a moment later
                time.sleep(0.5)


def start_in_background(config: ServeConfig) -> Deployment:
    """Starts `orchestrator deploy` as a process of its own and waits until it answers.

    Raises:
        ServingError: it ended or does not answer; with its last words.
        UsageError, TrackingError, BundleError: see `run_endpoint`.
    """
    check_port(config)
    with _fetched(config) as source:
        name = source.name
    command = [sys.executable, "-m", "orchestrator", "deploy", config.model, "--host", config.host]
    command += ["--port", str(config.port)]
    for option, value in (("--tracking-uri", config.tracking_uri), ("--address", config.address)):
        command += [option, value] if value else []
    with log_file(name).open("wb") as log:
        process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    answering = False
    try:
        answering = wait_until_answering(url_of(config), START_SECONDS, process)
        ended = process.poll() is not None
    finally:
        # also when the user interrupts the wait
        if not answering:
            stop_process(process)
    if not answering:
        words = log_file(name).read_text(errors="replace").strip().splitlines() if ended else []
        late = f"the endpoint does not answer after {START_SECONDS:.0f} seconds; its messages are in {log_file(name)}"
        raise ServingError(words[-1].removeprefix("Error: ") if words else late)
    return find_deployment(name)


def check_port(config: ServeConfig) -> None:
    """Raises ServingError when the port cannot be listened on."""
    problem = port_problem(config.host, config.port)
    if problem is not None:
        raise ServingError(f"cannot listen on {config.host} port {config.port} ({problem}); give another --port")


@contextmanager
def _fetched(config: ServeConfig) -> Iterator[ModelSource]:
    """The model's bundle on disk, checked, while the context is open."""
    place = Path(tempfile.mkdtemp(prefix=model_folder_prefix(os.getpid()), dir=folder()))
    try:
        source = fetch_model(config.model, config.tracking_uri, place)
        check_not_deployed(source.name)
        ModelBundle.load(source.path)
        yield source
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt while things are being started, so that they are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _stop_event() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal interrupts. Open it after Ray: that takes SIGTERM."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        del number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_no_serve(address: str | None) -> None:
    """Raises ServingError when Serve runs already: it would keep its port, and stopping ours would stop it for all."""
    import ray

    with contextlib.suppress(ValueError):
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
        raise ServingError(
            f"Ray Serve runs on the cluster at {address or 'this machine'} already; "
            "leave out --address to serve beside it, or stop it with `serve shutdown`"
        )


def _run(source: ModelSource, stop: threading.Event) -> None:
    from ray import serve

    from orchestrator.serving.app import serve_application

    if stop.is_set():
        return
    try:
        serve.run(serve_application(source.path, source.name, source.version), name=source.name, route_prefix="/")
    except RuntimeError as error:
        raise ServingError(f"Ray Serve could not start the model: {' '.join(str(error).split())[:300]}") from error


def _announce(source: ModelSource, url: str, say: Say) -> None:
    version = f" version {source.version}" if source.version else ""
    say(f"{source.name}{version} answers on {url} (Ctrl-C stops it)")
    say(f"try it in a browser, or: curl {url}/schema")


def _log_level() -> str:
    return "INFO" if debugging() else "ERROR"


def _quiet_serve() -> None:
    if not debugging():
        for logger in ("ray.serve", "ray._private"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
