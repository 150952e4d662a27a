"""The weights that a trial keeps: those of its best epoch, in memory or as safetensors behind their digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from orchestrator.errors import StorageError

DIGEST_LENGTH = 64
# no safetensors file begins like this: its first 8 bytes are the length of its header
DIGEST = re.compile(rb"[0-9a-f]{64}")


class BestWeights:
    """Keeps a copy of the best weights in memory: pass `keep` to `train_trial` as `on_best`."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] | None = None

    def keep(self, network: nn.Module) -> None:
        """Copies the weights of `network`."""
        self.state = _copy(network)


def seal(content: bytes) -> bytes:
    """The content behind its SHA-256 digest, in hexadecimal."""
    return hashlib.sha256(content).hexdigest().encode() + content


def unseal(content: bytes, what: str) -> bytes:
    """The inverse of `seal`.

    Args:
        content: of a file.
        what: what messages call it.

    Raises:
        StorageError: it is not what was sealed.
    """
    digest, body = content[:DIGEST_LENGTH], content[DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise StorageError(f"{what} is damaged (its checksum is wrong)")
    return body


def pack_weights(network: nn.Module) -> bytes:
    """All parameters and buffers as a safetensors file behind its digest."""
    return seal(bytes(save(_copy(network))))


def check_weights(content: bytes, what: str = "the file with the weights") -> None:
    """Whether the content is what `pack_weights` made, as far as that can be seen without a network.

    Raises:
        StorageError: it is damaged.
    """
    _read_weights(content, what)


def unpack_weights(network: nn.Module, content: bytes, what: str = "the file with the weights") -> None:
    """Puts what `pack_weights` made into a network; earlier versions wrote no digest, which is read as well.

    Args:
        network: of the same architecture and settings.
        content: of the file.
        what: what messages call it.

    Raises:
        StorageError: the content is damaged or of another network.
    """
    weights = _read_weights(content, what)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise StorageError(f"{what} is of another network ({' '.join(str(error).split())[:200]})") from None


def _read_weights(content: bytes, what: str) -> dict[str, Tensor]:
    body = unseal(content, what) if DIGEST.match(content) else content
    try:
        weights: dict[str, Tensor] = load(body)
    except (SafetensorError, KeyError, ValueError) as error:
        raise StorageError(f"{what} is damaged ({error})") from None
    return weights


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return own_copies(network.state_dict())


def own_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU. Each has memory of its own: a safetensors file allows no sharing between two names."""
    return {name: torch.clone(value.detach()).cpu().contiguous() for name, value in tensors.items()}
