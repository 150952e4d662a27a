"""The one pass over a folder of Parquet files: what it says about each piece, put together to schema and encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.values import category_keys
from orchestrator.columns.wish import NO_WISH
from orchestrator.data.background import BACKGROUND_ROWS
from orchestrator.data.dataset import DataOptions
from orchestrator.data.guessing import guess_schema
from orchestrator.data.normalise import plain_frame, stacked
from orchestrator.data.parquet import ParquetFolder
from orchestrator.data.parsed import ParsedRows
from orchestrator.data.raw import EXAMPLE_ROWS, hash_rows, json_rows
from orchestrator.data.schema import Schema
from orchestrator.data.settling import named_options, settle
from orchestrator.data.sources import Table, name_notes
from orchestrator.data.splits import NO_ROWS_WISH, Holdout, RowsWish
from orchestrator.data.splits.pieces import inner_piece_parts, piece_parts, piece_weights
from orchestrator.data.streamed_statistics import CategorySums, TrainingTarget
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import JsonValue, Summary
from orchestrator.features._numbers import NumberSummary
from orchestrator.features.date_differences import Pair
from orchestrator.tasks import TargetSummary

SAMPLE_PIECES = 10
SAMPLE_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class PieceProfile:
    """What a pass over one or more pieces has found; `merge` gives the same in any order, up to rounding.

    Attributes:
        counts: rows with a target, by part.
        dropped: rows without one.
        weighed: the sum of the weights, by part; None if all rows count the same.
        columns: what is kept of each column, over training rows.
        differences: the same of the days between two columns of dates.
        target: what the task keeps of it.
        parts: the same of the rows of each part.
        order: of each piece: the target of the first and of the last row, and how often it changes between them.
        digests: of the content of each piece.
        first: number of the piece that the example rows are from.
        example: a few training rows as JSON objects.
        sample: 100 training rows by chance, with the random numbers by which they were chosen, which increase.
        sums: of the target for each category of the columns that may get target statistics, over training rows.
    """

    counts: tuple[int, int, int]
    dropped: int
    columns: dict[str, Summary]
    target: TargetSummary
    parts: tuple[TargetSummary, ...]
    order: dict[int, tuple[str, str, int]]
    digests: dict[int, str]
    first: int
    example: tuple[dict[str, JsonValue], ...]
    differences: dict[Pair, NumberSummary]
    sample: tuple[tuple[float, dict[str, JsonValue]], ...]
    weighed: list[float] | None = None
    sums: dict[str, CategorySums] = field(default_factory=dict)

    def merge(self, other: PieceProfile) -> PieceProfile:
        """Of the pieces of both."""
        train, validation, test = (mine + its for mine, its in zip(self.counts, other.counts, strict=True))
        # pieces without training rows have no example
        shown = min((self, other), key=lambda profile: (not profile.example, profile.first))
        return PieceProfile(
            counts=(train, validation, test),
            weighed=None if self.weighed is None else [*map(sum, zip(self.weighed, other.weighed or (), strict=True))],
            dropped=self.dropped + other.dropped,
            columns={name: summary.merge(other.columns[name]) for name, summary in self.columns.items()},
            differences={pair: found.merge(other.differences[pair]) for pair, found in self.differences.items()},
            target=self.target.merge(other.target),
            sums={name: found.merge(other.sums[name]) for name, found in self.sums.items()},
            parts=tuple(mine.merge(its) for mine, its in zip(self.parts, other.parts, strict=True)),
            order=self.order | other.order,
            digests=self.digests | other.digests,
            first=shown.first,
            example=shown.example,
            sample=tuple(sorted((*self.sample, *other.sample), key=lambda item: item[0])[:BACKGROUND_ROWS]),
        )

    @property
    def changes(self) -> int:
        """How often the target changes from one row to the next, in the order of the pieces."""
        ends = [self.order[number] for number in sorted(self.order)]
        between = sum(before[1] != after[0] for before, after in pairwise(ends))
        return between + sum(changes for _, _, changes in ends)


def sample_table(folder: ParquetFolder, options: DataOptions) -> Table:
    """Some rows from all over the folder.

    Raises:
        DataError: a file cannot be read.
    """
    numbers = np.unique(np.linspace(0, len(folder.pieces) - 1, SAMPLE_PIECES).round().astype(int))
    options = named_options(options, folder.columns)
    # a target that is to be ignored is an error with a sentence of its own
    wishes = options.wishes
    columns = [name for name in folder.columns if not wishes.get(name, NO_WISH).is_ignored or name == options.target]
    parts = []
    for number in numbers.tolist():
        part = folder.read(number, columns)
        if len(part) > SAMPLE_ROWS:
            part = part.sample(SAMPLE_ROWS, random_state=options.split.seed)
        parts.append(part)
    frame = plain_frame(stacked(parts))
    # ignored columns are not read, but may be named
    return Table(
        frame=frame.reindex(columns=[*columns, *(name for name in folder.columns if name not in columns)]),
        name=folder.name,
        origin=folder.origin,
        notes=(*folder.notes, *(() if options.name else name_notes(folder.origin))),
    )


def sample_schema(folder: ParquetFolder, options: DataOptions) -> tuple[Schema, tuple[Note, ...]]:
    """The schema as some rows from all over the folder suggest it, and notes for the user.

    Raises:
        UsageError, DataError: see `guess_schema`.
    """
    table = sample_table(folder, options)
    table, options = settle(table, options)
    found = guess_schema(table, options, sampled=True)
    return found.schema, found.notes


def profile_piece(
    folder: ParquetFolder,
    schema: Schema,
    split: Holdout,
    number: int,
    *,
    rows: RowsWish = NO_ROWS_WISH,
    summed: Sequence[str] = (),
) -> PieceProfile:
    """Reads a piece once.

    Args:
        folder: that it is one of.
        schema, split, rows: of the data set.
        number: of the piece.
        summed: columns of categories that may get target statistics.

    Raises:
        DataError: a value does not fit its column.
    """
    try:
        return _profile(folder, schema, split, number, wish=rows, summed=summed)
    except InvalidValueError as error:
        options = f"mend the value, or say --categorical '{error.column}' or --ignore '{error.column}'"
        if error.column == schema.target.name:
            options = "mend or empty such cells"
        raise DataError(f"{folder.pieces[number]}: {error}; the column did not look so elsewhere: {options}") from None


def _profile(
    folder: ParquetFolder, schema: Schema, split: Holdout, number: int, *, wish: RowsWish, summed: Sequence[str]
) -> PieceProfile:
    origin = str(folder.pieces[number])
    frame = folder.read(number, wanted_columns(schema, wish), schema.nested)
    labels = schema.target.plain(frame[schema.target.name])
    codes, keys = category_keys(labels)
    known = np.array([key is not None for key in keys], dtype=bool)[codes]
    parts = piece_parts(origin, wish, split, number, frame)[known]
    weights = piece_weights(origin, wish, frame)
    rows, labels = frame[known].reset_index(drop=True), labels[known].reset_index(drop=True)
    parsed = _parse(schema, rows, np.flatnonzero(known))
    digest = hashlib.sha256()
    hash_rows(digest, parsed, labels)
    if wish.columns:
        digest.update(parts.tobytes())
    weighed = None
    if weights is not None:
        digest.update(weights[known].tobytes())
        weighed = np.bincount(parts, weights[known], minlength=3).tolist()
    training = np.flatnonzero(parts == 0)
    chosen = parsed.take(training)
    random_keys = np.random.default_rng([split.seed, number, 1]).random(len(training))
    smallest = np.argsort(random_keys)[:BACKGROUND_ROWS]
    sampled = json_rows(schema, rows.iloc[training[smallest]])
    counts = np.bincount(parts, minlength=3).tolist()
    task, codes = schema.target.task, codes[known]
    sums = {}
    if summed:
        inner = inner_piece_parts(wish, split, rows.iloc[training], equal_columns(schema))
        weight = None if weights is None else weights[known][training]
        averaged = TrainingTarget.of(schema.target, labels.iloc[training], weight, inner)
        found = {name: chosen.cells_of(name) for name in summed}
        sums = {name: CategorySums.of(each.codes, each.keys, averaged) for name, each in found.items()}
    return PieceProfile(
        sums=sums,
        counts=(counts[0], counts[1], counts[2]),
        weighed=weighed,
        dropped=int((~known).sum()),
        columns={each.name: chosen.summary(each, random_keys) for each in schema.columns},
        differences=chosen.differences(random_keys),
        target=task.summarise(labels, labels.iloc[training]),
        parts=tuple(task.summarise(labels.iloc[parts == part], labels.iloc[:0]) for part in range(3)),
        order={number: _order_of(codes, keys)} if len(codes) else {},
        digests={number: digest.hexdigest()},
        first=number,
        example=json_rows(schema, rows.iloc[training[:EXAMPLE_ROWS]]),
        sample=tuple(zip(random_keys[smallest].tolist(), sampled, strict=True)),
    )


def _order_of(codes: NDArray[np.int64], keys: Sequence[str | None]) -> tuple[str, str, int]:
    """The first and the last key of some rows, and how often it changes."""
    return str(keys[codes[0]]), str(keys[codes[-1]]), int(np.count_nonzero(codes[1:] != codes[:-1]))


def equal_columns(schema: Schema) -> list[str]:
    """The columns by which two rows are the same one."""
    return [*(column.name for column in schema.columns), schema.target.name]


def wanted_columns(schema: Schema, rows: RowsWish) -> list[str]:
    """The columns that have to be read: those of the schema, and those that say something about rows."""
    return list(dict.fromkeys([*equal_columns(schema), *rows.columns.values()]))


def _parse(schema: Schema, rows: pd.DataFrame, places: NDArray[np.int64]) -> ParsedRows:
    """The values; that all of them can be read is known from here on.

    Raises:
        InvalidValueError: with the row in the piece, where `places` says that each of the rows is.
    """
    try:
        return ParsedRows.of(schema, rows)
    except InvalidValueError as error:
        if error.row is None:
            raise
        row = int(places[error.row])
        sentence = str(error).replace(f"row {error.row + 1},", f"row {row + 1},", 1)
        raise InvalidValueError(sentence, error.column, row) from None
