"""Shapley values of what a model answers to a row, by original column, against background rows.

The players are the original columns of a row x. A coalition S is worth v(S) = mean over the background rows b of
f(row with the columns of S from x and all others from b): the marginal expectation, also called interventional
(Lundberg & Lee 2017, A Unified Approach to Interpreting Model Predictions; Janzing et al. 2020, Feature relevance
quantification). So the values of a row sum to f(x) minus the mean of f over the background.

Columns in which x and b have the same cell change nothing, so that no pair (x, b) needs more than its other columns.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from orchestrator.explanations.mixing import MixedRows

# up to so many columns all coalitions are asked for
MOST_EXACT = 8
# numbers of the arrays that are held at once
AT_ONCE = 2**23


def is_exact(columns: int, permutations: int | None) -> bool:
    """Whether all coalitions are asked for; see `shapley_values`."""
    return permutations is None and columns <= MOST_EXACT


def shapley_values(
    mixed: MixedRows,
    rows: NDArray[np.int64],
    background: NDArray[np.int64],
    *,
    permutations: int | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The values of some rows.

    Args:
        mixed: a table that has the rows and the background.
        rows, background: their places in it, int64.
        permutations: orders of the columns that are drawn for each background row, each of which is used in both
            directions; None asks for all coalitions where there are at most 8 columns, and draws one order else.
        seed: of the orders; they are the same for all rows, so that rows can be compared with each other.

    Returns:
        float64 [rows, columns, outputs]; the sum over the columns is the answer to the row minus the mean answer to the
        background, up to rounding, whatever was drawn.
    """
    columns, outputs = len(mixed.names), mixed.answers.shape[1]
    exact = is_exact(columns, permutations)
    pairs = max(1, AT_ONCE // ((2**columns if exact else columns) * max(columns, outputs)))
    ranks = draw_ranks(len(background), columns, permutations or 1, seed)
    found = np.zeros((len(rows), columns, outputs))
    at_once = max(1, pairs // len(background))
    for start in range(0, len(rows), at_once):
        some = slice(start, start + at_once)
        for first in range(0, len(background), pairs):
            part = slice(first, first + pairs)
            if exact:
                found[some] += _all_coalitions(mixed, rows[some], background[part])
                continue
            for orders in ranks:
                found[some] += _walk(mixed, rows[some], background[part], orders[part]) / len(ranks)
    return found / len(background)


def draw_ranks(background: int, columns: int, permutations: int, seed: int) -> NDArray[np.int64]:
    """Orders in which columns are switched from a background row to the explained one.

    An order is followed by its reverse (antithetic: Mitchell et al. 2022, Sampling Permutations for Shapley Value
    Estimation), and the orders of consecutive background rows are rotations of one, so that each column stands at each
    place equally often (Castro et al. 2017, stratified sampling).

    Returns:
        The rank of each column, int64 [2 * permutations, background, columns].
    """
    random = np.random.default_rng(seed)
    blocks = -(-background // columns)
    turns = np.tile(np.arange(columns), blocks)[:, None]
    found = []
    for _ in range(permutations):
        orders = np.repeat([random.permutation(columns) for _ in range(blocks)], columns, axis=0)
        turned = ((orders + turns) % columns)[:background]
        found += [turned, columns - 1 - turned]
    return np.array(found)


def _walk(
    mixed: MixedRows, rows: NDArray[np.int64], background: NDArray[np.int64], ranks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Switches one column after another, and takes the change of the answer as that column's, summed over the
    background (Castro et al. 2009, Polynomial calculation of the Shapley value based on sampling).

    Each pair of a row and a background row has its walk, from f(b) to f(x), so that the changes add up to f(x) - f(b).

    Returns:
        float64 [rows, columns, outputs].
    """
    columns = len(mixed.names)
    differs = mixed.cells[rows][:, None] != mixed.cells[background][None]
    count = differs.sum(axis=2)
    # cells that are the same are switched behind all others, where nothing happens any more
    position = np.where(differs, ranks[None], columns + ranks[None]).argsort(axis=2).argsort(axis=2)
    steps = np.arange(1, columns)
    x, b, step = np.nonzero(steps < count[:, :, None])
    switched = position[x, b] < steps[step][:, None]
    path = np.empty((len(rows), len(background), columns + 1, mixed.answers.shape[1]))
    path[:] = mixed.answers[rows][:, None, None]
    path[:, :, 0] = mixed.answers[background]
    path[x, b, steps[step]] = mixed.evaluate(np.where(switched, rows[x][:, None], background[b][:, None]))
    changes: NDArray[np.float64] = np.take_along_axis(np.diff(path, axis=2), position[..., None], axis=2).sum(axis=1)
    return changes


def _all_coalitions(mixed: MixedRows, rows: NDArray[np.int64], background: NDArray[np.int64]) -> NDArray[np.float64]:
    """The definition: the mean change of the answer by a column over all coalitions of the others (Shapley 1953),
    summed over the background: float64 [rows, columns, outputs].
    """
    columns = len(mixed.names)
    bits, masks = 1 << np.arange(columns), np.arange(2**columns)
    differs = ((mixed.cells[rows][:, None] != mixed.cells[background][None]) * bits).sum(axis=2)
    # a coalition is worth what its columns that differ are worth
    needed = ((masks & ~differs[:, :, None]) == 0) & (masks != 0) & (masks != differs[:, :, None])
    x, b, mask = np.nonzero(needed)
    switched = (masks[mask][:, None] & bits) != 0
    worth = np.empty((len(rows), len(background), len(masks), mixed.answers.shape[1]))
    worth[:, :, 0] = mixed.answers[background]
    every = np.arange(len(rows))[:, None], np.arange(len(background))[None]
    worth[(*every, differs)] = mixed.answers[rows][:, None]
    worth[x, b, mask] = mixed.evaluate(np.where(switched, rows[x][:, None], background[b][:, None]))
    total = np.take_along_axis(worth, (masks & differs[:, :, None])[..., None], axis=2).sum(axis=1)
    found: NDArray[np.float64] = np.einsum("cm,rmo->rco", _weights(columns), total)
    return found


def _weights(columns: int) -> NDArray[np.float64]:
    """What each coalition counts in the value of each column, float64 [columns, coalitions]."""
    masks = np.arange(2**columns)
    sizes = np.array([int(mask).bit_count() for mask in masks])
    # |S|! (n - |S| - 1)! / n! of a coalition S without the column
    share = np.array([1 / (columns * comb(columns - 1, size)) for size in range(columns)] + [0.0])
    inside = (masks[None] >> np.arange(columns)[:, None]) & 1 == 1
    found: NDArray[np.float64] = np.where(inside, share[sizes - 1], -share[sizes])
    return found
