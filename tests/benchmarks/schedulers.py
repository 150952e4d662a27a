"""Best validation loss against the epochs that were spent, for all schedulers, on the same data with the same seed.

Usage: python tests/benchmarks/schedulers.py DATA:TARGET [DATA:TARGET ...] [--trials 24] [--epochs 18] [--picture FILE]

Classification is judged by log_loss, regression by rmse. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCHEDULERS = ("none", "asha", "asha-promote", "portfolio", "hyperband", "median", "pbt")


@dataclass(frozen=True)
class Course:
    """A sweep as it went: after each epoch of any trial, the best value so far."""

    best: list[float]
    seconds: float
    test: float

    def epochs_to(self, value: float) -> int | None:
        """Epochs until a value at least as good (small) was reached."""
        return next((number for number, best in enumerate(self.best, start=1) if best <= value), None)


def run(data: str, target: str, scheduler: str, trials: int, epochs: int, seed: int) -> Course:
    from orchestrator.config import SweepConfig
    from orchestrator.data import DataOptions, open_dataset
    from orchestrator.journal import Reported
    from orchestrator.journal.folder import find_sweep
    from orchestrator.journal.journal import read_events
    from orchestrator.runtime.sweeps import run_sweep

    task = open_dataset(data, DataOptions(target=target)).schema.target.task
    metric = "log_loss" if task.classes else "rmse"
    with tempfile.TemporaryDirectory(prefix="schedulers-") as folder:
        config = SweepConfig.create(
            data=data,
            target=target,
            name=Path(data).name.split(".")[0],
            scheduler=scheduler,
            trials=trials,
            epochs=epochs,
            patience=0,
            metric=metric,
            seed=seed,
            tracking_uri=f"sqlite:///{folder}/mlflow.db",
            storage=f"{folder}/sweeps",
            register_model=False,
        )
        result = run_sweep(config)
        best, course = float("inf"), []
        for event in read_events(find_sweep(result.id).storage):
            if isinstance(event, Reported):
                best = min(best, event.report.best_value)
                course.append(best)
        return Course(course, result.search_seconds, result.test[metric])


def draw(courses: dict[str, dict[str, Course]], picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, plots = pyplot.subplots(1, len(courses), figsize=(4.5 * len(courses), 3.6), squeeze=False)
    for plot, (name, found) in zip(plots[0], courses.items(), strict=True):
        for scheduler, course in found.items():
            plot.plot(range(1, len(course.best) + 1), course.best, label=scheduler, linewidth=1.5)
        lowest = min(course.best[-1] for course in found.values())
        typical = sorted(value for course in found.values() for value in course.best)
        plot.set_ylim(lowest * 0.995, typical[int(len(typical) * 0.95)] * 1.02)
        plot.set_title(name)
        plot.set_xlabel("epochs of all trials")
        plot.grid(alpha=0.3)
    plots[0][0].set_ylabel("best validation loss")
    plots[0][-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="DATA:TARGET")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    os.environ["ORCHESTRATOR_HOME"] = tempfile.mkdtemp(prefix="schedulers-home-")
    from orchestrator.cluster import ray_session
    from orchestrator.runtime.tune.run import quiet_tune

    quiet_tune()
    courses: dict[str, dict[str, Course]] = {}
    print("| data | scheduler | epochs | best validation | test | epochs to 1 % of the best | search, s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with ray_session():
        for entry in arguments.data:
            path, _, target = entry.rpartition(":")
            name = Path(path).name.split(".")[0]
            found = courses.setdefault(name, {})
            for scheduler in SCHEDULERS:
                found[scheduler] = run(path, target, scheduler, arguments.trials, arguments.epochs, arguments.seed)
            near = 1.01 * min(course.best[-1] for course in found.values())
            for scheduler, course in found.items():
                print(
                    f"| {name} | {scheduler} | {len(course.best)} | {course.best[-1]:.4f} | {course.test:.4f} "
                    f"| {course.epochs_to(near) or 'not reached'} | {course.seconds:.0f} |",
                    flush=True,
                )
    if arguments.picture:
        draw(courses, arguments.picture)


if __name__ == "__main__":
    main()
