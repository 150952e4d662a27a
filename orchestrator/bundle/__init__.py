"""Model bundles: a trained network as plain data."""

from orchestrator.bundle.bundle import ModelBundle, make_bundle

__all__ = ["ModelBundle", "make_bundle"]
