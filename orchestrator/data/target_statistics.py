"""Target statistics: for each category what the target is on average, as further numbers of the input `numeric`.

A training row gets what rows of other parts say, never its own target; later rows get what all training rows say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.features_wish import AUTO, FeaturesWish
from orchestrator.columns.notes import Note
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.data.examples import Examples
from orchestrator.data.schema import Schema
from orchestrator.errors import UsageError
from orchestrator.features import KINDS, CategoricalFeature, TargetStatistic
from orchestrator.features.fitted import FIRST_CATEGORY
from orchestrator.inputs import CATEGORICAL, NUMERIC, Inputs
from orchestrator.tasks.averages import averaged, averages_of

# so many rows with the mean of all are added to those of each category
SMOOTHING = 10.0
# of fewer values a network learns this by itself
AUTO_VALUES = 50


@dataclass(frozen=True, kw_only=True)
class AveragedTarget:
    """What is averaged, of some rows.

    Attributes:
        values: float64 [rows, numbers]; see `orchestrator.tasks.averages`.
        weight: what each row counts, float64 [rows].
    """

    values: NDArray[np.float64]
    weight: NDArray[np.float64]

    def by_code(
        self, codes: NDArray[np.int64], count: int, rows: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """The smoothed mean for each code: float64 [count, numbers]; the mean of all for a code without rows.

        Args:
            codes: of the rows, int64 [rows].
            count: of codes.
            rows: that count, all if left out; if none does, all of them make the mean.
        """
        values, weight = self.values, self.weight
        if rows is not None and rows.any():
            codes, values, weight = codes[rows], values[rows], weight[rows]
        overall = np.average(values, axis=0, weights=weight)
        if rows is not None and not rows.any():
            return np.tile(overall, (count, 1))
        sums = np.stack([np.bincount(codes, weight * column, minlength=count) for column in values.T], axis=1)
        counts = np.bincount(codes, weight, minlength=count)
        return smoothed(np.asarray(sums, np.float64), np.asarray(counts, np.float64), overall)

    def out_of_part(self, codes: NDArray[np.int64], count: int, parts: NDArray[np.int64]) -> NDArray[np.float64]:
        """For each row what the rows of other parts say of its code: float64 [rows, numbers]."""
        found = np.empty_like(self.values)
        for part in np.unique(parts):
            mine = parts == part
            found[mine] = self.by_code(codes, count, ~mine)[codes[mine]]
        return found


def smoothed(
    sums: NDArray[np.float64], counts: NDArray[np.float64], overall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Means that are drawn to that of all, where few rows make them.

    Args:
        sums: of rows of a category, by what they count, float64 [..., numbers].
        counts: what these rows count together, float64 [...].
        overall: mean of all rows, float64 [numbers], or with further axes in front.
    """
    return np.asarray((sums + SMOOTHING * overall) / (counts[..., None] + SMOOTHING))


def possible_columns(origin: str, wish: FeaturesWish, schema: Schema) -> tuple[str, ...]:
    """The columns that may get target statistics, as far as it can be said before anything is fitted.

    Raises:
        UsageError: they cannot have any.
    """
    if not wish.target_statistics:
        return ()
    is_auto = wish.target_statistics == (AUTO,)
    categories = tuple(column.name for column in schema.columns if KINDS[column.kind].has_categories)
    if not averages_of(schema.target.task):
        if is_auto:
            return ()
        raise UsageError(
            f"{origin}: --target-statistics: '{schema.target.name}' has {len(schema.target.classes)} classes, and they "
            "are for up to 10; leave it out"
        )
    if is_auto:
        return categories
    for name in wish.target_statistics:
        if name not in categories:
            raise UsageError(f"{origin}: --target-statistics {name}: {_why_not(name, schema)}")
    return wish.target_statistics


