"""Embeddings of single numbers: each number of a row becomes several, before the columns are mixed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from orchestrator.networks.scaling import MAX_ROWS

PERIODIC, PIECEWISE = "periodic", "piecewise"


class PeriodicEmbedding(nn.Module):
    """PBLD: the number itself beside a linear map of cos(2 pi w x + b), for each column another one.

    Holzmüller et al. 2024 (RealMLP), section 3.2, after the periodic embeddings of Gorishniy et al. 2022.

    forward(float32 [batch, columns]) -> float32 [batch, columns, width]
    """

    def __init__(self, columns: int, width: int = 4, frequencies: int = 16, spread: float = 0.1) -> None:
        """Args:
        columns: of the input.
        width: numbers that one number becomes, itself among them.
        frequencies: of the cosines.
        spread: standard deviation of the first w.
        """
        super().__init__()
        self.width = width
        self.frequency = nn.Parameter(spread * torch.randn(columns, frequencies))
        self.phase = nn.Parameter(math.pi * (2 * torch.rand(columns, frequencies) - 1))
        bound = 1 / math.sqrt(frequencies)
        self.weight = nn.Parameter(bound * (2 * torch.rand(columns, frequencies, width - 1) - 1))
        self.bias = nn.Parameter(bound * (2 * torch.rand(columns, width - 1) - 1))

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        waves = torch.cos(2 * math.pi * numbers.unsqueeze(2) * self.frequency + self.phase)
        # [batch, columns, frequencies] x [columns, frequencies, width - 1], one product for each column
        mapped = torch.matmul(waves.transpose(0, 1), self.weight).transpose(0, 1) + self.bias
        return torch.cat([numbers.unsqueeze(2), mapped], dim=2)


class PiecewiseLinearEmbedding(nn.Module):
    """Piecewise-linear encoding by the quantiles of training rows, with a linear map for each column.

    Gorishniy et al. 2022, section 3.2, in the form of the authors' later work ("version B", Gorishniy et al. 2025): a
    linear embedding of the number itself, to which that of its pieces is added, which starts at zero.

    forward(float32 [batch, columns]) -> float32 [batch, columns, width]
    """

    starts: Tensor
    inverse: Tensor
    is_last: Tensor

    def __init__(self, columns: int, width: int, bins: int) -> None:
        """Args:
        columns: of the input.
        width: numbers that one number becomes.
        bins: pieces at most; a column with few distinct numbers has fewer.
        """
        super().__init__()
        self.width, self.bins = width, bins
        self.register_buffer("starts", torch.zeros(columns, bins))
        self.register_buffer("inverse", torch.zeros(columns, bins))
        self.register_buffer("is_last", torch.zeros(columns, bins, dtype=torch.bool))
        self.linear = nn.Parameter(2 * torch.rand(columns, width) - 1)
        self.bias = nn.Parameter(2 * torch.rand(columns, width) - 1)
        self.weight = nn.Parameter(torch.zeros(columns, bins, width))

    def fit(self, numbers: Tensor) -> None:
        """Takes the bins of training rows, float32 [rows, columns]."""
        shares = torch.linspace(0, 1, self.bins + 1, device=numbers.device)
        for column in range(numbers.shape[1]):
            edges = torch.quantile(numbers[:MAX_ROWS, column], shares, interpolation="nearest")
            edges = torch.unique_consecutive(edges)
            widths = edges[1:] - edges[:-1]
            count = len(widths)
            self.starts[column].zero_()
            self.inverse[column].zero_()
            self.is_last[column].zero_()
            self.starts[column, :count] = edges[:-1]
            self.inverse[column, :count] = 1 / widths
            # beyond the last edge the last piece goes on, as before the first one
            self.is_last[column, max(0, count - 1)] = True

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        pieces = (numbers.unsqueeze(2) - self.starts) * self.inverse
        first = torch.cat([pieces[:, :, :1], pieces[:, :, 1:].clamp_min(0)], dim=2)
        pieces = torch.where(self.is_last, first, first.clamp_max(1))
        mapped = torch.matmul(pieces.transpose(0, 1), self.weight).transpose(0, 1)
        return numbers.unsqueeze(2) * self.linear + self.bias + mapped
