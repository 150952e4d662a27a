"""Layers that bring numbers into a range, fitted on training rows: what the encoder has standardised comes in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# of a smooth clip
SMOOTH_LIMIT = 3.0
QUANTILES = 64
# of a normal distribution: what lies beyond the training rows stays within
NORMAL_LIMIT = 3.5
# quantiles of more values than this differ in nothing that matters, and torch.quantile takes no more
MAX_ROWS = 50_000


def smoothly_clipped(numbers: Tensor) -> Tensor:
    """Numbers of any size within (-3, 3), small ones nearly as they are: Holzmüller et al. 2024, section 3.1."""
    # as a product, because 1e4 squared is nothing that float32 cannot hold
    return numbers * torch.rsqrt(1 + (numbers / SMOOTH_LIMIT).square())


class RobustScaling(nn.Module):
    """Numbers less their median, divided by their interquartile range, then clipped smoothly to (-3, 3).

    Where that range is 0, half of the distance from the smallest to the largest number takes its place; a number that
    is always the same becomes 0. Holzmüller et al. 2024 (RealMLP), section 3.1.

    forward(float32 [batch, width]) -> float32 [batch, width]
    """

    center: Tensor
    factor: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("factor", torch.ones(width))

    def fit(self, numbers: Tensor) -> None:
        """Takes the figures of training rows, float32 [rows, width]."""
        if not numbers.shape[1]:
            return
        numbers = numbers[:MAX_ROWS]
        low, median, high = torch.quantile(numbers, torch.tensor([0.25, 0.5, 0.75], device=numbers.device), dim=0)
        spread = (numbers.amax(0) - numbers.amin(0)) / 2
        distance = torch.where(high > low, high - low, spread)
        self.center.copy_(median)
        self.factor.copy_(torch.where(distance > 0, 1 / distance, torch.zeros_like(distance)))

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        return smoothly_clipped((numbers - self.center) * self.factor)


class QuantileScaling(nn.Module):
    """Numbers by their rank among training rows, as the quantile of a normal distribution, linear in between.

    forward(float32 [batch, width]) -> float32 [batch, width]
    """

    edges: Tensor
    slopes: Tensor
    heights: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(width, QUANTILES))
        self.register_buffer("slopes", torch.zeros(width, QUANTILES - 1))
        self.register_buffer("heights", torch.zeros(width, QUANTILES))

    def fit(self, numbers: Tensor) -> None:
        """Takes the quantiles of training rows, float32 [rows, width]."""
        if not numbers.shape[1]:
            return
        numbers = numbers[:MAX_ROWS]
        shares = torch.linspace(0, 1, QUANTILES, device=numbers.device)
        edges = torch.quantile(numbers, shares, dim=0).T
        heights = torch.special.ndtri(shares).clamp(-NORMAL_LIMIT, NORMAL_LIMIT).expand_as(edges)
        # a number that many rows have takes the middle of its ranks
        same = edges.unsqueeze(2) == edges.unsqueeze(1)
        heights = (same * heights.unsqueeze(1)).sum(2) / same.sum(2)
        widths = edges[:, 1:] - edges[:, :-1]
        rises = heights[:, 1:] - heights[:, :-1]
        self.edges.copy_(edges)
        self.slopes.copy_(torch.where(widths > 0, rises / widths.clamp_min(1e-30), torch.zeros_like(rises)))
        self.heights.copy_(heights)

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        starts, widths = self.edges[:, :-1], self.edges[:, 1:] - self.edges[:, :-1]
        if torch.compiler.is_exporting():
            # ONNX has no binary search
            inside = (numbers.unsqueeze(2) - starts).clamp_min(0).minimum(widths)
            return self.heights[:, 0] + (inside * self.slopes).sum(2)
        values = numbers.T.contiguous()
        places = (torch.searchsorted(self.edges, values, right=True) - 1).clamp(0, starts.shape[1] - 1)
        inside = (values - starts.gather(1, places)).clamp_min(0).minimum(widths.gather(1, places))
        return (self.heights.gather(1, places) + inside * self.slopes.gather(1, places)).T


SCALINGS: dict[str, type[RobustScaling | QuantileScaling] | None] = {
    "standard": None,
    "robust": RobustScaling,
    "quantile": QuantileScaling,
}
