"""The log of requests of an endpoint, as far as it is about one version of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchestrator.data.schema import Schema
from orchestrator.errors import DataError, UsageError
from orchestrator.naming import path_part
from orchestrator.tasks import TargetEncoder

TIME, VERSION, REQUEST, ROW = "_time", "_version", "_request", "_row"


@dataclass(frozen=True, kw_only=True)
class AnsweredRequests:
    """Rows that an endpoint has answered.

    Attributes:
        frame: the columns of the log but for the answers.
        answers: these, by name without the underscore, [rows].
        times: when they were answered, in seconds since 1970, [rows].
        notes: what is not there, as sentences.
    """

    frame: pd.DataFrame
    answers: dict[str, list[Any]]
    times: NDArray[np.float64]
    notes: tuple[str, ...]

    def shares(self, schema: Schema, encoder: TargetEncoder) -> NDArray[np.float64]:
        """The answers as metrics take them, see `Task.shares`.

        Raises:
            DataError: they are those of a model of another kind.
        """
        task = schema.target.task
        try:
            found = task.answered_shares(encoder, self.answers)
        except (KeyError, TypeError, ValueError):
            found = np.empty((0, 0))
        wanted = len(task.classes) or task.outputs
        if found.shape != (len(self.times), wanted) or not np.isfinite(found).all():
            raise DataError("the answers in the log are not those of this model; was the log written by another one?")
        return found


def read_requests(
    folder: Path, model: str, version: str | None, columns: Sequence[str] = (), *, since: timedelta | None = None
) -> AnsweredRequests:
    """Reads the log of a model.

    Args:
        folder: that the endpoint was given; or the model's own folder in it.
        model: registered name, or that of the folder.
        version: whose answers are read; None for a model that has none.
        columns: of the requests that are read, too, where they are.
        since: how far back.

    Raises:
        UsageError: there is no log of this model.
        DataError: it cannot be read, or has no row of this version and time.
    """
    place = folder / path_part(model)
    if not place.is_dir() and any(folder.glob("date=*")):
        place = folder
    files = sorted(file for file in place.glob("date=*/*.parquet") if not file.name.startswith("."))
    if not files:
        known = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
        there = f"; it has {', '.join(known)}" if known else ""
        raise UsageError(
            f"--log-folder {folder}: there is no log of the model '{model}'{there}; the endpoint needs --log-folder "
            "and --log-share, and writes what it has answered some seconds later"
        )
    table = pa.concat_tables([_read(file, columns) for file in files], promote_options="permissive")
    frame = table.select([name for name in table.column_names if name not in ANSWERS]).to_pandas()
    times = frame[TIME].to_numpy("datetime64[us]").astype(np.int64) / 1e6
    mine = (frame[VERSION] == (version or "")).to_numpy()
    notes = []
    if not mine.all():
        others = ", ".join(sorted(set(frame.loc[~mine, VERSION]))) or "none"
        notes.append(f"{int((~mine).sum()):,} of {len(mine):,} logged rows were answered by other versions ({others})")
    if since is not None:
        mine = mine & (times >= (datetime.now(UTC) - since).timestamp())
    if not mine.any():
        what = f"version {version}" if version else "a model without a version"
        raise DataError(f"{place}: has no rows that {what} has answered{' in this time' if since is not None else ''}")
    rows = table.filter(pa.array(mine))
    answers = {name[1:]: rows.column(name).to_pylist() for name in ANSWERS if name in table.column_names}
    return AnsweredRequests(
        frame=frame[mine].reset_index(drop=True), answers=answers, times=times[mine], notes=tuple(notes)
    )


ANSWERS = ("_label", "_probabilities", "_value", "_quantiles")


def _read(file: Path, columns: Sequence[str]) -> pa.Table:
    try:
        with pq.ParquetFile(file) as opened:
            wanted = {TIME, VERSION, REQUEST, ROW, *ANSWERS, *columns}
            table = opened.read([name for name in opened.schema_arrow.names if name in wanted])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: cannot be read ({str(error).splitlines()[0]})") from None
    absent = [name for name in (TIME, VERSION, REQUEST) if name not in table.column_names]
    if absent:
        raise DataError(f"{file}: is no part of a log of requests, it has no column '{absent[0]}'")
    if ROW not in table.column_names:
        # of before it was written: the rows of a request follow each other
        requests = table.column(REQUEST).to_pandas()
        table = table.append_column(ROW, pa.array(requests.groupby(requests).cumcount(), pa.int64()))
    return table
