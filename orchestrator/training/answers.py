"""What networks are like from outside, and what they compute for rows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from orchestrator.data import Dataset
from orchestrator.networks import FeatureShape
from orchestrator.tasks import TargetEncoder
from orchestrator.training.rows import Batch


def feature_shape(dataset: Dataset) -> FeatureShape:
    """What a network for this data set looks like from outside."""
    task = dataset.schema.target.task
    # members of one network are averaged as they are: what is fitted on the target is for answers
    average = partial(task.average, TargetEncoder())
    return FeatureShape(dataset.encoder.inputs, task.outputs, classes=len(task.classes), average=average)


@torch.no_grad()
def network_answers(
    network: nn.Module, batches: Iterable[Batch]
) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float64] | None]:
    """What the network computes in evaluation mode, float32 [rows, outputs]; the targets of the rows, [rows].

    Third is what each row counts, float64 [rows], None if all count the same.
    """
    network.eval()
    outputs, targets, weights = [], [], []
    for batch in batches:
        outputs.append(batch.answered_by(network).float().cpu())
        targets.append(batch.target.cpu())
        if batch.weight is not None:
            weights.append(batch.weight.double().cpu())
    weight = torch.cat(weights).numpy() if weights else None
    return torch.cat(outputs).numpy(), torch.cat(targets).numpy(), weight
