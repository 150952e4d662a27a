"""Networks by the name of their architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from orchestrator.networks.custom import build_custom
from orchestrator.networks.ft_transformer import FtTransformer
from orchestrator.networks.inputs import FeatureShape
from orchestrator.networks.mlp import Mlp
from orchestrator.networks.modern_nca import ModernNca
from orchestrator.networks.realmlp import RealMlp
from orchestrator.networks.resnet import Resnet
from orchestrator.networks.settings import is_custom, parse_settings
from orchestrator.networks.tabm import Tabm, TabmMini

# `network(shape, settings)`, the settings of the class in ARCHITECTURES
NETWORKS: dict[str, Callable[[FeatureShape, Any], nn.Module]] = {
    "mlp": Mlp,
    "resnet": Resnet,
    "realmlp": RealMlp,
    "tabm": Tabm,
    "tabm_mini": TabmMini,
    "ft_transformer": FtTransformer,
    "modern_nca": ModernNca,
}


def build_network(architecture: str, shape: FeatureShape, settings: Mapping[str, object]) -> nn.Module:
    """A new network with random weights (torch's global generator).

    Args:
        architecture: a name in `ARCHITECTURES` or `package.module:Class`.
        shape: widths of inputs and output.
        settings: by name; what is left out has its default.

    Raises:
        ArchitectureError: unknown architecture or setting, or a value out of range.
    """
    if is_custom(architecture):
        return build_custom(architecture, shape, settings)
    parsed = parse_settings(architecture, settings)
    return NETWORKS[architecture](shape, parsed)
