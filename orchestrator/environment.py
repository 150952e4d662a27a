"""What environment variables say: where state is kept, and whether the libraries below may talk."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder for what must outlive a command: `$ORCHESTRATOR_HOME` or `~/.orchestrator`; made if it is missing."""
    path = Path(os.environ.get("ORCHESTRATOR_HOME") or Path.home() / ".orchestrator")
    path.mkdir(parents=True, exist_ok=True)
    return path


def debugging() -> bool:
    """Whether tracebacks and the libraries' own messages are wanted (`--debug` or `ORCHESTRATOR_DEBUG=1`)."""
    return os.environ.get("ORCHESTRATOR_DEBUG", "") not in ("", "0")
