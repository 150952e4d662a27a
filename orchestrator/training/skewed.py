"""What a trial does for a skewed target: its network is taught a transformed one, and its answers are brought back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orchestrator.data import Dataset
from orchestrator.networks import TRANSFORMS, BroughtBack, TargetTransform
from orchestrator.tasks import Metric
from orchestrator.training.answers import feature_shape
from orchestrator.training.losses import BatchLoss
from orchestrator.training.rows import Batch, as_tensor
from orchestrator.training.spec import TrialSpec


def target_transform(dataset: Dataset) -> TargetTransform | None:
    """The layer for the target of a data set, not fitted yet; None if networks learn the target as it is."""
    kind = TRANSFORMS.get(dataset.target_encoder.transform)
    return None if kind is None else kind()


def fitted_transform(spec: TrialSpec, dataset: Dataset, rows: int, device: str) -> TargetTransform | None:
    """The same, fitted on training rows, those of a fold if it is one.

    Args:
        spec: of the trial.
        dataset: that it is trained on.
        rows: that suffice, if they have to be read.
        device: where the network is.
    """
    transform, encoder = target_transform(dataset), dataset.target_encoder
    if transform is not None:
        metric = dataset.schema.target.task.find_metric(spec.metric)
        with torch.no_grad():
            target = as_tensor(dataset.some_training_rows(rows).target)
            # a metric of logarithms says of what
            transform.fit(target, -encoder.mean / encoder.std, 1 / encoder.std if metric.centre == "log" else None)
        transform.to(device)
    return transform


def brought_back(network: nn.Module, transform: TargetTransform | None, dataset: Dataset) -> nn.Module:
    """A network with what brings its outputs back, if its target was transformed."""
    return network if transform is None else BroughtBack(network, transform, feature_shape(dataset).names)


def taught(loss: BatchLoss, transform: TargetTransform | None) -> BatchLoss:
    """The loss of a network that learns a transformed target, if it is transformed."""
    if transform is None:
        return loss

    def total(outputs: Tensor, batch: Batch) -> Tensor:
        return loss(outputs, replace(batch, target=transform.taught(batch.target)))

    return total


@torch.no_grad()
def settled(
    transform: TargetTransform | None,
    metric: Metric,
    outputs: NDArray[np.float32],
    target: NDArray[Any],
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float32]:
    """What a network says about validation rows, brought back with the mean, or the median, that the metric wants.

    Args:
        transform: whose shift is set; None if the network has learned the target as it is.
        metric: by which the network is judged.
        outputs: of the network, float32 [rows, outputs].
        target: standardised, float32 [rows].
        weight: what each row counts, [rows]; None if all count the same.
    """
    if transform is None:
        return outputs
    device = transform.shift.device
    said, wanted = torch.from_numpy(outputs).to(device), torch.from_numpy(target).to(device)
    counted = torch.ones_like(wanted) if weight is None else torch.from_numpy(weight).to(device)
    if metric.centre == "mean":
        transform.shift_to_mean(said[:, 0], wanted, counted)
    elif metric.centre == "middle":
        transform.shift_to_median(said[:, 0], wanted, counted)
    brought: NDArray[np.float32] = transform(said).cpu().numpy()
    return brought
