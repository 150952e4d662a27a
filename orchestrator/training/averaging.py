"""A moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def weight_average(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights and of the running statistics over the steps of training.

    In the first steps it forgets faster, `(1 + steps) / (10 + steps)`, or it would hold the first weights for long.

    Args:
        network: which is trained; its copy is `module` of what is returned.
        decay: share of the average that a step leaves, from 0 to less than 1.
    """

    @torch.no_grad()
    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Any) -> None:  # noqa: ANN401
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
        if torch.is_floating_point(averaged[0]):
            torch._foreach_lerp_(list(averaged), list(current), 1 - kept)
        else:
            torch._foreach_copy_(list(averaged), list(current))

    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    averaged.requires_grad_(requires_grad=False)
    return averaged
