"""The weights that a trial keeps: those of its best epoch, in memory or as a safetensors file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from orchestrator.errors import OrchestratorError


class BestWeights:
    """Keeps a copy of the best weights in memory: pass `keep` to `train_trial` as `on_best`."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] | None = None

    def keep(self, network: nn.Module) -> None:
        """Copies the weights of `network`."""
        self.state = _copy(network)


def save_weights(network: nn.Module, path: Path) -> None:
    """Writes all parameters and buffers as safetensors; the file is there complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing")
    save_file(_copy(network), temporary)
    temporary.replace(path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Reads what `save_weights` wrote.

    Raises:
        OrchestratorError: the file is missing, damaged or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise OrchestratorError(f"{path}: the weights cannot be read ({error})") from error


def _copy(network: nn.Module) -> dict[str, Tensor]:
    # shared storage between two names is not allowed in a safetensors file: clone each
    return {name: torch.clone(value.detach()).cpu().contiguous() for name, value in network.state_dict().items()}
