"""Model bundles: a trained network as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.bundle.bundle import ModelBundle, ReadBundle, make_bundle

__all__ = ["ModelBundle", "ReadBundle", "make_bundle"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Replicas read bundles without torch."""
    if name in __all__:
        from orchestrator.bundle import bundle

        return getattr(bundle, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
