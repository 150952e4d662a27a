"""What the project computes, written down: so that one can change how it is built and see that nothing else changed.

    python tests/golden/record.py make FILE          # record what this version computes
    python tests/golden/record.py compare OLD NEW    # to the last bit: for two versions on one machine
    python tests/golden/record.py keep FILE          # write record.json, which tests/unit/test_golden.py compares with

It has every metric of every epoch of fixed trials, encoders and encoded rows, draws, documents, and answers of bundles
of format 1, which are kept here.
All calls of the project are in the functions of this module, so that a version with other names needs only other calls.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
import json
import math
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "unit")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

DATA = HERE / "data"
TARGETS = {"iris": "target", "adult": "income", "abalone": "rings", "kinds": "label"}
ROWS = 200
EPOCHS = 3
TRIALS = 30
SPECS = {
    "mlp": ("mlp", {"depth": 2, "width": 16, "dropout": 0.1, "normalization": "batch"}, {"schedule": "cosine"}),
    "resnet": ("resnet", {"depth": 1, "width": 16, "dropout": 0.1, "residual_dropout": 0.1}, {"optimizer": "adamw"}),
    "own": ("own_network:Net", {"width": 12}, {"gradient_clip": 1.0}),
}
# by the kind of a column: cells that a user may send, some of which are refused
AWKWARD = {
    "numeric": [0, -0.0, 1, 3.5, "7", " 3 ", "1e3", "", None, "?", "NA", "nan", 1e30, 2**60, True, "old", "1,5", "٣"],
    "boolean": [True, False, 0, 1, "true", "F", "no", None, "", 2, "maybe"],
    "categorical": ["red", " red", "RED", 3, 3.0, "3", True, "true", None, "", "?", "violet", 1e22, "x" * 70],
    "datetime": [
        "2024-01-31",
        "2024-01-31T12:30:15",
        "2024-01-31 12:30",
        "2024-01-31T12:30:15.123",
        "2024-01-31T12:30:15+02:00",
        "20240131",
        "2024-02-30",
        "31.01.2024",
        "9999-12-31T23:59:59",
        None,
        "",
        "now",
        5,
    ],
}


def make_data() -> None:
    """Writes the files of `data`; done once, the files are kept."""
    random = np.random.default_rng(7)
    rows = 600

    def holes(values: object, share: float) -> np.ndarray:
        return np.where(random.random(rows) < share, None, np.array(values, dtype=object))

    number, color = random.normal(5, 3, rows), random.choice(["red", "green", "blue", "3"], rows)
    score = number + 2 * (color == "red") + random.normal(0, 1, rows)
    pd.DataFrame(
        {
            "number": holes(number.round(4), 0.1),
            "whole": random.integers(-5, 1000, rows),
            "constant": 3,
            "color": holes(color, 0.1),
            "flag": holes(random.choice(["true", "false"], rows), 0.05),
            "day": holes(pd.date_range("2020-01-01", periods=rows, freq="7h").strftime("%Y-%m-%d %H:%M:%S"), 0.02),
            "seen": pd.date_range("2019-03-05", periods=rows, freq="D").strftime("%d.%m.%Y"),
            "label": np.select([score > 8, score > 5], ["high", "middle"], "low"),
        }
    ).to_csv(DATA / "kinds.csv", index=False)


def source_of(name: str) -> str:
    """What the project is told to read."""
    return "sklearn:iris" if name == "iris" else str(DATA / f"{name}.csv")


@functools.cache
def dataset_of(name: str):
    """A data set in memory."""
    from orchestrator.data import open_dataset

    return open_dataset(source_of(name), options_of(name))


def streamed_of(name: str, folder: Path):
    """The same rows from a folder of Parquet files."""
    from orchestrator.data import load_table, open_dataset

    path = folder / name
    path.mkdir(exist_ok=True)
    frame = load_table(source_of(name)).frame
    frame.to_parquet(path / "part-0.parquet", row_group_size=math.ceil(len(frame) / 7), index=False)
    return open_dataset(path, options_of(name))


def options_of(name: str):
    """As sweeps of before read data: without what there was no choice about."""
    from orchestrator.columns.features_wish import PLAIN_FEATURES
    from orchestrator.columns.target_wish import BEFORE
    from orchestrator.data import DataOptions

    return DataOptions(target=TARGETS[name], target_wish=BEFORE, features=PLAIN_FEATURES)


def spec_of(name: str, dataset):
    """A fixed trial."""
    from orchestrator.training import TrialSpec

    architecture, settings, own = SPECS[name]
    metric = dataset.schema.target.task.find_metric().name
    return TrialSpec(
        architecture=architecture,
        settings=settings,
        metric=metric,
        **{"epochs": EPOCHS, "batch_size": 64, "learning_rate": 0.01, "seed": 5} | own,
    )


def reports_of(spec, dataset, **options) -> list[dict[str, float]]:
    """What a trial says after each epoch, but for its times."""
    from orchestrator.training import train_trial

    return [
        {"train_loss": report.train_loss, "best_epoch": report.best_epoch, **report.validation}
        for report in train_trial(spec, dataset, **options)
    ]


def train_in_gang(rank: int, size: int, port: int, name: str, spec: str, file: str) -> None:
    """One of several processes that train one network."""
    import torch.distributed as dist

    from orchestrator.training import ProcessGroupRanks

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=size)
    dataset = dataset_of(name)
    found = reports_of(spec_of(spec, dataset), dataset, ranks=ProcessGroupRanks(dist.group.WORLD))
    if rank == 0:
        Path(file).write_text(json.dumps(found))
    # what still holds the group at the end of the process ends it with an error
    gc.collect()
    dist.destroy_process_group()


def training(names: tuple[str, ...] = tuple(TARGETS), *, gangs: bool = True) -> dict[str, object]:
    """Every metric of every epoch of fixed specs."""
    import torch.multiprocessing as mp
    from support import free_port

    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            memory, streamed = dataset_of(name), streamed_of(name, Path(temporary))
            for spec in SPECS:
                found[f"{name} {spec} memory"] = reports_of(spec_of(spec, memory), memory)
                found[f"{name} {spec} streamed"] = reports_of(spec_of(spec, streamed), streamed)
                if gangs and name in ("iris", "kinds"):
                    file = Path(temporary) / "gang.json"
                    mp.spawn(train_in_gang, (2, free_port(), name, spec, str(file)), nprocs=2)
                    found[f"{name} {spec} two workers"] = json.loads(file.read_text())
    return found


def awkward_rows(dataset) -> list[dict[str, object]]:
    """Rows of cells of which many are odd; the same ones for the same columns."""
    random = np.random.default_rng(11)
    examples = dataset.example

    def cell(column) -> object:
        if random.random() < 0.8:
            return examples[int(random.integers(len(examples)))][column.name]
        pool = AWKWARD[column.kind.value]
        return pool[int(random.integers(len(pool)))]

    return [{column.name: cell(column) for column in dataset.schema.columns} for _ in range(ROWS)]


def encodings(name: str, *, encoder: list[dict[str, object]] | None = None) -> dict[str, object]:
    """Schema, digest and encoder of a data set, its encoded parts, and 200 awkward rows from a frame and from cells.

    Args:
        name: of the data.
        encoder: a recorded one for the rows, instead of the one that is fitted here.
    """
    from orchestrator.data import ColumnarEncoder, FeatureEncoder
    from orchestrator.errors import InvalidValueError

    dataset = dataset_of(name)
    if encoder is not None:
        dataset = dataclasses.replace(dataset, encoder=FeatureEncoder.from_json(encoder))
    columnar = ColumnarEncoder(dataset.schema, dataset.encoder)
    rows, by_frame, by_cells = awkward_rows(dataset), [], []
    for row in rows:
        frame = pd.DataFrame({column: pd.Series([value], dtype=object) for column, value in row.items()})
        for into, encode in (
            (by_frame, lambda frame=frame: dataset.encoder.transform(dataset.schema, frame)),
            (by_cells, lambda row=row: columnar.encode({column: [value] for column, value in row.items()}, 1)),
        ):
            try:
                inputs = encode()
            except InvalidValueError as error:
                into.append(str(error))
            else:
                into.append([inputs[name][0].tolist() for name in ("numeric", "categorical")])
    return {
        "schema": dataset.schema.to_json(),
        "digest": dataset.digest,
        "counts": list(dataset.counts),
        "notes": list(map(str, dataset.notes)),
        "encoder": dataset.encoder.to_json(),
        "target": dataset.target_encoder.to_json(),
        "parts": {
            part: [digest(array) for array in (*rows.inputs.arrays.values(), rows.target)]
            for part, rows in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
        },
        "rows": rows,
        "by_frame": by_frame,
        "by_cells": by_cells,
    }


def digest(array: np.ndarray) -> str:
    """Of an array's bits, its type and its shape."""
    return hashlib.sha256(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def draws() -> dict[str, object]:
    """The draws and ends of a sweep of 30 trials on a simulated clock, under each scheduler and algorithm."""
    from test_controller import SCHEDULERS, Sweep, sometimes_failing

    found: dict[str, object] = {}
    for scheduler in SCHEDULERS:
        for algorithm in ("random", "tpe"):
            sweep = Sweep(scheduler, slots=2, algorithm=algorithm, train=sometimes_failing, patience=3).run(TRIALS)
            found[f"{scheduler} {algorithm}"] = [
                [dict(record.point), record.epochs, str(record.status), record.value]
                for _, record in sorted(sweep.trial_table.records.items())
            ]
    return found


def bundle_of(name: str, folder: Path) -> None:
    """Trains a fixed network and writes its bundle."""
    from support import train_bundle

    train_bundle(source_of(name), TARGETS[name], folder, depth=2, width=8)


def documents(name: str) -> dict[str, object]:
    """What a recorded bundle tells the world: OpenAPI, MLflow's signature, its description."""
    from orchestrator.bundle import ModelBundle
    from orchestrator.serving.http.openapi import DescribedModel, openapi_document
    from orchestrator.tracking.versions import signature_of

    bundle = ModelBundle.load(HERE / "bundles" / name)
    categories = {item.column: item.categories for item in bundle.encoder.categorical}
    model = DescribedModel(
        name=name,
        version="3",
        schema=bundle.schema,
        categories=categories,
        rows=bundle.example["rows"],
        metrics=bundle.metrics,
    )
    return {
        "openapi": openapi_document([model], authenticated=True, default=name),
        "signature": signature_of(bundle.schema).to_dict(),
        "description": bundle.description(),
    }


def answers(name: str) -> list[object]:
    """What a recorded bundle answers to the awkward rows, or why it refuses."""
    from orchestrator.bundle import ModelBundle
    from orchestrator.errors import InvalidValueError

    bundle = ModelBundle.load(HERE / "bundles" / name)
    found: list[object] = []
    for row in awkward_rows(dataset_of(name)):
        try:
            answer = bundle.predict(pd.DataFrame({key: pd.Series([value], dtype=object) for key, value in row.items()}))
        except InvalidValueError as error:
            found.append(str(error))
        else:
            found.append(answer.iloc[0].to_dict())
    return found


def record() -> dict[str, object]:
    """All of it."""
    return plain(
        {
            "training": training(),
            "encodings": {name: encodings(name) for name in TARGETS},
            "draws": draws(),
            "documents": {name: documents(name) for name in TARGETS},
            "answers": {name: answers(name) for name in TARGETS},
        }
    )


def plain(value: object) -> object:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value, default=lambda item: item.item() if hasattr(item, "item") else str(item)))


