"""How the training rows are distributed, column by column: what the rows of requests are compared with to see drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.data.encoder import FeatureEncoder
from orchestrator.data.schema import Schema
from orchestrator.features.bins import Bins, Place, bins_of, read_bins
from orchestrator.inputs import CATEGORICAL, NUMERIC, Inputs

EMPTY_BIN_ROWS = 0.5


@dataclass(frozen=True)
class Distribution:
    """Training rows in bins, by column; columns of which the encoder makes no input are left out."""

    bins: dict[str, Bins]

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """Training rows in each bin, by column."""
        return {name: bins.counts for name, bins in self.bins.items()}

    @classmethod
    def of(cls, schema: Schema, encoder: FeatureEncoder, inputs: Inputs) -> Distribution:
        """The distribution of encoded rows."""
        places = _places(encoder)
        names = [column.name for column in schema.columns if column.name in places]
        return cls({name: bins_of(inputs, places[name]) for name in names})

    def bin_rows(self, inputs: Inputs) -> dict[str, NDArray[np.int64]]:
        """How many of some encoded rows are in each bin.

        Returns:
            int64 [bins] by column; each sums to the number of rows.
        """
        return {name: bins.count(inputs) for name, bins in self.bins.items()}

    def fits(self, encoder: FeatureEncoder) -> bool:
        """Whether it is about the inputs that this encoder makes."""
        return {name: bins.inputs for name, bins in self.bins.items()} == _places(encoder)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the inverse of `from_json`."""
        return {"columns": {name: bins.to_json() for name, bins in self.bins.items()}}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Distribution:
        """Rebuilds a distribution.

        Raises:
            KeyError, TypeError, ValueError: the content was not written by `to_json`.
        """
        return cls({str(name): read_bins(dict(item)) for name, item in dict(content["columns"]).items()})


def population_stability_index(expected: Sequence[int] | NDArray[Any], actual: Sequence[int] | NDArray[Any]) -> float:
    """How far the shares of `actual` are from those of `expected`: the sum of (a - e) * ln(a / e) over the bins.

    Below 0.1 there is no change worth looking at, above 0.25 there is a shift (Siddiqi, Credit Risk Scorecards, 2006).
    Without a shift it is about (1 / rows + 1 / rows) * (bins - 1) (Yurdakul, Statistical Properties of
    Population Stability Index, 2018), so that a few hundred rows are needed. A bin that is empty on one side counts as
    half a row there, as in the weight of evidence of scorecards (SAS, HPBIN, WOEADJUST=0.5); one that is empty on both
    sides does not count.

    Args:
        expected, actual: rows in each bin, [bins].

    Returns:
        0.0 for equal shares, and when one side has no rows at all.
    """
    first, second = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    used = (first > 0) | (second > 0)
    if not first.any() or not second.any():
        return 0.0
    before = np.maximum(first[used], EMPTY_BIN_ROWS) / first.sum()
    now = np.maximum(second[used], EMPTY_BIN_ROWS) / second.sum()
    return float(((now - before) * np.log(now / before)).sum())


def _places(encoder: FeatureEncoder) -> dict[str, Place]:
    """By column: the first float input and the one for missing values, or the code input and its number of codes."""
    places: dict[str, int] = {}
    missing: dict[str, int] = {}
    position = 0
    for feature in encoder.numeric:
        places.setdefault(feature.column, position)
        if feature.indicator:
            missing.setdefault(feature.column, position + 1)
        position += 2 if feature.indicator else 1
    found: dict[str, Place] = {name: (NUMERIC, place, missing.get(name)) for name, place in places.items()}
    for place, category in enumerate(encoder.categorical):
        found[category.column] = (CATEGORICAL, place, category.cardinality)
    return found
