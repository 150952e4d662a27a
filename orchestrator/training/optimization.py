"""Loss, optimizer and learning-rate schedule of a trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from orchestrator.data import Task
from orchestrator.training.spec import TrialSpec

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_function(task: Task) -> Loss:
    """loss(outputs, target) -> scalar mean over the batch.

    Binary cross-entropy on one logit, cross-entropy on logits, or squared error on the standardised target.
    """
    if task is Task.BINARY:
        return lambda outputs, target: F.binary_cross_entropy_with_logits(outputs[:, 0], target)
    if task is Task.MULTICLASS:
        return F.cross_entropy
    return lambda outputs, target: F.mse_loss(outputs[:, 0], target)


def build_optimizer(spec: TrialSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that the spec names, in torch's fused form."""
    options: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay, "fused": True}
    match spec.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, **options)
        case "sgd_momentum":
            return torch.optim.SGD(parameters, momentum=spec.momentum, **options)
        case "adam":
            return torch.optim.Adam(parameters, **options)
        case _:
            return torch.optim.AdamW(parameters, **options)


def build_schedule(spec: TrialSpec, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LambdaLR | None:
    """Linear warm-up, then constant or cosine to zero (Loshchilov & Hutter 2017, without restarts); None if constant.

    The schedule is stepped once per batch.
    """
    if spec.schedule == "constant" and spec.warmup_epochs == 0:
        return None
    warmup = spec.warmup_epochs * steps_per_epoch
    total = spec.epochs * steps_per_epoch

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if spec.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))

    return LambdaLR(optimizer, factor)
