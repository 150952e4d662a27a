"""What one more trial costs when it trains for zero time: ours, tracking on, beside Ray Train nested in Ray Tune.

Usage: python tests/benchmarks/trial_overhead.py [--trials 200] [--nested-trials 4]

Ours with one worker per trial (in the trial's own process) and with two (in a gang); the nested pattern with one.
All are measured in this run on this machine. An additional trial is (time of many trials - time of few) / difference,
so that start-up, which is paid once, does not count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from zero_cost import zero_cost

EPOCHS = 5
FEW = 20


def ours(trials: int, folder: Path, workers: int) -> float:
    """Seconds from the first trial to the last, everything written to MLflow."""
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.hooks import Hooks
    from orchestrator.runtime.sweeps import run_sweep

    config = SweepConfig.create(
        data="sklearn:iris",
        space="quick",
        epochs=EPOCHS,
        scheduler="none",
        trials=trials,
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        storage=folder,
        resources={"workers_per_trial": workers},
    )
    result = run_sweep(config, None, Hooks(train=zero_cost(EPOCHS)))
    assert len(result.trials) == trials
    assert {trial.status for trial in result.trials} == {"finished"}
    return result.search_seconds


def nested(trials: int, folder: Path) -> float:
    """The documented pattern: a Tune function that calls `TorchTrainer.fit()` for each trial; nothing is tracked."""
    import ray
    from ray import tune
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    def train_loop(config):
        import ray.train

        for epoch in range(EPOCHS):
            ray.train.report({"loss": epoch * config["lr"]})

    def trial(config):
        TorchTrainer(
            train_loop,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
            run_config=RunConfig(name=f"trial-{time.time_ns()}", storage_path=config["storage"]),
        ).fit()
        tune.report({"loss": 1.0})

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    started = time.perf_counter()
    tune.Tuner(
        tune.with_resources(trial, {"CPU": 0.001}),
        param_space={"lr": tune.loguniform(1e-4, 1e-1), "storage": str(folder)},
        tune_config=tune.TuneConfig(num_samples=trials, metric="loss", mode="min", max_concurrent_trials=2),
        run_config=tune.RunConfig(storage_path=str(folder), name="nested", verbose=0),
    ).fit()
    seconds = time.perf_counter() - started
    ray.shutdown()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="additional trials of ours")
    parser.add_argument("--nested-trials", type=int, default=4, help="additional trials of the nested pattern; 0: none")
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours(2, folder, 1)
        each = {}
        for workers in (1, 2):
            few, many = ours(FEW, folder, workers), ours(FEW + arguments.trials, folder, workers)
            each[workers] = (many - few) / arguments.trials
            print(
                f"ours, {workers} worker(s) per trial: {FEW} trials {few:.1f} s, {FEW + arguments.trials} trials "
                f"{many:.1f} s: {each[workers]:.3f} s per trial",
                flush=True,
            )
        if arguments.nested_trials:
            few, many = nested(2, folder), nested(2 + arguments.nested_trials, folder)
            theirs = (many - few) / arguments.nested_trials
            count = 2 + arguments.nested_trials
            print(f"nested: 2 trials {few:.1f} s, {count} trials {many:.1f} s: {theirs:.2f} s per trial")
            ratios = ", ".join(f"{theirs / cost:.0f} times ours with {workers}" for workers, cost in each.items())
            print(f"ratio: nested costs {ratios} worker(s) per additional trial")


if __name__ == "__main__":
    main()
