"""Answers for the rows of a table, without an endpoint: with onnxruntime as an endpoint has it, or with torch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.bundle.files import read_folder
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.notes import warn
from orchestrator.config import read_csv_wish
from orchestrator.data.given_rows import Rows
from orchestrator.data.sources import Table, check_source, load_rows
from orchestrator.errors import DataError, UsageError, did_you_mean
from orchestrator.serving.inference.prepared_cache import find_prepared, keep_prepared_later, key_of
from orchestrator.tracking.models import fetch_model

# with more rows, torch and all of its threads are faster than its import takes
FEW_ROWS = 20_000
SCHEMA_FILE = "schema.json"
CLASH = "predicted_"


@dataclass(frozen=True)
class AnsweredRows:
    """Rows and their answers, in the same order.

    Attributes:
        rows: as they were read.
        answers: one row per row, with the index of `rows`.
    """

    rows: Table
    answers: pd.DataFrame

    def joined(self, keep: Sequence[str]) -> pd.DataFrame:
        """Some columns of the rows, as they stand there, and then the answers.

        An answer that is called as one of these columns is `predicted_label`, for instance.
        """
        kept = self.rows.frame[list(keep)]
        answers = self.answers.rename(columns={name: f"{CLASH}{name}" for name in self.answers if name in keep})
        return pd.concat([kept, answers], axis=1)


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
    return answer_rows(model, data, csv=csv, tracking_uri=tracking_uri).answers


def answer_rows(
    model: str,
    data: str | Rows,
    *,
    keep: Sequence[str] = (),
    csv: CsvWish | Mapping[str, Any] | None = None,
    tracking_uri: str | None = None,
) -> AnsweredRows:
    """As `predict`, with the rows.

    Args:
        model, data, csv, tracking_uri: see `predict`.
        keep: columns that the data must have.

    Raises:
        UsageError: a column that is to be kept is not there.
        OrchestratorError: see `predict`.
    """
    check_source(data)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = fetch_model(model, tracking_uri, Path(folder)).path
        files = read_folder(path)
    table = load_rows(data, column_names(files), read_csv_wish(csv))
    warn(table.notes)
    for name in keep:
        if name not in table.frame.columns:
            raise UsageError(
                f"--keep {name}: {table.origin} has no such column{did_you_mean(name, table.frame.columns)}"
            )
    key = key_of(files)
    try:
        answers = _quickly(key, table.frame) if len(table.frame) <= FEW_ROWS else None
        if answers is not None:
            return AnsweredRows(table, answers)
        from orchestrator.bundle import ModelBundle

        answers = ModelBundle.of_files(files, path).predict(table.frame)
    except DataError as error:
        raise DataError(f"{table.origin}: {error}") from None
    keep_prepared_later(files, key)
    return AnsweredRows(table, answers)


def column_names(files: Mapping[str, bytes]) -> list[str]:
    """Of the model's columns; none if the bundle is damaged, which is said when it is read."""
    try:
        return [str(column["name"]) for column in json.loads(files[SCHEMA_FILE])["columns"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []


def _quickly(key: str, frame: pd.DataFrame) -> pd.DataFrame | None:
    """The answers of a model that was prepared before, None if it was not."""
    prepared = find_prepared(key)
    return None if prepared is None else prepared.answer(frame).frame(frame.index)
