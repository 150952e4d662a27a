"""How a data set is read, as users of Python say it in arguments."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.choices import AutoName, EqualRowsName, TargetTransformName, TaskName
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.columns.target_wish import TargetWish
from orchestrator.columns.wish import ColumnWish, plain_columns
from orchestrator.config import read_csv_wish, read_wishes
from orchestrator.data.dataset import DataOptions, Dataset
from orchestrator.data.joining import without_frames
from orchestrator.data.opening import open_dataset, with_frames
from orchestrator.data.sources import Table
from orchestrator.tasks import TaskWish


def asked_options(
    *,
    target: Hashable,
    name: str | None,
    task: TaskWish | None,
    categorical: object,
    ignore: object,
    ignore_text: bool,
    columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None,
    csv: CsvWish | Mapping[str, Any] | None,
    rows: RowsWish,
    target_wish: TargetWish,
    features: FeaturesWish,
    background: bool | None = None,
) -> DataOptions:
    """The options that some arguments say, see `DataOptions`.

    Raises:
        ConfigError: one is not valid.
    """
    return DataOptions(
        target=target,
        name=name,
        task=task,
        categorical=plain_columns(categorical),
        ignore=plain_columns(ignore),
        ignore_text=ignore_text,
        columns=read_wishes(columns),
        csv=read_csv_wish(csv),
        rows=rows,
        target_wish=target_wish,
        features=features,
        background=background is not False,
    )


def prepare_dataset(
    data: str | Path | pd.DataFrame | Table,
    target: Hashable = None,
    *,
    name: str | None = None,
    task: TaskName | Mapping[str, Any] | None = None,
    categorical: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    ignore_text: bool = False,
    columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None = None,
    csv: CsvWish | Mapping[str, Any] | None = None,
    group: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
    validation: str | Path | pd.DataFrame | None = None,
    test: str | Path | pd.DataFrame | None = None,
    weight: str | None = None,
    equal_rows: EqualRowsName | None = None,
    folds: int | str | None = None,
    clip_predictions: bool | None = None,
    rare_categories: int | str | None = None,
    target_statistics: str | Sequence[str] | None = None,
    date_differences: AutoName | None = None,
    target_transform: TargetTransformName | None = None,
    background: bool | None = None,
) -> Dataset:
    """Reads data, infers what its columns are, splits its rows and fits the encoder: `open_dataset` with arguments.

    Args:
        data: `sklearn:NAME`, a CSV, Parquet or JSON file, a folder of them, a data frame, or a loaded table.
        target: column to predict.
        name: instead of the one that is made from the data.
        task: instead of what is inferred.
        categorical, ignore: columns to read as categories, and to leave out; one or several.
        ignore_text: whether columns of free text are left out.
        columns: what else is wished of columns, by name.
        csv: how a CSV file is written, instead of what is found out.
        group, time, split_column, validation, test, weight, equal_rows, folds: see `RowsWish`; validation and
            test may be data frames.
        clip_predictions, target_transform: see `TargetWish`.
        rare_categories, target_statistics, date_differences: see `FeaturesWish`.
        background: whether 100 training rows stay with the model, for explanations.

    Raises:
        UsageError: unknown data set, missing file, no such target, or a column that does not exist.
        DataError: the content cannot be used.
    """
    given, frames = without_frames(locals())
    options = asked_options(
        target=target,
        name=name,
        task=task,
        categorical=categorical,
        ignore=ignore,
        ignore_text=ignore_text,
        columns=columns,
        csv=csv,
        rows=RowsWish.given(given),
        target_wish=TargetWish.given(given),
        features=FeaturesWish.given(given),
        background=background,
    )
    return open_dataset(with_frames(data, options, frames), options)
