"""Finds the class of a task, a searcher or a scheduler: it is alone in the module of its name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TypeVar

from orchestrator.errors import ConfigError, did_you_mean

Base = TypeVar("Base")


def check_name(name: str, known: Iterable[str], what: str) -> None:
    """Raises ConfigError if a name is not known; `what` says of what it is."""
    names = list(known)
    if name not in names:
        raise ConfigError(f"there is no {what} '{name}' (known: {', '.join(names)}){did_you_mean(name, names)}")


def class_of(name: str, known: Iterable[str], package: str, base: type[Base]) -> type[Base]:
    """The class of this name.

    Args:
        name: as a user gives it, such as `asha-promote`.
        known: all names.
        package: in which each of them is a module, such as `asha_promote`.
        base: what the class is one of.

    Raises:
        ConfigError: there is none of this name.
    """
    check_name(name, known, base.__name__.lower())
    module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    )
    return found
