"""Checks of training itself, in one process: the same losses as on the CPU, and what precisions are worth."""

from __future__ import annotations

import dataclasses
import statistics
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import DEVICE, DRY, TOLERANCE, Row, dataset_of, difference, frame, spec_of

SMALL = 256
UP_SHARE = 0.5


def losses(_: Path) -> Iterator[Row]:
    """The same trial on the card and on the CPU, and on the card with a break."""
    from orchestrator.training import train_trial
    from orchestrator.training.state import pack_state, unpack_state

    cases = {
        "binary": ("mlp", {"depth": 2, "width": 128, "normalization": "batch"}),
        "multiclass": ("resnet", {"dropout": 0.0, "residual_dropout": 0.0}),
        "regression": ("mlp", {"depth": 3, "width": 64, "normalization": "layer"}),
    }
    for kind, (architecture, settings) in cases.items():
        dataset = dataset_of(frame(8000, 12, kind))
        spec = spec_of(dataset, architecture, settings=settings, epochs=6, schedule="cosine", gradient_clip=1.0)
        states = []
        there = list(
            train_trial(spec, dataset, device=DEVICE, on_epoch=lambda s, kept=states: kept.append(pack_state(s)))
        )
        here = list(train_trial(spec, dataset))
        found = difference(here, there)
        yield Row(
            f"{architecture}, {kind}: 6 epochs on the card and on the CPU",
            found < TOLERANCE,
            f"losses differ by {found:.1e}",
        )
        again = list(train_trial(spec, dataset, device=DEVICE, resume=unpack_state(states[2], "a checkpoint")))
        found = difference(there[3:], again)
        yield Row("the same from its checkpoint after epoch 3", found < TOLERANCE, f"losses differ by {found:.1e}")


REMARKS = {"class 0": "cold rain and wind", "class 1": "mild clouds", "class 2": "dry warm days", "class 3": "hot sun"}


def columns(_: Path) -> Iterator[Row]:
    """Texts beside numbers and categories in each kind of network, and a target of several quantiles."""
    from orchestrator.data import DataOptions, open_dataset
    from orchestrator.training import TrialSpec, train_trial

    table = frame(4000, 8, "multiclass")
    noise = np.random.default_rng(1).integers(0, 400, (len(table), 3))
    table["remark"] = [
        f"{REMARKS[label] if row[0] % 3 else REMARKS['class 1']}, seen at station {row[1]} by observer {row[2]}"
        for label, row in zip(table["target"], noise, strict=True)
    ]
    texts = open_dataset(table, DataOptions(target="target"))
    assert [column.kind for column in texts.schema.columns if column.name == "remark"] == ["text"]
    quantiles = {"kind": "quantile", "quantiles": [0.1, 0.5, 0.9]}
    numbers = open_dataset(frame(4000, 8, "regression"), DataOptions(target="target", task=quantiles))
    still = {"dropout": 0.0, "residual_dropout": 0.0, "attention_dropout": 0.0}
    cases = [
        ("mlp", texts, {"depth": 2, "width": 128, "dropout": 0.0}),
        ("ft_transformer", texts, {"depth": 2, "width": 64, **still}),
        ("tabm", texts, {"members": 8, "width": 64, "dropout": 0.0}),
        ("mlp", numbers, {"depth": 2, "width": 128, "dropout": 0.0}),
    ]
    for architecture, dataset, settings in cases:
        metric = dataset.schema.target.task.default_metric
        spec = TrialSpec(architecture=architecture, metric=metric, settings=settings, epochs=3, learning_rate=1e-3)
        there, here = list(train_trial(spec, dataset, device=DEVICE)), list(train_trial(spec, dataset))
        found = difference(here, there)
        took = [1e3 * len(dataset.train) / reports[-1].examples_per_second for reports in (there, here)]
        what = "a column of texts" if dataset is texts else "three quantiles"
        yield Row(
            f"{architecture}, {what}: 3 epochs on the card and on the CPU",
            found < TOLERANCE,
            f"losses differ by {found:.1e}; an epoch takes {took[0]:.0f} ms, on the CPU {took[1]:.0f} ms",
        )


