"""What a user waits for: whole commands from a shell, beside `python -c 'import torch'` in the same run.

Usage: python tests/benchmarks/commands.py [--times 3]

Each command runs so many times and its median counts; those that change something (a sweep, a deployment) run once.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serving_support import ORCHESTRATOR, Place

sys.path.insert(0, str(Path(__file__).parent.parent))

from support import free_port

# seconds that were aimed at, on an idle machine with 2 cores
TARGETS = {
    "--help": 0.13,
    "status": 0.13,
    "spaces": 0.3,
    "sweeps": 0.4,
    "trials": 0.8,
    "predict, 5 rows": 2.5,
    "train, iris": 4.0,
    "promote": 2.5,
    "plan": 8.0,
    "deploy --detach": 9.0,
    "undeploy": 3.0,
    "sweep, 10 tiny trials": 12.0,
}


class Commands:
    """Commands of one place, timed."""

    def __init__(self, place: Place, times: int) -> None:
        self._place, self._times = place, times
        self.seconds: dict[str, float] = {}

    def run(self, name: str, *arguments: str, once: bool = False) -> None:
        """Times `orchestrator ...`; ends the script when it fails."""
        self.seconds[name] = statistics.median(self._time(*arguments) for _ in range(1 if once else self._times))

    def _time(self, *arguments: str) -> float:
        started = time.perf_counter()
        done = self._place.run(*arguments)
        seconds = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"{' '.join([*ORCHESTRATOR, *arguments])} failed: {done.stderr}")
        return seconds


def import_torch(times: int) -> float:
    """Seconds of a process that imports torch and ends."""

    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(times))


def measure(place: Place, times: int) -> dict[str, float]:
    """Seconds by command."""
    from sklearn.datasets import load_iris

    rows = place.folder / "rows.csv"
    table = load_iris(as_frame=True).data.head(5)
    table.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1).to_csv(rows, index=False)
    commands = Commands(place, times)
    quick = ["sklearn:iris", "--space", "quick", "--name", "iris"]
    commands.run("sweep, 10 tiny trials", "sweep", *quick, "--trials", "10", "--epochs", "2", once=True)
    commands.run("--help", "--help")
    commands.run("status", "status")
    commands.run("spaces", "spaces")
    commands.run("sweeps", "sweeps")
    commands.run("trials", "trials", "iris")
    commands.run("predict, 5 rows", "predict", "models:/iris@champion", str(rows))
    commands.run("plan", "plan", *quick, "--trials", "10", once=True)
    commands.run("train, iris", "train", "sklearn:iris", "--name", "trained", once=True)
    commands.run("promote", "promote", "iris", "1")
    commands.run(
        "deploy --detach", "deploy", "models:/iris@champion", "--port", str(free_port()), "--detach", once=True
    )
    commands.run("undeploy", "undeploy", "iris", once=True)
    return commands.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        try:
            found = measure(place, arguments.times)
        finally:
            place.run("undeploy", "iris")
    torch = import_torch(arguments.times)
    print(f"import torch: {torch:.2f} s")
    for name, aim in TARGETS.items():
        print(f"{name:24} {found[name]:6.2f} s, {found[name] / torch:5.2f} times import torch (aim {aim:g} s)")


if __name__ == "__main__":
    main()
