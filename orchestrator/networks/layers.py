"""Layers that the architectures share: activations and normalisation by name, and dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orchestrator.errors import ArchitectureError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
NORMALIZATIONS: dict[str, type[nn.Module] | None] = {"none": None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def activation(name: str) -> nn.Module:
    """A new activation layer.

    Raises:
        ArchitectureError: unknown name.
    """
    if name not in ACTIVATIONS:
        raise ArchitectureError(f"activation '{name}' is not known (known: {', '.join(ACTIVATIONS)})")
    return ACTIVATIONS[name]()


def normalization(name: str, width: int) -> list[nn.Module]:
    """A new normalisation layer for `width` features, in a list that is empty for `none`.

    Raises:
        ArchitectureError: unknown name.
    """
    if name not in NORMALIZATIONS:
        raise ArchitectureError(f"normalization '{name}' is not known (known: {', '.join(NORMALIZATIONS)})")
    layer = NORMALIZATIONS[name]
    return [] if layer is None else [layer(width)]


def needs_bias(name: str) -> bool:
    """Whether a linear layer before this normalisation has use for a bias.

    Batch norm takes it away again: its true gradient is zero, and Adam would make steps out of rounding errors.
    """
    return name != "batch"


class Dropout(nn.Dropout):
    """`nn.Dropout`, of which a CPU draws the masks in half of the time."""

    def forward(self, inputs: Tensor) -> Tensor:
        """A tensor of any shape -> the same shape."""
        return dropped(inputs, self.p) if self.training else inputs


def dropped(inputs: Tensor, share: float) -> Tensor:
    """Inputs with zeros at random places, as many as `share` says, the others larger by as much."""
    if not share:
        return inputs
    return inputs * kept(inputs.shape, share, inputs.dtype) if draws_masks(inputs) else F.dropout(inputs, share)


def draws_masks(inputs: Tensor) -> bool:
    """Whether `kept` draws the masks for such inputs: compiled networks and GPUs do it faster themselves."""
    return inputs.device.type == "cpu" and not torch.compiler.is_compiling()


def kept(shape: Sequence[int], share: float, dtype: torch.dtype) -> Tensor:
    """A mask of dropout, on the CPU: 0 at so many places, 1 / (1 - share) at the others."""
    count = math.prod(shape)
    # four places for each random number, with 16 bits each: to draw them takes most of the time
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    is_kept = bits.view(torch.int16)[:count].view(shape) >= round(share * 2**16) - 2**15
    return is_kept.to(dtype).mul_(1 / (1 - share))