def kept(found: dict[str, object]) -> dict[str, object]:
    """What of a record is the same on any machine; digests stand for what must be exactly equal and is long.

    Args:
        found: a record, or some of its sections.
    """
    sections = {
        "training": lambda item: item,
        "encodings": _kept_encodings,
        "draws": lambda trials: [short(rounded(trial)) for trial in trials],
        "documents": lambda item: outline(item, 4),
        "answers": rounded,
    }
    return {
        section: {name: sections[section](item) for name, item in items.items()} for section, items in found.items()
    }


def _kept_encodings(found: dict[str, object]) -> dict[str, object]:
    # figures that are fitted differ in their last bits between processors, and so do numbers scaled with them
    parts = {
        part: arrays[1:] if found["target"]["mean"] == 0 else arrays[1:2] for part, arrays in found["parts"].items()
    }
    rows = {name: [short(row) for row in found[name]] for name in ("rows", "by_frame")}
    same = {"by_cells": "as by_frame"} if found["by_cells"] == found["by_frame"] else {}
    return found | {"parts": parts} | rows | {"by_cells": [short(row) for row in found["by_cells"]]} | same


def rounded(value: object, digits: int = 7) -> object:
    """With numbers of so many digits."""
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def outline(value: object, depth: int) -> object:
    """The first levels of a document, with digests of what is below."""
    if isinstance(value, dict | list) and not depth:
        return short(value)
    if isinstance(value, dict):
        return {name: outline(item, depth - 1) for name, item in value.items()}
    return [outline(item, depth - 1) for item in value] if isinstance(value, list) else value


