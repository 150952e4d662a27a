"""Permutation importance: how much worse a model's metric becomes when the cells of a column are shuffled among rows.

Breiman 2001, Random Forests; as "model reliance" Fisher et al. 2019, All Models are Wrong, but Many are Useful.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import UsageError
from orchestrator.explanations.mixing import MixedRows

REPEATS, FEWEST_REPEATS = 10, 2
CONFIDENCE = 0.95


class OutOfSecondsError(UsageError):
    """There was less time than it takes."""


@dataclass(frozen=True, kw_only=True)
class Drops:
    """What a metric loses without a column.

    Attributes:
        value: of the metric on the rows as they are.
        drops: by how much it is worse after each shuffle, float64 [columns, repeats]; negative where it is better.
    """

    value: float
    drops: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Over the repeats, float64 [columns]."""
        mean: NDArray[np.float64] = self.drops.mean(axis=1)
        return mean

    def interval(self, confidence: float = CONFIDENCE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Between which the mean over endless repeats lies (Student's t): low and high, float64 [columns] each.

        It says how much the shuffles decide, not what other rows would give.
        """
        # the same as scipy.stats.t.ppf, without that package, which takes long to import
        from scipy.special import stdtrit  # type: ignore[import-untyped]

        repeats = self.drops.shape[1]
        half = stdtrit(repeats - 1, (1 + confidence) / 2) * self.drops.std(axis=1, ddof=1) / np.sqrt(repeats)
        return self.mean - half, self.mean + half


def shuffled_drops(
    mixed: MixedRows,
    measure: Callable[[NDArray[np.int64]], float],
    *,
    maximize: bool,
    repeats: int = REPEATS,
    seed: int = 0,
    seconds: float = math.inf,
    limit: float = math.inf,
) -> Drops:
    """Shuffles one column after another.

    Args:
        mixed: the rows whose target is known.
        measure: the metric when row i of the table has the cells of places [rows, columns].
        maximize: whether a larger metric is better.
        repeats: shuffles of each column, 2 at least.
        seed: of the shuffles.
        seconds: after which no repeat begins, if there are two.
        limit: seconds after which nothing more is asked; a repeat that is not over then does not count.

    Raises:
        OutOfSecondsError: there were no two repeats by then.
    """
    random = np.random.default_rng(seed)
    plain = np.repeat(np.arange(len(mixed))[:, None], len(mixed.names), axis=1)
    value = measure(plain)
    drops = np.empty((len(mixed.names), repeats))
    end, last, done = time.monotonic() + seconds, time.monotonic() + limit, 0
    while done < repeats and (done < FEWEST_REPEATS or time.monotonic() < end):
        # one shuffle for all columns of a repeat: they are compared with each other
        order = random.permutation(len(mixed))
        for column in range(len(mixed.names)):
            if time.monotonic() > last:
                break
            places = plain.copy()
            places[:, column] = order
            drops[column, done] = value - measure(places)
        else:
            done += 1
            continue
        break
    if done < FEWEST_REPEATS:
        raise OutOfSecondsError(f"to shuffle {len(mixed.names):,} columns takes longer than {limit:.1f} s")
    drops = drops[:, :done]
    return Drops(value=value, drops=drops if maximize else -drops)
