"""Millions of rows through `predict_folder` on a Ray of its own, beside `predict` on one file and the network alone.

Usage: python tests/benchmarks/batch_predict.py [--rows 5000000] [--files 20] [--workers 2] [--columns 10]

Rows have numbers and two categories; the files are Parquet. `network` is the network on encoded rows in memory, with
all cores: nothing that reads and writes rows can be faster. Each has a process of its own, whose memory is told; of
the folder, memory is that of the driver, and seconds are without the start of Ray and with it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.data import DataOptions, open_dataset
from orchestrator.networks import build_network
from orchestrator.serving.inference.offline import BLOCK_ROWS, answer_blocks
from orchestrator.serving.inference.row_writers import write_frames
from orchestrator.training import TrialSpec, feature_shape


def make_rows(rows: int, columns: int, seed: int) -> pd.DataFrame:
    """Raw rows."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{at}": random.standard_normal(rows) for at in range(columns - 2)})
    for name, count in (("city", 40), ("kind", 5)):
        frame[name] = np.array([f"{name}{code}" for code in range(count)])[random.integers(0, count, rows)]
    return frame


def make_model(folder: Path, columns: int) -> None:
    """An MLP of 2 x 256 as it is built; its answers do not matter here."""
    frame = make_rows(5000, columns, 0)
    frame["label"] = np.where(frame["x0"] + (frame["city"] > "city2") > 0, "high", "low")
    dataset = open_dataset(frame, DataOptions(target="label"))
    spec = TrialSpec(architecture="mlp", settings={"depth": 2, "width": 256}, epochs=1)
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    make_bundle(network, dataset, {}).save(folder)


def one_file(model: Path, source: Path, target: Path) -> None:
    """`orchestrator predict FILE -o FILE`."""
    write_frames((found.joined([]) for found in answer_blocks(str(model), str(source))), target, ".parquet")


def in_memory(model: Path, source: Path, _target: Path) -> float:
    """The bundle on a data frame that is read already; gives seconds without reading."""
    bundle, frame = ModelBundle.load(model), pd.read_parquet(source)
    started = time.perf_counter()
    bundle.predict(frame)
    return time.perf_counter() - started


def network_alone(model: Path, source: Path, _target: Path) -> float:
    """The network on encoded rows; gives seconds of it."""
    from orchestrator.bundle.archive import computed

    bundle = ModelBundle.load(model)
    inputs = bundle.encoder.transform(bundle.schema, pd.read_parquet(source))
    started = time.perf_counter()
    for part in inputs.split(BLOCK_ROWS):
        computed(bundle.network, [part[name] for name in bundle.inputs], bundle.schema.outputs)
    return time.perf_counter() - started


def folder(model: Path, source: Path, target: Path, workers: int) -> float:
    """`orchestrator predict FOLDER -o FOLDER`; gives seconds without the start of Ray."""
    from orchestrator.serving.batch.run import predict_folder

    found = predict_folder(
        str(model), source, target, workers=workers, notify=lambda text: print(text, file=sys.stderr)
    )
    assert not found.failed, found.failed
    return found.seconds


def _peak() -> float:
    """GiB of this program; what getrusage says has the peak of the process that has started it, too."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 2**20 if found else 0.0


def _measure(queue, work, arguments) -> None:
    started = time.perf_counter()
    seconds = work(*arguments)
    total = time.perf_counter() - started
    queue.put((total if seconds is None else seconds, total, _peak()))


def measured(work, *arguments):
    """Seconds, seconds with all around it, and GiB of a process that does this alone."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure, args=(queue, work, arguments))
    process.start()
    found = queue.get()
    process.join()
    return found


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--columns", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "rows").mkdir()
        make_model(place / "model", options.columns)
        each = options.rows // options.files
        for number in range(options.files):
            make_rows(each, options.columns, number + 1).to_parquet(place / "rows" / f"{number:03}.parquet")
        first = place / "rows" / "000.parquet"
        whole = place / "all.parquet"
        pd.concat([pd.read_parquet(file) for file in sorted((place / "rows").iterdir())]).to_parquet(whole)
        lines = {
            "network": (each, measured(network_alone, place / "model", first, place)),
            "bundle.predict(frame)": (each, measured(in_memory, place / "model", first, place)),
            "predict FILE": (options.rows, measured(one_file, place / "model", whole, place / "all-answers.parquet")),
            "predict FOLDER": (
                options.rows,
                measured(folder, place / "model", place / "rows", place / "answers", options.workers),
            ),
        }
        alone = pd.read_parquet(place / "all-answers.parquet")
        parts = pd.concat([pd.read_parquet(file) for file in sorted((place / "answers").glob("*.parquet"))])
        assert len(alone) == len(parts) == each * options.files
    print(f"{options.rows:,} rows of {options.columns} columns, {options.files} files, {options.workers} workers")
    for what, (rows, (seconds, total, memory)) in lines.items():
        speed = f"{rows / seconds:>12,.0f} rows/s"
        print(f"{what:24} {rows:>10,} rows {seconds:8.1f} s {speed}  {total:7.1f} s in all  {memory:5.2f} GiB")
    print(json.dumps({what: rows / seconds for what, (rows, (seconds, *_)) in lines.items()}))


if __name__ == "__main__":
    main()
