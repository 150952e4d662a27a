"""Why a model answers as it does: SHAP values, LIME, importance and dependence, by original column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.explanations.methods import explain
    from orchestrator.explanations.model import ExplainedModel
    from orchestrator.explanations.results import (
        DependenceExplanation,
        Explanation,
        ImportanceExplanation,
        LimeExplanation,
        ShapExplanation,
    )

__all__ = [
    "DependenceExplanation",
    "ExplainedModel",
    "Explanation",
    "ImportanceExplanation",
    "LimeExplanation",
    "ShapExplanation",
    "explain",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Who only wants the names of methods imports neither pandas nor numpy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator.explanations import methods, model, results

    found = {"explain": methods.explain, "ExplainedModel": model.ExplainedModel}
    return found[name] if name in found else getattr(results, name)
