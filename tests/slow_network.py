"""A network of one's own that is in no hurry: an epoch takes as long as it is told to, and no processor."""

from __future__ import annotations

from pathlib import Path

NETWORK = """
import time
import torch

class Slow(torch.nn.Module):
    def __init__(self, shape, settings):
        super().__init__()
        self.seconds = settings["seconds"]
        self.layer = torch.nn.Linear(shape.numeric, shape.outputs)

    def forward(self, numeric, categorical):
        if self.training:
            time.sleep(self.seconds)
        return self.layer(numeric)
"""
# a training part of iris is one batch
SPACE = """
parameters:
  batch_size: 128
  learning_rate: {{type: float, low: 0.03, high: 0.1, log: true}}
architectures:
  slow:Slow: {{seconds: {{type: categorical, choices: [{seconds}]}}}}
"""


def write_slow_network(folder: Path, seconds: float) -> list[str]:
    """Writes the network, and the space of a sweep in which an epoch takes so long; returns the sweep's option."""
    (folder / "slow.py").write_text(NETWORK)
    (folder / "slow.yaml").write_text(SPACE.format(seconds=seconds))
    return ["--space", "slow.yaml"]
