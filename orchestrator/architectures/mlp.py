"""Multilayer perceptron: `depth` equal hidden layers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from orchestrator.architectures.inputs import FeatureInput, FeatureShape
from orchestrator.architectures.layers import activation, check_range, needs_bias, normalization


@dataclass(frozen=True)
class MlpSettings:
    """Settings of `Mlp`.

    Attributes:
        depth: hidden layers, 0 (a linear model) to 64.
        width: units of each hidden layer.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: share of hidden units dropped in training.
        normalization: none, batch or layer; before each activation.
    """

    depth: int = 2
    width: int = 128
    activation: str = "relu"
    dropout: float = 0.0
    normalization: str = "none"

    def __post_init__(self) -> None:
        check_range("depth", self.depth, 0, 64)
        check_range("width", self.width, 1, 65536)
        check_range("dropout", self.dropout, 0.0, 0.99)


class Mlp(nn.Module):
    """forward(numeric, categorical) -> float32 [batch, outputs]; see `FeatureInput` for the inputs."""

    def __init__(self, shape: FeatureShape, settings: MlpSettings) -> None:
        super().__init__()
        self.inputs = FeatureInput(shape)
        width = self.inputs.width
        layers: list[nn.Module] = []
        for _ in range(settings.depth):
            layers.append(nn.Linear(width, settings.width, bias=needs_bias(settings.normalization)))
            layers.extend(normalization(settings.normalization, settings.width))
            layers.append(activation(settings.activation))
            if settings.dropout > 0:
                layers.append(nn.Dropout(settings.dropout))
            width = settings.width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, shape.outputs)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.output(self.hidden(self.inputs(numeric, categorical)))
        return logits
