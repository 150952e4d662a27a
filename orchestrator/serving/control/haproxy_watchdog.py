"""Watches over HAProxy for Ray Serve: one that dies is there again at once, and clients only wait meanwhile.

Ray Serve looks whether its HAProxy lives every ten seconds, three times. So what it starts is this small process, which
holds the sockets on which clients are accepted and starts the real HAProxy with it. When that dies, connections wait in
the sockets' queues until the next one takes them, some hundredths of a second later.

Serve asks its HAProxy over an admin socket, and checks that the answer comes from the process that it has started. So
this process answers there, with what HAProxy says and its own number. When Serve reloads, it starts another of these
processes, which gets the clients' sockets from the present one, and asks that one to end softly when its own HAProxy
answers. When this process is killed, its double (`haproxy_double`) goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from orchestrator.serving.control.haproxy_double import Double, StandIn, double_socket, peer_of

PR_SET_PDEATHSIG = 1
# of connections that wait to be accepted; the system cuts it to what it allows
BACKLOG = 4096
READY_SECONDS = 30.0
ADMIN_SECONDS = 5.0
LOOK_SECONDS = 0.01
# HAProxy that does not stay: pauses grow to this, and then Ray Serve may try
MOST_SECONDS = 1.0
MOST_FAILURES = 10
SETTLED_SECONDS = 5.0
# what another of these processes asks for
GIVE_LISTENERS = b"!listeners\n"
DEATHS_FILE = "deaths.json"
FAILURE_FILE = "failure.txt"
# a replica, in a configuration
SERVER = re.compile(r"(?m)^\s+server\s")

# loaded before any process is forked
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass(frozen=True)
class Deaths:
    """HAProxies that have died since the endpoint was started.

    Attributes:
        count: how many.
        last: when the last one did, seconds since 1970.
        reason: how.
        back: when another one answered, or None.
    """

    count: int
    last: float
    reason: str
    back: float | None


def read_deaths(folder: Path) -> Deaths | None:
    """What a supervisor with its files in that folder has noted, or None."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Deaths(**json.loads((folder / DEATHS_FILE).read_text()))
    return None


def read_failure(folder: Path) -> str | None:
    """Why HAProxy cannot be started at all, or None."""
    with contextlib.suppress(OSError):
        return (folder / FAILURE_FILE).read_text()
    return None


def note_failure(config: Path, sentence: str) -> None:
    """Leaves a sentence for `read_failure`."""
    (config.parent / FAILURE_FILE).write_text(sentence)


