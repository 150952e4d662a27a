"""Which inputs a network takes: those that its `forward` names."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from itertools import takewhile

from torch import nn

from orchestrator.errors import ArchitectureError
from orchestrator.inputs import CATEGORICAL, NUMERIC

# of networks whose arguments have other names
CONTRACT = (NUMERIC, CATEGORICAL)


def inputs_taken(network: nn.Module, names: Collection[str]) -> tuple[str, ...]:
    """The inputs to call a network with, in the order of its arguments.

    Args:
        network: whose `forward` names inputs. What it does not name it does not get. Arguments with a default may name
            inputs that not every data set has, and come last. A network whose arguments have other names is given
            `numeric` and `categorical`.
        names: of the inputs that the data has.

    Raises:
        ArchitectureError: it wants something else.
    """
    signature = inspect.signature(network.forward)
    positional = [
        item
        for item in signature.parameters.values()
        if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
    ]
    known = list(takewhile(lambda item: item.name in names, positional))
    rest = positional[len(known) :]
    if known and all(item.default is not item.empty and item.name not in names for item in rest):
        return tuple(item.name for item in known)
    try:
        signature.bind(*CONTRACT)
    except TypeError:
        asked = ", ".join(item.name for item in positional) or "nothing"
        raise ArchitectureError(
            f"{type(network).__name__}.forward takes {asked}, but the inputs are {', '.join(names)}; it must name "
            "those that it wants, and what not every data set has last and with a default"
        ) from None
    return CONTRACT
