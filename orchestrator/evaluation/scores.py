"""What the scores of a class say about rows at every threshold: ROC and precision-recall curves, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True, kw_only=True)
class ScoreCurve:
    """Rows taken in the order of their scores, the highest first; a point for each different score.

    Attributes:
        threshold: the rows of this score or a higher one are taken, [points].
        true, false: how many of these are of the class, and are not, [points].
        positives, negatives: how many rows there are of the class, and others.
    """

    threshold: Floats
    true: Floats
    false: Floats
    positives: float
    negatives: float

    @classmethod
    def of(cls, score: Floats, positive: NDArray[np.bool_]) -> ScoreCurve:
        """Of rows with their scores, [rows], and whether each is of the class, [rows]."""
        order = np.argsort(-score, kind="stable")
        ordered, hits = score[order], positive[order].astype(np.float64)
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], len(ordered) > 0))
        true = np.cumsum(hits)[last]
        return cls(
            threshold=ordered[last],
            true=true,
            false=last + 1.0 - true,
            positives=float(hits.sum()),
            negatives=float(len(hits) - hits.sum()),
        )

    @property
    def roc(self) -> tuple[Floats, Floats]:
        """False positive rate and true positive rate, from (0, 0) to (1, 1)."""
        return np.append(0, self.false / self.negatives), np.append(0, self.true / self.positives)

    @property
    def recall(self) -> Floats:
        """Share of the class that is taken, [points]."""
        return self.true / self.positives

    @property
    def precision(self) -> Floats:
        """Share of what is taken that is of the class, [points]."""
        return self.true / (self.true + self.false)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of both, [points]."""
        return 2 * self.true / (self.true + self.false + self.positives)


def calibration(probability: Floats, happened: NDArray[np.bool_], bins: int = BINS) -> list[tuple[int, float, float]]:
    """Rows in equally large bins of what was said: (rows, mean probability, share in which it happened) of each."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [(len(part), float(probability[part].mean()), float(happened[part].mean())) for part in parts]
