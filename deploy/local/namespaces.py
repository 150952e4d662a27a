"""Machines made of network namespaces: each has an address, knows the others by name, and has a /tmp of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# documentation addresses (RFC 5737): nothing on a real network has them
NETWORK = "203.0.113"
HOST_ADDRESS = f"{NETWORK}.1"
NETNS_FOLDER = Path("/run/netns")
HOSTS_FOLDER = Path("/etc/netns")
CLONE_NEWNET = 0x40000000
STOP_SECONDS = 10.0
# a folder of its own in the place of /tmp, which only its processes see
ENTER = 'mount --bind "$1" /tmp && shift && exec "$@"'
# a process table of its own, which ends with its first process
ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


class StackError(Exception):
    """What cannot be done, in one sentence."""


@dataclass(frozen=True)
class Machines:
    """Some machines at one switch.

    Attributes:
        mark: a short word that the names of the namespaces begin with.
        names: of the machines; their addresses follow from the order.
        folder: each machine has a folder there, with its home and its /tmp.
    """

    mark: str
    names: tuple[str, ...]
    folder: Path

    @property
    def switch(self) -> str:
        """The namespace that holds the bridge."""
        return f"{self.mark}-switch"

    def namespace(self, machine: str) -> str:
        """What `ip netns` calls a machine."""
        return f"{self.mark}-{machine}"

    @property
    def port(self) -> str:
        """The device by which this machine reaches the others, if it does."""
        return f"{self.mark}-host"

    def address(self, machine: str) -> str:
        """Of a machine."""
        return f"{NETWORK}.{10 + self.names.index(machine)}"

    def place(self, machine: str) -> Path:
        """The folder of a machine."""
        return self.folder / machine

    def home(self, machine: str) -> Path:
        """The home of whoever works there."""
        return self.place(machine) / "home"

    def make(self, *, host: bool) -> None:
        """Makes the switch, the machines and their cables.

        Args:
            host: whether this machine gets an address in that network, too, so that it reaches them.

        Raises:
            StackError: this cannot be done here.
        """
        taken = [name for name in (self.switch, *map(self.namespace, self.names)) if (NETNS_FOLDER / name).exists()]
        if taken:
            raise StackError(f"there is a network namespace {taken[0]} already; end that stack with down.sh first")
        _ip("netns", "add", self.switch)
        try:
            _ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self.switch, "link", "set", "bridge", "up")
            hosts = "127.0.0.1 localhost\n" + "".join(f"{self.address(name)} {name}\n" for name in self.names)
            for name in self.names:
                self._add(name, hosts)
            if host:
                port = self.port
                _ip(
                    "-n", self.switch, "link", "add", "name", "host", "type", "veth", "peer", "name", port, "netns", "1"
                )
                _ip("-n", self.switch, "link", "set", "dev", "host", "master", "bridge", "up")
                _ip("addr", "add", f"{HOST_ADDRESS}/24", "dev", port)
                _ip("link", "set", "dev", port, "up")
        except BaseException:
            self.remove()
            raise

    def _add(self, machine: str, hosts: str) -> None:
        namespace = self.namespace(machine)
        _ip("netns", "add", namespace)
        for folder in (self.home(machine), self.place(machine) / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.place(machine) / "tmp").chmod(0o1777)
        # `ip netns exec` shows it as /etc/hosts
        (HOSTS_FOLDER / namespace).mkdir(parents=True, exist_ok=True)
        (HOSTS_FOLDER / namespace / "hosts").write_text(hosts)
        cable = ("type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("-n", self.switch, "link", "add", "name", machine, *cable)
        _ip("-n", self.switch, "link", "set", "dev", machine, "master", "bridge", "up")
        _ip("-n", namespace, "addr", "add", f"{self.address(machine)}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")
        _ip("-n", namespace, "link", "set", "lo", "up")

    def remove(self) -> None:
        """Ends all processes in the machines, and nothing else, and removes the machines; their folders stay."""
        for name in self.names:
            self.end_processes(name)
        if Path(f"/sys/class/net/{self.port}").exists():
            _ip("link", "del", "dev", self.port)
        for namespace in (*map(self.namespace, self.names), self.switch):
            if (NETNS_FOLDER / namespace).exists():
                _ip("netns", "del", namespace)
            shutil.rmtree(HOSTS_FOLDER / namespace, ignore_errors=True)
        with contextlib.suppress(OSError):
            HOSTS_FOLDER.rmdir()

    def processes(self, machine: str) -> list[int]:
        """The processes in a machine."""
        if not (NETNS_FOLDER / self.namespace(machine)).exists():
            return []
        return [int(word) for word in _ip("netns", "pids", self.namespace(machine)).split()]

    def end_processes(self, machine: str, *, at_once: bool = False) -> None:
        """Ends all processes in a machine.

        Args:
            machine: its name.
            at_once: with SIGKILL, as when the power fails; otherwise they are asked first.
        """
        deadline = time.monotonic() + (0 if at_once else STOP_SECONDS)
        asked: set[int] = set()
        while running := self.processes(machine):
            late = time.monotonic() >= deadline
            for process in running:
                if late or process not in asked:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL if late else signal.SIGTERM)
            asked.update(running)
            time.sleep(0.1)

    def cut(self, machine: str) -> None:
        """Pulls a machine's cable."""
        _ip("-n", self.switch, "link", "set", "dev", machine, "down")

    def heal(self, machine: str) -> None:
        """Plugs it in again."""
        _ip("-n", self.switch, "link", "set", "dev", machine, "up")

    def first_process(self, machine: str) -> int | None:
        """The one with number 1 in the machine's own process table; None if it has none."""
        for process in self.processes(machine):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{process}/status").read_text()
                numbers = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
                if len(numbers) > 1 and numbers[-1] == "1":
                    return process
        return None

    def words(self, machine: str, command: Sequence[str]) -> list[str]:
        """The command that runs a command in a machine."""
        first = self.first_process(machine)
        if first is not None:
            return ["nsenter", f"--target={first}", "--net", "--mount", "--pid", f"--wd={self.home(machine)}", *command]
        shell = ["sh", "-c", ENTER, "enter", str(self.place(machine) / "tmp")]
        return ["ip", "netns", "exec", self.namespace(machine), *shell, *command]

    def run(
        self, machine: str, command: Sequence[str], environment: Mapping[str, str], text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command in a machine, to its end.

        Args:
            machine: its name.
            command: with its arguments.
            environment: all of it.
            text: what it reads.
        """
        return subprocess.run(
            self.words(machine, command),
            env=dict(environment),
            cwd=self.home(machine),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(
        self, machine: str, command: Sequence[str], environment: Mapping[str, str], log: Path, *, alone: bool = False
    ) -> int:
        """A command in a machine, in the background.

        Args:
            machine: its name.
            command: with its arguments.
            environment: all of it.
            log: what it says.
            alone: whether it begins a process table of the machine's own, which ends with it.

        Returns:
            The id of its process: the command's own, unless the machine has a process table.
        """
        command = [*ALONE, *command] if alone else command
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.words(machine, command),
                env=dict(environment),
                cwd=self.home(machine),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        # nobody else would take note of its end
        threading.Thread(target=process.wait, daemon=True).start()
        return process.pid

    def within(self, machine: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401
        """What a function returns or raises when it is called with the network of a machine, by addresses."""
        # the one thread of the pool, which ends with it
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._enter, machine).result()
            return pool.submit(function).result()

    def _enter(self, machine: str) -> None:
        with (NETNS_FOLDER / self.namespace(machine)).open() as file:
            # for this thread only
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"the network of {machine} cannot be entered")


def _ip(*words: str) -> str:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise StackError("there is no `ip` here: apt-get install iproute2") from None
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise StackError(f"network namespaces cannot be used here: ip {' '.join(words)}: {said}")
    return done.stdout
