"""Answers for the rows of a table, without an endpoint: with onnxruntime as an endpoint has it, or with torch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from orchestrator.bundle.files import read_folder
from orchestrator.columns.notes import warn
from orchestrator.data import load_table
from orchestrator.errors import DataError
from orchestrator.serving.inference.prepared_cache import find_prepared, keep_prepared_later, key_of
from orchestrator.tracking.models import fetch_model

# with more rows, torch and all of its threads are faster than its import takes
FEW_ROWS = 20_000


def predict(model: str, data: str | pd.DataFrame, *, tracking_uri: str | None = None) -> pd.DataFrame:
    """Answers each row with a model, in the order of the rows.

    A model that was used before is computed by onnxruntime, whose answers agree with torch's to 1e-5.

    Args:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a model bundle.
        data: a CSV or Parquet file, or a data frame, with the columns that the model was trained on.
        tracking_uri: MLflow store, or None for MLflow's default.

    Returns:
        One row per row of the data, with its index, and the columns of the task: `label` and one
        `probability_<class>` per class, or `value`.

    Raises:
        NoSuchModelError: there is no such model.
        BundleError: the model is damaged, or cannot answer.
        DataError: the data cannot be read, lacks a column, or a value does not fit its column.
    """
    table = load_table(data)
    warn(table.notes)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = fetch_model(model, tracking_uri, Path(folder)).path
        files = read_folder(path)
    key = key_of(files)
    try:
        answers = _quickly(key, table.frame) if len(table.frame) <= FEW_ROWS else None
        if answers is not None:
            return answers
        from orchestrator.bundle import ModelBundle

        answers = ModelBundle.of_files(files, path).predict(table.frame)
    except DataError as error:
        raise DataError(f"{table.origin}: {error}") from None
    keep_prepared_later(files, key)
    return answers


def _quickly(key: str, frame: pd.DataFrame) -> pd.DataFrame | None:
    """The answers of a model that was prepared before, None if it was not."""
    prepared = find_prepared(key)
    return None if prepared is None else prepared.answer(frame).frame(frame.index)
