"""What a model may cost where it answers: time for a row, and bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from orchestrator.units import show_latency


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """What a network costs, as an endpoint would have it.

    Attributes:
        seconds: for one row, the fastest of some tries.
        size: bytes of the exported network.
        engine: that computes it, `torch` or `onnxruntime`.
    """

    seconds: float
    size: int
    engine: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Bounds:
    """Limits of what a model may cost; false if there are none.

    Attributes:
        latency: for one row.
        size: bytes.
    """

    latency: timedelta | None = None
    size: int | None = None

    def __bool__(self) -> bool:
        return self.latency is not None or self.size is not None

    def why_not(self, seconds: float, size: int) -> str:
        """Why so much is too much, empty if it is not."""
        if self.latency is not None and seconds > self.latency.total_seconds():
            wanted = show_latency(self.latency.total_seconds())
            return f"a row takes {show_latency(seconds)}, more than --max-latency {wanted}"
        if self.size is not None and size > self.size:
            return f"its network has {_megabytes(size)}, more than --max-size {_megabytes(self.size)}"
        return ""


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