def families(_: Path) -> Iterator[Row]:
    """The first configuration of each architecture of the default space: losses on both, and what an epoch takes.

    Large learning rates let differences in the last bit grow. So the first epoch is held to the tolerance, and all of
    them to what a change of the inputs in the last bit does on the CPU alone, or to the tolerance if that is larger.
    """
    from orchestrator.search import DataSize, load_space
    from orchestrator.search.suggest import SpecSampler
    from orchestrator.training import train_trial

    table = frame(1000 if DRY else 8000, 12, "binary")
    dataset, nearly = dataset_of(table), dataset_of(in_last_bit(table))
    space = load_space("tabular").for_size(DataSize(len(dataset.train), len(dataset.encoder.many_valued)))
    sampler = SpecSampler(space, dataset.schema.target.task.default_metric, 0, {})
    seen: set[str] = set()
    for drawn in sampler.examples(space.start_points, len(space.start_points)):
        if drawn.architecture in seen:
            continue
        seen.add(drawn.architecture)
        # the random numbers of dropout are others on a card
        settings = {name: 0.0 if "dropout" in name else value for name, value in drawn.settings.items()}
        spec = dataclasses.replace(drawn, settings=settings, epochs=3)
        there = list(train_trial(spec, dataset, device=DEVICE))
        here = list(train_trial(spec, dataset))
        first, found = difference(here[:1], there[:1]), difference(here, there)
        bound = max(TOLERANCE, 3 * difference(here, list(train_trial(spec, nearly))))
        took = [1e3 * len(dataset.train) / reports[-1].examples_per_second for reports in (there, here)]
        yield Row(
            f"{spec.architecture}, as the default space starts: 3 epochs on the card and on the CPU",
            first < TOLERANCE and found < bound,
            f"losses differ by {first:.1e} in the first epoch, {found:.1e} in all (bound {bound:.1e}); "
            f"an epoch takes {took[0]:.0f} ms, on the CPU {took[1]:.0f} ms",
        )


def in_last_bit(table: pd.DataFrame) -> pd.DataFrame:
    """The same numbers, half of them one step of float32 larger."""
    up = np.random.default_rng(1).random(len(table)) < UP_SHARE
    return table.assign(
        **{
            name: np.where(up, np.nextafter(table[name], np.float32(np.inf)), table[name])
            for name in table.columns
            if table[name].dtype == np.float32
        }
    )


def epoch_time(spec: Any, dataset: Any, device: str) -> tuple[float, float]:
    """Median seconds of training in an epoch without the first two, and the last training loss."""
    from orchestrator.training import train_trial

    reports = list(train_trial(spec, dataset, device=device))
    seconds = [len(dataset.train) / report.examples_per_second for report in reports[2:]]
    return statistics.median(seconds), reports[-1].train_loss


def precision(_: Path) -> Iterator[Row]:
    """Epoch times of a large and a small network in each precision, compiled and not."""
    import torch

    ways = {"fp32": {}, "bf16": {"precision": "bf16"}, "fp16": {"precision": "fp16"}}
    compiled = {"fp32, compiled": {"compile": True}, "bf16, compiled": {"compile": True, "precision": "bf16"}}
    sizes = {
        "mlp 4 x 2048, batches of 4096, 64,000 rows": (100_000, 32, {"depth": 4, "width": 2048}, 4096),
        "mlp 2 x 256, batches of 256, 32,000 rows": (50_000, 32, {"depth": 2, "width": 256}, 256),
    }
    if DRY:
        sizes = {"mlp 2 x 64": (4000, 8, {"depth": 2, "width": 64}, 256)}
    for size, (rows, numbers, settings, batch) in sizes.items():
        dataset = dataset_of(frame(rows, numbers, "binary"))
        base, loss = 0.0, 0.0
        # to compile takes the longest
        for way, options in (ways | (compiled if batch > SMALL else {})).items():
            started = time.perf_counter()
            spec = spec_of(dataset, settings=settings, epochs=7, batch_size=batch, learning_rate=3e-4, **options)
            try:
                torch._dynamo.reset()
                seconds, last = epoch_time(spec, dataset, DEVICE)
            except Exception as error:
                traceback.print_exc()
                yield Row(f"{size}: {way}", False, f"{type(error).__name__}: {str(error).splitlines()[0]}")
                continue
            if way == "fp32":
                base, loss = seconds, last
            alike = abs(last - loss) <= 0.05 * loss + 0.01
            took = time.perf_counter() - started
            yield Row(
                f"{size}: {way}",
                alike,
                f"{seconds * 1e3:.1f} ms an epoch ({base / seconds:.2f} of fp32's speed), "
                f"loss {last:.4f}, {took:.0f} s in all",
            )
    seconds, last = epoch_time(
        spec_of(dataset, settings=settings, epochs=4, batch_size=batch, learning_rate=3e-4), dataset, "cpu"
    )
    yield Row(f"{size}: fp32 on the CPU", True, f"{seconds * 1e3:.1f} ms an epoch, {torch.get_num_threads()} threads")
