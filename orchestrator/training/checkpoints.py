"""The weights that a trial keeps: those of its best epoch, in memory or as safetensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from orchestrator.errors import OrchestratorError


class BestWeights:
    """Keeps a copy of the best weights in memory: pass `keep` to `train_trial` as `on_best`."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] | None = None

    def keep(self, network: nn.Module) -> None:
        """Copies the weights of `network`."""
        self.state = _copy(network)


def pack_weights(network: nn.Module) -> bytes:
    """All parameters and buffers as the content of a safetensors file."""
    return bytes(save(_copy(network)))


def unpack_weights(network: nn.Module, content: bytes) -> None:
    """Puts what `pack_weights` made into a network.

    Raises:
        OrchestratorError: the content is damaged or of another network.
    """
    try:
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        raise OrchestratorError(f"the weights of the trial cannot be used ({error})") from error


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return own_copies(network.state_dict())


def own_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU. Each has memory of its own: a safetensors file allows no sharing between two names."""
    return {name: torch.clone(value.detach()).cpu().contiguous() for name, value in tensors.items()}
