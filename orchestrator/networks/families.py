"""Networks by the name of their architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from orchestrator.inputs import TEXT
from orchestrator.networks.custom import build_custom
from orchestrator.networks.ft_transformer import FtTransformer
from orchestrator.networks.groups import ParameterGroup
from orchestrator.networks.inputs import FeatureShape
from orchestrator.networks.mlp import Mlp
from orchestrator.networks.modern_nca import ModernNca
from orchestrator.networks.realmlp import RealMlp
from orchestrator.networks.resnet import Resnet
from orchestrator.networks.settings import EMBED_TEXTS, TRAINING, is_custom, parse_settings
from orchestrator.networks.tabm import Tabm, TabmMini
from orchestrator.networks.text import EPSILON, LEARNING_RATE, LOWER_LEARNING_RATE, TextAnswer, WithTexts

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

# of families that have none of their own: between those of the first configurations of `mlp` and `resnet`
USUAL_LEARNING_RATE = 0.002
# where there is nothing but texts, families are one linear model: these train it with Adam's own epsilon, which is
# better on some tables and worse on others
OWN_EPSILON = frozenset({"resnet"})


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
    texts = [spec for spec in shape.inputs if spec.name == TEXT]
    if not texts or architecture in EMBED_TEXTS:
        return NETWORKS[architecture](shape, parsed)
    others = tuple(spec for spec in shape.inputs if spec.name != TEXT)
    average, shape = shape.average, replace(shape, inputs=others, average=_each)
    only_texts = not shape.numeric and not shape.cardinalities
    way = _group_of_tokens(architecture, with_own_epsilon=only_texts and architecture in OWN_EPSILON)
    answer = TextAnswer(texts[0].codes[0], shape.outputs, way)
    return answer if only_texts else WithTexts(NETWORKS[architecture](shape, parsed), answer, average)


def _group_of_tokens(architecture: str, *, with_own_epsilon: bool) -> ParameterGroup:
    usual = TRAINING.get(architecture, {}).get("learning_rate", USUAL_LEARNING_RATE)
    if with_own_epsilon:
        return ParameterGroup(LOWER_LEARNING_RATE / usual)
    return ParameterGroup(LEARNING_RATE / usual, epsilon=EPSILON)


def _each(outputs: Tensor) -> Tensor:
    """Members' outputs as they are in training: float32 [batch, members, outputs]."""
    return outputs.transpose(0, 1)
