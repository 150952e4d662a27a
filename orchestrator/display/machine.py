"""MachineWatch: what the computers of a running sweep have, and how much of it is in use."""

from __future__ import annotations

import os
import sys
import threading
import time

from orchestrator.display.sections import Machine

LOOK_SECONDS = 3.0


class MachineWatch:
    """Asks Ray and the operating system now and then, in a thread of its own: who does not answer holds nobody up."""

    def __init__(self) -> None:
        self._found: Machine | None = None
        self._asked = float("-inf")
        self._asking = False

    def look(self) -> Machine | None:
        """What was found last, None before the first answer."""
        if not self._asking and time.monotonic() > self._asked + LOOK_SECONDS:
            self._asking = True
            threading.Thread(target=self._ask, name="machine", daemon=True).start()
        return self._found

    def _ask(self) -> None:
        try:
            self._found = _look()
        finally:
            self._asked, self._asking = time.monotonic(), False


def _look() -> Machine | None:
    """None without a connection to Ray."""
    ray = sys.modules.get("ray")
    try:
        if ray is None or not ray.is_initialized():
            return None
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    except Exception:  # the connection may begin or end at this moment, with errors of many kinds
        return None
    cpus, gpus = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    load = memory = None
    if len(nodes) == 1:
        import psutil

        found = psutil.virtual_memory()
        # of other nodes nothing is known here
        load, memory = psutil.cpu_percent() / 100, (float(found.total - found.available), float(found.total))
    return Machine(nodes=len(nodes), cpus=int(cpus or os.cpu_count() or 1), gpus=float(gpus), load=load, memory=memory)
