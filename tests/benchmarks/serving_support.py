"""What the benchmarks of endpoints share: a store with models, servers as processes, rows, the load generator wrk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

import processes
from processes import ORCHESTRATOR

START_SECONDS, STOP_SECONDS = 300, 60
CLOSE_ENOUGH = 1e-5

SCRIPT = """
local bodies = {
%s
}
local requests, at = {}, 0
function init(args)
  for position, body in ipairs(bodies) do
    requests[position] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "status": %%d, "connection": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Place(processes.Place):
    """A folder with a state folder and an MLflow store of its own, and the commands that run there."""

    def __init__(self, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
        kept |= {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "RAY_USAGE_STATS_ENABLED": "0",
            # `mlflow models serve` looks for uvicorn there
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        }
        super().__init__(folder, f"sqlite:///{folder}/mlflow.db", kept)

    def status(self) -> dict[str, Any]:
        """The only endpoint, as `orchestrator status` shows it."""
        (found,) = json.loads(self.run("status", "--json").stdout)
        return found

    def replicas(self) -> list[psutil.Process]:
        """Those that answer, by pid."""
        return [psutil.Process(entry["pid"]) for entry in sorted(self.status()["processes"], key=lambda e: e["pid"])]

    @contextmanager
    def server(self, command: Sequence[str], url: str, health: str) -> Iterator[psutil.Popen]:
        """A process that answers at `url` while the context is open, and ends with all that it has started."""
        output = self.folder / f"{Path(command[0]).name}-{url.rpartition(':')[2]}.log"
        output.unlink(missing_ok=True)
        process = self.start_program(command, output)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _is_healthy(f"{url}{health}"):
                ended = process.poll() is not None
                if ended or time.monotonic() > deadline:
                    what = "has ended" if ended else f"does not answer after {START_SECONDS} s"
                    sys.exit(f"{' '.join(command)} {what}: {output.read_text(errors='replace')[-2000:]}")
                time.sleep(0.2)
            yield process
        finally:
            stop(process)

    def deployed(self, model: str, port: int, *options: str):
        """`orchestrator deploy` in the foreground, as a context."""
        command = [*ORCHESTRATOR, "deploy", model, "--port", str(port), *options]
        return self.server(command, f"http://127.0.0.1:{port}", "/healthz")


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def stop(process: psutil.Popen) -> None:
    """Ends a process and what it has started, by their pids."""
    if process.poll() is not None:
        return
    started = process.children(recursive=True)
    process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs([process], timeout=STOP_SECONDS)
    for left in [*alive, *started]:
        # psutil compares the times of creation: a pid that is used again is another process
        if left.is_running():
            left.kill()


def register_versions(place: Path, store: str, source: Any, target: str | None, widths: Sequence[int]) -> list[Path]:
    """Trains a network of each width, quickly, and registers them as versions 1, 2, ... of the model `benchmark`.

    All have the same figure, so version 1 stays the champion, and any may be promoted.

    Returns:
        The folder of each bundle.
    """
    from support import quick_model

    from orchestrator.bundle import make_bundle
    from orchestrator.bundle.registration import Figure
    from orchestrator.tracking.registry import register_bundle
    from orchestrator.tracking.store import client_for

    client = client_for(store)
    experiment = client.create_experiment("benchmark", artifact_location=str(place / "artifacts"))
    folders = []
    for number, width in enumerate(widths, start=1):
        network, dataset = quick_model(source, target, depth=2, width=width)
        metric = dataset.schema.target.task.find_metric()
        bundle = make_bundle(network, dataset, {"metric": metric.name})
        folders.append(place / f"bundle-{number}")
        bundle.save(folders[-1])
        run = client.create_run(experiment)
        figure = Figure(metric=metric, validation=0.9, test=0.9, digest=dataset.digest)
        register_bundle(client, run.info.run_id, "benchmark", folders[-1], figure=figure, model_digest=str(number))
    return folders


def rows_of(source: Any, schema: Any, count: int) -> list[dict[str, Any]]:
    """Random rows of a table as JSON objects, with the columns of a schema."""
    from orchestrator.data import load_table

    frame = load_table(source).frame[[column.name for column in schema.columns]]
    return json.loads(frame.sample(count, replace=len(frame) < count, random_state=0).to_json(orient="records"))


def flat(answer: Mapping[str, Any]) -> dict[str, Any]:
    """One row's answer as `/invocations` gives it, from either protocol."""
    shares = answer.get("probabilities", {})
    rest = {name: value for name, value in answer.items() if name != "probabilities"}
    return rest | {f"probability_{name}": share for name, share in shares.items()}


def expected_answers(bundle: Any, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the trained network says, through pandas and torch."""
    import pandas as pd

    names = [column.name for column in bundle.schema.columns]
    return bundle.predict(pd.DataFrame(list(rows), columns=names)).to_dict("records")


def same(answers: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all rows have the same label and the same probabilities, or values, within 1e-5."""

    def close(one: Any, other: Any) -> bool:
        if isinstance(other, float):
            return isinstance(one, int | float) and abs(one - other) <= CLOSE_ENOUGH * max(1.0, abs(other))
        return one == other

    return len(answers) == len(expected) and all(
        found.keys() == wanted.keys() and all(close(found[name], wanted[name]) for name in wanted)
        for found, wanted in zip(map(flat, answers), expected, strict=True)
    )


@dataclass(frozen=True)
class Load:
    """What wrk has measured.

    Attributes:
        rate: answers per second.
        p50, p99: milliseconds.
        failed: answers with a status of 400 or above, and connections that broke or timed out.
    """

    rate: float
    p50: float
    p99: float
    failed: int


def check_wrk() -> None:
    """Ends the script when wrk is missing."""
    if shutil.which("wrk") is None:
        sys.exit("the load generator wrk is not installed; on Debian and Ubuntu: apt-get install wrk")


def wrk(url: str, bodies: Sequence[bytes], connections: int, seconds: float, folder: Path) -> Load:
    """Sends the bodies one after another over so many connections, each as soon as the one before is answered."""
    written = [body.decode("ascii") for body in bodies]
    if any("]==]" in body for body in written):
        sys.exit("a row holds ]==], which the script for wrk cannot")
    script = folder / "requests.lua"
    script.write_text(SCRIPT % "\n".join(f"[==[{body}]==]," for body in written))
    # one thread of wrk sends far more than one replica answers
    threads = 1 if connections == 1 or (os.cpu_count() or 1) <= 2 else 2
    options = [f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "--latency"]
    done = subprocess.run(["wrk", *options, "-s", str(script), url], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        sys.exit(f"wrk failed: {done.stdout}{done.stderr}")
    result = json.loads(lines[0].removeprefix("RESULT "))
    failed = result["status"] + result["connection"]
    return Load(result["requests"] / result["seconds"], result["p50"], result["p99"], failed)


def to_json(content: Any) -> bytes:
    """Compact JSON in ASCII."""
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def megabytes(process: psutil.Process) -> float:
    """Resident memory; 0 when the process is gone."""
    try:
        return process.memory_info().rss / 1e6
    except psutil.Error:
        return 0.0
