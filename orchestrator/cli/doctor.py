"""`orchestrator doctor`: what works on this machine, and what to fix."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from orchestrator.cli.base import Command, json_option, print_json, print_table, tracking_option, unforeseen
from orchestrator.environment import (
    MIN_SHARED_GB,
    SHARED_MEMORY,
    home,
    is_current_folder_gone,
    low_limits,
    no_ports,
    port_problem,
    shown_holder,
    small_shared_memory,
)
from orchestrator.errors import ExecutionError, OrchestratorError, StorageError
from orchestrator.temporary import RAY_VARIABLE, VARIABLE, ray_folder, writing_problem

EXAMPLE = """Check versions, cores, GPUs, Ray, the tracking store, disk and ports.

The exit code is 1 when something must be fixed.

\b
Example:
  orchestrator doctor
  orchestrator doctor --json
"""
PORTS = {8000: "deploy", 5000: "ui"}
MIN_FREE_GB = 2
PACKAGES = ("ray", "torch", "mlflow", "optuna", "scikit-learn", "pandas", "pyarrow", "pydantic", "fastapi", "click")


@dataclass(frozen=True)
class Finding:
    """One line: what was checked, ok, warning or error, what was seen, and how to mend it."""

    check: str
    state: str
    seen: str
    fix: str = ""


@click.command(cls=Command, help=EXAMPLE)
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster to check. Default: one is started on this machine.")
@tracking_option
@json_option
def doctor(address: str | None, tracking_uri: str | None, as_json: bool) -> None:
    """See EXAMPLE."""
    checks: dict[str, Callable[[], list[Finding]]] = {
        "python": _python,
        "machine": _machine,
        "limits": _limits,
        "GPUs": _gpus,
        "temporary files": _temporary,
        "state folder": _state,
        "disk": _disk,
        "ports": _ports,
        "tracking store": lambda: _store(tracking_uri),
        "Ray": lambda: _ray(address),
    }
    findings = [finding for name, check in checks.items() for finding in _found(name, check)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(((f.check, f.state, f.seen, f.fix) for f in findings), ["check", "state", "seen", "what to do"])
    if any(finding.state == "error" for finding in findings):
        raise click.exceptions.Exit(1)


def _found(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """What a check has found; one that itself fails is an error that is shown among the others."""
    try:
        return check()
    except OrchestratorError as error:
        return [Finding(name, "error", str(error))]
    except OSError as error:
        return [Finding(name, "error", unforeseen(error))]


def _python() -> list[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    found: list[str] = []
    missing: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    findings = [Finding("python", "ok", sys.version.split()[0]), Finding("packages", "ok", ", ".join(found))]
    if missing:
        findings.append(
            Finding("packages", "error", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
        )
    return findings


def _machine() -> list[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gb = memory.available / 2**30
    seen = f"{cores} cores, {gb:.1f} of {memory.total / 2**30:.1f} GB memory free"
    low = gb < MIN_FREE_GB
    return [Finding("machine", "warning" if low else "ok", seen, "close other programs" if low else "")]


def _limits() -> list[Finding]:
    low = low_limits()
    fix = "raise them in this shell or with the system's administrator" if low else ""
    return [Finding("limits", "warning" if low else "ok", "; ".join(low) or "open files and processes suffice", fix)]


def _gpus() -> list[Finding]:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return [Finding("GPUs", "ok", ", ".join(names), "use them with --gpus-per-worker")]
    return [Finding("GPUs", "ok", f"none (torch {torch.__version__}), trials run on the CPU")]


def _temporary() -> list[Finding]:
    try:
        folder = ray_folder()
    except ExecutionError as error:
        sentence, _, fix = str(error).rpartition(": ")
        return [Finding("temporary files", "error", sentence, fix)]
    if folder.avoided is None:
        return [Finding("temporary files", "ok", str(folder.path))]
    seen = f"{VARIABLE} is {folder.avoided}, {folder.why}: Ray's files are in {folder.ray}"
    return [Finding("temporary files", "ok", seen, f"set {RAY_VARIABLE} to have them in another short folder")]


def _state() -> list[Finding]:
    """Nothing if it is there: the disk has a line of its own."""
    folder = home()
    problem = writing_problem(folder)
    if problem is None:
        return []
    return [Finding("state folder", "error", f"{folder}, {problem}", "name another folder: ORCHESTRATOR_HOME")]


def _disk() -> list[Finding]:
    findings: list[Finding] = []
    places: list[tuple[str, str, float]] = [("current folder", ".", MIN_FREE_GB)]
    with contextlib.suppress(StorageError):
        places.insert(0, ("state folder", str(home()), MIN_FREE_GB))
    with contextlib.suppress(ExecutionError):
        places.append(("Ray", str(ray_folder().path), 5))
    if SHARED_MEMORY.is_dir():
        places.append(("shared memory", str(SHARED_MEMORY), MIN_SHARED_GB))
    for what, path, needed in places:
        free = shutil.disk_usage(path).free / 2**30
        state = "ok" if free >= needed else "warning"
        fix = "" if free >= needed else f"make room: {needed:g} GB are wanted"
        if path == str(SHARED_MEMORY):
            fix = small_shared_memory() or ""
        findings.append(Finding(f"disk, {what}", state, f"{free:.1f} GB free in {path}", fix))
    if is_current_folder_gone():
        findings.append(Finding("current folder", "error", "was deleted", "go to another folder"))
    elif not os.access(".", os.W_OK):
        fix = "go to another folder, or give --tracking-uri"
        findings.append(Finding("current folder", "error", "cannot be written to", fix))
    return findings


def _ports() -> list[Finding]:
    none = no_ports()
    findings = [] if none is None else [Finding("ports", "error", none, "end programs that have many connections")]
    for port, command in PORTS.items():
        free = port_problem("127.0.0.1", port) is None
        fix = "" if free else f"orchestrator {command} --port {port + 1}"
        findings.append(
            Finding(f"port {port}", "ok" if free else "warning", "free" if free else f"in use{shown_holder(port)}", fix)
        )
    return findings


def _store(tracking_uri: str | None) -> list[Finding]:
    from orchestrator.errors import TrackingError
    from orchestrator.tracking.store import client_for, resolve_tracking_uri, tracked

    uri = resolve_tracking_uri(tracking_uri)
    file = uri.removeprefix("sqlite:///")
    if file != uri and not Path(file).exists():
        return [Finding("tracking store", "ok", f"{uri} (made by the first sweep)")]
    try:
        client = client_for(tracking_uri)
        with tracked(tracking_uri):
            count = len(client.search_experiments(max_results=1000))
    except TrackingError as error:
        return [Finding("tracking store", "error", str(error), "give another --tracking-uri, or start the server")]
    return [Finding("tracking store", "ok", f"{uri}, {count} experiments")]


def _ray(address: str | None) -> list[Finding]:
    from orchestrator.cluster import ray_session

    where = address or "started on this machine"
    try:
        with ray_session(address):
            import ray

            resources = ray.cluster_resources()
            nodes = sum(1 for node in ray.nodes() if node["Alive"])
    except ExecutionError as error:
        return [Finding("Ray", "error", str(error), "see https://docs.ray.io for what it needs")]
    many = "1 node" if nodes == 1 else f"{nodes} nodes"
    seen = f"{where}: {many}, {resources.get('CPU', 0):g} CPU, {resources.get('GPU', 0):g} GPU"
    return [Finding("Ray", "ok", seen)]
