"""Large files: a long table (1,000,000 rows of 30 columns) and a wide one (64 rows of 6,000), from file to inputs.

Usage: python tests/benchmarks/data_size.py [--rows 1000000] [--columns 6000]

Each figure is of a process of its own, beside `pandas.read_csv` of the same file: seconds, those of the processors, and
the most memory that it had beyond that of its imports.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

# of the long table with 1,000,000 rows, on 2 cores
TARGET_SECONDS, TARGET_BYTES = 8.0, 1e9


def long_table(rows: int) -> pd.DataFrame:
    """20 numbers, 6 short categories, one of 50,000 levels, a date, a boolean, and a target that depends on some."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, 20)).round(4)
    columns: dict[str, object] = {f"number_{at:02d}": numbers[:, at] for at in range(20)}
    for at in range(6):
        columns[f"category_{at}"] = np.array([f"level {letter}" for letter in "abcdefgh"])[
            generator.integers(8, size=rows)
        ]
    levels = np.array([f"shop-{number:05d}x" for number in range(50_000)])
    columns["shop"] = levels[generator.integers(50_000, size=rows)]
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(generator.integers(1500, size=rows), unit="D")
    columns["day"] = days.strftime("%Y-%m-%d")
    columns["member"] = np.where(generator.random(rows) < 0.3, "true", "false")
    columns["label"] = np.where(numbers[:, 0] + generator.normal(size=rows) > 0, "yes", "no")
    return pd.DataFrame(columns)


def wide_table(columns: int) -> pd.DataFrame:
    """64 rows of many numbers, as of genes."""
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(generator.normal(size=(64, columns)).round(4), columns=[f"gene_{at}" for at in range(columns)])
    return frame.assign(label=np.where(frame["gene_0"] > 0, "ill", "well"))


def make_files(long: Path, rows: int, wide: Path, columns: int) -> None:
    """Writes both tables."""
    long_table(rows).to_csv(long, index=False)
    wide_table(columns).to_csv(wide, index=False)


def pandas_read(path: str) -> None:
    """What others do."""
    started = _now()
    pd.read_csv(path)
    print(f"pandas.read_csv {_since(started)}")


def read(path: str) -> None:
    """From file to texts."""
    from orchestrator.data import load_table

    before, started = _peak(), _now()
    load_table(path)
    print(f"{_since(started)}")
    print(f"peak MB {(_peak() - before) / 1e6:.0f}")


def prepare(path: str) -> None:
    """From file to encoded parts."""
    from orchestrator.data import DataOptions, open_dataset

    before, started = _peak(), _now()
    dataset = open_dataset(path, DataOptions(target="label"))
    print(f"read, infer, split and encode {_since(started)}")
    print(f"peak MB {(_peak() - before) / 1e6:.0f}")
    assert sum(dataset.counts) == len(dataset.train) + len(dataset.validation) + len(dataset.test)


def answer(path: str) -> None:
    """The same file as rows to be answered by a model, up to the network's inputs."""
    from orchestrator.data import DataOptions, load_table, open_dataset

    table = load_table(path)
    few = open_dataset(table.frame.head(5000), DataOptions(target="label"))
    del table
    before, started = _peak(), _now()
    rows = load_table(path)
    few.encoder.transform(few.schema, rows.frame)
    print(f"predict: read and encode {_since(started)}")
    print(f"peak MB {(_peak() - before) / 1e6:.0f}")


def first_trial(path: str) -> None:
    """A sweep of one trial of one epoch: what comes before is most of it."""
    import orchestrator

    started = _now()
    seen: list[str] = []
    orchestrator.train(
        path,
        target="label",
        parameters={"epochs": 1},
        tracking_uri=f"sqlite:///{Path(path).parent}/mlflow.db",
        register_model=False,
        on_epoch=lambda _report: seen.append(_since(started)),
    )
    print(f"to the first epoch's end {seen[0]}")


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> str:
    """Seconds, and those of the processors, which say more where other programs run, too."""
    seconds, of_processors = (now - then for now, then in zip(_now(), started, strict=True))
    return f"{seconds:.2f} ({of_processors:.2f} of the processors)"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


STAGES = {stage.__name__: stage for stage in (pandas_read, read, prepare, answer, first_trial)}


def main() -> None:
    """Makes the files and measures each stage in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=6000)
    parser.add_argument("--stage", nargs=2, metavar=("STAGE", "FILE"))
    arguments = parser.parse_args()
    if arguments.stage:
        STAGES[arguments.stage[0]](arguments.stage[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        long, wide = Path(folder, "long.csv"), Path(folder, "wide.csv")
        # not here: a process counts the memory of the one that has started it
        with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            elsewhere.submit(make_files, long, arguments.rows, wide, arguments.columns).result()
        for path, stages in (
            (long, ("pandas_read", "read", "prepare", "answer")),
            (wide, ("pandas_read", "prepare", "first_trial")),
        ):
            print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB")
            for stage in stages:
                done = subprocess.run(
                    [sys.executable, __file__, "--stage", stage, str(path)], text=True, capture_output=True, check=True
                )
                print("".join(f"  {stage}: {line}\n" for line in done.stdout.splitlines()), end="")
    print(f"aims for 1,000,000 rows: {TARGET_SECONDS:.0f} s together, {TARGET_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
