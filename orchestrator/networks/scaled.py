"""`Scaled`: a network whose outputs are multiplied by a number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT
from orchestrator.networks.arguments import inputs_taken


class Scaled(nn.Module):
    """A network with its outputs times a factor: logits with another temperature.

    forward(numeric, categorical, text, only if the data has texts) -> float32 [batch, outputs]

    Attributes:
        network: that computes the outputs.
        factor: float32 scalar.
    """

    factor: Tensor

    def __init__(self, network: nn.Module, factor: float, names: Sequence[str]) -> None:
        """Args:
        network: any.
        factor: above 0.
        names: of the inputs that the data has.
        """
        super().__init__()
        self.network = network
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float32))
        self._taken = inputs_taken(network, names)

    def forward(self, numeric: Tensor, categorical: Tensor, text: Tensor | None = None) -> Tensor:
        """See the class."""
        inputs = {NUMERIC: numeric, CATEGORICAL: categorical, TEXT: text}
        outputs: Tensor = self.network(*(inputs[name] for name in self._taken))
        return outputs * self.factor
