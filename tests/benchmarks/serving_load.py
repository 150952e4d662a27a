"""An endpoint under a constant load while versions are promoted and rolled back and a replica is killed.

Usage: python tests/benchmarks/serving_load.py [adult.csv --target income] [--minutes 10] [--min-replicas 2]

Finds with wrk (Debian's package `wrk`) what the endpoint answers in a second, then sends half of that in an open loop:
at fixed moments, whatever the answers do; latencies count from those moments. Meanwhile it runs `orchestrator promote`,
one that has to fail (the version's network is cut off), a canary with 10 %, its promotion and `rollback`, and kills a
replica (SIGKILL). Each answer is compared with what the version that it names has to say, and after each change only
the versions that the registry names may answer. Ends with 1 when there was a failure of any kind but 503, or a wrong
version.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from serving_client import OUTCOMES, Plan
from serving_support import Place, check_wrk, megabytes, register_versions, rows_of, to_json, wrk

WIDTHS = (64, 96, 128, 32)
DISTINCT = 64
AFTER_SECONDS = 5.0
RATE_OF_A_CLIENT = 5000
# when, as parts of the whole time
MOMENTS = (0.15, 0.25, 0.35, 0.5, 0.6, 0.7)
WARM = 0.1


@dataclass(frozen=True)
class Event:
    """Something that was done to the endpoint.

    Attributes:
        name: for the report.
        started, ended: on the monotonic clock.
        versions: that may answer what is sent after it.
        problem: what went otherwise than it should.
    """

    name: str
    started: float
    ended: float
    versions: frozenset[int]
    problem: str | None


def damage(place: Place, version: str) -> None:
    """Cuts off the network of a registered version."""
    from orchestrator.tracking.store import client_for

    folder = client_for(place.store).get_model_version_download_uri("benchmark", version).removeprefix("file://")
    (network,) = Path(folder).glob("data/*/network.pt2")
    network.write_bytes(network.read_bytes()[: network.stat().st_size // 2])


def changes(place: Place) -> list[tuple[str, Callable[[], str | None], set[int]]]:
    """Name, what to do (it gives a problem, or None) and the versions that may answer then."""

    def command(*words: str, fails: bool = False) -> Callable[[], str | None]:
        def run() -> str | None:
            done = place.run(*words)
            if (done.returncode != 0) == fails:
                return None
            return f"ended with {done.returncode}: {done.stdout}{done.stderr}".strip()

        return run

    def kill() -> str | None:
        victim = place.replicas()[0]
        victim.kill()
        return None

    return [
        ("promote 2", command("promote", "benchmark", "2"), {2}),
        ("promote 4, which is damaged", command("promote", "benchmark", "4", fails=True), {2}),
        ("canary 3 with 10 %", command("promote", "benchmark", "--canary", "3", "--weight", "10"), {2, 3}),
        ("promote the canary", command("promote", "benchmark"), {3}),
        ("rollback", command("rollback", "benchmark"), {2}),
        ("kill -9 of a replica", kill, {2}),
    ]


def carry_out(place: Place, start: float, seconds: float) -> list[Event]:
    """Everything at its moment, one after another."""
    found = []
    for moment, (name, act, versions) in zip(MOMENTS, changes(place), strict=True):
        earliest = found[-1].ended + AFTER_SECONDS if found else 0.0
        time.sleep(max(0.0, max(start + moment * seconds, earliest) - time.monotonic()))
        started = time.monotonic()
        problem = act()
        found.append(Event(name, started, time.monotonic(), frozenset(versions), problem))
        print(f"  {started - start:.0f} s: {name}, {found[-1].ended - started:.1f} s {problem or ''}", flush=True)
    return found


class Memory:
    """Resident memory of the endpoint's processes."""

    def __init__(self, place: Place, driver: psutil.Process) -> None:
        self.place, self.driver = place, driver

    def show(self, when: str) -> None:
        replicas = [f"{megabytes(replica):.0f}" for replica in self.place.replicas()]
        children = [child for child in self.driver.children(recursive=True) if child.is_running()]
        proxies = [f"{megabytes(child):.0f}" for child in children if _name(child) == "haproxy"]
        print(
            f"memory {when}: replicas {', '.join(replicas)} MB, HAProxy {', '.join(proxies) or '-'} MB, "
            f"driver {megabytes(self.driver):.0f} MB",
            flush=True,
        )


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def start_clients(plan: Plan, folder: Path, stack: ExitStack) -> list[tuple[subprocess.Popen, Path]]:
    """As many processes as the rate needs; their requests fall between each other's."""
    count = 1 + int(plan.rate // RATE_OF_A_CLIENT)
    clients = []
    for number in range(count):
        output = folder / f"client-{number}.npz"
        own = {"rate": plan.rate / count, "start": plan.start + number / plan.rate, "output": str(output)}
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("serving_client.py"))], stdin=subprocess.PIPE, text=True
        )
        stack.callback(process.kill)
        assert process.stdin is not None
        process.stdin.write(json.dumps(vars(plan) | own))
        process.stdin.close()
        clients.append((process, output))
    return clients


