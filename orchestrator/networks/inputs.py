"""What every network starts with: the shape of the data, and the join of numbers and embedded categories."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_EMBEDDING_WIDTH = 50


@dataclass(frozen=True)
class FeatureShape:
    """What a network has to know of the data.

    Attributes:
        numeric: width of the float input.
        cardinalities: number of codes of each categorical input; code 0 is a category never seen in training.
        outputs: width of the output: 1 logit (binary), one logit per class, or 1 standardised value (regression).
    """

    numeric: int
    cardinalities: tuple[int, ...]
    outputs: int


def embedding_width(cardinality: int) -> int:
    """Width for a table of `cardinality` rows: 1.6 n^0.56, at most 50 (the rule of fastai's tabular models)."""
    return min(MAX_EMBEDDING_WIDTH, max(1, math.ceil(1.6 * math.pow(cardinality, 0.56))))


class FeatureInput(nn.Module):
    """Concatenates the numeric input with one learned embedding per categorical input.

    forward(numeric: float32 [batch, numeric], categorical: int64 [batch, columns]) -> float32 [batch, width]
    """

    def __init__(self, shape: FeatureShape) -> None:
        super().__init__()
        # row 0 (never seen in training) stays zero: such a value says nothing
        self.embeddings = nn.ModuleList(
            nn.Embedding(cardinality, embedding_width(cardinality), padding_idx=0)
            for cardinality in shape.cardinalities
        )
        self.width = shape.numeric + sum(embedding_width(cardinality) for cardinality in shape.cardinalities)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the class."""
        parts = [numeric]
        for column, embedding in enumerate(self.embeddings):
            parts.append(embedding(categorical[:, column]))
        return torch.cat(parts, dim=1) if len(parts) > 1 else numeric
