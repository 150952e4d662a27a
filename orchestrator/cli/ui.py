"""`orchestrator ui`: MLflow's own pages on what was tracked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import IO

import click

from orchestrator.cli.base import Command, tracking_option
from orchestrator.cli.numbers import WholeNumber
from orchestrator.cli.options import notify
from orchestrator.environment import debugging, no_loopback, other_place, port_problem, shown_holder

EXAMPLE = """Show sweeps, trials and models in MLflow's own pages, until Ctrl-C.

\b
Example:
  orchestrator ui
  orchestrator ui --port 5001 --tracking-uri sqlite:///other/mlflow.db

MLflow's own log is shown with --debug only.
"""
START_SECONDS, STOP_SECONDS = 120.0, 15.0
# of MLflow's log, when it does not start
LAST_LINES = 5


@click.command(cls=Command, help=EXAMPLE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=WholeNumber(1, 65535), default=5000, show_default=True, help="Where to listen.")
@tracking_option
def ui(host: str, port: int, tracking_uri: str | None) -> None:
    """See EXAMPLE."""
    from orchestrator.errors import TrackingError
    from orchestrator.tracking.store import client_for, has_store, resolve_tracking_uri, tracked

    uri = resolve_tracking_uri(tracking_uri)
    if uri.startswith(("http://", "https://")):
        click.echo(f"{uri} is a server already: open it in a browser")
        return
    problem = port_problem(host, port)
    if problem is not None:
        raise TrackingError(
            f"cannot listen on {host} port {port} ({problem}{shown_holder(port)}); {other_place(host, '--port')}"
        )
    if (problem := no_loopback()) is not None:
        raise TrackingError(f"MLflow cannot be shown: {problem}")
    if not has_store(uri):
        notify(f"nothing was tracked in {uri} yet, so its pages will be empty (another store: --tracking-uri)")
    with tracked(tracking_uri):
        client_for(tracking_uri).search_experiments(max_results=1)
    notify(f"starting MLflow on {uri} ...")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # it has processes of its own for jobs, of which nobody here gives it any
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    with tempfile.TemporaryFile() as log:
        # a session of its own, so that Ctrl-C reaches this process only, which then ends all of MLflow's
        process = subprocess.Popen(
            [*command, "--host", host, "--port", str(port), "--workers", "1"],
            stdin=subprocess.DEVNULL,
            stdout=None if debugging() else log,
            stderr=None if debugging() else log,
            start_new_session=True,
            env=environment,
        )
        try:
            _wait_until_it_answers(process, f"http://{_reachable(host)}:{port}")
            if process.poll() is None:
                # as it opens, it shows the pages for language models
                notify(
                    f'open http://{_reachable(host)}:{port} in a browser and choose "Model training" at its top left; '
                    "Ctrl-C stops it"
                )
            code = process.wait()
        except KeyboardInterrupt:
            code = 0
            notify("stopped")
        finally:
            _end(process)
        if code:
            raise TrackingError(f"MLflow's server ended with exit code {code}: {_last_words(log)}")


def _reachable(host: str) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{name}]" if ":" in name else name


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    """Returns when the server answers, has ended, or has had long enough to start."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), opener.open(f"{url}/health", timeout=2):
            return
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)
            break
    # what it has started and left behind
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_words(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or "it said nothing"