class HAProxyWatchdog:
    """Runs one HAProxy after another until told to stop."""

    def __init__(
        self,
        *,
        binary: str,
        arguments: list[str],
        config: Path,
        addresses: list[tuple[str, int]],
        admin: Path,
        mend: Callable[[list[str], Path], str],
    ) -> None:
        """Starts nothing.

        Args:
            binary: the real HAProxy.
            arguments: that Serve has given.
            config: what Serve has written, named in the arguments.
            addresses: hosts and ports for clients.
            admin: the socket on which Serve asks.
            mend: (what to bind for each address, HAProxy's own admin socket) -> its configuration.
        """
        self._binary = binary
        self._config = config
        self._addresses = addresses
        self._admin = admin
        self._mend = mend
        self._arguments, self._former = _split(arguments, config)
        self._stand_in, self._double = StandIn.inherited(), Double.wanted()
        # near the root of the endpoint's folder: paths of sockets must be short
        self._inner = config.parent.parent / f"a{os.getpid()}"
        self._own_config = config.with_name(f"{os.getpid()}.cfg")
        self._aside = [config.parent.parent / f"w{os.getpid()}{number or ''}" for number in range(len(addresses))]
        self._process: subprocess.Popen[bytes] | None = None
        self._listeners: list[socket.socket] = []
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    def run(self) -> int:
        """Until HAProxy has ended because it was told to, or does not start.

        Returns:
            Exit status for this process.
        """
        if self._stand_in is None:
            # when Serve's own process is killed the double goes on as well
            _end_with_parent(signal.SIGKILL if self._double else signal.SIGTERM)
        return asyncio.run(self._run())

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._ended.set)
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        try:
            if self._stand_in is None:
                return await self._serve()
            return await self._serve_instead(self._stand_in)
        finally:
            self._kill()
            for path in (self._own_config, self._inner, *self._aside):
                path.unlink(missing_ok=True)

    async def _serve(self) -> int:
        """As what Serve has started."""
        double = _listeners_of(double_socket(self._admin), len(self._addresses))
        found = double or _listeners_of(self._admin, len(self._addresses))
        self._listeners = found[0] if found else [_bound(*address) for address in self._addresses]
        bind = self._descriptors()
        if double is not None and SERVER.search(self._config.read_text()) is None:
            # the first configuration of a new HAProxyManager: the double still knows the replicas, this one not yet
            bind, self._double = [f"unix@{path}" for path in self._aside], None
        elif double is not None:
            self._former.append(double[1])
        self._own_config.write_text(self._mend(bind, self._inner))
        self._start()
        if not await self._ready():
            return self._status() or 1
        server = await self._answer_at(self._admin)
        try:
            for pid in self._former:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGUSR1)
            return await self._keep()
        finally:
            server.close()

    async def _serve_instead(self, stand_in: StandIn) -> int:
        """As the double of what Serve has started, when that is gone."""
        self._listeners = list(stand_in.listeners)
        if not await stand_in.needed(self._stopping, partial(self._stop, signal.SIGTERM)):
            return 0
        self._own_config.write_text(self._mend(self._descriptors(), self._inner))
        server = await self._answer_at(double_socket(self._admin))
        try:
            await self._start_again("killed with the process that watched over it")
            # none, when it was told to stop in between
            return 0 if self._process is None else await self._keep()
        finally:
            server.close()

    async def _keep(self) -> int:
        failures, started = 0, time.monotonic()
        while True:
            status = await self._end()
            if self._stopping.is_set() or status == 0:
                return max(0, status)
            failures = 0 if time.monotonic() - started > SETTLED_SECONDS else failures + 1
            if failures >= MOST_FAILURES:
                return 1
            await self._start_again(_reason(status), min(MOST_SECONDS, LOOK_SECONDS * 2**failures))
            if self._stopping.is_set():
                return 0
            started = time.monotonic()

    async def _start_again(self, reason: str, pause: float = 0.0) -> None:
        """Another HAProxy, after a death that is noted."""
        before = read_deaths(self._config.parent)
        deaths = Deaths((before.count if before else 0) + 1, time.time(), reason, None)
        self._note(deaths)
        await asyncio.sleep(pause)
        if self._stopping.is_set():
            return
        # what is known of the replicas was written for the one before
        for state in self._config.parent.glob("state*"):
            state.unlink(missing_ok=True)
        self._start()
        if await self._ready():
            self._note(Deaths(deaths.count, deaths.last, deaths.reason, time.time()))

    def _descriptors(self) -> list[str]:
        """What HAProxy binds: sockets that it inherits."""
        return [f"fd@{listener.fileno()}" for listener in self._listeners]

    def _start(self) -> None:
        # in the main thread: what PR_SET_PDEATHSIG calls the parent is a thread
        self._process = subprocess.Popen(
            [self._binary, *self._arguments[0], str(self._own_config), *self._arguments[1]],
            pass_fds=[listener.fileno() for listener in self._listeners],
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no other threads
        )

    async def _ready(self) -> bool:
        """Until HAProxy answers; False when it has ended, or does not."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and not self._stopping.is_set() and self._status() is None:
            with contextlib.suppress(OSError, TimeoutError):
                if await self._ask(b"show info\n"):
                    return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _end(self) -> int:
        while (status := self._status()) is None:
            self._ended.clear()
            if self._double is not None and self._listeners and not self._stopping.is_set():
                self._double.keep(self._listeners)
            # a look now and then, should a signal be lost
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), MOST_SECONDS)
        return status

    def _status(self) -> int | None:
        return self._process.poll() if self._process is not None else None

    def _stop(self, number: signal.Signals) -> None:
        self._stopping.set()
        if self._double is not None:
            self._double.stop()
        for listener in self._listeners:
            # else who connects while the last answers go out waits in a queue that nobody empties any more
            listener.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGUSR1 if number == signal.SIGUSR1 else signal.SIGTERM)

    def _kill(self) -> None:
        if self._double is not None:
            self._double.stop()
            self._double.wait()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _note(self, deaths: Deaths) -> None:
        path = self._config.parent / DEATHS_FILE
        temporary = path.with_name(f".{os.getpid()}.{DEATHS_FILE}")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(asdict(deaths)))
            temporary.rename(path)

    # -- the admin socket ----------------------------------------------------------------------------------------------

    async def _answer_at(self, path: Path) -> asyncio.Server:
        """Takes the place of the process that has answered there so far."""
        fresh = path.with_name(f"{path.name}{os.getpid()}")
        server = await asyncio.start_unix_server(self._handle, str(fresh))
        fresh.chmod(0o600)
        fresh.rename(path)
        return server

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            line = await asyncio.wait_for(reader.readline(), ADMIN_SECONDS)
            if line == GIVE_LISTENERS and self._listeners:
                with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as connection:
                    socket.send_fds(connection, [b"!"], [listener.fileno() for listener in self._listeners])
            else:
                answer = await self._ask(line)
                writer.write(re.sub(rb"(?m)^Pid: \d+$", b"Pid: %d" % os.getpid(), answer))
                await writer.drain()
        writer.close()

    async def _ask(self, line: bytes) -> bytes:
        async with asyncio.timeout(ADMIN_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(self._inner))
            try:
                writer.write(line)
                return await reader.read()
            finally:
                writer.close()


def _split(arguments: list[str], config: Path) -> tuple[tuple[list[str], list[str]], list[int]]:
    """The arguments before and after the file, without those about the former process; and the numbers of those."""
    place = arguments.index(str(config))
    after: list[str] = []
    former: list[int] = []
    words = iter(arguments[place + 1 :])
    option = ""
    for word in words:
        option = word if word.startswith("-") else option
        if option == "-sf":
            former += [int(word)] if word.isdigit() else []
        elif option != "-x":
            after.append(word)
    return (arguments[:place], after), former


def _listeners_of(path: Path, count: int) -> tuple[list[socket.socket], int] | None:
    """The clients' sockets, and the number of the process that has them and answers at a socket of its own."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ADMIN_SECONDS)
        connection.connect(str(path))
        connection.sendall(GIVE_LISTENERS)
        _, descriptors, _, _ = socket.recv_fds(connection, 1, count)
        if len(descriptors) == count:
            return [socket.socket(fileno=descriptor) for descriptor in descriptors], peer_of(connection)
    return None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        sys.exit(f"cannot listen on {host} port {port}: {error.strerror}")
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _end_with_parent(number: int = signal.SIGTERM) -> None:
    """An endpoint that is killed takes its HAProxy along."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, number)


def _reason(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"it ended with status {status}"
