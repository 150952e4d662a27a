"""A data set that is never in memory as a whole: schema and encoder, and row groups that are encoded when asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path

import numpy as np

from orchestrator.columns.values import category_keys
from orchestrator.data.dataset import Dataset, Examples, JsonValue
from orchestrator.data.encoder import (
    CategoricalFeature,
    FeatureEncoder,
    NumericFeature,
    TargetEncoder,
    encode_target,
    numeric_feature,
)
from orchestrator.data.inference import MAX_INTEGER_CLASSES, check_classes, dropped_note, sorted_labels
from orchestrator.data.parquet import ParquetFolder, open_parquet_folder
from orchestrator.data.profile import PARTS, PartName, PieceProfile, part_of_rows, profile_piece, sample_schema
from orchestrator.data.schema import Schema, Target, Task
from orchestrator.data.splits import SPLIT_SEED
from orchestrator.errors import DataError, InvalidValueError

Profiler = Callable[[int], PieceProfile]
Run = Callable[[Profiler, Iterable[int]], Iterable[PieceProfile]]


@dataclass(frozen=True)
class StreamedDataset:
    """What a trial needs of a folder of Parquet files: small, whatever the folder holds.

    Attributes:
        name, origin: see `ParquetFolder`.
        digest: SHA-256 over the content of all rows, the schema and the split.
        schema, encoder, target_encoder: see there; fitted on the training part only. Medians are those of a sample.
        folder: the pieces.
        counts: rows for training, validation and test.
        split_seed: of the parts.
        example: a few raw training rows as JSON objects.
        notes: what the user should know about the data.
    """

    name: str
    origin: str
    digest: str
    schema: Schema
    encoder: FeatureEncoder
    target_encoder: TargetEncoder
    folder: ParquetFolder
    counts: tuple[int, int, int]
    split_seed: int
    example: tuple[dict[str, JsonValue], ...]
    notes: tuple[str, ...] = ()

    def read(self, number: int, part: PartName) -> Examples:
        """Reads a piece and encodes those of its rows that are in a part and have a target.

        Raises:
            DataError: the file cannot be read, or has changed since the first pass.
        """
        target = self.schema.target.name
        frame = self.folder.read(number, [*(column.name for column in self.schema.columns), target])
        chosen = part_of_rows(number, len(frame), self.split_seed) == PARTS.index(part)
        rows = frame[chosen]
        codes, keys = category_keys(rows[target])
        rows = rows[np.array([key is not None for key in keys], dtype=bool)[codes]].reset_index(drop=True)
        try:
            numeric, categorical = self.encoder.transform(self.schema, rows)
            return Examples(numeric, categorical, encode_target(self.schema, self.target_encoder, rows[target]))
        except (InvalidValueError, KeyError) as error:
            raise DataError(f"{self.folder.pieces[number]}: changed while it was used ({error})") from None

    def parts(self, part: PartName) -> Iterator[Examples]:
        """All rows of a part, piece by piece."""
        for number in range(len(self.folder.pieces)):
            yield self.read(number, part)

    def no_rows(self) -> Examples:
        """Encoded rows of the right shapes, but none."""
        is_class = self.schema.target.task.is_classification
        return Examples(
            np.empty((0, self.encoder.numeric_width), np.float32),
            np.empty((0, len(self.encoder.categorical)), np.int64),
            np.empty(0, np.int64) if is_class else np.empty(0, np.float32),
        )

    def without_test(self) -> StreamedDataset:
        """The same: trials do not ask for the test part."""
        return self


AnyDataset = Dataset | StreamedDataset


def prepare_streamed(
    source: str | Path,
    target: str | None = None,
    *,
    name: str | None = None,
    task: Task | None = None,
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
    split_seed: int = SPLIT_SEED,
    run: Run = map,
) -> StreamedDataset:
    """Infers the kinds of columns from a sample, then reads every piece once to fit the encoder on the training part.

    Args:
        source: folder of Parquet files.
        target: column to predict.
        name: instead of the folder's.
        task, categorical, ignore: see `prepare_dataset`.
        split_seed: of the parts.
        run: applies a function, which can be pickled, to the numbers of all pieces; the order does not matter.

    Raises:
        UsageError, DataError: see `open_parquet_folder`, `infer_schema` and `profile_piece`.
    """
    folder = open_parquet_folder(source, name)
    schema, notes = sample_schema(folder, target, task=task, categorical=categorical, ignore=ignore, seed=split_seed)
    profiler = partial(profile_piece, folder, schema, split_seed)
    profile = reduce(PieceProfile.merge, run(profiler, range(len(folder.pieces))))
    return finish_profile(folder, schema, notes, profile, split_seed, task)


def finish_profile(
    folder: ParquetFolder,
    schema: Schema,
    notes: tuple[str, ...],
    profile: PieceProfile,
    split_seed: int,
    task: Task | None = None,
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
    schema = replace(schema, target=_final_target(folder, schema.target, profile, task))
    if profile.dropped:
        notes = (*notes, dropped_note(profile.dropped, schema.target.name))
    state = hashlib.sha256(json.dumps([schema.to_json(), split_seed], sort_keys=True).encode())
    for number in sorted(profile.digests):
        state.update(profile.digests[number].encode())
    return StreamedDataset(
        folder.name,
        folder.origin,
        state.hexdigest(),
        schema,
        _encoder(schema, profile),
        TargetEncoder()
        if schema.target.task.is_classification
        else TargetEncoder(profile.target.mean, profile.target.std or 1.0),
        folder,
        profile.counts,
        split_seed,
        profile.example,
        notes,
    )


def _final_target(folder: ParquetFolder, target: Target, profile: PieceProfile, task: Task | None) -> Target:
    """The target with all of its classes: the sample may have missed some."""
    if not target.task.is_classification:
        return target
    labels = sorted(profile.labels)
    found = target.task
    if task is None:
        found = Task.MULTICLASS if len(labels) > 2 else Task.BINARY  # noqa: PLR2004
        if len(labels) > MAX_INTEGER_CLASSES and all(isinstance(label, int) for label in target.classes):
            raise DataError(
                f"{folder.origin}: the target column '{target.name}' looked like classes in a sample, but has "
                f"{len(labels)} different numbers; say --task regression or --task multiclass"
            )
    check_classes(folder.origin, target.name, found, labels, sum(profile.counts))
    # (0, 1) == (False, True) in Python
    truth_values = all(isinstance(label, bool) for label in target.classes) and set(labels) <= {"false", "true"}
    return Target(target.name, found, sorted_labels(labels, truth_values=truth_values))


def _encoder(schema: Schema, profile: PieceProfile) -> FeatureEncoder:
    """As `fit_features` makes it."""
    numeric: list[NumericFeature] = []
    for column in schema.columns:
        indicator_used = False
        for (name, part), summary in profile.numeric.items():
            if name != column.name:
                continue
            if not summary.moments.count:
                if part is None:
                    numeric.append(NumericFeature(name, None, 0.0, 0.0, 1.0, indicator=False))
                continue
            filled = summary.filled()
            indicator = summary.missing > 0 and not indicator_used
            feature = numeric_feature(name, part, summary.sample.median, filled.mean, filled.std, indicator=indicator)
            if feature is not None:
                numeric.append(feature)
                indicator_used |= feature.indicator
    categorical = [
        CategoricalFeature(column.name, tuple(sorted(profile.categories[column.name])))
        for column in schema.columns
        if column.name in profile.categories
    ]
    return FeatureEncoder(tuple(numeric), tuple(categorical))
