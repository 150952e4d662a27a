"""The tabular ResNet of Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data", section 3.2."""

from __future__ import annotations

from torch import Tensor, nn

from orchestrator.networks.inputs import FeatureInput, FeatureShape
from orchestrator.networks.layers import Dropout, activation, needs_bias, normalization
from orchestrator.networks.settings import ResnetSettings


class ResidualBlock(nn.Module):
    """x + Dropout(Linear(Dropout(Activation(Linear(Norm(x))))))."""

    def __init__(self, settings: ResnetSettings) -> None:
        super().__init__()
        inner = max(1, round(settings.width * settings.hidden_factor))
        self.change = nn.Sequential(
            *normalization(settings.normalization, settings.width),
            nn.Linear(settings.width, inner),
            activation(settings.activation),
            Dropout(settings.dropout),
            nn.Linear(inner, settings.width, bias=needs_bias(settings.normalization)),
            Dropout(settings.residual_dropout),
        )

    def forward(self, stream: Tensor) -> Tensor:
        """float32 [batch, width] -> float32 [batch, width]."""
        changed: Tensor = stream + self.change(stream)
        return changed


class Resnet(nn.Module):
    """forward(inputs of `FeatureInput`) -> float32 [batch, outputs]."""

    def __init__(self, shape: FeatureShape, settings: ResnetSettings) -> None:
        super().__init__()
        self.inputs = FeatureInput(shape, settings.scaling, settings.numeric_embedding, settings.repeated_numbers)
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
