"""Rows that are mixed of the cells of other rows, column by column: encoded once, and put together as arrays.

What a network is asked about mixed rows goes through the encoder and the network of predictions. Each cell is parsed
and encoded once; only what depends on several original columns (days between two dates, the tokens of several texts)
is made anew for each mixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.data.parsed import ParsedRows
from orchestrator.data.rows import rows_of
from orchestrator.explanations.model import PROBABILITY, ExplainedModel
from orchestrator.features import KINDS, Fitted
from orchestrator.features.date_differences import DAYS
from orchestrator.features.fitted import NumericColumns, places_of
from orchestrator.inputs import CATEGORICAL, NUMERIC, TEXT, Inputs

# of the inputs that are made at once, and rows of them
BATCH_CELLS, BATCH_ROWS = 2**21, 2**13
# that a network is asked about at once: what it computes of more rows leaves the processor's caches
ASKED_ROWS = 2**9


class MixedRows:
    """A table of rows, from whose cells others are mixed.

    Attributes:
        names: of the original columns.
    """

    def __init__(self, model: ExplainedModel, frame: pd.DataFrame, scale: str = PROBABILITY) -> None:
        """Parses and encodes the rows.

        Args:
            model: that is explained.
            frame: rows as for `predict`.
            scale: of the numbers that are computed, see `ExplainedModel.numbers`.

        Raises:
            InvalidValueError: a column is missing, or a value does not fit its column.
        """
        self._model, self._scale = model, scale
        self._parsed = ParsedRows.of(model.schema, rows_of(model.schema, frame))
        self._encoded = self._parsed.encode(model.encoder)
        self.names = tuple(model.columns)
        owners = {part: place for place, parts in enumerate(model.columns.values()) for part in parts}
        encoder = model.encoder
        statistics = [(item.column, item.width) for item in encoder.statistics]
        self._numeric = _owners([*((item.column, item.width) for item in encoder.numeric), *statistics], owners)
        self._categorical = _owners([(item.column, 1) for item in encoder.categorical], owners)
        self._text = np.array([owners[item.column] for item in encoder.text], np.int64)
        self._apart = [
            (item, place, owners[str(item.since)], owners[item.column])
            for item, place in zip(encoder.numeric, places_of(encoder.numeric).tolist(), strict=True)
            if item.since is not None
        ]

    def __len__(self) -> int:
        return len(self._encoded)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Which cells are the same, int64 [rows, columns]: equal numbers in a column are equal cells."""
        return np.stack([self._cells_of(parts) for parts in self._model.columns.values()], axis=1)

    @cached_property
    def answers(self) -> NDArray[np.float64]:
        """The numbers that the model answers to the rows as they are, float64 [rows, outputs]: to equal rows the same
        ones, to the last bit.
        """
        return self.evaluate(np.repeat(np.arange(len(self))[:, None], len(self.names), axis=1))

    def numbers_of(self, column: int) -> NDArray[np.float64] | None:
        """The standardised numbers of an original column of plain numbers, float64 [rows]; None of any other."""
        parts = list(self._model.columns.values())[column]
        features = self._model.encoder.numeric
        for feature, place in zip(features, places_of(features).tolist(), strict=True):
            if feature.column == parts[0] and feature.part is None and len(parts) == 1:
                return self._encoded[NUMERIC][:, place].astype(np.float64)
        return None

    def missing_in(self, column: int) -> NDArray[np.bool_]:
        """Where the number of a column of plain numbers is missing, bool [rows]."""
        (part,) = list(self._model.columns.values())[column]
        missing: NDArray[np.bool_] = np.isnan(self._parsed.cells[part][None])
        return missing

    def evaluate(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the model answers to mixed rows; it is asked once about rows that have the same cells.

        Args:
            places: int64 [mixed rows, columns]: the row of the table that each cell is taken from.

        Returns:
            float64 [mixed rows, outputs].

        Raises:
            UnansweredError: the network computes no number for one.
        """
        first, which = distinct_rows(self.cells[places, np.arange(len(self.names))])
        model = self._model
        found = [model.numbers(model.answered(outputs), self._scale) for outputs in self._asked(places[first])]
        return np.concatenate([np.empty((0, len(model.outputs))), *found])[which]

    def outputs(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the network computes for mixed rows, float32 [mixed rows, outputs]; `places` as in `evaluate`."""
        return np.concatenate(list(self._asked(places)))

    def _asked(self, places: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        width = sum(array.shape[1] for array in self._encoded.arrays.values())
        size = max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, width)))
        for start in range(0, len(places), size):
            inputs = self.encode(places[start : start + size])
            yield np.concatenate(list(self._model.each(self._model.network, inputs.split(ASKED_ROWS))))

    def encode(self, places: NDArray[np.int64]) -> Inputs:
        """The inputs of mixed rows, as the encoder makes them; `places` as in `evaluate`."""
        numbers = _mixed(self._encoded[NUMERIC], self._numeric, places)
        for feature, place, since, column in self._apart:
            days = self._days(feature.column)[places[:, column]] - self._days(str(feature.since))[places[:, since]]
            NumericColumns((feature,), np.array([place])).write(days[None], numbers)
        arrays = {NUMERIC: numbers, CATEGORICAL: _mixed(self._encoded[CATEGORICAL], self._categorical, places)}
        if len(self._text):
            arrays[TEXT] = self._tokens(places)
        return Inputs(arrays)

    def _tokens(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tokens of all texts of a row; of several they are those of the mixture."""
        owners = np.unique(self._text)
        if len(owners) == 1:
            tokens = self._encoded[TEXT][places[:, owners[0]]]
        else:
            mixtures, where = np.unique(places[:, owners], axis=0, return_inverse=True)
            rows = dict(zip(owners.tolist(), mixtures.T, strict=True))
            names = {item.column: owner for item, owner in zip(self._model.encoder.text, self._text, strict=True)}
            kinds = {column.name: KINDS[column.kind] for column in self._model.schema.columns}
            texts = replace(self._model.encoder, numeric=(), categorical=(), statistics=())
            found = texts.encode(
                lambda name: kinds[name].take(self._parsed.cells[name], rows[int(names[name])]), len(mixtures)
            )
            tokens = found[TEXT][where]
        # what no row of the batch needs costs time
        longest = int((tokens != 0).sum(axis=1).max(initial=1))
        return tokens[:, : max(1, longest)]

    def _days(self, column: str) -> NDArray[np.float64]:
        days: NDArray[np.float64] = self._parsed.cells[column][DAYS]
        return days

    def _cells_of(self, parts: tuple[str, ...]) -> NDArray[np.int64]:
        """Which rows have the same in all of these columns of the schema, int64 [rows]."""
        encoder = self._model.encoder
        fitted: tuple[Fitted, ...] = (*encoder.numeric, *encoder.categorical, *encoder.text)
        pieces = [np.zeros((len(self), 1))]
        for part in parts:
            own = replace(
                encoder,
                numeric=tuple(item for item in encoder.numeric if item.column == part and item.since is None),
                categorical=tuple(item for item in encoder.categorical if item.column == part),
                text=tuple(item for item in encoder.text if item.column == part),
                statistics=(),
            )
            if any(item.column == part for item in fitted):
                pieces += self._parsed.encode(own).arrays.values()
            if part in encoder.dates_apart:
                pieces.append(self._days(part)[:, None])
        # missing days are equal to each other, which NaN are not
        whole = np.nan_to_num(np.hstack([piece.astype(np.float64) for piece in pieces]), nan=np.finfo(np.float64).max)
        cells: NDArray[np.int64] = np.unique(whole, axis=0, return_inverse=True)[1]
        return cells.reshape(-1)


def distinct_rows(cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of rows of numbers from 0 those that are different.

    Returns:
        The place of the first of each, and for each row which of them it is; both int64.
    """
    # all cells of a row in one number, which is much faster to sort than rows; made small again before it overflows
    codes, size = np.zeros(len(cells), np.int64), 1
    for column in cells.T:
        count = int(column.max(initial=0)) + 1
        if size * count > np.iinfo(np.int64).max:
            codes = np.unique(codes, return_inverse=True)[1]
            size = int(codes.max(initial=0)) + 1
        codes, size = codes * count + column, size * count
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    return first, which


def _owners(widths: list[tuple[str, int]], owners: dict[str, int]) -> NDArray[np.int64]:
    """The original column of each place of an input, int64 [width], of names and widths of its features."""
    return np.array([owners[name] for name, width in widths for _ in range(width)], np.int64)


def _mixed(encoded: NDArray[Any], owners: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[Any]:
    """Each place of an input from the row that its column is taken from."""
    mixed: NDArray[Any] = encoded[places[:, owners], np.arange(len(owners))]
    return mixed
