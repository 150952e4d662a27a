"""LIME: a linear model that imitates a model around one row (Ribeiro et al. 2016, "Why Should I Trust You?").

Rows around a row x are drawn from the training distribution: each column keeps x's cell with probability 1/2, or gets
that of a background row drawn for it. The surrogate's features are the standardised numbers of columns of numbers,
and of all other columns (categories, dates, texts, missing numbers) 1 where the cell is x's and 0 elsewhere. Each
drawn row counts sqrt(exp(-d^2 / w^2)), as in the authors' package: d is its distance from x in these features, w =
0.75 * sqrt(columns).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.explanations.mixing import MixedRows

SAMPLES = 1000
KERNEL_WIDTH = 0.75
# of the sum of the weights: enough for features that are always the same, and others shrink by 0.1 %
RIDGE = 1e-3
# below this R2 a linear model misses more than half of what it imitates, and its weights say little
POOR_FIT = 0.5


@dataclass(frozen=True, kw_only=True)
class Surrogates:
    """Linear models around some rows.

    Attributes:
        weights: change of the answer per standard deviation of a number, or for x's cell against others: float64 [rows,
            columns].
        effects: weight times how far the row's feature is from its mean over the drawn rows, float64 [rows, columns].
        intercepts: float64 [rows].
        local: what the surrogate answers to the row, float64 [rows].
        fidelity: weighted R2 of the surrogate over the drawn rows, float64 [rows].
    """

    weights: NDArray[np.float64]
    effects: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    local: NDArray[np.float64]
    fidelity: NDArray[np.float64]


def fit_surrogates(
    mixed: MixedRows,
    rows: NDArray[np.int64],
    background: NDArray[np.int64],
    shown: NDArray[np.int64],
    *,
    samples: int = SAMPLES,
    kernel_width: float = KERNEL_WIDTH,
    seed: int = 0,
) -> Surrogates:
    """A surrogate for each row.

    Args:
        mixed: a table that has the rows and the background.
        rows, background: their places in it, int64.
        shown: which output is explained of each row, int64 [rows].
        samples: rows that are drawn around each row.
        kernel_width: of the distance, times the square root of the number of columns.
        seed: of the draws; they are the same for all rows, so that rows can be compared with each other.
    """
    columns = len(mixed.names)
    random = np.random.default_rng(seed)
    keeps = random.random((samples, columns)) < 0.5  # noqa: PLR2004
    # the row itself is among them
    keeps[0] = True
    drawn = background[random.integers(0, len(background), (samples, columns))]
    width = kernel_width * np.sqrt(columns)
    fitted = []
    for row, output in zip(rows.tolist(), shown.tolist(), strict=True):
        places = np.where(keeps, row, drawn)
        features = _features(mixed, row, places)
        distances = ((features - features[0]) ** 2).sum(axis=1)
        counts = np.sqrt(np.exp(-distances / width**2))
        fitted.append(_ridge(features, mixed.evaluate(places)[:, output], counts))
    weights, effects, figures = (np.array([item[part] for item in fitted]) for part in range(3))
    return Surrogates(
        weights=weights.reshape(-1, columns),
        effects=effects.reshape(-1, columns),
        intercepts=figures.reshape(-1, 3)[:, 0],
        local=figures.reshape(-1, 3)[:, 1],
        fidelity=figures.reshape(-1, 3)[:, 2],
    )


def _features(mixed: MixedRows, row: int, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """The surrogate's features of rows around a row, float64 [samples, columns]."""
    same = mixed.cells[places, np.arange(places.shape[1])] == mixed.cells[row]
    found: NDArray[np.float64] = same.astype(np.float64)
    for column in range(places.shape[1]):
        numbers = mixed.numbers_of(column)
        if numbers is not None and not mixed.missing_in(column)[row]:
            found[:, column] = numbers[places[:, column]]
    return found


def _ridge(
    features: NDArray[np.float64], answers: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float, float]]:
    """Weighted ridge regression: weights, effects of the first row, and its intercept, answer and R2."""
    means: NDArray[np.float64] = np.asarray(np.average(features, axis=0, weights=counts), np.float64)
    mean = float(np.average(answers, weights=counts))
    centred = features - means
    gram = (centred * counts[:, None]).T @ centred
    gram[np.diag_indices_from(gram)] += RIDGE * counts.sum()
    weights = np.asarray(np.linalg.solve(gram, (centred * counts[:, None]).T @ (answers - mean)), np.float64)
    spread = float(np.average((answers - mean) ** 2, weights=counts))
    missed = float(np.average((answers - mean - centred @ weights) ** 2, weights=counts))
    # a model that always answers the same is imitated without a fault
    fidelity = 1 - missed / spread if spread > np.finfo(np.float32).eps ** 2 else 1.0
    effects: NDArray[np.float64] = weights * centred[0]
    return weights, effects, (mean - float(means @ weights), mean + float(effects.sum()), fidelity)
