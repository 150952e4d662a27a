"""The settings of the built-in network families, and their checks. Imports no torch: mistakes are said at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import ArchitectureError, did_you_mean

ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid")
NORMALIZATIONS = ("none", "batch", "layer")


def check_range(setting: str, value: float, low: float, high: float) -> None:
    """Raises ArchitectureError unless low <= value <= high."""
    if not low <= value <= high:
        raise ArchitectureError(f"{setting} is {value:g}, but must be from {low:g} to {high:g}")


def check_choice(setting: str, value: str, known: Iterable[str]) -> None:
    """Raises ArchitectureError unless the value is one of those that are known."""
    if value not in known:
        raise ArchitectureError(
            f"{setting} '{value}' is not known (known: {', '.join(known)}){did_you_mean(value, known)}"
        )


@dataclass(frozen=True, kw_only=True)
class MlpSettings:
    """Settings of the multilayer perceptron.

    Attributes:
        depth: hidden layers, 0 (a linear model) to 64.
        width: units of each hidden layer.
        activation: relu, gelu, silu, tanh or sigmoid.
        dropout: share of hidden units dropped in training.
        normalization: none, batch or layer; before each activation.
    """

    depth: int = 2
    width: int = 128
    activation: str = "relu"
    dropout: float = 0.0
    normalization: str = "none"

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_range("depth", self.depth, 0, 64)
        check_range("width", self.width, 1, 65536)
        check_range("dropout", self.dropout, 0.0, 0.99)


@dataclass(frozen=True, kw_only=True)
class ResnetSettings:
    """Settings of the tabular ResNet.

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
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_range("depth", self.depth, 1, 64)
        check_range("width", self.width, 1, 65536)
        check_range("hidden_factor", self.hidden_factor, 0.01, 64.0)
        check_range("dropout", self.dropout, 0.0, 0.99)
        check_range("residual_dropout", self.residual_dropout, 0.0, 0.99)


ARCHITECTURES: dict[str, type[Any]] = {"mlp": MlpSettings, "resnet": ResnetSettings}


def is_custom(architecture: str) -> bool:
    """Whether the name has the form `package.module:Class`, a network of the user's."""
    return ":" in architecture


def setting_names(architecture: str) -> list[str]:
    """The settings of a built-in family; none of a user's own network, which are not known."""
    known = ARCHITECTURES.get(architecture)
    return [] if known is None else [field.name for field in dataclasses.fields(known)]


def known_architecture(architecture: str) -> type[Any]:
    """The settings of the built-in family of that name.

    Raises:
        ArchitectureError: unknown name.
    """
    if architecture not in ARCHITECTURES:
        raise ArchitectureError(
            f"architecture '{architecture}' is not known (known: {', '.join(ARCHITECTURES)}, or package.module:Class)"
            f"{did_you_mean(architecture, ARCHITECTURES)}"
        )
    return ARCHITECTURES[architecture]


def parse_settings(architecture: str, settings: Mapping[str, object], others: Iterable[str] = ()) -> Any:  # noqa: ANN401
    """The settings object of a built-in family.

    Args:
        architecture: its name.
        settings: by name; what is left out has its default.
        others: names that may have been meant instead of one that is not known.

    Raises:
        ArchitectureError: unknown setting or a value of the wrong type or out of range.
    """
    settings_class = known_architecture(architecture)
    fields = {field.name: field.default for field in dataclasses.fields(settings_class)}
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in fields:
            hint = did_you_mean(name, (*fields, *others)) or f" (known: {', '.join(fields)})"
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
