"""Where the orchestrator keeps what must outlive a command: `$ORCHESTRATOR_HOME`, or `~/.orchestrator`."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The state folder; made if it does not exist."""
    path = Path(os.environ.get("ORCHESTRATOR_HOME") or Path.home() / ".orchestrator")
    path.mkdir(parents=True, exist_ok=True)
    return path
