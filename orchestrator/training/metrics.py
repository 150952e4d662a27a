"""Validation metrics, with scikit-learn's definitions, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.data import Task
from orchestrator.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        name: as in scikit-learn.
        maximize: whether larger is better.
    """

    name: str
    maximize: bool

    @property
    def worst(self) -> float:
        """What every real value beats."""
        return -math.inf if self.maximize else math.inf

    @property
    def mode(self) -> str:
        """`max` or `min`, as Tune calls it."""
        return "max" if self.maximize else "min"

    def better(self, value: float, other: float) -> bool:
        """Whether `value` is strictly better than `other`."""
        return value > other if self.maximize else value < other


CLASSIFICATION_METRICS = {
    name: Metric(name, maximize)
    for name, maximize in (
        ("accuracy", True),
        ("balanced_accuracy", True),
        ("f1", True),
        ("roc_auc", True),
        ("log_loss", False),
    )
}
REGRESSION_METRICS = {
    name: Metric(name, maximize) for name, maximize in (("rmse", False), ("mae", False), ("r2", True))
}
DEFAULT_METRICS = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}


def metrics_of(task: Task) -> dict[str, Metric]:
    """The metrics that a task has, by name."""
    return CLASSIFICATION_METRICS if task.is_classification else REGRESSION_METRICS


def metric_named(name: str) -> Metric:
    """The metric of that name, whatever task has it.

    Raises:
        ConfigError: no task has such a metric.
    """
    known = CLASSIFICATION_METRICS | REGRESSION_METRICS
    if name not in known:
        raise ConfigError(f"there is no metric '{name}' (known: {', '.join(known)}){did_you_mean(name, known)}")
    return known[name]


def find_metric(task: Task, name: str | None = None) -> Metric:
    """The metric of that name, or the task's default (roc_auc, log_loss, rmse).

    Raises:
        ConfigError: the task has no such metric.
    """
    known = metrics_of(task)
    wanted = name or DEFAULT_METRICS[task]
    if wanted not in known:
        hint = did_you_mean(wanted, known)
        raise ConfigError(f"a {task} task has no metric '{wanted}' (it has: {', '.join(known)}){hint}")
    return known[wanted]


def classification_metrics(target: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """All classification metrics.

    f1 is that of the positive class (class 1) for two classes, else the macro average. roc_auc is one-vs-rest,
    macro-averaged over the classes that occur; it is left out when only one class occurs.

    Args:
        target: [rows], class numbers.
        probabilities: [rows, classes], each row summing to 1.
    """
    import sklearn
    from sklearn import metrics

    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        values = {
            "accuracy": metrics.accuracy_score(target, predicted),
            "balanced_accuracy": _balanced_accuracy(target, predicted, classes),
            "f1": metrics.f1_score(
                target,
                predicted,
                labels=range(classes),
                average="binary" if classes == 2 else "macro",  # noqa: PLR2004
                zero_division=0.0,
            ),
            "log_loss": metrics.log_loss(target, probabilities, labels=range(classes)),
        }
        present = np.unique(target)
        if len(present) > 1:
            if classes == 2:  # noqa: PLR2004
                values["roc_auc"] = metrics.roc_auc_score(target, probabilities[:, 1])
            else:
                areas = [metrics.roc_auc_score(target == label, probabilities[:, label]) for label in present]
                values["roc_auc"] = np.mean(areas)
    return {name: float(value) for name, value in values.items()}


def _balanced_accuracy(target: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    # scikit-learn warns about each predicted class that does not occur; the value is the same
    occurring = np.bincount(target, minlength=classes)
    hits = np.bincount(target[target == predicted], minlength=classes)
    return float((hits[occurring > 0] / occurring[occurring > 0]).mean())


def regression_metrics(target: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """All regression metrics, in the target's own unit (r2 without one); r2 needs two rows.

    Args:
        target: [rows].
        predicted: [rows].
    """
    from sklearn import metrics

    values = {
        "rmse": metrics.root_mean_squared_error(target, predicted),
        "mae": metrics.mean_absolute_error(target, predicted),
    }
    if len(target) > 1:
        values["r2"] = metrics.r2_score(target, predicted)
    return {name: float(value) for name, value in values.items()}
