"""Kinds of prediction: one file each, and a registry. Knows no data set, Ray or MLflow; torch only in losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.tasks._base import Task, TaskWish
    from orchestrator.tasks._temperature import Temperature
    from orchestrator.tasks._thresholds import LabelThreshold
    from orchestrator.tasks.metric import Metric
    from orchestrator.tasks.predictions import AnswerColumn, Difference, Label, Predictions
    from orchestrator.tasks.registry import (
        TASKS,
        describe_metrics,
        find_target,
        metric_named,
        metric_names,
        plain_task,
        read_target,
        read_task,
    )
    from orchestrator.tasks.target import Target, TargetEncoder, TargetSummary
else:
    __getattr__ = lazily(
        __name__,
        _base=["Task", "TaskWish"],
        _temperature=["Temperature"],
        _thresholds=["LabelThreshold"],
        metric=["Metric"],
        predictions=["AnswerColumn", "Difference", "Label", "Predictions"],
        registry=[
            "TASKS",
            "describe_metrics",
            "find_target",
            "metric_named",
            "metric_names",
            "plain_task",
            "read_target",
            "read_task",
        ],
        target=["Target", "TargetEncoder", "TargetSummary"],
    )

__all__ = [
    "TASKS",
    "AnswerColumn",
    "Difference",
    "Label",
    "LabelThreshold",
    "Metric",
    "Predictions",
    "Target",
    "TargetEncoder",
    "TargetSummary",
    "Task",
    "TaskWish",
    "Temperature",
    "describe_metrics",
    "find_target",
    "metric_named",
    "metric_names",
    "plain_task",
    "read_target",
    "read_task",
]
