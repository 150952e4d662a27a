"""Search algorithms: how the next configuration is chosen. One file each.

CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from orchestrator.choices import AlgorithmName, names_of
from orchestrator.registry import class_of
from orchestrator.search.searchers._base import STREAM, Draw, Searcher


def find_searcher(name: str) -> Searcher:
    """The search algorithm of this name, which is that of its module.

    Raises:
        ConfigError: there is none.
    """
    return class_of(name, names_of(AlgorithmName), __name__, Searcher)()  # type: ignore[type-abstract]


__all__ = ["STREAM", "Draw", "Searcher", "find_searcher"]
