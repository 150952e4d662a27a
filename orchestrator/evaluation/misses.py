"""How far answers are from the truth: the numbers of it, and the rows with the largest distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.evaluation.kept_answers import KeptAnswers

MIDDLE, SURE = 0.5, 0.99
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


def label_parts(kept: KeptAnswers) -> tuple[Labels, Labels, Floats]:
    """Of answers that are labels: true classes, predicted ones, and probabilities, [rows, classes]."""
    predictions = kept.predictions
    places = {str(label): place for place, label in enumerate(kept.target.classes)}
    said = [places[str(label)] for label in predictions.values[predictions.columns[0].name]]
    shares = np.asarray(predictions.values[predictions.columns[1].name], np.float64)
    return kept.truth.astype(np.int64), np.array(said, np.int64), shares


def number_parts(kept: KeptAnswers) -> tuple[Floats, Floats]:
    """True values and answers, [rows], in the target's unit; of several numbers the one in the middle."""
    predictions = kept.predictions
    column = predictions.columns[0]
    values = np.asarray(predictions.values[column.name], np.float64)
    if values.ndim > 1:
        distances = [abs(float(part) - MIDDLE) for part in column.parts]
        values = values[:, distances.index(min(distances))]
    return kept.truth.astype(np.float64) * kept.encoder.std + kept.encoder.mean, values


def furthest(kept: KeptAnswers, most: int) -> NDArray[np.int64]:
    """Places of the rows whose true class seemed least likely, or whose number is furthest off, the worst first.

    A class that seemed sure and is true is no miss.
    """
    if kept.target.classes:
        truth, _, shares = label_parts(kept)
        distance = -shares[np.arange(len(truth)), truth]
        most = min(most, int((distance > -SURE).sum()))
    else:
        true, said = number_parts(kept)
        distance = np.abs(said - true)
    return np.argsort(-distance, kind="stable")[:most]
