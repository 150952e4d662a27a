"""How a data set is read, as users of Python say it in arguments."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.wish import ColumnWish
from orchestrator.config import read_csv_wish, read_wishes
from orchestrator.data.dataset import DataOptions
from orchestrator.tasks import TaskWish


def asked_options(
    *,
    target: Hashable,
    name: str | None,
    task: TaskWish | None,
    categorical: Iterable[Hashable],
    ignore: Iterable[Hashable],
    ignore_text: bool,
    columns: Mapping[str, ColumnWish | Mapping[str, Any]] | None,
    csv: CsvWish | Mapping[str, Any] | None,
) -> DataOptions:
    """The options that some arguments say, see `DataOptions`.

    Raises:
        ConfigError: one is not valid.
    """
    return DataOptions(
        target=target,
        name=name,
        task=task,
        categorical=tuple(categorical),  # type: ignore[arg-type]
        ignore=tuple(ignore),  # type: ignore[arg-type]
        ignore_text=ignore_text,
        columns=read_wishes(columns),
        csv=read_csv_wish(csv),
    )
