"""A sweep over rows that fit neither into a worker nor into Ray's object store.

    python tests/benchmarks/larger_than_memory.py [--rows 6000000] [--store-mb 200]

Makes a folder of Parquet files, starts Ray with a small object store, runs a sweep over the folder, and prints the
sizes beside each other: rows in memory, object store, largest process, and what was spilled to disk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

NUMBERS = 30


def write_rows(folder: Path, rows: int, group: int) -> None:
    """Files of ten row groups each."""
    random = np.random.default_rng(0)
    for number in range(0, rows, 10 * group):
        count = min(10 * group, rows - number)
        frame = pd.DataFrame(random.normal(size=(count, NUMBERS)).astype(np.float32)).add_prefix("x")
        frame["color"] = random.choice(["red", "green", "blue"], count)
        score = frame["x0"] + frame["x1"] * frame["x2"] + 2 * (frame["color"] == "red") + random.normal(0, 1, count)
        frame["label"] = np.where(score > 0.6, "high", "low")
        frame.to_parquet(folder / f"part-{number:09d}.parquet", row_group_size=group)


class Peaks(threading.Thread):
    """Watches the memory of this process and all that it started; what is shared is not counted."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.largest: dict[str, int] = {}

    def run(self) -> None:
        """Four times a second."""
        while True:
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    name = process.cmdline()[0].split("(")[0]
                    private = process.memory_info().rss - process.memory_info().shared
                except (psutil.Error, IndexError):
                    continue
                name = name if name.startswith("ray::") else "driver" if process.pid == psutil.Process().pid else ""
                if name:
                    self.largest[name] = max(private, self.largest.get(name, 0))
            time.sleep(0.25)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--store-mb", type=int, default=200)
    parser.add_argument("--group", type=int, default=50_000)
    parser.add_argument("--trials", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "rows"
        folder.mkdir()
        write_rows(folder, arguments.rows, arguments.group)
        written = sum(file.stat().st_size for file in folder.iterdir())
        watch = Peaks()
        watch.start()
        result, spilled = run(folder, scratch, arguments)
    encoded = arguments.rows * (4 * NUMBERS + 8 + 8)
    print(f"rows {arguments.rows:,}: {written / 2**20:.0f} MB of Parquet, {encoded / 2**20:.0f} MB encoded")
    print(f"object store {arguments.store_mb} MB, spilled to disk {spilled / 2**20:.0f} MB")
    for name, size in sorted(watch.largest.items(), key=lambda item: -item[1])[:6]:
        print(f"  {name}: {size / 2**20:.0f} MB")
    epochs = sum(trial.epochs for trial in result.trials)
    print(
        f"{len(result.trials)} trials, {epochs} epochs in {result.search_seconds:.0f} s, "
        f"{result.seconds:.0f} s in all; test roc_auc {result.test['roc_auc']:.4f}"
    )


def run(folder: Path, scratch: str, arguments: argparse.Namespace):
    """The sweep, and the bytes that Ray spilled."""
    from orchestrator.cluster import ENVIRONMENT
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.tune.run import quiet_tune

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    quiet_tune()
    import ray

    from orchestrator.runtime.hooks import Hooks
    from orchestrator.runtime.sweeps import run_sweep

    ray.init(
        address="local",
        object_store_memory=arguments.store_mb * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    config = SweepConfig.create(
        data=str(folder),
        target="label",
        architecture="mlp",
        trials=arguments.trials,
        epochs=2,
        scheduler="none",
        tracking_uri=f"sqlite:///{scratch}/mlflow.db",
    )
    result = run_sweep(config, None, Hooks(notify=print))
    from ray._private.internal_api import memory_summary

    text = memory_summary(stats_only=True)
    spilled = [line for line in text.splitlines() if "Spilled" in line]
    megabytes = float(spilled[0].split("Spilled")[1].split("MiB")[0]) if spilled else 0.0
    ray.shutdown()
    return result, megabytes * 2**20


if __name__ == "__main__":
    main()
