"""Thousands of trials that train for zero time in one sweep, tracking on: trials per second and memory of the driver.

Usage: python tests/benchmarks/many_trials.py [--trials 2000] [--algorithm random]

Everything is written to MLflow (SQLite) and to the sweep's journal; at the end MLflow is counted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from trial_overhead import EPOCHS, zero_cost

MARKS = (100, 500, 1000, 1500, 2000)


def main() -> None:
    import psutil

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--algorithm", default="random")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="many-trials-") as name:
        folder = Path(name)
        os.environ["ORCHESTRATOR_HOME"] = str(folder / "home")
        from mlflow import MlflowClient

        from orchestrator.config import SweepConfig
        from orchestrator.runtime.hooks import Hooks
        from orchestrator.runtime.sweeps import run_sweep

        process, started = psutil.Process(), time.perf_counter()

        def on_trial(record, trial_table):
            count = len(trial_table.ended())
            if count in MARKS:
                seconds, megabytes = time.perf_counter() - started, process.memory_info().rss / 1e6
                print(f"{count} trials: {seconds:.1f} s, driver {megabytes:.0f} MB", flush=True)

        store = f"sqlite:///{folder}/mlflow.db"
        config = SweepConfig.create(
            data="sklearn:iris",
            space="quick",
            epochs=EPOCHS,
            scheduler="none",
            algorithm=arguments.algorithm,
            trials=arguments.trials,
            tracking_uri=store,
        )
        result = run_sweep(config, None, Hooks(on_trial=on_trial, train=zero_cost(EPOCHS)))
        statuses = [trial.status for trial in result.trials]
        rate = len(statuses) / result.search_seconds
        print(f"{len(statuses)} trials in {result.search_seconds:.1f} s: {rate:.1f} trials/s ({set(statuses)})")
        whole = len(statuses) / result.seconds
        print(f"{result.seconds:.1f} s with start, end and everything written to MLflow: {whole:.1f} trials/s")
        client = MlflowClient(store)
        experiment = client.get_run(result.run_id).info.experiment_id
        token, runs, points = None, 0, 0
        while True:
            page = client.search_runs(
                [experiment], f"tags.`mlflow.parentRunId` = '{result.run_id}'", max_results=1000, page_token=token
            )
            runs += len(page)
            points += sum(len(client.get_metric_history(run.info.run_id, "train_loss")) for run in page)
            token = page.token
            if not token:
                break
        print(f"MLflow: {runs} runs, {points} epochs (expected {len(statuses)} and {len(statuses) * EPOCHS})")
        journal = sum(path.stat().st_size for path in (folder / "home" / "sweeps").glob("*/journal.jsonl"))
        files = sum(1 for path in (folder / "home" / "sweeps").rglob("*") if path.is_file())
        print(f"sweep's folder: journal {journal / 1e6:.1f} MB, {files} files")


if __name__ == "__main__":
    main()
