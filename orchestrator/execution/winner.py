"""After the last epoch: test the winner once, make its bundle, register it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.data import AnyDataset, Examples, PartName, StreamedDataset, Task
from orchestrator.errors import TrackingError
from orchestrator.tracking.registry import Figure, Registration, register_bundle
from orchestrator.training import (
    EVALUATION_BATCH,
    Batches,
    EpochReport,
    Metric,
    TrialSpec,
    evaluate,
    network_answers,
)
from orchestrator.units import show_apart

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Answers:
    """What a network says about the rows of a part, beside what is true.

    Attributes:
        outputs: of the network, float32 [rows, outputs].
        target: class numbers or standardised values, [rows].
    """

    outputs: NDArray[np.float32]
    target: NDArray[Any]

    @classmethod
    def of(cls, network: nn.Module, rows: Iterable[Examples], task: Task) -> Answers:
        """Of all chunks of rows, on the CPU."""
        batches = (batch for part in rows for batch in Batches.of(part, task, "cpu").split(EVALUATION_BATCH))
        return cls(*network_answers(network, batches))


@dataclass(frozen=True)
class Winner:
    """The model that a sweep or a training run ends with.

    Attributes:
        bundle: ready to predict.
        validation: of the metric by which it was chosen, on the validation rows.
        test: all metrics on the test rows.
        digest: of what makes the model: columns, encoder, trial, best epoch, and the bits of its weights. It is the
            same however often the bundle is made; its files are not, since torch.export writes random names.
        doubt: why it should not become the champion, nothing if it may.
    """

    bundle: ModelBundle
    validation: float
    test: dict[str, float]
    digest: str
    doubt: str = ""


def make_winner(
    spec: TrialSpec,
    report: EpochReport,
    dataset: AnyDataset,
    metric: Metric,
    network: nn.Module,
    validation: Answers,
    test_rows: Iterable[Examples],
) -> Winner:
    """Measures a network on the test rows and wraps it up.

    Args:
        spec: of the trial.
        report: its last one.
        dataset: of the sweep.
        metric: of the sweep.
        network: with its best weights.
        validation: what it says about the validation rows.
        test_rows: the test part in chunks.
    """
    task = dataset.schema.target.task
    tested = Answers.of(network, test_rows, task)
    test = evaluate(task, dataset.target_encoder, tested.outputs, tested.target)
    train_count, validation_count, test_count = dataset.counts
    metrics: dict[str, Any] = {
        "metric": metric.name,
        "maximize": metric.maximize,
        "validation": report.best_value,
        "test": test,
        "data_digest": dataset.digest,
        "rows": {"train": train_count, "validation": validation_count, "test": test_count},
        "trial": spec.to_json(),
        "best_epoch": report.best_epoch,
    }
    digest = _model_digest(network, spec, report.best_epoch, dataset)
    doubt = doubt_of(dataset, metric, validation, tested)
    return Winner(make_bundle(network, dataset, metrics), report.best_value, test, digest, doubt)


def doubt_of(dataset: AnyDataset, metric: Metric, validation: Answers, tested: Answers) -> str:
    """Why a test figure is absurd beside its validation figure, nothing if it is not.

    It is, when always answering the same (the mean of the training rows; the shares of the classes among the validation
    rows) is better on the test rows, but was worse on the validation rows.
    """
    task, encoder = dataset.schema.target.task, dataset.target_encoder
    constant = _constant_outputs(task, dataset.schema.outputs, validation.target)

    def figures(answers: Answers) -> tuple[float | None, float | None]:
        same = np.repeat(constant[None], len(answers.target), axis=0)
        found = (evaluate(task, encoder, outputs, answers.target) for outputs in (answers.outputs, same))
        mine, trivial = (metrics.get(metric.name) for metrics in found)
        return mine, trivial

    (validated, trivial), (measured, trivial_test) = figures(validation), figures(tested)
    if validated is None or trivial is None or measured is None or trivial_test is None:
        return ""
    if not metric.better(validated, trivial) or not metric.better(trivial_test, measured):
        return ""
    found, same = show_apart(measured, trivial_test)
    before, beside = show_apart(validated, trivial)
    return (
        f"its {metric.name} on the test rows, {found}, is worse than that of always giving the same answer "
        f"({same}), although it was better on the validation rows ({before} against {beside})"
    )


def _constant_outputs(task: Task, width: int, target: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of a network that always answers the same, float32 [outputs]."""
    if not task.is_classification:
        return np.zeros(width, np.float32)
    classes = max(width, 2)
    # no share is nothing, which would be infinitely wrong once
    counts = np.bincount(target.astype(np.int64), minlength=classes) + 1.0
    shares = np.log(counts / counts.sum())
    outputs = shares[1:] - shares[:1] if task is Task.BINARY else shares
    return np.asarray(outputs, np.float32)


def _model_digest(network: nn.Module, spec: TrialSpec, best_epoch: int, dataset: AnyDataset) -> str:
    found = hashlib.sha256()
    plain = {
        "schema": dataset.schema.to_json(),
        "encoder": dataset.encoder.to_json(),
        "target": asdict(dataset.target_encoder),
        "trial": spec.to_json(),
        "best_epoch": best_epoch,
    }
    found.update(json.dumps(plain, sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def rows_of(dataset: AnyDataset, part: PartName) -> Iterable[Examples]:
    """The validation or test rows, in chunks that this process reads."""
    if isinstance(dataset, StreamedDataset):
        return dataset.parts(part)
    return [dataset.validation if part is PartName.VALIDATION else dataset.test]


def register_winner(
    client: MlflowClient, run_id: str, name: str, winner: Winner, metric: Metric, digest: str
) -> Registration:
    """Registers the winner's bundle; see `register_bundle`.

    Raises:
        TrackingError: the store cannot be used, or the metric does not exist on the test rows.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = Path(folder) / "bundle"
        winner.bundle.save(path)
        figure = figure_of(metric, winner.validation, winner.test, digest)
        return register_bundle(client, run_id, name, path, figure, winner.digest, winner.doubt)


def figure_of(metric: Metric, validation: float, test: Mapping[str, float], digest: str) -> Figure:
    """By which a winner is compared with the champion.

    Raises:
        TrackingError: the metric does not exist on the test rows.
    """
    if metric.name not in test:
        raise TrackingError(f"{metric.name} cannot be computed on the test rows, so the model was not registered")
    return Figure(metric, validation, test[metric.name], digest)
