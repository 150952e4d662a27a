"""Packages whose names are imported when they are asked for, so that what needs no torch does not wait for it."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any


def import_before_torch() -> None:
    """To be called in a thread that goes on to import torch, or scikit-learn, while other threads import, too.

    SciPy 1.17 asks while it is imported whether numbers are tensors (`scipy.stats`, through `is_torch_array`), of the
    torch that is in `sys.modules`, and fails if another thread has imported half of it.
    """
    importlib.import_module("scipy.stats")


def imported_here(module: str) -> ModuleType:
    """A module of the user's, which may be in the current folder."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(module)


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


def exported(package: str, source: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names are listed once, in imports for type checkers.

    Args:
        package: its `__name__`.
        source: its `__file__`; what it imports under `if TYPE_CHECKING`, from below the package, are its names.
    """
    tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    homes: dict[str, list[str]] = {}
    for block in tree.body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                if isinstance(line, ast.ImportFrom) and (line.module or "").startswith(f"{package}."):
                    home = (line.module or "").removeprefix(f"{package}.")
                    homes.setdefault(home, []).extend(alias.name for alias in line.names)
    found = sorted(name for names in homes.values() for name in names)
    return lazily(package, **homes), found.copy, found
