"""Multilayer perceptron: `depth` equal hidden layers."""

from __future__ import annotations

from torch import Tensor, nn

from orchestrator.networks.inputs import FeatureInput, FeatureShape
from orchestrator.networks.layers import Dropout, activation, needs_bias, normalization
from orchestrator.networks.settings import MlpSettings


class Mlp(nn.Module):
    """forward(inputs of `FeatureInput`) -> float32 [batch, outputs]."""

    def __init__(self, shape: FeatureShape, settings: MlpSettings) -> None:
        super().__init__()
        self.inputs = FeatureInput(shape, settings.scaling, settings.numeric_embedding, settings.repeated_numbers)
        width = self.inputs.width
        layers: list[nn.Module] = []
        for _ in range(settings.depth):
            layers.append(nn.Linear(width, settings.width, bias=needs_bias(settings.normalization)))
            layers.extend(normalization(settings.normalization, settings.width))
            layers.append(activation(settings.activation))
            if settings.dropout > 0:
                layers.append(Dropout(settings.dropout))
            width = settings.width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, shape.outputs)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.output(self.hidden(self.inputs(numeric, categorical)))
        return logits
