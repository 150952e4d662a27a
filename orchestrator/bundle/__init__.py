"""Model bundles: a trained network as plain data."""

from orchestrator.bundle.bundle import ModelBundle, Predictions, make_bundle

__all__ = ["ModelBundle", "Predictions", "make_bundle"]
