"""A user's own network, named `package.module:Class`.

The contract has two arguments, twice:

    class MyNetwork(torch.nn.Module):
        def __init__(self, shape: FeatureShape, settings: Mapping[str, object]) -> None: ...
        def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor: ...

`shape` tells the widths of inputs and output, `settings` holds what `--set NAME=VALUE` or the search space gives.
`forward` takes float32 [batch, shape.numeric] and int64 [batch, len(shape.cardinalities)] and returns
float32 [batch, shape.outputs]: logits, or a standardised value for regression. It may also name the inputs that it
wants, see `inputs_taken`, and have a method `fit_inputs`, see `orchestrator.training.loop`. The network must be
exportable by `torch.export`; after that the class is needed no more to load or serve the model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from orchestrator.errors import ArchitectureError, did_you_mean
from orchestrator.lazy import imported_here
from orchestrator.networks.arguments import inputs_taken
from orchestrator.networks.inputs import FeatureShape

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys, dict_values


def build_custom(architecture: str, shape: FeatureShape, settings: Mapping[str, object]) -> nn.Module:
    """Imports the class (the current folder is looked in, too) and builds the network.

    Raises:
        ArchitectureError: it cannot be imported, is no `nn.Module`, or does not keep the contract.
    """
    return _build(architecture, shape, dict(settings))


class WatchedSettings(dict[str, object]):
    """Settings that remember what they were asked for; who takes all at once (`**settings`) has asked for each.

    Attributes:
        asked: names, also of settings that are not there.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        super().__init__(settings)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> object:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.asked.update(super().keys())
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """As of a dictionary."""
        self.asked.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:  # noqa: ANN401
        """As of a dictionary."""
        self.asked.add(name)
        return super().pop(name, *default)

    def setdefault(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """As of a dictionary."""
        self.asked.add(name)
        return super().setdefault(name, default)

    def keys(self) -> dict_keys[str, object]:
        """As of a dictionary."""
        self.asked.update(super().keys())
        return super().keys()

    def values(self) -> dict_values[str, object]:
        """As of a dictionary."""
        self.asked.update(super().keys())
        return super().values()

    def items(self) -> dict_items[str, object]:
        """As of a dictionary."""
        self.asked.update(super().keys())
        return super().items()


def settings_asked_for(
    architecture: str, shape: FeatureShape, candidates: Iterable[Mapping[str, object]], wanted: Collection[str]
) -> set[str]:
    """Names of settings that a user's network asks for when it is built and used.

    Args:
        architecture: `package.module:Class`.
        shape: widths of inputs and output.
        candidates: settings to build it with, one after another, until it has asked for all that are wanted.
        wanted: names.

    Raises:
        ArchitectureError: as `build_custom`.
    """
    asked: set[str] = set()
    for settings in candidates:
        watched = WatchedSettings(settings)
        _build(architecture, shape, watched)
        asked |= watched.asked
        if asked.issuperset(wanted):
            break
    return asked


def never_read(architecture: str, name: str, asked: Collection[str]) -> str:
    """A sentence about a setting that a user's network does not ask for."""
    hint = did_you_mean(name, asked) or f" (it reads: {', '.join(sorted(asked)) or 'none'})"
    return f"{architecture} never reads the setting '{name}'{hint}"


def _build(architecture: str, shape: FeatureShape, settings: dict[str, object]) -> nn.Module:
    network_class = _import_class(architecture)
    try:
        network = network_class(shape, settings)
    except Exception as error:  # the user's code may raise anything
        raise ArchitectureError(
            f"{architecture}(shape, settings) raised {type(error).__name__}: {error}; "
            f"shape is {shape}, settings are {dict(settings)}"
        ) from error
    _check_output(architecture, network, shape)
    return network


def _import_class(architecture: str) -> type[nn.Module]:
    module_name, _, class_name = architecture.partition(":")
    try:
        module = imported_here(module_name)
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
    names = inputs_taken(network, shape.names)
    inputs = {spec.name: torch.from_numpy(spec.zeros(rows)) for spec in shape.inputs}
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            output = network(*(inputs[name] for name in names))
    except Exception as error:  # the user's code may raise anything
        raise ArchitectureError(
            f"{architecture}.forward({', '.join(names)}) raised {type(error).__name__}: {error}"
        ) from error
    network.train(was_training)
    wanted = (rows, shape.outputs)
    found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if found != wanted:
        raise ArchitectureError(f"{architecture}.forward must return a tensor of shape {wanted}, but returned {found}")
