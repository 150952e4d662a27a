"""Layers that look at more than one row, made to see the whole batch when each worker has a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from orchestrator.networks.layers import Dropout, draws_masks, kept

if TYPE_CHECKING:
    from orchestrator.training.ranks import Ranks


def share_layers(network: nn.Module, ranks: Ranks, group: dist.ProcessGroup) -> None:
    """Lets batch norm use the statistics, and dropout the masks, of whole batches; names of weights stay as they are.

    torch's own `SyncBatchNorm` does the same for batch norm, on GPUs only.
    """
    for module in network.modules():
        if type(module) in (nn.Dropout, Dropout):
            module.__dict__.update(ranks=ranks, draws_fast=type(module) is Dropout)
            module.__class__ = SharedDropout
        elif isinstance(module, _BatchNorm):
            module.__class__ = SharedBatchNorm
            module.__dict__["group"] = group


class SharedDropout(nn.Dropout):
    """Draws the mask of the whole batch, as a single worker would, and uses its own rows of it."""

    ranks: Ranks
    draws_fast: bool

    def forward(self, inputs: Tensor) -> Tensor:
        """Any tensor with one entry, or equally many, per row of the batch along its first dimension."""
        if not self.training or self.p == 0:
            return inputs
        start, stop, rows = self.ranks.present
        each = max(1, len(inputs) // max(1, stop - start))
        shape = (rows * each, *inputs.shape[1:])
        if self.draws_fast and draws_masks(inputs):
            keep = kept(shape, self.p, inputs.dtype)
        else:
            keep = torch.empty(shape, dtype=inputs.dtype, device=inputs.device)
            keep.bernoulli_(1 - self.p).div_(1 - self.p)
        return inputs * keep[start * each : stop * each]


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the rows of all workers, differentiable, on any device."""

    group: dist.ProcessGroup

    def _check_input_dim(self, input: Tensor) -> None:
        """Any dimension: the layer was of the right kind before it was shared."""

    def forward(self, inputs: Tensor) -> Tensor:
        """[rows, features, ...] -> the same shape."""
        if not self.training:
            return super().forward(inputs)
        axes = [axis for axis in range(inputs.dim()) if axis != 1]
        shape = [1, -1] + [1] * (inputs.dim() - 2)
        # in one message: doubles, because the variance is a difference of two large numbers
        wide = inputs.double()
        here = wide.new_tensor([inputs.numel() / inputs.shape[1]])
        sums = _total(torch.cat([wide.sum(axes), (wide * wide).sum(axes), here]), self.group)
        count, width = sums[-1].detach(), inputs.shape[1]
        mean = sums[:width] / count
        variance = (sums[width:-1] / count - mean * mean).clamp(min=0)
        self._remember(mean.detach(), variance.detach(), count)
        centred = inputs - mean.to(inputs.dtype).view(shape)
        normal = centred * torch.rsqrt(variance + self.eps).to(inputs.dtype).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(inputs.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1.0 / float(self.num_batches_tracked or 1)
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


def _total(value: Tensor, group: dist.ProcessGroup) -> Tensor:
    """The sum over workers. Its gradient is the sum of theirs, because the loss of each worker depends on it."""
    total: Tensor = _Total.apply(value, group)  # type: ignore[no-untyped-call]
    return total


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, group: dist.ProcessGroup) -> Tensor:  # noqa: ANN401
        ctx.group = group
        return _reduce(value, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return _reduce(gradients[0], ctx.group), None


def _reduce(value: Tensor, group: dist.ProcessGroup) -> Tensor:
    summed = value.detach().clone()
    dist.all_reduce(summed, group=group)
    return summed