def wished_columns(
    origin: str, wish: FeaturesWish, schema: Schema, encoder: FeatureEncoder
) -> tuple[tuple[CategoricalFeature, ...], tuple[Note, ...]]:
    """The columns that get target statistics, and what the user should know.

    Raises:
        UsageError: they cannot have any.
    """
    names = possible_columns(origin, wish, schema)
    if wish.target_statistics != (AUTO,):
        features = {item.column: item for item in encoder.categorical}
        return tuple(features[name] for name in names), ()
    if not averages_of(schema.target.task):
        why = f"'{schema.target.name}' has {len(schema.target.classes)} classes"
        return (), (Note(why=why, done="there are no target statistics, which are for up to 10"),)
    found = tuple(item for item in encoder.categorical if item.cardinality - FIRST_CATEGORY > AUTO_VALUES)
    return found, tuple(
        Note(
            column=item.column,
            why=f"has {item.cardinality - FIRST_CATEGORY:,} codes",
            done="the mean of the target for each is an input, too, for training rows that of other rows",
            option="--target-statistics none leaves it out",
        )
        for item in found
    )


def _why_not(name: str, schema: Schema) -> str:
    kind = next((column.kind for column in schema.columns if column.name == name), None)
    what = "the column is no feature" if kind is None else f"the column is read as {kind}"
    return f"{what}, and only categories have them; --categorical '{name}' reads it as categories"


def fit_statistics(
    encoder: FeatureEncoder, columns: Sequence[CategoricalFeature], codes: NDArray[np.int64], target: AveragedTarget
) -> FeatureEncoder:
    """The encoder with the statistics of some columns.

    Args:
        encoder: without.
        columns: of it.
        codes: of training rows, int64 [rows, categorical columns].
        target: what is averaged of them.
    """
    fitted = []
    for feature in columns:
        mine = codes[:, encoder.categorical.index(feature)]
        means = target.by_code(mine, feature.cardinality)
        seen = means[mine]
        fitted.append(statistic_of(feature, means, seen.mean(axis=0), seen.std(axis=0)))
    return replace(encoder, statistics=tuple(fitted))


def statistic_of(
    feature: CategoricalFeature, means: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> TargetStatistic:
    """What is kept of a column.

    Args:
        feature: of the column.
        means: by code, float64 [codes, numbers].
        mean, std: of these over the training rows, float64 [numbers].
    """
    return TargetStatistic(
        column=feature.column,
        means=tuple(map(tuple, means.tolist())),
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
    )


def with_own(
    encoder: FeatureEncoder,
    train: Examples,
    others: Sequence[Examples],
    target: AveragedTarget,
    parts: NDArray[np.int64],
) -> tuple[Examples, tuple[Examples, ...]]:
    """Training rows with what rows of other parts say, and other rows with what all training rows say.

    Args:
        encoder: with statistics.
        train: rows that are trained on.
        others: rows that are not.
        target: what is averaged of the training rows.
        parts: of the training rows, int64 [rows].
    """
    base = encoder.numeric_width - sum(item.width for item in encoder.statistics)
    numbers = [rows.inputs[NUMERIC][:, :base] for rows in (train, *others)]
    for statistic, place in zip(encoder.statistics, encoder.statistic_places, strict=True):
        codes, count = train.inputs[CATEGORICAL][:, place], len(statistic.means)
        means = target.by_code(codes, count)
        found = [target.out_of_part(codes, count, parts)]
        found += [means[rows.inputs[CATEGORICAL][:, place]] for rows in others]
        numbers = [
            np.concatenate([before, statistic.scaled(more).astype(np.float32)], axis=1)
            for before, more in zip(numbers, found, strict=True)
        ]
    own, *rest = (
        replace(rows, inputs=Inputs({**rows.inputs.arrays, NUMERIC: written}))
        for rows, written in zip((train, *others), numbers, strict=True)
    )
    return own, tuple(rest)


def averaged_of(schema: Schema, rows: Examples) -> AveragedTarget:
    """What is averaged of encoded training rows."""
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    return AveragedTarget(values=averaged(schema.target.task, rows.target), weight=weight)
