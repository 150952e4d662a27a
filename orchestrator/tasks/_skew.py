"""Whether networks learn a skewed target better as its logarithm, or as its rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.target_wish import AUTO, TargetWish
from orchestrator.errors import DataError

PLAIN, LOGARITHM, RANK = "none", "log1p", "quantile"
# quantiles whose distances from the median say how skewed a target is: of a lognormal one, exp(1.64 sigma)
TAIL = 0.05
# from which ratio of these distances on a logarithm pays, where means are to be right and where medians are
SKEWED, SKEWED_FOR_MEDIANS = 5.0, 2.0
FEWEST = 20


def chosen_transform(name: str, values: NDArray[np.float64], wish: TargetWish, centre: str) -> str:
    """What networks are taught of a target: a name of `TargetTransformName`, but not auto.

    Args:
        name: of the target.
        values: of training rows, or of some of them.
        wish: of the user.
        centre: see `Metric`.

    Raises:
        DataError: a logarithm is wished for, and there are negative values.
    """
    negative = int((values < 0).sum())
    if wish.target_transform == LOGARITHM and negative:
        raise DataError(
            f"--target-transform {LOGARITHM}: the target '{name}' is below 0 in {negative:,} training rows, where it "
            "has no logarithm; say quantile or none"
        )
    if wish.target_transform != AUTO:
        return wish.target_transform
    if len(values) < FEWEST or (negative and centre != "middle"):
        return PLAIN
    if centre == "log":
        return LOGARITHM
    if centre == "middle":
        limit = SKEWED_FOR_MEDIANS
        # most rows have the smallest value, as where nothing was sold: the others say how skewed it is
        if np.median(values) == np.quantile(values, TAIL):
            values = values[values > values.min()]
    else:
        limit = SKEWED
    before = _tails(values)
    if not negative and before >= limit and abs(np.log(_tails(_logarithm(values)))) < np.log(before):
        return LOGARITHM
    # medians stay medians whatever is done to the values, so that what has no logarithm can be learned as ranks
    return RANK if centre == "middle" and max(before, 1 / before) >= limit else PLAIN


def _logarithm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = values[values > 0]
    return np.log1p(values / np.quantile(positive, TAIL)) if len(positive) else values


def _tails(values: NDArray[np.float64]) -> float:
    """How many times as far from the median the upper tail is as the lower one, 1 if there is none."""
    if len(values) < FEWEST:
        return 1.0
    low, median, high = np.quantile(values, [TAIL, 0.5, 1 - TAIL])
    if median in (low, high):
        return 1.0
    return float((high - median) / (median - low))
