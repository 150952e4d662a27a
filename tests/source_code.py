"""The project's own modules, read as code."""

from __future__ import annotations

import ast
from pathlib import Path

import orchestrator

ROOT = Path(orchestrator.__file__).parent


class SourceCode:
    """All modules, parsed once; whoever keeps it keeps some million objects, which the garbage collector walks over."""

    def __init__(self) -> None:
        self._nodes = {
            path: tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8")))) for path in sorted(ROOT.rglob("*.py"))
        }

    def modules(self, without: str):
        """(name, nodes) of all modules but those below a package."""
        for path, nodes in self._nodes.items():
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not name.startswith(without):
                yield name, nodes

    def named(self, *kinds: type[ast.AST]):
        """(where, node) of all functions or classes."""
        for path, nodes in self._nodes.items():
            for node in nodes:
                if isinstance(node, kinds):
                    yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node