@dataclass(frozen=True)
class Records:
    """What became of the requests, each array in the order of `due`."""

    due: np.ndarray
    asked: np.ndarray
    cost: np.ndarray
    sent: np.ndarray
    done: np.ndarray
    status: np.ndarray
    version: np.ndarray

    @classmethod
    def read(cls, files: Sequence[Path]) -> Records:
        parts = [np.load(file) for file in files]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in cls.__dataclass_fields__}
        order = np.argsort(joined["due"], kind="stable")
        return cls(**{name: values[order] for name, values in joined.items()})

    def between(self, start: float, end: float, by: str = "due") -> Records:
        moments = getattr(self, by)
        chosen = (moments >= start) & (moments < end)
        return Records(**{name: values[chosen] for name, values in vars(self).items()})

    def failures(self) -> int:
        return int(np.count_nonzero((self.status != 200) & (self.status != 503)))

    def sentence(self) -> str:
        if not len(self.due):
            return "no requests"
        milliseconds = 1e3 * (self.done - self.due)
        p50, p99, highest = np.percentile(milliseconds, [50, 99, 100])
        busy = int(np.count_nonzero(self.status == 503))
        return (
            f"{len(self.due):,} requests, {self.failures()} failures, {busy} times 503, "
            f"p50 {p50:.2f} ms, p99 {p99:.1f} ms, max {highest:.0f} ms"
        )


