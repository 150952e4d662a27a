"""Packages whose names are imported when they are asked for, so that what needs no torch does not wait for it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Any


def lazily(package: str, **homes: Iterable[str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: each of its names with the module below it that has it.

    Args:
        package: its `__name__`.
        **homes: module -> names.
    """
    modules = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> Any:  # noqa: ANN401
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
