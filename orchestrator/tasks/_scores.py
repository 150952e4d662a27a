"""Figures of merit with scikit-learn's definitions, which a test compares, as plain array code.

An ensemble takes thousands of them, and to import scikit-learn takes the process of a trial as long as to import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Target = NDArray[np.int64]
Shares = NDArray[np.float64]
# what each row counts, [rows]
Weight = NDArray[np.float64]
# nearer to zero than this part of the target's deviation is zero: targets went through float32
ZERO = 1e-6
BINARY = 2


def row_counts(target: NDArray[Any], weight: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """What each of some rows counts, [rows]: its weight, or 1 where there are none."""
    return np.ones(len(target)) if weight is None else weight


def accuracy(target: Target, shares: Shares, weight: Weight) -> float:
    """The share of rows with the right label."""
    return float(np.average(shares.argmax(axis=1) == target, weights=weight))


def balanced_accuracy(target: Target, shares: Shares, weight: Weight) -> float:
    """The mean over the classes that occur of the share of their rows with the right label."""
    table = _confusion(target, shares, weight)
    occurring = table.sum(axis=1)
    return float((table.diagonal()[occurring > 0] / occurring[occurring > 0]).mean())


def f1(target: Target, shares: Shares, weight: Weight) -> float:
    """That of class 1 for two classes, else the mean over all; 0 for a class that neither occurs nor is said."""
    table = _confusion(target, shares, weight)
    both = table.sum(axis=0) + table.sum(axis=1)
    values = np.where(both > 0, 2 * table.diagonal() / np.where(both > 0, both, 1.0), 0.0)
    return float(values[1] if len(values) == BINARY else values.mean())


def log_loss(target: Target, shares: Shares, weight: Weight) -> float:
    """Mean of the negative logarithm of the probability of the true class."""
    return float(np.average(log_losses(target, shares), weights=weight))


def log_losses(target: Target, shares: Shares) -> NDArray[np.float64]:
    """The negative logarithm of the probability of the true class: float64 [rows]."""
    tiny = np.finfo(np.float64).eps
    losses: NDArray[np.float64] = -np.log(np.clip(shares[np.arange(len(target)), target], tiny, 1 - tiny))
    return losses


def standard_error(changes: NDArray[np.float64], weight: Weight) -> float:
    """Of a mean over rows.

    Args:
        changes: of each row, float64 [rows], such as what one way to answer loses more than another one.
        weight: what each row counts, [rows].
    """
    share = weight / weight.sum()
    return float(np.sqrt((share**2 * (changes - changes @ share) ** 2).sum()))


def roc_auc(target: Target, shares: Shares, weight: Weight) -> float | None:
    """One against the rest, mean over the classes that occur; None if only one does."""
    return _over_classes(target, shares, weight, _area)


def average_precision(target: Target, shares: Shares, weight: Weight) -> float | None:
    """That of class 1 for two classes, else the mean over the classes that occur; None if only one does."""
    return _over_classes(target, shares, weight, _precision)


def brier(target: Target, shares: Shares, weight: Weight) -> float:
    """Mean squared error of the probability of class 1; of several classes the sum over all of them."""
    if shares.shape[1] == BINARY:
        return float(np.average((shares[:, 1] - target) ** 2, weights=weight))
    # the true class counts from 1, the others from 0
    true = shares[np.arange(len(target)), target]
    return float(np.average((shares**2).sum(axis=1) - 2 * true + 1, weights=weight))


def mcc(target: Target, shares: Shares, weight: Weight) -> float:
    """Matthews' correlation of true and predicted labels; 0 where it does not exist."""
    table = _confusion(target, shares, weight)
    true, said, rows = table.sum(axis=1), table.sum(axis=0), table.sum()
    above = np.trace(table) * rows - true @ said
    below = (rows**2 - said @ said) * (rows**2 - true @ true)
    return float(above / np.sqrt(below)) if below > 0 else 0.0


def quadratic_kappa(target: Target, shares: Shares, weight: Weight) -> float | None:
    """Cohen's kappa with squared distances between the places of classes; None where it does not exist."""
    table = _confusion(target, shares, weight)
    places = np.arange(len(table))
    distances = (places[:, None] - places[None]) ** 2
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chance = float((distances * expected).sum())
    return 1 - float((distances * table).sum()) / chance if chance > 0 else None


