"""FT-Transformer of Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data", section 3.3."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from orchestrator.inputs import NUMERIC
from orchestrator.networks.groups import ParameterGroup
from orchestrator.networks.inputs import FeatureShape, NumericInput, text_input
from orchestrator.networks.layers import Dropout
from orchestrator.networks.repeated_numbers import RepeatedNumbers
from orchestrator.networks.settings import FtTransformerSettings

# as in the paper: what only shifts or scales is not decayed
UNDECAYED = ("tokens.", "norm", "bias")


class ColumnTokens(nn.Module):
    """A token for each column, one for all texts, and one more, of which the answer is made.

    A number times a vector of its column (plus the embedding of a number that is a category, too), a category's
    embedding, what `TextInput` gives; each plus a bias of its own.

    forward(numeric, categorical, and text if the data has texts) -> float32 [batch, 1 + tokens, width]
    """

    def __init__(self, shape: FeatureShape, width: int, scaling: str, repeated: int) -> None:
        super().__init__()
        self.numbers = NumericInput(shape, scaling)
        bound = 1 / math.sqrt(width)

        def uniform(*sizes: int) -> nn.Parameter:
            return nn.Parameter(bound * (2 * torch.rand(*sizes) - 1))

        self.weight = uniform(shape.numeric, width)
        self.answer = uniform(1, 1, width)
        self.repeated = RepeatedNumbers(shape.numeric, repeated, width) if shape.numeric and repeated else None
        self.embeddings = nn.ModuleList(nn.Embedding(cardinality, width) for cardinality in shape.cardinalities)
        for weight in self.embeddings.parameters():
            nn.init.uniform_(weight, -bound, bound)
        self.text = text_input(shape)
        self.text_map = None if self.text is None else nn.Linear(self.text.width, width)
        count = shape.numeric + len(shape.cardinalities) + (self.text is not None)
        self.bias = uniform(count, width)

    def fit_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Finds the numbers that are categories, too."""
        if self.repeated is not None:
            self.repeated.fit(inputs[NUMERIC])

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class."""
        numbers = self.numbers(numeric).unsqueeze(2) * self.weight
        parts = [numbers if self.repeated is None else numbers + self.repeated(numeric)]
        parts += [embedding(categorical[:, column]).unsqueeze(1) for column, embedding in enumerate(self.embeddings)]
        if self.text is not None and self.text_map is not None:
            parts.append(self.text_map(self.text(text)).unsqueeze(1))
        columns = torch.cat(parts, dim=1) + self.bias
        return torch.cat([self.answer.expand(columns.shape[0], -1, -1), columns], dim=1)


class Attention(nn.Module):
    """Multi-head attention between the tokens of a row.

    forward(float32 [batch, tokens, width]) -> the same shape
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.each = heads, width // heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        count = tokens.shape[1]
        parts = self.inward(tokens).reshape(-1, count, 3, self.heads, self.each)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(query @ key.transpose(-2, -1) / math.sqrt(self.each), dim=-1)
        seen = self.dropout(weights) @ value
        mixed: Tensor = self.outward(seen.transpose(1, 2).reshape(-1, count, self.heads * self.each))
        return mixed


class Block(nn.Module):
    """Attention, then ReGLU (Shazeer 2020) for each token; each after a layer norm, and added to what comes in."""

    def __init__(self, settings: FtTransformerSettings, *, first: bool) -> None:
        super().__init__()
        width, inner = settings.width, max(1, round(settings.width * settings.hidden_factor))
        # without the very first norm it is better, says the paper
        self.norm_attention = nn.Identity() if first else nn.LayerNorm(width)
        self.attention = Attention(width, settings.heads, settings.attention_dropout)
        self.norm_hidden = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, 2 * inner)
        self.output = nn.Linear(inner, width)
        self.dropout = Dropout(settings.dropout)
        self.residual_dropout = Dropout(settings.residual_dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """float32 [batch, tokens, width] -> the same shape."""
        tokens = tokens + self.residual_dropout(self.attention(self.norm_attention(tokens)))
        value, gate = self.hidden(self.norm_hidden(tokens)).chunk(2, dim=-1)
        changed: Tensor = tokens + self.residual_dropout(self.output(self.dropout(value * torch.relu(gate))))
        return changed


class FtTransformer(nn.Module):
    """forward(numeric, categorical, and text if the data has texts) -> float32 [batch, outputs]."""

    def __init__(self, shape: FeatureShape, settings: FtTransformerSettings) -> None:
        super().__init__()
        self.tokens = ColumnTokens(shape, settings.width, settings.scaling, settings.repeated_numbers)
        self.blocks = nn.Sequential(*(Block(settings, first=number == 0) for number in range(settings.depth)))
        self.norm = nn.LayerNorm(settings.width)
        self.output = nn.Linear(settings.width, shape.outputs)

    def group_of(self, name: str) -> ParameterGroup:
        """How a parameter is trained, see `orchestrator.training.optimization.parameter_groups`."""
        return ParameterGroup(decays=not any(part in name for part in UNDECAYED))

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class."""
        answer = self.blocks(self.tokens(numeric, categorical, text))[:, 0]
        outputs: Tensor = self.output(torch.relu(self.norm(answer)))
        return outputs
