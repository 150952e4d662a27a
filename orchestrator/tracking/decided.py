"""What was decided about a model after its training, with a run in MLflow: figures, and a tag with all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.tracking import tags
from orchestrator.tracking.lengths import in_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


def decided_notes(decided: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics and tags of a run."""
    if not decided:
        return {}, {}
    figures = {name: float(about["value"]) for name, about in decided.items()}
    return figures, in_tags(tags.DECIDED, json.dumps(decided))


def log_decided(client: MlflowClient, run_id: str, decided: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes both to the run."""
    figures, labels = decided_notes(decided)
    for name, value in figures.items():
        client.log_metric(run_id, name, value)
    for name, text in labels.items():
        client.set_tag(run_id, name, text)
