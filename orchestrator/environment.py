"""What surrounds the program: where state is kept, which ports are free, whether the libraries below may talk."""

from __future__ import annotations

import os
import socket
from pathlib import Path


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


def debugging() -> bool:
    """Whether tracebacks and the libraries' own messages are wanted (`--debug` or `ORCHESTRATOR_DEBUG=1`)."""
    return os.environ.get("ORCHESTRATOR_DEBUG", "") not in ("", "0")
