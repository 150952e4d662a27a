"""After the last epoch: test the winner once, make its bundle, register it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from orchestrator.architectures import build_network
from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.data import AnyDataset, Examples, PartName, StreamedDataset
from orchestrator.errors import TrackingError
from orchestrator.tracking.registry import Registration, register_bundle
from orchestrator.training import (
    EVALUATION_BATCH,
    Batches,
    EpochReport,
    Metric,
    TrialSpec,
    evaluate,
    feature_shape,
    network_answers,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Winner:
    """The model that a sweep or a training run ends with.

    Attributes:
        bundle: ready to predict.
        test: all metrics on the test rows.
    """

    bundle: ModelBundle
    test: dict[str, float]


def make_winner(
    spec: TrialSpec,
    report: EpochReport,
    dataset: AnyDataset,
    metric: Metric,
    load: Callable[[nn.Module], object],
    test_rows: Iterable[Examples],
) -> Winner:
    """Builds the network, measures it on the test rows and wraps it up.

    Args:
        spec: of the trial.
        report: its last one.
        dataset: of the sweep.
        metric: of the sweep.
        load: puts the best weights into a network.
        test_rows: the test part in chunks.
    """
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    load(network)
    task = dataset.schema.target.task
    batches = (batch for rows in test_rows for batch in Batches.of(rows, task, "cpu").split(EVALUATION_BATCH))
    outputs, target = network_answers(network, batches)
    test = evaluate(task, dataset.target_encoder, outputs, target)
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
    return Winner(make_bundle(network, dataset, metrics), test)


def test_part(dataset: AnyDataset) -> Iterable[Examples]:
    """The test rows, in chunks that this process reads."""
    return dataset.parts(PartName.TEST) if isinstance(dataset, StreamedDataset) else [dataset.test]


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
        return register_bundle_folder(client, run_id, name, path, metric, winner.test, digest)


def register_bundle_folder(
    client: MlflowClient, run_id: str, name: str, folder: Path, metric: Metric, test: Mapping[str, float], digest: str
) -> Registration:
    """Registers what `ModelBundle.save` wrote; see `register_bundle`.

    Raises:
        TrackingError: the store cannot be used, or the metric does not exist on the test rows.
    """
    if metric.name not in test:
        raise TrackingError(f"{metric.name} cannot be computed on the test rows, so the model was not registered")
    return register_bundle(client, run_id, name, folder, metric, test[metric.name], digest)
