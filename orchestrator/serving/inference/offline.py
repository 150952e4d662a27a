"""Answers for the rows of a table, without an endpoint: with onnxruntime as an endpoint has it, or with torch."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.bundle.files import read_folder
from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.notes import DataWarning, warn
from orchestrator.config import read_csv_wish
from orchestrator.data.file_decimals import OwnDecimals
from orchestrator.data.given_rows import Rows
from orchestrator.data.row_blocks import RowBlocks, open_rows
from orchestrator.data.schema import Schema
from orchestrator.data.sources import Source, check_source
from orchestrator.errors import (
    DataError,
    InvalidValueError,
    OrchestratorError,
    UnansweredError,
    UsageError,
    did_you_mean,
)
from orchestrator.serving.inference.prepared_cache import find_prepared, keep_prepared_later, key_of
from orchestrator.serving.inference.prepared_model import PreparedModel
from orchestrator.tracking.models import fetch_model

# with more rows, torch and all of its threads are faster than its import takes
FEW_ROWS = 20_000
# that are computed at once, whatever file they are from: the last bits of an answer may depend on it
BLOCK_ROWS = 16_384
SCHEMA_FILE = "schema.json"
CLASH = "predicted_"


@dataclass(frozen=True)
class AnsweredRows:
    """Rows and their answers, in the same order.

    Attributes:
        rows: as they were read.
        answers: one row per row, with the index of `rows`.
    """

    rows: pd.DataFrame
    answers: pd.DataFrame

    def joined(self, keep: Sequence[str]) -> pd.DataFrame:
        """Some columns of the rows, as they stand there, and then the answers.

        An answer that is called as one of these columns is `predicted_label`, for instance.
        """
        kept = self.rows[list(keep)]
        answers = self.answers.rename(columns={name: f"{CLASH}{name}" for name in self.answers if name in keep})
        return pd.concat([kept, answers], axis=1)


@dataclass(frozen=True)
class OfflineModel:
    """A model that answers tables.

    Attributes:
        files: of its bundle, by name.
        path: what the sentence of an error calls it.
        find: gives the model as it was prepared before, by `key`, if it was.
    """

    files: Mapping[str, bytes]
    path: Path
    find: Callable[[str], PreparedModel | None]

    @classmethod
    def fetch(cls, model: str, tracking_uri: str | None = None) -> OfflineModel:
        """A model by its name, see `predict`.

        Raises:
            NoSuchModelError, BundleError: see `predict`.
        """
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
            path = fetch_model(model, tracking_uri, Path(folder)).path
            # looked up here: tests exchange it
            return cls(read_folder(path), path, lambda key: find_prepared(key))  # noqa: PLW0108

    @cached_property
    def key(self) -> str:
        """See `key_of`."""
        return key_of(self.files)

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns that it knows."""
        return column_names(self.files)

    def open(self, data: Source, csv: CsvWish = PLAIN_CSV) -> RowBlocks:
        """The rows of a table that it is to answer.

        Raises:
            UsageError, DataError: see `load_rows`.
        """
        return open_rows(data, self.columns, csv, size=BLOCK_ROWS)

    def answers(self, table: RowBlocks) -> Iterator[AnsweredRows]:
        """Answers a table, some rows at a time.

        Raises:
            BundleError: the model is damaged, or cannot answer.
            DataError: a row cannot be read or answered; the sentence names table and row.
        """
        compute = self._computing(table.rows)
        start, decimals = 0, None
        for frame in table.blocks():
            try:
                with warnings.catch_warnings():
                    if start:
                        # what is to be said of the columns was said of the first rows
                        warnings.simplefilter("ignore", DataWarning)
                    if table.is_file and decimals is None:
                        decimals = own_decimals(self.files, frame)
                    found = compute(frame if decimals is None else decimals.read(frame))
            except DataError as error:
                raise DataError(f"{table.origin}: {_placed(error, start)}") from None
            yield AnsweredRows(frame, found)
            start += len(frame)

    def _computing(self, rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
        prepared = self._prepared if rows <= FEW_ROWS else None
        if prepared is not None:
            return lambda frame: prepared.answer(frame).frame(frame.index)
        return self._predict

    @cached_property
    def _prepared(self) -> PreparedModel | None:
        return self.find(self.key)

    @cached_property
    def _predict(self) -> Callable[[pd.DataFrame], pd.DataFrame]:
        from orchestrator.bundle import ModelBundle

        return ModelBundle.of_files(self.files, self.path).predict


def _placed(error: DataError, start: int) -> str:
    """The sentence about a row of a block, with its place in the table."""
    if not isinstance(error, InvalidValueError | UnansweredError) or error.row is None:
        return str(error)
    return str(error).replace(f"row {error.row + 1}", f"row {start + error.row + 1}", 1)


def own_decimals(files: Mapping[str, bytes], frame: pd.DataFrame) -> OwnDecimals:
    """How the numbers of a file with rows are read that has another decimal mark than the model's; it is said.

    Args:
        files: of the model's bundle.
        frame: the first rows of the file.
    """
    try:
        columns = Schema.from_json(json.loads(files[SCHEMA_FILE])).columns
    except (KeyError, TypeError, ValueError, RecursionError, OrchestratorError):
        # a damaged bundle is said when it is read
        columns = ()
    found = OwnDecimals.of(columns, frame)
    warn(found.notes)
    return found


def check_kept(table: RowBlocks, keep: Sequence[str]) -> None:
    """Raises UsageError when a column that is to be kept is not there."""
    for name in keep:
        if name not in table.columns:
            raise UsageError(f"--keep {name}: {table.origin} has no such column{did_you_mean(name, table.columns)}")


def predict(
    model: str,
    data: str | Rows,
    *,
    csv: CsvWish | Mapping[str, Any] | None = None,
    tracking_uri: str | None = None,
) -> pd.DataFrame:
    """Answers each row with a model, in the order of the rows.

    A model that was used before is computed by onnxruntime, whose answers agree with torch's to 1e-5.

    Args:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a model bundle.
        data: a CSV, Parquet or JSON file, a folder of them, or rows as `ModelBundle.predict` takes them, with the
            columns that the model was trained on. There may be no rows. What is passed over in a file is a warning,
            `DataWarning`.
        csv: how a CSV file is written, instead of what is found out; see `sweep`.
        tracking_uri: MLflow store, or None for MLflow's default.

    Returns:
        One row per row of the data, with its index, and the columns of the task: `label` and one
        `probability_<class>` per class, or `value`.

    Raises:
        NoSuchModelError: there is no such model.
        BundleError: the model is damaged, or cannot answer.
        DataError: the data cannot be read, lacks a column, or a value does not fit its column.
    """
    blocks = [block.answers for block in answer_blocks(model, data, csv=csv, tracking_uri=tracking_uri)]
    return blocks[0] if len(blocks) == 1 else pd.concat(blocks)


def answer_blocks(
    model: str,
    data: str | Rows,
    *,
    keep: Sequence[str] = (),
    csv: CsvWish | Mapping[str, Any] | None = None,
    tracking_uri: str | None = None,
) -> Iterator[AnsweredRows]:
    """As `predict`, with the rows, some at a time: a Parquet file is never in memory as a whole.

    Args:
        model, data, csv, tracking_uri: see `predict`.
        keep: columns that the data must have.

    Raises:
        UsageError: a column that is to be kept is not there.
        OrchestratorError: see `predict`.
    """
    check_source(data)
    found = OfflineModel.fetch(model, tracking_uri)
    table = found.open(data, read_csv_wish(csv))
    warn(table.notes)
    check_kept(table, keep)
    yield from found.answers(table)
    keep_prepared_later(found.files, found.key)


def column_names(files: Mapping[str, bytes]) -> list[str]:
    """Of the model's columns; none if the bundle is damaged, which is said when it is read."""
    try:
        return [str(column["name"]) for column in json.loads(files[SCHEMA_FILE])["columns"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []
