"""What every network starts with: the shape of the data, and the join of numbers and embedded categories."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from orchestrator.errors import ArchitectureError
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, InputSpec
from orchestrator.networks.text import TextInput

MAX_EMBEDDING_WIDTH = 50


@dataclass(frozen=True)
class FeatureShape:
    """What a network has to know of the data.

    Attributes:
        inputs: what it may take, by name.
        outputs: width of the output, as the task wants it: logits, or standardised numbers; see `Task.outputs`.
    """

    inputs: tuple[InputSpec, ...]
    outputs: int

    @classmethod
    def of_table(cls, numeric: int, cardinalities: tuple[int, ...], outputs: int) -> FeatureShape:
        """Of numbers and categories; see the attributes."""
        specs = (
            InputSpec(NUMERIC, "float32", (numeric,)),
            InputSpec(CATEGORICAL, "int64", (len(cardinalities),), cardinalities),
        )
        return cls(specs, outputs)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs."""
        return tuple(spec.name for spec in self.inputs)

    @property
    def numeric(self) -> int:
        """Width of the input `numeric`."""
        return self._spec(NUMERIC).shape[0] or 0

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each column of `categorical`; code 0 is a category never seen in training."""
        return self._spec(CATEGORICAL).codes

    def _spec(self, name: str) -> InputSpec:
        return next(spec for spec in self.inputs if spec.name == name)


def embedding_width(cardinality: int) -> int:
    """Width for a table of `cardinality` rows: 1.6 n^0.56, at most 50 (the rule of fastai's tabular models)."""
    return min(MAX_EMBEDDING_WIDTH, max(1, math.ceil(1.6 * math.pow(cardinality, 0.56))))


class FeatureInput(nn.Module):
    """Concatenates the numeric input with one learned embedding per categorical input, and one of all texts.

    forward(numeric: float32 [batch, numeric], categorical: int64 [batch, columns], text: int64 [batch, tokens], only if
    the data has texts) -> float32 [batch, width]
    """

    def __init__(self, shape: FeatureShape) -> None:
        super().__init__()
        # row 0 (never seen in training) stays zero: such a value says nothing
        self.embeddings = nn.ModuleList(
            nn.Embedding(cardinality, embedding_width(cardinality), padding_idx=0)
            for cardinality in shape.cardinalities
        )
        self.width = shape.numeric + sum(embedding_width(cardinality) for cardinality in shape.cardinalities)
        tokens = [spec.codes[0] for spec in shape.inputs if spec.name == TEXT]
        self.text = TextInput(tokens[0]) if tokens else None
        if self.text is not None:
            self.width += self.text.width

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class.

        Raises:
            ArchitectureError: the data has texts, which the network does not pass on.
        """
        parts = [numeric]
        for column, embedding in enumerate(self.embeddings):
            parts.append(embedding(categorical[:, column]))
        if self.text is not None:
            if text is None:
                raise ArchitectureError(
                    "the data has free text: a network with FeatureInput must have an argument `text` and pass it on"
                )
            parts.append(self.text(text))
        return torch.cat(parts, dim=1) if len(parts) > 1 else numeric
