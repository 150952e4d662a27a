"""Target statistics of a folder: what the pass that fits collects for them, and what training rows get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.values import Series, category_keys
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.data.splits.folds import INNER_PARTS
from orchestrator.data.target_statistics import smoothed, statistic_of
from orchestrator.features import CategoricalFeature, TargetStatistic
from orchestrator.inputs import CATEGORICAL, NUMERIC, Inputs
from orchestrator.tasks import Target, TargetEncoder
from orchestrator.tasks.averages import averaged, averages_of, plain_numbers

PLACE = ["category", "part", "label"]
# no text that a cell is
MISSING = "\0"


@dataclass(frozen=True, kw_only=True)
class TrainingTarget:
    """The target of some training rows.

    Attributes:
        labels: keys of the classes, empty for numbers, [rows].
        numbers: as they are in the file, 0 for classes, float64 [rows].
        weight: what each row counts, float64 [rows].
        parts: of each row, see `inner_piece_parts`.
    """

    labels: NDArray[np.object_]
    numbers: NDArray[np.float64]
    weight: NDArray[np.float64]
    parts: NDArray[np.int64]

    @classmethod
    def of(
        cls, target: Target, cells: Series, weight: NDArray[np.float64] | None, parts: NDArray[np.int64]
    ) -> TrainingTarget:
        """Of cells as the task takes them, [rows]; without weights all rows count the same."""
        numbers = plain_numbers(target.task, cells)
        counted = np.ones(len(cells)) if weight is None else weight
        if numbers is not None:
            return cls(labels=np.full(len(cells), "", object), numbers=numbers, weight=counted, parts=parts)
        codes, keys = category_keys(cells)
        return cls(labels=_each(keys, codes), numbers=np.zeros(len(cells)), weight=counted, parts=parts)


@dataclass(frozen=True)
class CategorySums:
    """What the target of training rows adds up to, for each category of a column; small, however many rows there are.

    Attributes:
        table: a row for each category (`MISSING` if there is none), inner part and label, which is empty for numbers;
            with the columns `rows`, `weight` and, of numbers, `value`: their sum, each times its weight.
    """

    table: pd.DataFrame

    @classmethod
    def of(cls, codes: NDArray[np.int64], keys: Sequence[str | None], target: TrainingTarget) -> CategorySums:
        """Of some training rows.

        Args:
            codes, keys: of the categories of the rows, see `category_keys`.
            target: of the same rows.
        """
        rows = pd.DataFrame(
            {
                "category": _each([MISSING if key is None else key for key in keys], codes),
                "part": target.parts,
                "label": target.labels,
                "rows": 1,
                "weight": target.weight,
                "value": target.numbers * target.weight,
            }
        )
        return cls(rows.groupby(PLACE, sort=False).sum())

    def merge(self, other: CategorySums) -> CategorySums:
        """Of the rows of both."""
        return CategorySums(pd.concat([self.table, other.table]).groupby(level=PLACE, sort=False).sum())

    def by_code(
        self, feature: CategoricalFeature, target: Target, encoder: TargetEncoder, mean_weight: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The same for each code of a fitted column.

        Returns:
            sums: of what is averaged, float64 [parts, codes, numbers].
            weights: float64 [parts, codes].
            rows: float64 [codes].
        """
        table, task = self.table.reset_index(), target.task
        codes = feature.encode([None if key == MISSING else key for key in table["category"]])
        weight = table["weight"].to_numpy(np.float64) / mean_weight
        if task.classes:
            values = averaged(task, task.encode(encoder, table["label"])) * weight[:, None]
        else:
            values = ((table["value"].to_numpy(np.float64) / mean_weight - encoder.mean * weight) / encoder.std)[
                :, None
            ]
        shape = (INNER_PARTS, feature.cardinality)
        sums, weights, rows = np.zeros((*shape, averages_of(task))), np.zeros(shape), np.zeros(feature.cardinality)
        place = (table["part"].to_numpy(np.int64), codes)
        np.add.at(sums, place, values)
        np.add.at(weights, place, weight)
        np.add.at(rows, codes, table["rows"].to_numpy(np.float64))
        return sums, weights, rows


@dataclass(frozen=True)
class PartMeans:
    """What training rows get of a column: the means of the rows of other parts, standardised.

    Attributes:
        scaled: float32 [parts, codes, numbers].
    """

    scaled: NDArray[np.float32]


def fit_sums(
    encoder: FeatureEncoder,
    columns: Sequence[CategoricalFeature],
    sums: Mapping[str, CategorySums],
    *,
    target: Target,
    target_encoder: TargetEncoder,
    mean_weight: float,
) -> tuple[FeatureEncoder, tuple[PartMeans, ...]]:
    """The encoder with the statistics of some columns, and what training rows get; see `fit_statistics`.

    Args:
        encoder: without.
        columns: of it.
        sums: of these columns, over the training rows.
        target, target_encoder: what is predicted.
        mean_weight: of training rows, by which weights are divided.
    """
    fitted: list[TargetStatistic] = []
    means_of_parts = []
    for feature in columns:
        found, weights, rows = sums[feature.column].by_code(feature, target, target_encoder, mean_weight)
        overall = found.sum((0, 1)) / weights.sum()
        means = smoothed(found.sum(0), weights.sum(0), overall)
        mean = np.average(means, axis=0, weights=rows)
        std = np.sqrt(np.average(np.square(means - mean), axis=0, weights=rows))
        fitted.append(statistic_of(feature, means, mean, std))
        others = np.stack([_other_means(found, weights, part, overall) for part in range(INNER_PARTS)])
        means_of_parts.append(PartMeans(fitted[-1].scaled(others).astype(np.float32)))
    return replace(encoder, statistics=tuple(fitted)), tuple(means_of_parts)


def _each(keys: Sequence[str | None], codes: NDArray[np.int64]) -> NDArray[np.object_]:
    """The key of each row."""
    return np.array([*keys, None], dtype=object)[codes]


def _other_means(
    sums: NDArray[np.float64], weights: NDArray[np.float64], part: int, overall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean for each code that the rows of other parts make: float64 [codes, numbers]."""
    sums, weights = np.delete(sums, part, axis=0).sum(0), np.delete(weights, part, axis=0).sum(0)
    if not weights.any():
        # all rows are in one part: they know no more than the mean of all
        return np.tile(overall, (len(sums), 1))
    return smoothed(sums, weights, sums.sum(0) / weights.sum())


def with_part_means(
    encoder: FeatureEncoder, inputs: Inputs, means: Sequence[PartMeans], parts: NDArray[np.int64]
) -> Inputs:
    """Encoded training rows with what rows of other parts say, in the place of what all training rows say.

    Args:
        encoder: with statistics.
        inputs: of training rows.
        means: of each statistic.
        parts: of each row, int64 [rows].
    """
    base = encoder.numeric_width - sum(item.width for item in encoder.statistics)
    codes = inputs[CATEGORICAL]
    found = [item.scaled[parts, codes[:, place]] for item, place in zip(means, encoder.statistic_places, strict=True)]
    return Inputs({**inputs.arrays, NUMERIC: np.concatenate([inputs[NUMERIC][:, :base], *found], axis=1)})
