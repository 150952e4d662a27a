"""How much of a sweep is training, and the same trials through plain Optuna in as many processes.

Usage: python tests/benchmarks/sweep_efficiency.py adult.csv [--target income] [--trials 40] [--epochs 12]

Ours is `run_sweep` from Ray's start to its end, tracking in MLflow and the winner's test included, without registering
it (--register adds that). Plain Optuna is what a user would write: a study in a journal file, as many processes, the
same training function on the same specs, no tracking. Both end when the processes are gone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path


def ours(arguments, folder: Path):
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.sweeps import run_sweep

    config = SweepConfig.create(
        data=arguments.data,
        target=arguments.target,
        trials=arguments.trials,
        epochs=arguments.epochs,
        patience=0,
        scheduler="none",
        algorithm="random",
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        storage=folder,
        register_model=arguments.register,
    )
    started = time.perf_counter()
    result = run_sweep(config)
    return result, time.perf_counter() - started


def plain_worker(arguments, journal: str, specs: list[dict], threads: int) -> None:
    """One process of plain Optuna."""
    import optuna
    import torch
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from orchestrator.data import DataOptions, open_dataset
    from orchestrator.training import TrialSpec, train_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(threads)
    dataset = open_dataset(arguments.data, DataOptions(target=arguments.target))

    def objective(trial: optuna.Trial) -> float:
        spec = TrialSpec.from_json(specs[trial.suggest_int("spec", 0, len(specs) - 1)])
        for report in train_trial(spec, dataset):
            trial.report(report.best_value, report.epoch)
        return report.best_value

    study = optuna.load_study(study_name="plain", storage=JournalStorage(JournalFileBackend(journal)))
    while any(trial.state == optuna.trial.TrialState.WAITING for trial in study.get_trials(deepcopy=False)):
        study.optimize(objective, n_trials=1)


def plain(arguments, folder: Path, specs: list[dict], processes: int) -> float:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = str(folder / "journal.log")
    started = time.perf_counter()
    study = optuna.create_study(
        study_name="plain", storage=JournalStorage(JournalFileBackend(journal)), direction="maximize"
    )
    for position in range(len(specs)):
        study.enqueue_trial({"spec": position})
    threads = max(1, (os.cpu_count() or 1) // processes)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=plain_worker, args=(arguments, journal, specs, threads)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    done = sum(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials)
    assert done >= len(specs), f"{done} of {len(specs)} trials"
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--target", default="income")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--register", action="store_true", help="also export and register the winner")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result, seconds = ours(arguments, folder)
        trained = sum(trial.train_seconds for trial in result.trials)
        specs = [json.loads(json.dumps(trial.spec.to_json())) for trial in result.trials]
        print(f"ours: {len(specs)} trials, {seconds:.1f} s in all, {result.search_seconds:.1f} s of it searching")
        print(f"inside of train_trial: {trained:.1f} s over {result.slots} slots")
        print(f"share of slot time: {trained / (result.slots * result.search_seconds):.3f} of the search", end=", ")
        print(f"{trained / (result.slots * seconds):.3f} of the whole command")
        theirs = plain(arguments, folder, specs, result.slots)
        print(f"plain Optuna, {result.slots} processes: {theirs:.1f} s")
        print(f"ours takes {seconds / theirs:.3f} times as long in all, {result.search_seconds / theirs:.3f} searching")


if __name__ == "__main__":
    main()
