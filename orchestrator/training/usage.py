"""What a trial takes of its machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the process of a trial takes, since it was looked at before; of several workers that of the first.

    Attributes:
        cpu: share of the time of the cores that it may use, in percent; more where other threads work besides.
        memory: that it has, in megabytes (10^6 bytes).
        memory_share: of the machine's memory, in percent.
        gpu: share of the time in which the GPU was busy, in percent, whoever made it so; None where it is not known.
        gpu_memory: of the GPU that this process has reserved at most, in megabytes; None without a GPU.
        gpu_memory_share: of the GPU's memory, in percent.
    """

    cpu: float
    memory: float
    memory_share: float
    gpu: float | None = None
    gpu_memory: float | None = None
    gpu_memory_share: float | None = None

    def to_json(self) -> dict[str, float]:
        """Plain JSON without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> Usage | None:
        """The inverse of `to_json`; what a later version has added is left out."""
        if content is None:
            return None
        return cls(**{item.name: content[item.name] for item in fields(cls) if item.name in content})
