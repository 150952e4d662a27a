"""Choices that the architectures share: activations and normalisation layers, by name."""

from __future__ import annotations

from torch import nn

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
