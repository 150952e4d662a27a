"""TabM of Gorishniy, Kotelnikov & Babenko 2025 (arXiv 2410.24210): an ensemble of networks that share their weights.

While it is trained, a network gives the outputs of each member, float32 [batch, members, outputs], and the loss is the
mean of their losses. In evaluation mode it gives the outputs of which the answers are the mean of the members' answers.
The layers are our own, after the paper: those of the authors' package export with a fixed batch size only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from orchestrator.networks.groups import ParameterGroup
from orchestrator.networks.inputs import CategoryInput, FeatureShape, NumericInput, embedding_of
from orchestrator.networks.layers import Dropout, activation
from orchestrator.networks.settings import TabmSettings


def first_factors(members: int, blocks: Sequence[int], *, signs: bool) -> Tensor:
    """What tells the members apart: float32 [members, sum of the blocks].

    Args:
        members: of the ensemble.
        blocks: how many inputs belong to each column; they share one draw, so that no column is half turned round.
        signs: -1 or 1 at random, else from a normal distribution.
    """
    drawn = torch.randn(members, len(blocks))
    if signs:
        drawn = torch.where(drawn < 0, -torch.ones_like(drawn), torch.ones_like(drawn))
    columns = [column for column, width in enumerate(blocks) for _ in range(width)]
    return drawn[:, torch.tensor(columns, dtype=torch.int64)]


class MemberLinear(nn.Module):
    """A linear layer that the members share, with factors of their own before and after it ("BatchEnsemble").

    forward(float32 [batch, members, inputs]) -> float32 [batch, members, outputs]
    """

    def __init__(self, members: int, inputs: int, outputs: int, before: Tensor | None = None) -> None:
        """Args:
        members: of the ensemble.
        inputs, outputs: widths.
        before: the first factors of the inputs, float32 [members, inputs]; ones if left out.
        """
        super().__init__()
        self.shared = nn.Linear(inputs, outputs, bias=False)
        self.before = nn.Parameter(torch.ones(members, inputs) if before is None else before)
        self.after = nn.Parameter(torch.ones(members, outputs))
        bound = 1 / math.sqrt(max(1, inputs))
        self.bias = nn.Parameter(bound * (2 * torch.rand(outputs) - 1).repeat(members, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        outputs: Tensor = self.shared(inputs * self.before) * self.after + self.bias
        return outputs


class MemberHeads(nn.Module):
    """A linear layer of each member's own.

    forward(float32 [batch, members, inputs]) -> float32 [batch, members, outputs]
    """

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(max(1, inputs))
        self.weight = nn.Parameter(bound * (2 * torch.rand(members, inputs, outputs) - 1))
        self.bias = nn.Parameter(bound * (2 * torch.rand(members, outputs) - 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        return torch.matmul(inputs.transpose(0, 1), self.weight).transpose(0, 1) + self.bias


class _Members(nn.Module):
    """What both forms share: the inputs, and the members' outputs into one."""

    def __init__(self, shape: FeatureShape, settings: TabmSettings) -> None:
        super().__init__()
        embedding = embedding_of(settings.numeric_embedding, settings.numeric_width, settings.bins)
        self.numbers = NumericInput(shape, settings.scaling, embedding, settings.repeated_numbers)
        self.categories = CategoryInput(shape.cardinalities, settings.one_hot_limit)
        self.blocks = self.numbers.blocks + self.categories.sizes + self.categories.embedded_widths
        self.width = sum(self.blocks)
        self.signs = self.numbers.embedding is None
        self._average = shape.average

    def group_of(self, name: str) -> ParameterGroup:
        """Biases do not decay, see `orchestrator.training.optimization.parameter_groups`."""
        return ParameterGroup(decays=not name.endswith("bias"))

    def joined(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """All inputs: float32 [batch, width]."""
        return torch.cat([self.numbers(numeric), *self.categories(categorical)], dim=1)

    def answer(self, outputs: Tensor) -> Tensor:
        """float32 [batch, members, outputs] as it is in training, else averaged: float32 [batch, outputs]."""
        return outputs if self.training else self._average(outputs.transpose(0, 1))


class TabmMini(_Members):
    """The members differ in the factors of their inputs and in their output layers, and share all between."""

    def __init__(self, shape: FeatureShape, settings: TabmSettings) -> None:
        super().__init__(shape, settings)
        self.factors = nn.Parameter(first_factors(settings.members, self.blocks, signs=self.signs))
        layers: list[nn.Module] = []
        width = self.width
        for _ in range(settings.depth):
            layers += [nn.Linear(width, settings.width), activation(settings.activation), Dropout(settings.dropout)]
            width = settings.width
        self.hidden = nn.Sequential(*layers)
        self.heads = MemberHeads(settings.members, width, shape.outputs)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the module."""
        inputs = self.joined(numeric, categorical).unsqueeze(1) * self.factors
        return self.answer(self.heads(self.hidden(inputs)))


class Tabm(_Members):
    """The members differ in factors of the inputs and outputs of each layer, and in their output layers."""

    def __init__(self, shape: FeatureShape, settings: TabmSettings) -> None:
        super().__init__(shape, settings)
        layers: list[nn.Module] = []
        width = self.width
        before: Tensor | None = first_factors(settings.members, self.blocks, signs=self.signs)
        for _ in range(settings.depth):
            layers += [
                MemberLinear(settings.members, width, settings.width, before),
                activation(settings.activation),
                Dropout(settings.dropout),
            ]
            width, before = settings.width, None
        self.hidden = nn.Sequential(*layers)
        self.heads = MemberHeads(settings.members, width, shape.outputs)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the module."""
        inputs = self.joined(numeric, categorical).unsqueeze(1)
        return self.answer(self.heads(self.hidden(inputs)))
