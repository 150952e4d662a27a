"""A data set in memory: all of its rows are read and encoded at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series
from orchestrator.data.background import Background, draw_background
from orchestrator.data.dataset import DataOptions, Part
from orchestrator.data.encoder import FeatureEncoder, fit_rows
from orchestrator.data.examples import Examples
from orchestrator.data.guessing import RawColumns, dropped_note, guess_columns, guess_target
from orchestrator.data.labelled import LabelledRows, draw_labelled
from orchestrator.data.parsed import ParsedRows
from orchestrator.data.raw import EXAMPLE_ROWS, hash_rows, json_rows
from orchestrator.data.row_numbers import RowNumbers
from orchestrator.data.schema import Schema
from orchestrator.data.settling import settle
from orchestrator.data.sources import Table
from orchestrator.data.splits import MIN_ROWS, Holdout
from orchestrator.data.splits.folds import Fold, inner_parts
from orchestrator.data.splitting import Parted, split_table
from orchestrator.data.target_statistics import averaged_of, fit_statistics, wished_columns, with_own
from orchestrator.errors import DataError
from orchestrator.features import KINDS, CategoricalFeature, Column, JsonValue
from orchestrator.inputs import CATEGORICAL
from orchestrator.tasks import TargetEncoder


@dataclass(frozen=True, kw_only=True)
class MemoryDataset:
    """See `Dataset`.

    Attributes:
        statistic_parts: for target statistics the part of each training row, see `inner_parts`; None without them.
        train, validation, test: encoded parts. `test` is empty where it must not be looked at (`without_test`). With
            folds, `train` are all rows but the test rows, and `validation` those of them that are validated on in turn.
        folds: places in `train`; none for a single split.
        background: see `Dataset`.
        tested: see `some_test_rows`.
        test_numbers: see `Dataset`.
    """

    name: str
    origin: str
    digest: str
    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    train: Examples
    validation: Examples
    test: Examples
    example: tuple[dict[str, JsonValue], ...]
    notes: tuple[Note, ...] = ()
    folds: tuple[Fold, ...] = ()
    statistic_parts: NDArray[np.int64] | None = None
    background: Background | None = None
    tested: LabelledRows | None = None
    test_numbers: RowNumbers | None = None

    @property
    def counts(self) -> tuple[int, int, int]:
        """Rows for training, validation and test."""
        return len(self.train), len(self.validation), len(self.test)

    @property
    def pieces(self) -> None:
        """See `Dataset`: nothing has to be read any more."""

    def rows(self, part: Part) -> Iterator[Examples]:
        """See `Dataset`: all of them at once."""
        yield {Part.TRAIN: self.train, Part.VALIDATION: self.validation, Part.TEST: self.test}[part]

    def targets(self) -> tuple[NDArray[Any], ...]:
        """See `Dataset`."""
        return self.train.target, self.validation.target, self.test.target

    def fold(self, number: int) -> MemoryDataset:
        """See `Dataset`; its training rows are copies."""
        fold = self.folds[number]
        train, validation = self._rows_of(fold)
        return replace(self, train=train, validation=validation, folds=(), statistic_parts=None)

    def _rows_of(self, fold: Fold) -> tuple[Examples, Examples]:
        train = Examples.joined([self.train.between(*part) for part in fold.train])
        validation = self.train.between(*fold.validation)
        if self.statistic_parts is None:
            return train, validation
        # what is known of the target is that of the fold's own training rows
        parts = np.concatenate([self.statistic_parts[slice(*part)] for part in fold.train])
        train, (validation,) = with_own(self.encoder, train, (validation,), averaged_of(self.schema, train), parts)
        return train, validation

    def with_statistics(self, columns: Sequence[CategoricalFeature], parts: NDArray[np.int64]) -> MemoryDataset:
        """The same with target statistics.

        Args:
            columns: of the encoder, that get some.
            parts: of the training rows, see `inner_parts`.
        """
        averaged = averaged_of(self.schema, self.train)
        encoder = fit_statistics(self.encoder, columns, self.train.inputs[CATEGORICAL], averaged)
        train, (validation, test) = with_own(encoder, self.train, (self.validation, self.test), averaged, parts)
        found = replace(self, encoder=encoder, train=train, validation=validation, test=test, statistic_parts=parts)
        if not self.folds:
            return found
        return replace(found, validation=Examples.joined([found._rows_of(fold)[1] for fold in self.folds]))

    def no_rows(self) -> Examples:
        """See `Dataset`."""
        return self.train.between(0, 0)

    def without_test(self) -> MemoryDataset:
        """See `Dataset`."""
        return replace(self, test=self.no_rows(), tested=None, test_numbers=None)

    def some_training_rows(self, limit: int) -> Examples:
        """See `Dataset`: all, since they are there."""
        return self.train

    def some_test_rows(self) -> LabelledRows | None:
        """See `Dataset`."""
        return self.tested

    def for_probe(self, rows: int, seconds: float) -> tuple[MemoryDataset, float]:
        """See `Dataset`: all of them, read at once, of one fold."""
        return (self.fold(len(self.folds) - 1) if self.folds else self).without_test(), 0.0

    def first(self, rows: int) -> MemoryDataset:
        """The first training rows, and equally large a share of the validation rows, but two at least."""
        validation = max(2, round(rows / len(self.train) * len(self.validation)))
        return replace(self, train=self.train.between(0, rows), validation=self.validation.between(0, validation))


def prepare_in_memory(table: Table, options: DataOptions) -> MemoryDataset:
    """Infers the schema, splits the rows, fits the encoder on the training part and encodes all parts.

    Raises:
        UsageError, DataError: see `guess_target` and `guess_columns`; also when fewer than 10 rows have a target.
    """
    table, options = settle(table, options)
    columns = RawColumns.of(table, options)
    found = guess_target(table, columns, options)
    target, known, labels, total = found.target, found.known, found.labels, len(table.frame)
    _check_enough(table.origin, len(labels))
    task, strata = target.task, target.task.strata(labels)
    parted = split_table(table, options, found, strata)
    split, weights, folded = parted.split, parted.weights, parted.folded
    notes = [*table.notes, *found.notes]
    name, origin, nested, parts = table.name, table.origin, table.nested, table.parts
    # scikit-learn's own data sets are sorted, as is known of them
    may_be_sorted = table.default_target is None and options.rows.time is None
    judged = draw_labelled(len(split.test), len(table.frame.columns), options.split.seed)
    kept = _kept_rows(parted, strata, options, judged)
    kept_cells = table.frame.iloc[known[np.concatenate(kept)]]
    # if nobody else needs it, the texts of a column are let go of as soon as they are numbers
    del table
    cells: dict[str, Any] = {}

    def parse(column: Column, raw: RawColumn) -> None:
        cells[column.name] = KINDS[column.kind].parse_raw(column, raw)

    guess = guess_columns(columns, found, options, parse)
    notes += (*guess.notes, *_dropped(target.name, total - len(known)), *parted.notes, *task.notes(target.name, strata))
    notes += task.order_notes(target.name, strata) if may_be_sorted else ()
    schema = Schema(tuple(guess.columns), target, nested)
    rows = ParsedRows(schema=schema, cells=cells, total=total, chosen=known if len(known) < total else None)
    encoder, told = fit_rows(rows.take(parted.training), options.features, options.said_kinds)
    target_encoder = task.fit(labels.iloc[parted.training], options.target_wish)
    notes += told
    notes += task.encoder_notes(target.name, target_encoder, options.target_wish, labels.iloc[split.validation])

    def encode(positions: NDArray[np.int64]) -> Examples:
        return Examples(
            rows.take(positions).encode(encoder),
            task.encode(target_encoder, labels.iloc[positions]),
            None if weights is None else weights[positions],
        )

    train, test = encode(parted.training), encode(split.test)
    validated = encode(split.validation) if folded is None else train.between(folded.folds[0].validation[0], len(train))
    examples, background, tested = _apart(json_rows(schema, kept_cells), kept)
    dataset = MemoryDataset(
        name=name,
        origin=origin,
        digest=_digest(rows, labels, options.split, parted),
        schema=schema,
        encoder=encoder,
        target_encoder=target_encoder,
        train=train,
        validation=validated,
        test=test,
        example=examples,
        notes=tuple(notes),
        folds=() if folded is None else folded.folds,
        background=Background.of(background),
        tested=LabelledRows.of(tested, test.take(judged), judged),
        test_numbers=RowNumbers.of_test_rows(origin, parts, known[split.test], options.rows.test),
    )
    return _with_statistics(dataset, options, parted, strata)


def _with_statistics(
    dataset: MemoryDataset, options: DataOptions, parted: Parted, strata: NDArray[np.int64] | None
) -> MemoryDataset:
    """With the target statistics that are wished for."""
    columns, notes = wished_columns(dataset.origin, options.features, dataset.schema, dataset.encoder)
    dataset = replace(dataset, notes=(*dataset.notes, *notes))
    if not columns:
        return dataset
    seed = options.split.seed
    parts = inner_parts(parted.training, marks=parted.marks, strata=strata, equal=parted.equal, seed=seed)
    return dataset.with_statistics(columns, parts)


def _check_enough(origin: str, rows: int) -> None:
    if rows < MIN_ROWS:
        count = rows_text(rows)
        raise DataError(f"{origin}: only {count} with a target; at least {MIN_ROWS} are needed to train and test")


def _dropped(target: str, rows: int) -> tuple[Note, ...]:
    return (dropped_note(rows, target),) if rows else ()


def _kept_rows(
    parted: Parted, strata: NDArray[np.int64] | None, options: DataOptions, judged: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows that stay with a model, and the test rows at some places.

    Those that stay are training rows, as examples and as background, which is empty if that is not wanted.
    """
    rows = parted.training
    background = draw_background(rows, strata, options.split.seed) if options.background else rows[:0]
    return parted.split.train[:EXAMPLE_ROWS], background, parted.split.test[judged]


def _apart(
    rows: tuple[dict[str, JsonValue], ...], places: Sequence[NDArray[np.int64]]
) -> Iterator[tuple[dict[str, JsonValue], ...]]:
    """The rows of each of some lists of places, which were read together: few rows may have thousands of columns."""
    ends = np.cumsum([len(some) for some in places]).tolist()
    return (rows[first:end] for first, end in zip([0, *ends], ends, strict=False))


def _digest(rows: ParsedRows, labels: Series, split: Holdout, parted: Parted) -> str:
    """SHA-256 of what decides a result: the values, the target and the split, not how the file was written."""
    state = hashlib.sha256()
    state.update(json.dumps([rows.schema.to_json(), split.seed], sort_keys=True).encode())
    hash_rows(state, rows, labels)
    parted.add_content(state)
    return state.hexdigest()
