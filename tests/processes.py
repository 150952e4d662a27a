"""The project's commands as processes, in a folder with a state folder and an MLflow store of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ORCHESTRATOR = [sys.executable, "-m", "orchestrator"]
SECONDS = 300


class Place:
    """Where commands run."""

    def __init__(self, folder: Path, store: str, environment: Mapping[str, str]) -> None:
        self.folder, self.store = folder, store
        self.own = {"ORCHESTRATOR_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": store}
        self.environment = {**environment, **self.own}

    def start_program(self, command: Sequence[str], log: Path) -> psutil.Popen:
        """Any program in the background; what it prints is added to the file `log`."""
        with log.open("ab") as output:
            return psutil.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`orchestrator ...`, to its end."""
        return subprocess.run(
            [*ORCHESTRATOR, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