def short(value: object) -> str:
    """A digest of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def differences(old: object, new: object, tolerance: float = 0.0, where: str = "") -> list[str]:
    """Places in which two records differ; numbers by more than `tolerance`, absolute below 1 and relative above."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = [f"{where}/{key}: only in one of them" for key in old.keys() ^ new.keys()]
        for key in old.keys() & new.keys():
            found += differences(old[key], new[key], tolerance, f"{where}/{key}")
        return found
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{where}: {len(old)} entries, now {len(new)}"]
        return [
            line
            for at, pair in enumerate(zip(old, new, strict=True))
            for line in differences(*pair, tolerance, f"{where}[{at}]")
        ]
    if isinstance(old, float) and isinstance(new, float) and tolerance:
        same = old == new or (math.isnan(old) and math.isnan(new))
        return [] if same or abs(old - new) <= tolerance * max(1.0, abs(old)) else [f"{where}: {old!r}, now {new!r}"]
    same = type(old) is type(new) and (old == new or (old != old and new != new))  # noqa: PLR0124
    return [] if same else [f"{where}: {old!r}, now {new!r}"]


def main() -> None:
    """See the module."""
    match sys.argv[1:]:
        case ["make", file]:
            Path(file).write_text(json.dumps(record(), indent=0, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
        case ["keep", file]:
            found = kept(json.loads(Path(file).read_text("utf-8")))
            text = json.dumps(found, indent=0, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            (HERE / "record.json").write_text(text + "\n", "utf-8")
        case ["compare", old, new]:
            found = differences(*(json.loads(Path(file).read_text("utf-8")) for file in (old, new)))
            print("\n".join(sorted(found)[:100]) or "the same to the last bit")
            sys.exit(bool(found))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
