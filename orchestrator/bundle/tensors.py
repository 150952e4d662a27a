"""Raw bytes and their description to tensors. A description that does not fit the bytes would read foreign memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from orchestrator.errors import BundleError

# numbers as torch.export's schema (torch/_export/serde/schema.py, ScalarType) counts them
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
STRIDED = 7
MAX_DIMENSIONS = 16
MAX_ELEMENTS = 2**31


def read_tensors(config: Mapping[str, Any], payloads: Mapping[str, bytes], where: str) -> dict[str, torch.Tensor]:
    """The tensors that a config describes; those of the same payload share their memory.

    Args:
        config: JSON of torch.export, `{"config": {name: {"path_name", "is_param", "use_pickle", "tensor_meta"}}}`.
        payloads: bytes by `path_name`.
        where: what the sentence of an error begins with.

    Raises:
        BundleError: a payload is missing, or a description is not one of plain numbers within its payload.
    """
    entries = config.get("config")
    if not isinstance(entries, dict):
        raise BundleError(f"{where}: the list of tensors is damaged; it was not loaded")
    memory: dict[str, torch.Tensor] = {}
    tensors: dict[str, torch.Tensor] = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise BundleError(f"{where}: {name} is stored as a pickle, which could run code; it was not loaded")
        path = entry.get("path_name")
        if not isinstance(path, str) or path not in payloads:
            raise BundleError(f"{where}: the numbers of {name} are missing; it was not loaded")
        if path not in memory:
            memory[path] = _memory(payloads[path])
        try:
            tensor = _tensor(memory[path], entry["tensor_meta"])
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BundleError(
                f"{where}: the description of {name} does not fit its numbers ({reason}); it was not loaded"
            ) from None
        if entry.get("is_param") is True:
            wanted = entry["tensor_meta"].get("requires_grad") is True and tensor.is_floating_point()
            tensor = torch.nn.Parameter(tensor, requires_grad=wanted)
        tensors[name] = tensor
    return tensors


def _memory(payload: bytes) -> torch.Tensor:
    """A copy that is aligned as torch's own tensors are."""
    memory = torch.empty(len(payload), dtype=torch.uint8)
    memory.numpy()[:] = np.frombuffer(payload, dtype=np.uint8)
    return memory


def _tensor(memory: torch.Tensor, meta: Mapping[str, Any]) -> torch.Tensor:
    dtype = DTYPES[_whole(meta["dtype"])]
    if meta["layout"] != STRIDED or meta["device"].get("type") != "cpu":
        raise ValueError("it is not a dense tensor of the CPU")
    sizes = [_whole(size["as_int"]) for size in _list(meta["sizes"])]
    strides = [_whole(stride["as_int"]) for stride in _list(meta["strides"])]
    offset = _whole(meta["storage_offset"]["as_int"])
    if len(sizes) != len(strides) or math.prod(sizes) > MAX_ELEMENTS:
        raise ValueError("its shape")
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if math.prod(sizes) == 0:
        return torch.empty(sizes, dtype=dtype)
    if len(memory) % dtype.itemsize or last >= len(memory) // dtype.itemsize:
        raise ValueError(f"it needs {(last + 1) * dtype.itemsize} bytes, there are {len(memory)}")
    if dtype is torch.bool and bool((memory > 1).any()):
        raise ValueError("a truth value is neither 0 nor 1")
    return memory.view(dtype).as_strided(sizes, strides, offset)


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_ELEMENTS:
        raise ValueError(f"{str(value)[:20]} is no size")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_DIMENSIONS:
        raise ValueError("its shape")
    return value
