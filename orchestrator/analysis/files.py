"""Tables of trials as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Writes a frame as CSV in UTF-8, its index too; times as ISO 8601 in UTC, missing values as empty cells.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        frame.to_csv(path, index=frame.index.name is not None)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Writes a frame as Parquet, its index too; columns of values of several types are texts there.

    Raises:
        StorageError: it cannot be written.
    """
    frame = frame.copy()
    for name in frame.columns:
        kinds = {type(value) for value in frame[name].dropna()}
        if frame[name].dtype == object and len(kinds) > 1 and not kinds <= {int, float}:
            frame[name] = frame[name].map(str, na_action="ignore")
    try:
        frame.to_parquet(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from None
