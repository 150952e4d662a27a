"""What surrounds the program: where state is kept, which ports are free, whether the libraries below may talk."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

NICENESS = 10


def home() -> Path:
    """The folder for what must outlive a command: `$ORCHESTRATOR_HOME` or `~/.orchestrator`; made if it is missing."""
    path = Path(os.environ.get("ORCHESTRATOR_HOME") or Path.home() / ".orchestrator")
    path.mkdir(parents=True, exist_ok=True)
    return path


def port_problem(host: str, port: int) -> str | None:
    """Why nobody can listen there now, None if one can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def step_aside() -> None:
    """Lets other processes have the cores first, for what this thread does from now on."""
    if sys.platform == "linux":
        # on Linux each thread has a niceness of its own, which those that it starts inherit
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def aside(work: Callable[[], Result]) -> Result:
    """Does something in a thread that steps aside, and waits for it."""
    with ThreadPoolExecutor(1, initializer=step_aside) as executor:
        return executor.submit(work).result()


def debugging() -> bool:
    """Whether tracebacks and the libraries' own messages are wanted (`--debug` or `ORCHESTRATOR_DEBUG=1`)."""
    return os.environ.get("ORCHESTRATOR_DEBUG", "") not in ("", "0")
