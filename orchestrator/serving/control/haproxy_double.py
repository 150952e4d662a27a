"""The double of the process that watches over HAProxy: it goes on when that one is killed.

Ray Serve notices after half a minute that the process it has started is gone. Its double is another process of the
same program, which Serve does not know: it has the sockets for clients, too, and waits. When the first one is killed,
the double runs HAProxy with the same configuration until Serve has started the next one, which finds it by a socket in
its folder.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# number of the process with which the endpoint ends; without it there is no double
ENDPOINT_VARIABLE = "ORCHESTRATOR_INGRESS_ENDPOINT"
DOUBLE_VARIABLE = "ORCHESTRATOR_INGRESS_DOUBLE"
# a double that does not stay is not started more often
AGAIN_SECONDS = 5.0


class Double:
    """The double of this process."""

    def __init__(self, endpoint: int) -> None:
        """Starts nothing.

        Args:
            endpoint: file descriptor of the endpoint's process.
        """
        self._endpoint = endpoint
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -AGAIN_SECONDS
        # closed by the system when this process ends, however it ends; HAProxy does not inherit it
        self._line_end, self._line = os.pipe()

    @classmethod
    def wanted(cls) -> Double | None:
        """One, if the endpoint is on this machine and the system can tell when that ends."""
        number = os.environ.get(ENDPOINT_VARIABLE)
        if not number or DOUBLE_VARIABLE in os.environ:
            return None
        try:
            return cls(os.pidfd_open(int(number)))
        except (AttributeError, OSError):
            return None

    def keep(self, listeners: Sequence[socket.socket]) -> None:
        """Starts it, if it is not there.

        Args:
            listeners: the sockets for clients.
        """
        now = time.monotonic()
        if (self._process is not None and self._process.poll() is None) or now < self._started + AGAIN_SECONDS:
            return
        inherited = (self._line_end, self._endpoint, *(listener.fileno() for listener in listeners))
        self._started = now
        self._process = subprocess.Popen(
            sys.orig_argv,
            env={**os.environ, DOUBLE_VARIABLE: " ".join(map(str, inherited))},
            stdin=subprocess.DEVNULL,
            pass_fds=inherited,
            # Ray ends the whole process group of its process that is replaced
            start_new_session=True,
        )

    def stop(self) -> None:
        """Ends it; it is not needed any more."""
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> None:
        """Until it has ended."""
        if self._process is not None:
            self._process.wait()


@dataclass(frozen=True)
class StandIn:
    """What a double has from the process that started it.

    Attributes:
        listeners: the sockets for clients.
        line: file descriptor that ends when that process does.
        endpoint: of the endpoint's process.
    """

    listeners: tuple[socket.socket, ...]
    line: int
    endpoint: int

    @classmethod
    def inherited(cls) -> StandIn | None:
        """What this process has from another one, None if it is no double."""
        numbers = os.environ.get(DOUBLE_VARIABLE)
        if numbers is None:
            return None
        line, endpoint, *listeners = map(int, numbers.split())
        return cls(tuple(socket.socket(fileno=listener) for listener in listeners), line, endpoint)

    async def needed(self, stopping: asyncio.Event, stop: Callable[[], None]) -> bool:
        """Waits until the other process is gone; False when this one is told to stop before.

        Args:
            stopping: set when it is told to stop.
            stop: called when the endpoint's process ends, also later.
        """
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(self.endpoint)
            stop()

        loop.add_reader(self.endpoint, end)
        loop.add_reader(self.line, gone.set)
        waiting = [asyncio.create_task(event.wait()) for event in (gone, stopping)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        loop.remove_reader(self.line)
        return not stopping.is_set()


def double_socket(admin: Path) -> Path:
    """Where a double that stands in gives the clients' sockets to the next process of Ray Serve."""
    return admin.with_name("double")


def peer_of(connection: socket.socket) -> int:
    """The number of the process that listens at the other end of a Unix socket (Linux)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)
