"""What a sweep and an endpoint come to when parts of a cluster fail, as a timeline; on a stack of its own.

    python deploy/local/scenario.py            # a quarter of an hour, see docs/operations.md

Ends with exit code 1 when something was lost.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from client import ROW, Client
from namespaces import StackError
from services import NODES, database_command
from stack import Stack

NAME = "flowers"
STORAGE = "s3://sweeps/kept"
NETWORK = """
import time
import torch

class Slow(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.seconds = settings["seconds"]
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)

    def forward(self, numeric, categorical):
        if self.training:
            time.sleep(self.seconds)
        return self.layer(numeric)
"""
SPACE = """
parameters:
  batch_size: 128
  learning_rate: {type: float, low: 0.03, high: 0.1, log: true}
architectures:
  slow:Slow: {seconds: {type: categorical, choices: [SECONDS]}}
"""
# answers each line with the events of the latest sweep
READER = """
import dataclasses, json, sys
from orchestrator.journal.folder import find_sweep
from orchestrator.journal.journal import read_events
from orchestrator.storage import Storage
for line in sys.stdin:
    events = []
    for event in read_events(find_sweep(sys.argv[1], Storage.at(sys.argv[2])).storage):
        known = {"kind": type(event).__name__, "at": event.at}
        known |= {name: getattr(event, name) for name in ("index", "reason", "status") if hasattr(event, name)}
        known |= {"epoch": event.report.epoch} if hasattr(event, "report") else {}
        events.append(known)
    print(json.dumps(events), flush=True)
"""
# copies both buckets into the folder `saved`, or back
COPY = """
import sys
from pathlib import Path
from pyarrow import fs
from orchestrator.storage import Storage
here = fs.LocalFileSystem()
for name in ("mlflow", "sweeps"):
    store, folder = Storage.at(f"s3://{name}"), str(Path("saved", name).resolve())
    Path(folder).mkdir(parents=True, exist_ok=True)
    if sys.argv[1] == "save":
        fs.copy_files(store.path, folder, source_filesystem=store.filesystem, destination_filesystem=here)
    else:
        fs.copy_files(folder, store.path, source_filesystem=here, destination_filesystem=store.filesystem)
