"""What is said of a data set's columns and of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.wish import ColumnWish
from orchestrator.fields import ColumnsField, CsvField, LabelField, TaskField
from orchestrator.validated import Validated


class ColumnsConfig(Validated):
    """What is said of a data set's columns in a file, as `orchestrator inspect` writes it.

    Attributes:
        target: column to predict.
        task: its name, or its name as `kind` with options of its own.
        columns: what is wished of columns, by name; see `ColumnWish`.
        csv: what is wished of the file itself; see `CsvWish`.
    """

    target: LabelField | None = None
    task: TaskField | None = None
    columns: ColumnsField
    csv: CsvField


def read_wishes(columns: Mapping[str, Any] | None) -> dict[str, ColumnWish]:
    """Wishes as a user of Python gives them.

    Raises:
        ConfigError: one is not valid.
    """
    return ColumnsConfig.create(columns=columns).columns


def read_csv_wish(csv: CsvWish | Mapping[str, Any] | None) -> CsvWish:
    """What is wished of a CSV file, as a user of Python gives it.

    Raises:
        ConfigError: it is not valid.
    """
    return ColumnsConfig.create(csv=csv).csv
