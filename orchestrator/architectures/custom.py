"""A user's own network, named `package.module:Class`.

The contract has two arguments, twice:

    class MyNetwork(torch.nn.Module):
        def __init__(self, shape: FeatureShape, settings: Mapping[str, object]) -> None: ...
        def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor: ...

`shape` tells the widths of inputs and output, `settings` holds what `--set NAME=VALUE` or the search space gives.
`forward` takes float32 [batch, shape.numeric] and int64 [batch, len(shape.cardinalities)] and returns
float32 [batch, shape.outputs]: logits, or a standardised value for regression. The network must be exportable by
`torch.export`; after that the class is needed no more to load or serve the model.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from orchestrator.architectures.inputs import FeatureShape
from orchestrator.errors import ArchitectureError


def build_custom(architecture: str, shape: FeatureShape, settings: Mapping[str, object]) -> nn.Module:
    """Imports the class (the current folder is looked in, too) and builds the network.

    Raises:
        ArchitectureError: it cannot be imported, is no `nn.Module`, or does not keep the contract.
    """
    network_class = _import_class(architecture)
    try:
        network = network_class(shape, dict(settings))
    except Exception as error:  # the user's code may raise anything
        raise ArchitectureError(
            f"{architecture}(shape, settings) raised {type(error).__name__}: {error}; "
            f"shape is {shape}, settings are {dict(settings)}"
        ) from error
    _check_output(architecture, network, shape)
    return network


def _import_class(architecture: str) -> type[nn.Module]:
    module_name, _, class_name = architecture.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the user's module may raise anything
        raise ArchitectureError(
            f"architecture {architecture}: importing {module_name} raised {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ArchitectureError(f"architecture {architecture}: {module_name} has no torch.nn.Module named {class_name}")
    return found


def _check_output(architecture: str, network: nn.Module, shape: FeatureShape) -> None:
    rows = 2
    numeric = torch.zeros(rows, shape.numeric)
    categorical = torch.zeros(rows, len(shape.cardinalities), dtype=torch.int64)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            output = network(numeric, categorical)
    except Exception as error:  # the user's code may raise anything
        raise ArchitectureError(
            f"{architecture}.forward(numeric, categorical) raised {type(error).__name__}: {error}"
        ) from error
    network.train(was_training)
    wanted = (rows, shape.outputs)
    found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if found != wanted:
        raise ArchitectureError(f"{architecture}.forward must return a tensor of shape {wanted}, but returned {found}")
