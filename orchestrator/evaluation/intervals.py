"""How sure a figure on some rows is: bootstrap intervals."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.evaluation.selection import Score

RESAMPLES, LEAST_RESAMPLES, SECONDS, LEVEL = 300, 50, 0.5, 0.95


def bootstrap_interval(
    score: Score,
    shares: NDArray[np.float64],
    target: NDArray[Any],
    weight: NDArray[np.float64] | None = None,
    *,
    seed: int = 0,
    seconds: float = SECONDS,
) -> tuple[float, float] | None:
    """The percentile interval of a figure (Efron & Tibshirani 1993, section 13.3) at 95 %.

    Rows are drawn with replacement, which is to count each as often as it was drawn.

    Args:
        score: the figure of some rows, of their shares, targets and weights; see `Task.figure`.
        shares: what is said about the rows, [rows, any]; see `Task.shares`.
        target: encoded, [rows].
        weight: what each row counts, [rows]; None if all count the same.
        seed: of the draws.
        seconds: after which 50 draws are enough.

    Returns:
        Lower and upper end; None if fewer than 50 of 300 draws have the figure.
    """
    random = np.random.default_rng(seed)
    count, found = len(target), []
    end = time.perf_counter() + seconds
    for _ in range(RESAMPLES):
        drawn = np.bincount(random.integers(count, size=count), minlength=count)
        rows = np.flatnonzero(drawn)
        counts = drawn[rows].astype(np.float64) if weight is None else drawn[rows] * weight[rows]
        value = score(shares[rows], target[rows], counts)
        if value is not None and math.isfinite(value):
            found.append(value)
        if time.perf_counter() > end and len(found) >= LEAST_RESAMPLES:
            break
    if len(found) < LEAST_RESAMPLES:
        return None
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