CLASSIFICATION: Mapping[str, Callable[[Target, Shares, Weight], float | None]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "mcc": mcc,
    "average_precision": average_precision,
    "brier": brier,
    "quadratic_kappa": quadratic_kappa,
}
# which look at labels only
OF_LABELS = frozenset({"accuracy", "balanced_accuracy", "f1", "mcc", "quadratic_kappa"})
# which look at how large probabilities are
OF_PROBABILITIES = frozenset({"log_loss", "brier"})


def rmse(target: Shares, found: Shares, weight: Weight, unit: float) -> float:
    """Root of the mean squared error."""
    del unit
    return float(np.sqrt(np.average((target - found) ** 2, weights=weight)))


def mae(target: Shares, found: Shares, weight: Weight, unit: float) -> float:
    """Mean absolute error."""
    del unit
    return float(np.average(np.abs(target - found), weights=weight))


def r2(target: Shares, found: Shares, weight: Weight, unit: float) -> float | None:
    """The share of the variance that is explained; None for a single row."""
    del unit
    if len(target) < 2:  # noqa: PLR2004
        return None
    spread = target - np.average(target, weights=weight)
    wrong, all_of_it = float(weight @ (target - found) ** 2), float(weight @ spread**2)
    return 1 - wrong / all_of_it if all_of_it else float(wrong == 0)


def mape(target: Shares, found: Shares, weight: Weight, unit: float) -> float | None:
    """Mean of the absolute error in parts of the true value; None if that is zero in a row."""
    sizes = np.abs(target)
    return None if (sizes <= ZERO * unit).any() else float(np.average(np.abs(target - found) / sizes, weights=weight))


def rmsle(target: Shares, found: Shares, weight: Weight, unit: float) -> float | None:
    """Root of the mean squared error of log(1 + value); None for negative targets, negative answers count as 0."""
    if (target < -ZERO * unit).any():
        return None
    true, said = (np.log1p(np.maximum(values, 0.0)) for values in (target, found))
    return float(np.sqrt(np.average((true - said) ** 2, weights=weight)))


# of the target, the answers, what rows count, and the target's deviation
REGRESSION: Mapping[str, Callable[[Shares, Shares, Weight, float], float | None]] = {
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
    "mape": mape,
    "rmsle": rmsle,
}


def _confusion(target: Target, shares: Shares, weight: Weight) -> NDArray[np.float64]:
    """Rows by true and by predicted class."""
    classes = shares.shape[1]
    counts = np.bincount(target * classes + shares.argmax(axis=1), weight, minlength=classes * classes)
    table: NDArray[np.float64] = counts.astype(np.float64).reshape(classes, classes)
    return table


def _over_classes(
    target: Target, shares: Shares, weight: Weight, one: Callable[[NDArray[np.bool_], Shares, Weight], float]
) -> float | None:
    present = np.unique(target[weight > 0])
    if len(present) < 2:  # noqa: PLR2004
        return None
    if shares.shape[1] == BINARY:
        return one(target == 1, shares[:, 1], weight)
    return float(np.mean([one(target == label, shares[:, label], weight) for label in present]))


def _area(positive: NDArray[np.bool_], score: Shares, weight: Weight) -> float:
    """The share of pairs of a positive and another row that are in the right order; equal ones count half."""
    hits, others = _steps(positive, score, weight)
    above = hits.cumsum() - hits / 2
    return float(above @ others / (hits.sum() * others.sum()))


def _precision(positive: NDArray[np.bool_], score: Shares, weight: Weight) -> float:
    """The mean of the precision over the positive rows, by falling score; equal scores are one step."""
    hits, others = _steps(positive, score, weight)
    reached = hits.cumsum()
    taken = reached + others.cumsum()
    return float((reached / np.where(taken > 0, taken, 1.0)) @ hits / reached[-1])


def _steps(positive: NDArray[np.bool_], score: Shares, weight: Weight) -> tuple[Shares, Shares]:
    """What the positive rows, and what the others, of each score count together, by falling score."""
    order = np.argsort(-score)
    first = np.append(0, np.flatnonzero(np.diff(score[order])) + 1)
    counted = weight[order]
    hits = np.add.reduceat(np.where(positive[order], counted, 0.0), first)
    return hits, np.add.reduceat(counted, first) - hits
