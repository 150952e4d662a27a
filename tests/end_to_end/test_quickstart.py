"""What docs/quickstart.md tells a user to type, typed in a shell, block after block."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from documents import ROOT, blocks
from support import free_port

PAGE = ROOT / "docs" / "quickstart.md"
# two minutes of search are too long for a test, and the port may be taken
SHORT = ("--time-budget 2m", "--trials 2 --epochs 3 --architecture mlp --folds 1")
PORT = "8000"


def test_the_quickstart_can_be_typed(tmp_path):
    environment = {**os.environ, "ORCHESTRATOR_HOME": str(tmp_path / "home")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    shell = [block for block in blocks(PAGE.read_text(encoding="utf-8"), PAGE.name) if block.language == "bash"]
    port = str(free_port())

    def typed(text):
        script = text.replace(*SHORT).replace(PORT, port)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
        return done.stdout

    try:
        said = "\n".join(typed(block.text) for block in shell if not block.not_run)
    finally:
        typed("orchestrator undeploy tumors || true")
    for words in ("mean_radius", "models:/tumors@champion", "label", '"predictions"'):
        assert words in said, words
    assert len(pd.read_csv(tmp_path / "new.csv")) == 3
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
