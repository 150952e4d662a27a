"""Mutated archives by the hundred thousand: `python tests/benchmarks/bundle_fuzz.py 100000 [FIRST] [--real COUNT]`.

Ends with an AssertionError when one of them gets anything but plain data to torch, or unpickles. `--real` also builds
the networks of so many others, at some 20 a second.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import tempfile
import warnings

import torch
from crafted import CANARY, fuzz, members_of, stored
from torch import nn

from orchestrator.bundle.archive import export_network
from orchestrator.networks import FeatureShape


class Small(nn.Module):
    """All kinds of members: parameters, a buffer, a constant, a size expression."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 2)
        self.last = nn.Linear(6, 2)
        self.register_buffer("shift", torch.ones(2))

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        features = torch.cat([numeric, self.embedding(categorical).flatten(1)], dim=1)
        return self.last(features * torch.tensor([1.0, 2, 3, 4, 5, 6])) + self.shift


def small_archive() -> bytes:
    """As `export_network` writes it, but by Python, so that it can be taken apart."""
    with tempfile.TemporaryDirectory() as folder:
        export_network(Small(), FeatureShape.of_table(2, (2, 2), 1).inputs, Path(folder) / "network.pt2")
        return stored(members_of((Path(folder) / "network.pt2").read_bytes()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    archive = small_archive()
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("--real", type=int, default=0)
    asked = parser.parse_args()
    space: dict[str, list[str]] = {}
    exec(CANARY, space)
    started = time.monotonic()
    between = asked.first + asked.count
    print(
        fuzz(archive, range(asked.first, between), space["touched"], real=False),
        fuzz(archive, range(between, between + asked.real), space["touched"], real=True),
        f"{time.monotonic() - started:.1f} s",
    )
