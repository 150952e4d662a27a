"""A user's own network, as `docs/own-networks.md` tells one to write it."""

import torch
from torch import nn

from orchestrator import FeatureInput, FeatureShape


class Net(nn.Module):
    """One hidden layer."""

    def __init__(self, shape: FeatureShape, settings: dict) -> None:
        super().__init__()
        self.inputs = FeatureInput(shape)
        width = settings.get("width", 32)
        self.layers = nn.Sequential(nn.Linear(self.inputs.width, width), nn.SiLU(), nn.Linear(width, shape.outputs))

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        return self.layers(self.inputs(numeric, categorical))
