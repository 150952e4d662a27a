"""A program in the place of Ray's dashboard agent, for a Ray of our own, which has no dashboard.

Ray's raylet wants an agent, and ends when it ends. The real one takes seconds of a core to import what it reports with,
while the first workers start. This one says that it listens nowhere, and lives as long as the raylet.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# the raylet waits for these files
PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
# as Ray's own agent writes it when a port is not used
NOWHERE = "-1"


def main(arguments: list[str]) -> None:
    """Args:
    arguments: of Ray's agent; `--session-dir=` and `--node-id=` are among them.
    """
    parent = os.getppid()
    options = dict(word.removeprefix("--").split("=", 1) for word in arguments if word.startswith("--") and "=" in word)
    for name in PORTS:
        file = Path(options["session-dir"], f"{name}_{options['node-id']}")
        half = file.with_suffix(".writing")
        half.write_text(NOWHERE, encoding="utf-8")
        half.replace(file)
    while os.getppid() == parent:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1:])
