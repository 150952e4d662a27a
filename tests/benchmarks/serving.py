"""An endpoint beside other ways to serve the same model: requests per second and latencies, one system at a time.

Usage: python tests/benchmarks/serving.py adult.csv [--target income] [--seconds 8] [--rounds 2] [--systems raw,haproxy]

raw      uvicorn and FastAPI by hand: `await request.body()`, orjson, our parser and encoder, torch on one thread
onnx     the same with onnxruntime, a harder ceiling
serve    the same as raw in a deployment of Ray Serve with its defaults
mlflow   `mlflow models serve --env-manager local` of the same registered model, POST /invocations
haproxy  `orchestrator deploy`, POST /predict
python   `orchestrator deploy --ingress python`
two      `orchestrator deploy --min-replicas 2`, on more than two cores

All get the same rows from wrk (Debian's package `wrk`), first for a moment that does not count. The systems take turns,
as often as there are rounds; medians of the rounds are shown. Before a system is measured its answers are compared with
those of the trained network. wrk and what it measures share the machine's cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx
from serving_support import Load, Place, check_wrk, expected_answers, register_versions, rows_of, same, to_json, wrk

CONNECTIONS = (1, 8, 32, 128)
ROWS = (1, 100)
DISTINCT = 64
SYSTEMS = {
    "raw": "uvicorn + FastAPI, torch",
    "onnx": "uvicorn + FastAPI, onnxruntime",
    "serve": "Ray Serve's default + FastAPI, torch",
    "mlflow": "mlflow models serve",
    "haproxy": "orchestrator deploy",
    "python": "orchestrator deploy --ingress python",
    "two": "orchestrator deploy --min-replicas 2",
}
OPTIONS = {"haproxy": (), "python": ("--ingress", "python"), "two": ("--min-replicas", "2")}
Cell = tuple[str, int, int]


@dataclass(frozen=True)
class Requests:
    """What is asked.

    Attributes:
        records, split: bodies for /predict and for /invocations, by rows per request.
        expected: answers to the rows of all bodies, likewise.
    """

    records: dict[int, list[bytes]]
    split: dict[int, list[bytes]]
    expected: dict[int, list[list[dict]]]


def make_requests(source: str, folder: Path) -> Requests:
    """Bodies with rows drawn from the table."""
    from orchestrator.bundle import ModelBundle

    bundle = ModelBundle.load(folder)
    names = [column.name for column in bundle.schema.columns]
    requests = Requests({}, {}, {})
    for count in ROWS:
        rows = rows_of(source, bundle.schema, DISTINCT * count)
        groups = [rows[start : start + count] for start in range(0, len(rows), count)]
        requests.records[count] = [to_json(group[0] if count == 1 else group) for group in groups]
        requests.split[count] = [
            to_json({"dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in group]}})
            for group in groups
        ]
        requests.expected[count] = [expected_answers(bundle, group) for group in groups]
    return requests


def start(system: str, place: Place, bundle: Path, port: int):
    """A system that runs while the context is open."""
    if system in OPTIONS:
        return place.deployed("models:/benchmark@champion", port, *OPTIONS[system])
    url = f"http://127.0.0.1:{port}"
    if system == "mlflow":
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/benchmark@champion"]
        return place.server([*command, "--env-manager", "local", "--port", str(port)], url, "/ping")
    script = str(Path(__file__).with_name("serving_rivals.py"))
    return place.server([sys.executable, script, system, str(bundle), str(port)], url, "/healthz")


def check_answers(system: str, url: str, requests: Requests, bodies: dict[int, list[bytes]]) -> None:
    """Ends the script when a system answers something else than the trained network."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        for count in ROWS:
            for body, expected in zip(bodies[count][:16], requests.expected[count], strict=False):
                answer = client.post(url, content=body, headers={"content-type": "application/json"})
                if not answer.is_success or not same(answer.json()["predictions"], expected):
                    sys.exit(f"{system} answers otherwise: {answer.status_code} {answer.text[:500]}")


