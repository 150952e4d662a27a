"""Explanations of a model's answers to the rows of a table, without an endpoint."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.bundle.files import read_folder
from orchestrator.choices import MethodName
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.notes import Note, warn
from orchestrator.data.sources import Source, check_source, load_rows
from orchestrator.errors import DataError, UsageError
from orchestrator.serving.inference.offline import column_names, own_decimals
from orchestrator.serving.inference.prepared_cache import find_prepared, keep_prepared_later, key_of
from orchestrator.tracking.models import fetch_model

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.bundle.explaining import Explaining
    from orchestrator.explanations import Explanation

# of more, torch and all of its threads are faster than its import takes
FEW_ROWS = 200
# that are asked, unless the user names them: each is asked hundreds of times
MOST_ROWS = 1000
# draws rows itself, and fewer
DRAWS_ROWS: MethodName = "pdp"
PLACES = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?")


@dataclass(frozen=True)
class ExplainedData:
    """An explanation, and the rows that it is of.

    Attributes:
        explanation: its rows have the numbers that they have in the data, from 1.
        total: rows of the data; None without data.
    """

    explanation: Explanation
    total: int | None


def explain_rows(
    model: str,
    data: str | pd.DataFrame | None = None,
    *,
    rows: str | None = None,
    method: MethodName = "shap",
    background: str | pd.DataFrame | None = None,
    csv: CsvWish | Mapping[str, Any] | None = None,
    tracking_uri: str | None = None,
    **options: Any,  # noqa: ANN401
) -> ExplainedData:
    """Explains a model, or its answers to rows of a file.

    Args:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a model bundle.
        data: a CSV or Parquet file, or a data frame; None for the training rows that the model keeps.
        rows: which rows of it, such as `1,5-9`, counted from 1; all, or 1,000 of more by chance, if left
            out; pdp takes 100.
        method: see `ModelBundle.explain`, as `options`.
        background: rows to compare others with, instead of those that the model keeps.
        csv: how a CSV file is written, instead of what is found out; see `sweep`.
        tracking_uri: MLflow store, or None for MLflow's default.

    Raises:
        NoSuchModelError: there is no such model.
        BundleError: the model is damaged, or cannot answer.
        UsageError: an option cannot be, or there is no background.
        DataError: the data cannot be read, lacks a column, or a value does not fit its column.
    """
    from orchestrator.config import read_csv_wish

    if rows is not None and data is None:
        raise UsageError("--rows: are rows of DATA; give it")
    for source in (data, background):
        if source is not None:
            check_source(source)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = fetch_model(model, tracking_uri, Path(folder)).path
        files = read_folder(path)
    names, wish = column_names(files), read_csv_wish(csv)
    frame, total, origin = None, None, "the background of the model"
    if data is not None:
        table = load_rows(data, names, wish)
        origin, total = table.origin, len(table.frame)
        whole = _read_alike(files, data, table.frame)
        frame, notes = _chosen(whole.set_axis(np.arange(1, total + 1)), rows, method)
        warn([*table.notes, *notes])
    compared = None
    if background is not None:
        compared = _read_alike(files, background, load_rows(background, names, wish).frame)
    key = key_of(files)
    few = frame is None or len(frame) <= FEW_ROWS
    loaded: Explaining | None = find_prepared(key) if few else None
    if loaded is None:
        from orchestrator.bundle import ModelBundle

        loaded = ModelBundle.of_files(files, path)
        keep_prepared_later(files, key)
    given = options if compared is None else {**options, "background": compared}
    try:
        return ExplainedData(loaded.explain(frame, method=method, **given), total)
    except DataError as error:
        raise DataError(f"{origin}: {error}") from None


def _read_alike(files: Mapping[str, bytes], source: Source, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with numbers, if they are of a file with another decimal mark than the model's."""
    return own_decimals(files, frame).read(frame) if isinstance(source, str | Path) else frame


def _chosen(frame: pd.DataFrame, rows: str | None, method: MethodName) -> tuple[pd.DataFrame, list[Note]]:
    """The rows that are explained, whose index is their number, and what the user should know about them."""
    if rows is not None:
        return frame.loc[read_places(rows, len(frame))], []
    if not len(frame):
        raise UsageError("DATA has no rows to explain")
    if method == DRAWS_ROWS or len(frame) <= MOST_ROWS:
        return frame, []
    note = Note(
        why=f"DATA has {len(frame):,} rows",
        done=f"{MOST_ROWS:,} of them are taken, drawn by chance",
        option=f"--rows 1-{len(frame)} takes all, and longer",
    )
    return frame.sample(MOST_ROWS, random_state=0).sort_index(), [note]


def read_places(text: str, count: int) -> list[int]:
    """Numbers of rows, such as `1,5-9`: each once, in their order.

    Raises:
        UsageError: it has another form, or there is no such row.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = PLACES.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"--rows {text}: write numbers of rows, counted from 1, such as 1,5-9")
        first = int(match[1])
        last = int(match[2] or first)
        if not 1 <= first <= last:
            raise UsageError(f"--rows {text}: rows are counted from 1, and {part.strip()} has none")
        if last > count:
            raise UsageError(f"--rows {text}: there is no row {last}, DATA has {count:,}")
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)
