"""The tabular ResNet of Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data", section 3.2."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from orchestrator.architectures.inputs import FeatureInput, FeatureShape
from orchestrator.architectures.layers import activation, check_range, needs_bias, normalization


@dataclass(frozen=True)
class ResnetSettings:
    """Settings of `Resnet`.

    Attributes:
        depth: residual blocks.
        width: width of the residual stream.
        hidden_factor: a block's inner width as a multiple of `width`.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: dropout inside a block, after the activation.
        residual_dropout: dropout of what a block adds.
        normalization: none, batch (as in the paper) or layer.
    """

    depth: int = 2
    width: int = 128
    hidden_factor: float = 2.0
    activation: str = "relu"
    dropout: float = 0.0
    residual_dropout: float = 0.0
    normalization: str = "batch"

    def __post_init__(self) -> None:
        check_range("depth", self.depth, 1, 64)
        check_range("width", self.width, 1, 65536)
        check_range("hidden_factor", self.hidden_factor, 0.01, 64.0)
        check_range("dropout", self.dropout, 0.0, 0.99)
        check_range("residual_dropout", self.residual_dropout, 0.0, 0.99)


class ResidualBlock(nn.Module):
    """x + Dropout(Linear(Dropout(Activation(Linear(Norm(x))))))."""

    def __init__(self, settings: ResnetSettings) -> None:
        super().__init__()
        inner = max(1, round(settings.width * settings.hidden_factor))
        self.change = nn.Sequential(
            *normalization(settings.normalization, settings.width),
            nn.Linear(settings.width, inner),
            activation(settings.activation),
            nn.Dropout(settings.dropout),
            nn.Linear(inner, settings.width, bias=needs_bias(settings.normalization)),
            nn.Dropout(settings.residual_dropout),
        )

    def forward(self, stream: Tensor) -> Tensor:
        """float32 [batch, width] -> float32 [batch, width]."""
        changed: Tensor = stream + self.change(stream)
        return changed


class Resnet(nn.Module):
    """forward(numeric, categorical) -> float32 [batch, outputs]; see `FeatureInput` for the inputs."""

    def __init__(self, shape: FeatureShape, settings: ResnetSettings) -> None:
        super().__init__()
        self.inputs = FeatureInput(shape)
        self.first = nn.Linear(self.inputs.width, settings.width, bias=needs_bias(settings.normalization))
        self.blocks = nn.Sequential(*(ResidualBlock(settings) for _ in range(settings.depth)))
        self.head = nn.Sequential(
            *normalization(settings.normalization, settings.width),
            activation(settings.activation),
            nn.Linear(settings.width, shape.outputs),
        )

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.head(self.blocks(self.first(self.inputs(numeric, categorical))))
        return logits