def measure(system: str, place: Place, bundle: Path, requests: Requests, seconds: float) -> dict[Cell, Load]:
    """All cells of one system."""
    from support import free_port

    port = free_port()
    path, bodies = ("/invocations", requests.split) if system == "mlflow" else ("/predict", requests.records)
    url = f"http://127.0.0.1:{port}{path}"
    found = {}
    with start(system, place, bundle, port):
        check_answers(system, url, requests, bodies)
        for count in ROWS:
            wrk(url, bodies[count], 32, max(1.0, seconds / 4), place.folder)
            for connections in CONNECTIONS:
                load = wrk(url, bodies[count], connections, seconds, place.folder)
                found[system, count, connections] = load
                print(
                    f"  {system}: {count} row(s), {connections} connections: {load.rate:,.0f} requests/s, "
                    f"p50 {load.p50:.2f} ms, p99 {load.p99:.2f} ms, {load.failed} failed",
                    flush=True,
                )
    return found


def median(loads: list[Load]) -> Load:
    figures = [statistics.median(getattr(load, name) for load in loads) for name in ("rate", "p50", "p99")]
    return Load(*figures, sum(load.failed for load in loads))


def show(result: dict[Cell, Load], systems: list[str]) -> None:
    """A table in Markdown."""
    heads = " | ".join(f"{connections} connection{'s' * (connections > 1)}" for connections in CONNECTIONS)
    print(f"\n| requests/s, p50 / p99 in ms | rows | {heads} | failed |")
    print("| --- " * (len(CONNECTIONS) + 3) + "|")
    for count in ROWS:
        for system in systems:
            loads = [result[system, count, connections] for connections in CONNECTIONS]
            cells = " | ".join(f"{load.rate:,.0f}, {load.p50:.2f} / {load.p99:.2f}" for load in loads)
            print(f"| {SYSTEMS[system]} | {count} | {cells} | {sum(load.failed for load in loads)} |")


def show_ratios(result: dict[Cell, Load], systems: list[str]) -> None:
    """Those that the endpoint promises, as far as their systems were measured; 1 row in a request."""
    print()
    for ours in [system for system in systems if system in OPTIONS]:
        for other, name, connections, words in (
            ("raw", "rate", 32, "requests/s at 32 connections (wanted: 0.8 and more)"),
            ("raw", "p50", 1, "p50 at 1 connection (wanted: below 1.5)"),
            ("serve", "rate", 32, "requests/s at 32 connections (wanted: 6 and more)"),
            ("onnx", "rate", 32, "requests/s at 32 connections"),
            ("onnx", "p50", 1, "p50 at 1 connection"),
            ("mlflow", "rate", 32, "requests/s at 32 connections"),
        ):
            if other in systems:
                ratio = getattr(result[ours, 1, connections], name) / getattr(result[other, 1, connections], name)
                print(f"{SYSTEMS[ours]}: {ratio:.2f} times {SYSTEMS[other]}, {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--target", default="income")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each cell")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--width", type=int, default=128, help="of the two hidden layers")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="which to measure, in their order")
    arguments = parser.parse_args()
    check_wrk()
    systems = [system for system in arguments.systems.split(",") if system in SYSTEMS]
    cores = os.cpu_count() or 1
    if cores <= 2 and "two" in systems:
        systems.remove("two")
        print(f"{cores} cores: two replicas are not measured, they would share a core with wrk")
    data = str(Path(arguments.data).resolve())
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        place = Place(Path(name))
        (bundle,) = register_versions(place.folder, place.store, data, arguments.target, [arguments.width])
        requests = make_requests(data, bundle)
        loads: dict[Cell, list[Load]] = {}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}, {cores} cores", flush=True)
            for system in systems:
                for cell, load in measure(system, place, bundle, requests, arguments.seconds).items():
                    loads.setdefault(cell, []).append(load)
    result = {cell: median(found) for cell, found in loads.items()}
    show(result, systems)
    show_ratios(result, systems)


if __name__ == "__main__":
    main()
