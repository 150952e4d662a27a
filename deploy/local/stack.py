"""A whole cluster on one machine: see docs/operations.md.

    python deploy/local/stack.py up
    python deploy/local/stack.py run client orchestrator jobs
    python deploy/local/stack.py cut node1          # pull its cable; `heal` plugs it in again
    python deploy/local/stack.py kill head          # as when the power fails; `start` starts it again
    python deploy/local/stack.py down

Only root can make network namespaces. Nothing listens outside of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from namespaces import Machines, StackError
from services import (
    BUCKETS,
    GCS_PORT,
    MACHINES,
    NODES,
    PORTS,
    Secrets,
    check_installed,
    command_of,
    database_command,
    environment_of,
    make_database,
    prepare,
)

# only root can write there, and the path is short enough for sockets
FOLDER = Path("/var/lib/orchestrator-stack")
MARK = "orch"
START_SECONDS = 240.0
STOP_SECONDS = 30.0
# Ray gives up a node whose helpers take more than 15 s to start
TRIES = 6
CORES = 2
SETTINGS = "stack.json"


@dataclass(frozen=True)
class Stack:
    """The services of a cluster on machines made of namespaces.

    Attributes:
        folder: holds all that they keep; it is made by `up` and deleted by `down`.
        mark: a word of at most 8 letters that the namespaces' names begin with.
        cores: of each of the two nodes.
    """

    folder: Path = FOLDER
    mark: str = MARK
    cores: int = CORES

    @property
    def machines(self) -> Machines:
        """Where the services run."""
        return Machines(self.mark, MACHINES, self.folder)

    @property
    def secrets(self) -> Secrets:
        """Tokens and passwords."""
        return Secrets(self.folder / "secrets")

    @classmethod
    def of(cls, folder: Path) -> Stack:
        """The one that was started with that folder.

        Raises:
            StackError: there is none.
        """
        try:
            known = json.loads((folder / SETTINGS).read_text())
        except FileNotFoundError:
            raise StackError(f"there is no stack in {folder}; start one with up.sh") from None
        return cls(folder, known["mark"], known["cores"])

    def up(self, *, host: bool = False, notify: Callable[[str], None] = lambda _sentence: None) -> None:
        """Starts everything and waits until it answers; what cannot be started whole is taken down again.

        Args:
            host: whether this machine shall reach the stack's addresses.
            notify: is told what has started.

        Raises:
            StackError: something lacks or does not start.
        """
        check_installed()
        try:
            self.folder.mkdir(mode=0o711)
        except FileExistsError:
            raise StackError(f"{self.folder} is there already; end that stack with down.sh first") from None
        self.folder.chmod(0o711)
        try:
            (self.folder / SETTINGS).write_text(json.dumps({"mark": self.mark, "cores": self.cores}))
            (self.folder / "logs").mkdir(mode=0o700)
            self.secrets.make()
            self.machines.make(host=host)
            prepare(self.machines, self.secrets)
            for group in (("postgres", "redis", "s3"), ("head",), ("mlflow", *NODES, "prometheus")):
                for machine in group:
                    self.launch(machine)
                for machine in group:
                    self.settle(machine)
                    notify(f"{machine} answers on {self.machines.address(machine)}:{PORTS[machine]}")
                if "postgres" in group:
                    make_database(self.machines, self.secrets, self.environment("postgres"))
                    self.make_buckets()
        except BaseException:
            if self.machines.names and (self.folder / "logs").exists():
                notify(f"logs are kept in {self._keep_logs()}")
            self.down()
            raise

    def _keep_logs(self) -> Path:
        kept = self.folder.with_name(f"{self.folder.name}-logs")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.folder / "logs", kept)
        return kept

    def down(self) -> None:
        """Ends the processes on its machines, and nothing else, and deletes its folder."""
        self.machines.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, machine: str) -> dict[str, str]:
        """Of processes on a machine."""
        return environment_of(self.machines, self.secrets, machine)

    def log(self, machine: str) -> Path:
        """What its service has said."""
        return self.folder / "logs" / f"{machine}.log"

    def launch(self, machine: str) -> None:
        """Starts the service of a machine; does not wait for it."""
        command = command_of(self.machines, self.secrets, machine, self.cores)
        if machine == "mlflow":
            (self.machines.place(machine) / "prometheus").mkdir(exist_ok=True)
        # a program that connects to Ray takes the node that it finds in the process table
        alone = machine in ("head", *NODES)
        process = self.machines.start(machine, command, self.environment(machine), self.log(machine), alone=alone)
        (self.folder / f"{machine}.pid").write_text(str(process))

    def start(self, machine: str) -> None:
        """Starts the service of a machine and waits until it answers.

        Raises:
            StackError: it does not start.
        """
        self.launch(machine)
        self.settle(machine)

    def settle(self, machine: str) -> None:
        """Waits until the service of a machine answers; starts it again as a supervisor would.

        Raises:
            StackError: it does not start.
        """
        for attempt in range(TRIES):
            try:
                self.wait_for(machine)
            except StackError:
                if attempt == TRIES - 1:
                    raise
                self.kill(machine)
                self.launch(machine)
            else:
                return

    def stop(self, machine: str) -> None:
        """Asks a service to end, and waits for it.

        Raises:
            StackError: it does not.
        """
        process = self.machines.first_process(machine) or int((self.folder / f"{machine}.pid").read_text())
        deadline = time.monotonic() + STOP_SECONDS
        # only what is on that machine can be its service
        if process in self.machines.processes(machine):
            # PostgreSQL waits for its clients otherwise
            os.kill(process, 2 if machine == "postgres" else 15)
        while process in self.machines.processes(machine):
            if time.monotonic() > deadline:
                raise StackError(f"{machine} does not end; `kill {machine}` ends it")
            time.sleep(0.1)

    def kill(self, machine: str) -> None:
        """Ends all that runs on a machine at once, as when its power fails."""
        self.machines.end_processes(machine, at_once=True)

    def run(self, machine: str, *command: str, text: str | None = None) -> Any:  # noqa: ANN401
        """A command on a machine, to its end."""
        return self.machines.run(machine, command, self.environment(machine), text)

    def sql(self, query: str) -> str:
        """What MLflow's database answers, without decoration."""
        done = self.run("postgres", *database_command(self.machines, "psql", "-At", "-c", query, "mlflow"))
        if done.returncode != 0:
            raise StackError(f"the database does not answer: {done.stderr.strip()}")
        return str(done.stdout).strip()

    def make_buckets(self) -> None:
        """In the object store, which keeps its content in memory."""
        script = "import boto3, sys\nclient = boto3.client('s3')\nfor n in sys.argv[1:]: client.create_bucket(Bucket=n)"
        done = self.run("s3", sys.executable, "-c", script, *BUCKETS)
        if done.returncode != 0:
            raise StackError(f"the buckets could not be made: {done.stderr.strip()}")

    def wait_for(self, machine: str) -> None:
        """Until the service of a machine answers.

        Raises:
            StackError: it has ended, or takes too long; with its last words.
        """
        process = int((self.folder / f"{machine}.pid").read_text())
        deadline = time.monotonic() + START_SECONDS
        while not self.answers(machine):
            ended = process not in self.machines.processes(machine)
            if ended or time.monotonic() > deadline:
                words = self.log(machine).read_text(errors="replace").strip().splitlines()[-5:]
                what = "has ended" if ended else f"does not answer after {START_SECONDS:.0f} s"
                raise StackError(f"{machine} {what}: {' '.join(words)}")
            time.sleep(0.2)

    def answers(self, machine: str) -> bool:
        """Whether somebody listens on the port of its service; of Ray's head on those of a node, too."""
        ports = (PORTS[machine], GCS_PORT, PORTS[NODES[0]]) if machine == "head" else (PORTS[machine],)
        address = self.machines.address(machine)
        return all(self.machines.within(machine, partial(_listens, address, port)) for port in ports)


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def main(words: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where it keeps everything (default: {FOLDER})")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything")
    up.add_argument("--cores", type=int, default=CORES, help=f"of each node (default: {CORES})")
    up.add_argument("--host", action="store_true", help="this machine reaches the stack, so that a browser can")
    commands.add_parser("down", help="end everything, and delete what it kept")
    for name in ("start", "stop", "kill", "cut", "heal"):
        commands.add_parser(name).add_argument("machine", choices=MACHINES[:-1])
    run = commands.add_parser("run", help="a command on a machine")
    run.add_argument("machine", choices=MACHINES)
    run.add_argument("words", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    try:
        return _do(given)
    except StackError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _do(given: argparse.Namespace) -> int:
    if given.command == "up":
        Stack(given.folder.resolve(), cores=given.cores).up(host=given.host, notify=partial(print, flush=True))
        print("try: deploy/local/stack.py run client orchestrator jobs; end it with deploy/local/down.sh")
        return 0
    stack = Stack.of(given.folder.resolve())
    if given.command == "run":
        home = stack.machines.home(given.machine)
        os.chdir(home)
        command = stack.machines.words(given.machine, given.words or ["bash"])
        os.execvpe(command[0], command, stack.environment(given.machine))  # noqa: S606
    if given.command in ("cut", "heal"):
        getattr(stack.machines, given.command)(given.machine)
    elif given.command == "down":
        stack.down()
    else:
        getattr(stack, given.command)(given.machine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