"""


class Scenario:
    """The steps of the timeline; each says what it has seen."""

    def __init__(self, stack: Stack) -> None:
        """Of a stack that is up."""
        self.stack = stack
        self.started = time.time()
        self.wrong: list[str] = []
        self._reader: subprocess.Popen[str] | None = None

    def say(self, sentence: str) -> None:
        """Adds a line to the timeline."""
        print(f"{time.time() - self.started:7.1f} s  {sentence}", flush=True)

    def check(self, holds: bool, sentence: str) -> None:
        """A line of the timeline that is true, or one that ends it with exit code 1."""
        self.say(f"{'yes' if holds else 'NO'}: {sentence}")
        if not holds:
            self.wrong.append(sentence)

    def orchestrator(self, machine: str, *words: str) -> str:
        """What a command prints.

        Raises:
            StackError: it has failed.
        """
        done = self.stack.run(machine, sys.executable, "-m", "orchestrator", *words)
        if done.returncode != 0:
            raise StackError(f"orchestrator {' '.join(words)}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return str(done.stdout)

    def events(self) -> list[dict[str, Any]]:
        """Of the latest sweep, as the object store has them."""
        if self._reader is None or self._reader.poll() is not None:
            words = self.stack.machines.words("client", [sys.executable, "-c", READER, NAME, STORAGE])
            self._reader = subprocess.Popen(
                words,
                env=self.stack.environment("client"),
                cwd=self.stack.machines.home("client"),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        if self._reader.stdin is None or self._reader.stdout is None:
            return []
        self._reader.stdin.write("\n")
        self._reader.stdin.flush()
        line = self._reader.stdout.readline()
        return [] if not line else list(json.loads(line))

    def reported(self) -> list[dict[str, Any]]:
        """Epochs in the journal."""
        return [event for event in self.events() if event["kind"] == "Reported"]

    def wait(self, what: str, condition: Callable[[], Any], seconds: float = 600.0) -> Any:  # noqa: ANN401
        """Until something holds; what it gives.

        Raises:
            StackError: it does not.
        """
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise StackError(f"{what} did not happen in {seconds:.0f} s")
            time.sleep(0.5)
        return found

    def write_network(self, seconds: float) -> list[str]:
        """The files of a sweep whose epochs take so long; its options."""
        home = self.stack.machines.home("client")
        (home / "slow.py").write_text(NETWORK)
        (home / "slow.yaml").write_text(SPACE.replace("SECONDS", str(seconds)))
        options = ["--space", "slow.yaml", "--patience", "0", "--scheduler", "none", "--name", NAME]
        return ["submit", "sweep", "sklearn:iris", *options, "--storage", STORAGE, "--no-references"]

    def first_model(self) -> None:
        """A short sweep as a job; its model is the first version."""
        self.orchestrator("client", *self.write_network(0.1), "--trials", "2", "--epochs", "3")
        self.say("a sweep of 2 trials, submitted as a job, has ended and registered a model")

    def deploy(self, machine: str) -> Client:
        """The endpoint, started on a node of the cluster."""
        stack, client = self.stack, Client(self.stack, machine)
        words = ["deploy", f"models:/{NAME}@champion", "--address", "head:6379", "--host", "0.0.0.0"]  # noqa: S104
        words += ["--min-replicas", "2", "--auth-token-file", str(stack.secrets.path("endpoint-tokens"))]
        command = [sys.executable, "-m", "orchestrator", *words]
        stack.machines.start(machine, command, stack.environment(machine), stack.log("endpoint"))
        self.wait("an answer", lambda: stack.machines.within("client", client.ask) == "ok")
        self.say(f"the endpoint, deployed from {machine}, answers a client on another machine")
        return client

    def long_sweep(self, trials: int, epochs: int) -> str:
        """A sweep that lasts minutes, as a job; its id."""
        # two of the four cores are the endpoint's
        words = [*self.write_network(0.3), "--concurrency", "2", "--trials", str(trials), "--epochs", str(epochs)]
        words += ["--no-wait"]
        job = self.orchestrator("client", *words).strip()
        self.wait("epochs of the sweep", lambda: len(self.reported()) >= 3 * epochs // 4)
        self.say(f"a sweep of {trials} trials with {epochs} epochs each runs as the job {job}")
        return job

    def tell_outages(self, client: Client, since: float) -> None:
        """When the endpoint did not answer."""
        found = client.outages(since)
        for began, seconds, what in found:
            self.say(f"no answer from {began - since:.1f} s on, for {seconds:.1f} s: {dict(what)}")
        asked = sum(at >= since for at, _ in client.answers)
        self.say(f"of {asked} requests {sum(what.total() for _, _, what in found)} were not answered")

    def cut_node(self, machine: str, client: Client) -> None:
        """A node without a network, and then with one again."""
        cut = time.time()
        self.stack.machines.cut(machine)
        self.say(f"the cable of {machine} is pulled")

        def lost() -> list[dict[str, Any]]:
            return [event for event in self.events() if event["kind"] == "Lost" and event["at"] > cut]

        for event in self.wait("a lost trial", lost):
            self.say(f"trial {event['index']} is known to be lost after {event['at'] - cut:.1f} s: {event['reason']}")
        indices = {event["index"] for event in lost()}

        def goes_on() -> bool:
            since = max(event["at"] for event in lost())
            later = {event["index"] for event in self.reported() if event["at"] > since}
            return indices <= later

        self.wait("an epoch of the lost trials", goes_on)
        self.say(f"its trials have gone on elsewhere, {time.time() - cut:.0f} s after the cut")
        self.stack.machines.heal(machine)
        self.say(f"the cable of {machine} is plugged in")
        time.sleep(30)
        left = len(self.stack.machines.processes(machine))
        self.say(f"30 s later {left} processes run on {machine}")
        self.stack.kill(machine)
        self.stack.start(machine)
        self.say(f"{machine} was started again")
        self.tell_outages(client, cut)

    def restart_database(self) -> None:
        """PostgreSQL is away for ten seconds."""
        self.stack.stop("postgres")
        stopped = time.time()
        self.say("PostgreSQL is stopped")
        time.sleep(10)
        during = [event for event in self.reported() if event["at"] > stopped + 3]
        self.check(bool(during), f"the sweep goes on without it: {len(during)} epochs")
        self.stack.start("postgres")
        started = time.time()
        self.say("PostgreSQL is started")
        self.wait("MLflow's database to have what the journal has", lambda: self.lag() <= 0)
        self.say(f"MLflow has had all epochs of the journal again {time.time() - started:.0f} s later")

    def lag(self) -> int:
        """Epochs that the journal had a moment ago and MLflow's database has not."""
        known = len(self.reported())
        time.sleep(2)
        return known - self.epochs_in_store()

    def epochs_in_store(self) -> int:
        """Of the latest sweep, in MLflow's database."""
        return int(
            self.stack.sql(
                "select count(*) from metrics m join tags t on t.run_uuid = m.run_uuid "
                "where m.key = 'train_loss' and t.key = 'mlflow.parentRunId' and t.value = (select r.run_uuid "
                "from runs r where not exists (select 1 from tags p where p.run_uuid = r.run_uuid and "
                "p.key = 'mlflow.parentRunId') order by r.start_time desc limit 1)"
            )
        )

    def cut_object_store(self, seconds: float) -> None:
        """The object store does not answer."""
        before = len(self.reported())
        self.stack.machines.cut("s3")
        cut = time.time()
        self.say("the cable of the object store is pulled")
        time.sleep(seconds)
        self.stack.machines.heal("s3")
        healed = time.time()
        self.say(f"the object store is back after {healed - cut:.0f} s")
        self.wait("an epoch in the journal", lambda: any(e["at"] > healed for e in self.reported()))
        now = self.reported()
        during = sum(cut < event["at"] < healed for event in now)
        self.say(f"{during} epochs were trained meanwhile; {len(now) - before} are in the journal since the cut")

    def kill_head(self, job: str, client: Client) -> None:
        """The head is lost with all that runs there, and started again a quarter of a minute later."""
        killed = time.time()
        self.stack.kill("head")
        self.say("the head is killed, with the job's driver")
        time.sleep(15)
        self.stack.start("head")
        self.say("the head is started again")
        time.sleep(45)
        self.tell_outages(client, killed)
        self.say(f"after that the endpoint answers: {client.answers[-1][1]}")
        jobs = json.loads(self.orchestrator("client", "jobs", "--json"))
        self.say(f"the job is {[entry['status'] for entry in jobs if entry['id'] == job]}")

    def resume(self, trials: int, epochs: int) -> None:
        """The sweep goes on in another job, to its end; then everything is counted."""
        before = {(event["index"], event["epoch"]) for event in self.reported()}
        self.orchestrator("client", "submit", "resume", NAME, "--storage", STORAGE)
        self.say("`submit resume` has brought the sweep to its end")
        events = self.events()
        epochs_of: dict[int, list[int]] = {}
        for event in events:
            if event["kind"] == "Reported":
                epochs_of.setdefault(event["index"], []).append(event["epoch"])
        after = {(index, epoch) for index, found in epochs_of.items() for epoch in found}
        ended = Counter(str(event["status"]) for event in events if event["kind"] == "Ended")
        self.check(before <= after, f"all {len(before)} epochs from before are in the journal")
        whole = all(found == list(range(1, epochs + 1)) for found in epochs_of.values())
        self.check(len(epochs_of) == trials and whole, f"{trials} trials with epochs 1 to {epochs}, each once: {ended}")
        stored = self.epochs_in_store()
        self.check(stored == trials * epochs, f"MLflow's database has {stored} epochs, each once")

    def scraped(self) -> None:
        """What Prometheus has."""
        address = self.stack.machines.address("prometheus")

        def ask() -> dict[str, Any]:
            connection = http.client.HTTPConnection(address, 9090, timeout=10)
            connection.request("GET", "/api/v1/query?query=up")
            return dict(json.loads(connection.getresponse().read()))

        found = self.stack.machines.within("client", ask)["data"]["result"]
        for entry in sorted(found, key=lambda entry: sorted(entry["metric"].items())):
            self.say(f"Prometheus: {entry['metric']['job']} {entry['metric']['instance']} up={entry['value'][1]}")

    def ports(self) -> None:
        """What listens, by machine."""
        for machine in self.stack.machines.names:
            done = self.stack.run(machine, "ss", "-Hltnp")
            found: dict[str, set[str]] = {}
            for line in done.stdout.splitlines():
                address, process = line.split()[3], line.partition('"')[2].partition('"')[0]
                host, _, port = address.rpartition(":")
                where = "loopback" if "127.0.0.1" in host or host == "[::1]" else "network"
                found.setdefault(f"{where} {process}", set()).add(port)
            for what, ports in sorted(found.items()):
                self.say(f"listens on {machine}: {what} {' '.join(sorted(ports, key=int))}")

    def back_up_and_restore(self) -> None:
        """MLflow's database and both buckets are saved, lost and restored."""
        stack = self.stack
        dump = str(stack.machines.place("postgres") / "mlflow.dump")
        began = time.time()
        self._must("postgres", *database_command(stack.machines, "pg_dump", "-Fc", "-f", dump, "mlflow"))
        self.say(f"pg_dump took {time.time() - began:.1f} s: {Path(dump).stat().st_size / 1e6:.1f} MB")
        began = time.time()
        self._must("client", sys.executable, "-c", COPY, "save")
        self.say(f"the buckets were copied in {time.time() - began:.1f} s")
        runs = stack.sql("select count(*) from runs")
        stack.stop("mlflow")
        # it keeps its content in memory
        stack.kill("s3")
        for command in ("dropdb", "createdb"):
            owner = ["-O", "mlflow"] if command == "createdb" else []
            self._must("postgres", *database_command(stack.machines, command, *owner, "mlflow"))
        stack.start("s3")
        stack.make_buckets()
        self.say("the database and the content of the object store are gone")
        began = time.time()
        self._must("postgres", *database_command(stack.machines, "pg_restore", "-d", "mlflow", dump))
        self._must("client", sys.executable, "-c", COPY, "restore")
        stack.start("mlflow")
        self.say(f"restored in {time.time() - began:.1f} s")
        self.check(stack.sql("select count(*) from runs") == runs, f"MLflow has its {runs} runs")
        listed = json.loads(self.orchestrator("client", "sweeps", "--storage", STORAGE, "--json"))
        self.check(all(sweep["state"] == "finished" for sweep in listed), f"{len(listed)} sweeps are there, finished")
        home = stack.machines.home("client")
        (home / "rows.csv").write_text(",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n")
        self.orchestrator("client", "predict", f"models:/{NAME}@champion", "rows.csv", "-o", "answers.csv")
        self.check((home / "answers.csv").exists(), "the champion answers")

    def _must(self, machine: str, *command: str) -> None:
        done = self.stack.run(machine, *command)
        if done.returncode != 0:
            raise StackError(f"{' '.join(command)[:100]}: {done.stderr.strip()[-1000:]}")


def main() -> int:
    """The whole timeline."""
    stack = Stack(Path("/var/lib/orchestrator-scenario"), mark="orscn")
    scenario = Scenario(stack)
    trials, epochs = 24, 60
    stack.up(notify=scenario.say)
    try:
        scenario.first_model()
        client = scenario.deploy("head")
        with client.asking():
            job = scenario.long_sweep(trials, epochs)
            scenario.ports()
            scenario.cut_node(NODES[0], client)
            scenario.restart_database()
            scenario.cut_object_store(60)
            scenario.kill_head(job, client)
            scenario.resume(trials, epochs)
            scenario.scraped()
            scenario.back_up_and_restore()
    finally:
        stack.down()
        scenario.say("everything is taken down")
    return 1 if scenario.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
