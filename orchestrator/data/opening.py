"""From a source to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.data.dataset import DataOptions, Dataset
from orchestrator.data.folders import is_streamed
from orchestrator.data.joining import join_files
from orchestrator.data.memory import prepare_in_memory
from orchestrator.data.sources import Table, check_csv_wish, load_table
from orchestrator.data.streamed import prepare_streamed

Source = str | Path | pd.DataFrame | Table


def with_frames(source: Source, options: DataOptions, frames: Mapping[str, pd.DataFrame]) -> Source:
    """A source of which some parts are data frames, as a table with these; itself without any.

    Args:
        source: see `open_dataset`; a folder is refused later, with the option that does not go with it.
        options: how to read it.
        frames: by part, see `Table`.

    Raises:
        UsageError, DataError: see `load_table`.
    """
    if not frames or is_streamed(source):
        return source
    table = source if isinstance(source, Table) else load_table(source, options.name, options.csv)
    return replace(table, others=frames)


def open_dataset(source: Source, options: DataOptions | None = None) -> Dataset:
    """Reads a source, infers what its columns are, splits its rows and fits the encoder on the training part.

    Args:
        source: see `load_table`; also a table that it has made, or a folder of Parquet files, whose rows are read while
            they are needed.
        options: how to read it.

    Raises:
        UsageError: unknown data set, missing file, no such target, or a column in an option that does not exist.
        DataError: the content cannot be used.
    """
    options = options or DataOptions()
    options.rows.check()
    options.features.check()
    if isinstance(source, str | Path) and is_streamed(source):
        check_csv_wish(str(source), options.csv)
        return prepare_streamed(source, options)
    # without a name for it here, which would hold what is not needed any more
    return prepare_in_memory(whole_table(source, options), options)


def whole_table(source: Source, options: DataOptions) -> Table:
    """The rows of a source that is no folder, with those of the files to validate and test on.

    Raises:
        UsageError, DataError: see `load_table` and `join_files`.
    """
    table = source if isinstance(source, Table) else load_table(source, options.name, options.csv)
    ignored = {name for name, wish in options.wishes.items() if wish.is_ignored}
    return join_files(table, options.rows, ignored)
