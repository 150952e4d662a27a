"""Starting Ray on a machine that is busy: it is waited for, tried again, and said so.

`python -m orchestrator.patience start ...` is `ray start ...` that waits longer.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from orchestrator.replacing import replaced

# Ray's own limit is 30 s (ray 2.60, `Node.__init__`), which nothing can change
START_SECONDS = 180.0
# a start takes 5 s on an idle machine
NOTICE_SECONDS = 20.0
END_SECONDS = 5.0
# the raylet waits for files of these names, and Ray's parameters have them, too
AGENT_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
# a raylet ends itself when its agents take too long to start
ENDED = "its process raylet has ended"
TIMED_OUT = re.compile(rf"timed? ?out|{ENDED}", re.IGNORECASE)


def busy() -> str:
    """What is known of the load of this machine."""
    return f"the machine is busy (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)"


def start_patiently(start: Callable[[], object], notify: Callable[[str], None]) -> None:
    """Starts Ray, a second time if it took too long; what the first try has left is ended before.

    Args:
        start: starts Ray on this machine.
        notify: is told when it takes long.

    Raises:
        Exception: what Ray raises the second time, or at once if time is not what it lacked.
    """
    before = children()
    notice = threading.Timer(NOTICE_SECONDS, lambda: notify(f"Ray is starting; {busy()}"))
    notice.daemon = True
    notice.start()
    try:
        with waiting_longer():
            try:
                start()
            except Exception as error:  # Ray raises many kinds here
                end_leftovers(children() - before)
                if not TIMED_OUT.search(str(error)):
                    raise
                notify(f"Ray did not start in time and is started again; {busy()}")
                start()
    except BaseException:  # Ctrl-C, too
        end_leftovers(children() - before)
        raise
    finally:
        notice.cancel()


@contextmanager
def waiting_longer() -> Iterator[None]:
    """Has Ray wait longer for its node to be there, as long as the node's process lives.

    That ends itself when the agents have not said after 15 s where they listen, unless it is known (ray 2.60): of ports
    that were given it is.
    """
    from ray._private import services
    from ray._private.node import Node

    original, start_raylet = services.get_node, Node.start_raylet

    def start_with_known_ports(node: Any, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        _write_known_ports(node)
        start_raylet(node, *arguments, **options)

    def get_node(*arguments: Any) -> Any:  # noqa: ANN401
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return original(*arguments)
            except RuntimeError as error:
                # another kind of error, with which Ray does not ask again
                if not _raylet_lives():
                    raise TimeoutError(ENDED) from error
                if time.monotonic() > deadline:
                    raise TimeoutError(f"its node has timed out after {START_SECONDS:.0f} s") from error
            time.sleep(0.1)

    with replaced(services, get_node=get_node), replaced(Node, start_raylet=start_with_known_ports):
        yield


def _write_known_ports(node: Any) -> None:  # noqa: ANN401
    """What a node's agents will say of the ports that they were given."""
    for name in AGENT_PORTS:
        port = getattr(node._ray_params, name)
        if port:
            Path(node._session_dir, f"{name}_{node._node_id}").write_text(str(port), encoding="utf-8")


def _raylet_lives() -> bool:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.name() == "raylet" and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def children() -> set[psutil.Process]:
    """All processes below this one."""
    return set(psutil.Process().children(recursive=True))


def end_leftovers(started: set[psutil.Process]) -> None:
    """Ends those of these processes that are Ray's: it forgets some when it fails."""
    import ray

    place = str(Path(ray.__file__).parent)
    ended = []
    for process in started:
        with contextlib.suppress(psutil.Error):
            if any(place in word for word in process.cmdline()) or process.name().startswith("ray::"):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, END_SECONDS)


def main() -> None:
    """The command line of Ray."""
    from ray.scripts.scripts import main as ray

    with waiting_longer():
        ray()


if __name__ == "__main__":
    main()
