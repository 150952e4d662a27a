"""The network families. To add one: a file with an `nn.Module` and its settings, an entry in `ARCHITECTURES`,
and its ranges in `search_spaces/*.yaml`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from orchestrator.architectures.custom import build_custom, is_custom
from orchestrator.architectures.inputs import FeatureInput, FeatureShape
from orchestrator.architectures.mlp import Mlp, MlpSettings
from orchestrator.architectures.resnet import Resnet, ResnetSettings
from orchestrator.errors import ArchitectureError, did_you_mean


@dataclass(frozen=True)
class Architecture:
    """A network family: `network(shape, settings)` with settings of the class `settings`."""

    network: Callable[[FeatureShape, Any], nn.Module]
    settings: type[Any]


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture(Mlp, MlpSettings),
    "resnet": Architecture(Resnet, ResnetSettings),
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
    known = known_architecture(architecture)
    return known.network(shape, parse_settings(architecture, settings))


def known_architecture(architecture: str) -> Architecture:
    """The built-in family of that name.

    Raises:
        ArchitectureError: unknown name.
    """
    if architecture not in ARCHITECTURES:
        raise ArchitectureError(
            f"architecture '{architecture}' is not known (known: {', '.join(ARCHITECTURES)}, or package.module:Class)"
        )
    return ARCHITECTURES[architecture]


def parse_settings(architecture: str, settings: Mapping[str, object]) -> Any:  # noqa: ANN401
    """The settings object of a built-in family.

    Raises:
        ArchitectureError: unknown setting or a value of the wrong type or out of range.
    """
    settings_class = known_architecture(architecture).settings
    fields = {field.name: field.default for field in dataclasses.fields(settings_class)}
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in fields:
            hint = did_you_mean(name, fields) or f" (known: {', '.join(fields)})"
            raise ArchitectureError(f"{architecture} has no setting '{name}'{hint}")
        values[name] = _coerce(architecture, name, value, type(fields[name]))
    return settings_class(**values)


def _coerce(architecture: str, name: str, value: object, wanted: type[object]) -> object:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not wanted:
        raise ArchitectureError(f"{architecture}: {name} must be of type {wanted.__name__}, but is {value!r}")
    return value


__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "FeatureInput",
    "FeatureShape",
    "build_network",
    "is_custom",
    "known_architecture",
    "parse_settings",
]
