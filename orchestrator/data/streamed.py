"""A data set that is never in memory as a whole: schema and encoder, and row groups that are encoded when asked for."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.values import category_keys
from orchestrator.data.background import Background
from orchestrator.data.dataset import DataOptions, Part
from orchestrator.data.encoder import FeatureEncoder, fit_summaries
from orchestrator.data.examples import Examples
from orchestrator.data.guessing import dropped_note
from orchestrator.data.labelled import LabelledRows, most_labelled
from orchestrator.data.memory import MemoryDataset
from orchestrator.data.parquet import ParquetFolder, open_parquet_folder
from orchestrator.data.profile import PieceProfile, equal_columns, profile_piece, sample_schema, wanted_columns
from orchestrator.data.raw import json_rows
from orchestrator.data.schema import Schema
from orchestrator.data.settling import named_options
from orchestrator.data.splits import NO_ROWS_WISH, Holdout, RowsWish
from orchestrator.data.splits.folds import Fold
from orchestrator.data.splits.marks import uneven_note
from orchestrator.data.splits.pieces import check_streamed, inner_piece_parts, piece_parts, piece_weights
from orchestrator.data.streamed_statistics import PartMeans, fit_sums, with_part_means
from orchestrator.data.target_statistics import possible_columns, wished_columns
from orchestrator.errors import DataError, InvalidValueError
from orchestrator.features import JsonValue
from orchestrator.inputs import Inputs
from orchestrator.tasks import TargetEncoder, TargetSummary, Task

PARTS = tuple(Part)
# of a class; more of them say nothing new about whether a metric exists
MANY_ROWS = 100


@dataclass(frozen=True, kw_only=True)
class StreamedDataset:
    """See `Dataset` and `Pieces`: small, whatever the folder holds. Medians of the encoder are those of a sample.

    Attributes:
        folder: the pieces.
        split: of the rows, as far as `wish` does not say it.
        wish: what is said about rows.
        mean_weight: of training rows, by which weights are divided.
        class_counts: rows of each class in each part; none where no classes are predicted.
        part_means: what training rows get in the place of the encoder's target statistics.
    """

    name: str
    origin: str
    digest: str
    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    folder: ParquetFolder
    counts: tuple[int, int, int]
    split: Holdout
    example: tuple[dict[str, JsonValue], ...]
    notes: tuple[Note, ...] = ()
    wish: RowsWish = NO_ROWS_WISH
    mean_weight: float = 1.0
    class_counts: tuple[tuple[int, ...], ...] = ()
    background: Background | None = None
    part_means: tuple[PartMeans, ...] = ()

    def read(self, number: int, part: Part) -> Examples:
        """See `Pieces`."""
        return self._read(number, part)[1]

    def _read(self, number: int, part: Part) -> tuple[pd.DataFrame, Examples]:
        """The rows of a piece in a part, raw and encoded."""
        target = self.schema.target.name
        origin = str(self.folder.pieces[number])
        frame = self.folder.read(number, wanted_columns(self.schema, self.wish), self.schema.nested)
        chosen = piece_parts(origin, self.wish, self.split, number, frame) == PARTS.index(part)
        rows = frame[chosen]
        weights = piece_weights(origin, self.wish, rows)
        try:
            labels = self.schema.target.plain(rows[target])
            codes, keys = category_keys(labels)
            known = np.array([key is not None for key in keys], dtype=bool)[codes]
            raw = rows[known].reset_index(drop=True)
            inputs = self.encoder.transform(self.schema, raw)
            if self.part_means and part is Part.TRAIN:
                inner = inner_piece_parts(self.wish, self.split, rows[known], equal_columns(self.schema))
                inputs = with_part_means(self.encoder, inputs, self.part_means, inner)
            encoded = self.schema.target.task.encode(self.target_encoder, labels[known])
            return raw, Examples(inputs, encoded, None if weights is None else weights[known] / self.mean_weight)
        except (InvalidValueError, KeyError) as error:
            raise DataError(f"{self.folder.pieces[number]}: changed while it was used ({error})") from None

    @property
    def pieces(self) -> StreamedDataset:
        """See `Dataset`."""
        return self

    @property
    def piece_rows(self) -> tuple[int, ...]:
        """See `Pieces`."""
        return tuple(piece.rows for piece in self.folder.pieces)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """See `Dataset`: none, its rows are many."""
        return ()

    def fold(self, number: int) -> StreamedDataset:
        """See `Dataset`."""
        del number
        return self

    def rows(self, part: Part) -> Iterator[Examples]:
        """See `Dataset`: piece by piece."""
        for number in range(len(self.folder.pieces)):
            yield self.read(number, part)

    def no_rows(self) -> Examples:
        """See `Dataset`."""
        return Examples(
            Inputs({spec.name: spec.zeros(0) for spec in self.encoder.inputs}),
            np.empty(0, self.schema.target.task.target_type),
            None if self.wish.weight is None else np.empty(0),
        )

    def targets(self) -> tuple[NDArray[Any], ...] | None:
        """See `Dataset`."""
        few = [np.minimum(counts, MANY_ROWS) for counts in self.class_counts]
        return tuple(np.repeat(np.arange(len(counts)), counts) for counts in few) or None

    def without_test(self) -> StreamedDataset:
        """The same: trials do not ask for the test part."""
        return self

    def some_training_rows(self, limit: int) -> Examples:
        """See `Dataset`: pieces in random order, since files are often sorted by date."""
        parts = [self.no_rows()]
        for number in np.random.default_rng(self.split.seed).permutation(len(self.folder.pieces)):
            if sum(map(len, parts)) >= limit:
                break
            parts.append(self.read(int(number), Part.TRAIN))
        return Examples.joined(parts).between(0, limit)

    def some_test_rows(self) -> LabelledRows | None:
        """See `Dataset`: of pieces in random order."""
        most = most_labelled(len(self.schema.columns))
        raw: list[dict[str, JsonValue]] = []
        encoded = [self.no_rows()]
        for number in np.random.default_rng(self.split.seed).permutation(len(self.folder.pieces)):
            if len(raw) >= most:
                break
            rows, examples = self._read(int(number), Part.TEST)
            raw += json_rows(self.schema, rows)
            encoded.append(examples)
        return LabelledRows.of(raw[:most], Examples.joined(encoded))

    @property
    def test_numbers(self) -> None:
        """See `Dataset`: a row is found in one of many files."""

    def for_probe(self, rows: int, seconds: float) -> tuple[MemoryDataset, float]:
        """See `Dataset`: the rows of the first pieces."""
        train, validation = [self.no_rows()], [self.no_rows()]
        started, reading, count = time.perf_counter(), 0.0, 0
        for number in range(len(self.folder.pieces)):
            began = time.perf_counter()
            train.append(self.read(number, Part.TRAIN))
            reading += time.perf_counter() - began
            count += len(train[-1])
            validation.append(self.read(number, Part.VALIDATION))
            held = sum(map(len, validation))
            if held and (count >= rows or (count and time.perf_counter() - started > seconds)):
                break
        found = MemoryDataset(
            name=self.name,
            origin=self.origin,
            digest=self.digest,
            schema=self.schema,
            encoder=self.encoder,
            target_encoder=self.target_encoder,
            train=Examples.joined(train),
            validation=Examples.joined(validation),
            test=self.no_rows(),
            example=self.example,
        )
        return found, reading / count


def _class_counts(task: Task, parts: Iterable[TargetSummary]) -> tuple[tuple[int, ...], ...]:
    found = [task.class_counts(summary) for summary in parts]
    return tuple(tuple(counts.tolist()) for counts in found if counts is not None)


def prepare_streamed(source: str | Path, options: DataOptions) -> StreamedDataset:
    """Infers the kinds of columns from a sample, then reads every piece once to fit the encoder on the training part.

    Raises:
        UsageError, DataError: see `open_parquet_folder`, `sample_schema` and `profile_piece`.
    """
    folder = open_parquet_folder(source, options.name)
    check_streamed(folder.origin, options.rows)
    options = named_options(options, folder.columns)
    schema, notes = sample_schema(folder, options)
    summed = possible_columns(folder.origin, options.features, schema)
    profiler = partial(profile_piece, folder, schema, options.split, rows=options.rows, summed=summed)
    profile = reduce(PieceProfile.merge, options.run(profiler, range(len(folder.pieces))))
    return finish_profile(folder, schema, notes, profile, options)


def finish_profile(
    folder: ParquetFolder,
    schema: Schema,
    notes: tuple[Note, ...],
    profile: PieceProfile,
    options: DataOptions,
) -> StreamedDataset:
    """The data set that a profile of all pieces makes.

    Raises:
        DataError: there are too few rows, or too many classes.
    """
    if min(profile.counts) == 0:
        raise DataError(
            f"{folder.origin}: only {sum(profile.counts)} rows with a target; that is too few to train, validate and "
            "test on rows of a folder: put them into one file"
        )
    for part, weight in zip(PARTS, profile.weighed or (), strict=False):
        if not weight:
            raise DataError(f"{folder.origin}: the column '{options.rows.weight}' (--weight) is 0 in all {part} rows")
    target, rows = schema.target, sum(profile.counts)
    task = target.task.settled(folder.origin, target.name, profile.target, rows, asked=options.task is not None)
    schema = replace(schema, target=replace(target, task=task))
    if options.rows.group is not None:
        notes = (*notes, *uneven_note(options.rows.group, profile.counts))
    if profile.dropped:
        notes = (*notes, dropped_note(profile.dropped, schema.target.name))
    notes = (*notes, *task.summary_notes(target.name, profile.target))
    notes = (*notes, *task.summary_order_notes(target.name, profile.target, profile.changes))
    encoder, fit_notes = fit_summaries(
        schema, profile.columns, profile.differences, options.features, options.said_kinds
    )
    target_encoder = task.fit_summary(profile.target, options.target_wish)
    notes = (*notes, *task.encoder_notes(target.name, target_encoder, options.target_wish))
    mean_weight = profile.weighed[0] / profile.counts[0] if profile.weighed else 1.0
    columns, told = wished_columns(folder.origin, options.features, schema, encoder)
    encoder, part_means = fit_sums(
        encoder,
        columns,
        profile.sums,
        target=schema.target,
        target_encoder=target_encoder,
        mean_weight=mean_weight,
    )
    state = hashlib.sha256(json.dumps([schema.to_json(), options.split.seed], sort_keys=True).encode())
    for number in sorted(profile.digests):
        state.update(profile.digests[number].encode())
    return StreamedDataset(
        name=folder.name,
        origin=folder.origin,
        digest=state.hexdigest(),
        schema=schema,
        encoder=encoder,
        target_encoder=target_encoder,
        folder=folder,
        counts=profile.counts,
        class_counts=_class_counts(task, profile.parts),
        split=options.split,
        wish=options.rows,
        mean_weight=mean_weight,
        example=profile.example,
        notes=(*notes, *fit_notes, *told),
        part_means=part_means,
        background=Background.of([row for _, row in profile.sample]) if options.background else None,
    )