def report(records: Records, events: Sequence[Event], start: float, end: float) -> int:
    """Prints everything; gives the number of things that went wrong."""
    wrong = records.failures() + sum(event.problem is not None for event in events)
    print(f"\nall: {records.sentence()}")
    for status, count in zip(*np.unique(records.status, return_counts=True), strict=True):
        print(f"  {OUTCOMES.get(int(status), f'status {status}')}: {count:,}")
    for version, count in zip(*np.unique(records.version[records.status == 200], return_counts=True), strict=True):
        print(f"  answered by version {version}: {count:,}")
    lag = 1e3 * (records.asked - records.due)
    print(
        f"  the client came to a request later than planned: p50 {np.median(lag):.2f} ms, "
        f"p99 {np.percentile(lag, 99):.2f} ms, and used {1e6 * records.cost.mean():.0f} us of a core for it"
    )
    print(f"until the first event: {records.between(start, events[0].started).sentence()}")
    for event, after in zip(events, [*(later.started for later in events[1:]), end], strict=True):
        around = records.between(event.started, event.ended + AFTER_SECONDS)
        print(f"{event.name} ({event.ended - event.started:.1f} s) and {AFTER_SECONDS:.0f} s more: {around.sentence()}")
        settled = records.between(event.ended, after, by="sent")
        answered = settled.version[settled.status == 200]
        counts = dict(zip(*(part.tolist() for part in np.unique(answered, return_counts=True)), strict=True))
        shares = ", ".join(f"version {version} {count / len(answered):.1%}" for version, count in counts.items())
        strangers = sum(count for version, count in counts.items() if version not in event.versions)
        wrong += strangers
        print(f"  then answered by {shares or 'nobody'}" + (f": {strangers} BY A WRONG VERSION" if strangers else ""))
        if event.problem:
            print(f"  {event.problem}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="default: made-up rows with all kinds of columns")
    parser.add_argument("--target", default=None)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--min-replicas", type=int, default=2)
    parser.add_argument("--rate", type=float, help="requests per second; default: half of what wrk gets")
    parser.add_argument("--ingress", default="auto", choices=["auto", "haproxy", "python"])
    arguments = parser.parse_args()
    check_wrk()
    with tempfile.TemporaryDirectory(prefix="serving-load-") as name, ExitStack() as stack:
        wrong = run(Path(name), arguments, stack)
    print("\nno failures" if not wrong else f"\n{wrong} FAILURES")
    sys.exit(1 if wrong else 0)


def run(folder: Path, arguments: argparse.Namespace, stack: ExitStack) -> int:
    """The test; gives the number of things that went wrong."""
    from support import free_port, mixed_frame

    from orchestrator.bundle import ModelBundle

    place = Place(folder)
    source = str(Path(arguments.data).resolve()) if arguments.data else mixed_frame(2000)
    bundles = register_versions(
        place.folder, place.store, source, arguments.target if arguments.data else "label", WIDTHS
    )
    damage(place, str(len(WIDTHS)))
    rows = rows_of(source, ModelBundle.load(bundles[0]).schema, DISTINCT)
    bodies = [to_json(row) for row in rows]
    port = free_port()
    replicas = arguments.min_replicas
    options = ("--min-replicas", str(replicas), "--ingress", arguments.ingress)
    driver = stack.enter_context(place.deployed("models:/benchmark@champion", port, *options))
    memory = Memory(place, driver)
    while len(place.replicas()) < replicas:
        time.sleep(1)
    memory.show("at the start")
    rate = arguments.rate
    if rate is None:
        fastest = wrk(f"http://127.0.0.1:{port}/predict", bodies, 64, 10, folder)
        rate = fastest.rate / 2
        print(f"wrk, 64 connections: {fastest.rate:,.0f} requests/s, p50 {fastest.p50:.1f} ms, {fastest.failed} failed")
    seconds = 60 * arguments.minutes
    print(f"{rate:,.0f} requests/s for {seconds:.0f} s, {replicas} replicas, {os.cpu_count()} cores", flush=True)
    expected = {str(number): _answers(bundle, rows) for number, bundle in enumerate(bundles[:3], start=1)}
    start = time.monotonic() + 3
    plan = Plan("127.0.0.1", port, "/predict", [body.decode() for body in bodies], expected, start, rate, seconds, "")
    clients = start_clients(plan, folder, stack)
    time.sleep(max(0.0, start + WARM * seconds - time.monotonic()))
    memory.show("when warm")
    events = carry_out(place, start, seconds)
    for process, _ in clients:
        process.wait()
    end = start + seconds
    memory.show("at the end")
    records = Records.read([output for _, output in clients])
    wrong = report(records, events, start, end)
    alive = len(place.replicas())
    print(f"replicas at the end: {alive}")
    if events[-1].ended + AFTER_SECONDS > end:
        print("the time was too short for all events; give more --minutes")
        wrong += 1
    unaccounted = len(clients) * int(rate / len(clients) * seconds) - len(records.due)
    return wrong + unaccounted + (alive != replicas)


def _answers(folder: Path, rows: Sequence[dict]) -> list[dict]:
    import pandas as pd

    from orchestrator.bundle import ModelBundle

    bundle = ModelBundle.load(folder)
    frame = pd.DataFrame(list(rows), columns=[column.name for column in bundle.schema.columns])
    return bundle.answer(frame).records()


if __name__ == "__main__":
    main()
