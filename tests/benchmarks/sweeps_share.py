"""Two sweeps on one cluster whose shares are 2 to 1: what each of them gets, and what the first one gets afterwards.

Usage: python tests/benchmarks/sweeps_share.py [--cores 6] [--seconds 120] [--epoch 0.5]

The cluster says that it has so many cores; an epoch sleeps, so that fewer real ones will do. What a sweep has is
counted in epochs within a window that begins when both have as many trials as they may have. The measured part of the
first one is compared with two thirds; the exit code is 1 when it is off by more than 15 %.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from slow_network import write_slow_network
from support import empty_store, node_address

COMMAND = [sys.executable, "-m", "orchestrator"]
TOLERANCE = 0.15
SETTLED, TAKEN = 120.0, 60.0


def start(folder: Path, address: str, epoch: float, *options: str) -> subprocess.Popen[bytes]:
    folder.mkdir()
    space = write_slow_network(folder, epoch)
    fixed = ("--trials", "5000", "--epochs", "20", "--patience", "0", "--scheduler", "none", "--algorithm", "random")
    environment = os.environ | {"MLFLOW_TRACKING_URI": empty_store(folder), "RAY_ADDRESS": address}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*COMMAND, "sweep", "sklearn:iris", *space, *fixed, "--storage", "kept", "--no-register", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


def rows(address: str) -> dict[str, dict[str, float]]:
    """What `orchestrator queue --json` says, by the number of the sweep."""
    shown = subprocess.run([*COMMAND, "queue", "--json", "--address", address], capture_output=True, check=True)
    return {row["sweep"].partition("-")[0]: row for row in json.loads(shown.stdout)["sweeps"]}


def wait_for(address: str, wanted: dict[str, int], seconds: float) -> float:
    """Seconds until each of the sweeps has so many trials."""
    started = time.monotonic()
    while (found := {name: row["running"] for name, row in rows(address).items()}) != wanted:
        if time.monotonic() - started > seconds:
            raise SystemExit(f"after {seconds:.0f} s the sweeps have {found} trials, not {wanted}")
    return time.monotonic() - started


def epochs(folder: Path, since: float, until: float) -> int:
    (journal,) = folder.glob("kept/*/journal.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    return sum(event["event"] == "reported" and since <= event["at"] < until for event in events)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--epoch", type=float, default=0.5)
    arguments = parser.parse_args()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": arguments.cores, "include_dashboard": False, **node_address()}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    sweeps: list[subprocess.Popen[bytes]] = []
    try:
        with tempfile.TemporaryDirectory() as name:
            try:
                return measure(arguments, nodes.address, Path(name), sweeps)
            except BaseException:
                print(*(log.read_text() for log in Path(name).glob("*/log")), sep="\n", file=sys.stderr)
                raise
    finally:
        for sweep in sweeps:
            if sweep.poll() is None:
                sweep.kill()
        nodes.shutdown()


def measure(arguments: argparse.Namespace, address: str, folder: Path, sweeps: list[subprocess.Popen[bytes]]) -> int:
    first, second, cores = folder / "first", folder / "second", arguments.cores
    sweeps.append(start(first, address, arguments.epoch, "--name", "first", "--share", "2"))
    print(f"alone the first has all: after {wait_for(address, {'first': cores}, SETTLED):.1f} s")
    sweeps.append(start(second, address, arguments.epoch, "--name", "second"))
    wanted = {"first": cores - cores // 3, "second": cores // 3}
    print(f"both have their parts: after {wait_for(address, wanted, SETTLED):.1f} s")
    since = time.time()
    time.sleep(arguments.seconds)
    until = time.time()
    got = [epochs(place, since, until) for place in (first, second)]
    part = got[0] / sum(got)
    off = part / (2 / 3) - 1
    print(f"{got[0]} and {got[1]} epochs in {until - since:.0f} s: the first had {part:.3f}, {off:+.1%}")
    sweeps[1].send_signal(signal.SIGINT)
    print(f"the second ends, the first has all: after {wait_for(address, {'first': cores}, TAKEN):.1f} s")
    sweeps[0].send_signal(signal.SIGINT)
    for sweep in sweeps:
        sweep.wait(60)
    return int(abs(off) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
