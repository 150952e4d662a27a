"""How good a registered model's answers were, by its endpoint's log and what has turned out to be true."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.bundle.content import read_content
from orchestrator.bundle.files import read_folder
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.notes import warn
from orchestrator.config import read_csv_wish
from orchestrator.data.sources import load_rows
from orchestrator.errors import UsageError
from orchestrator.evaluation.answered_requests import REQUEST, ROW, read_requests
from orchestrator.evaluation.outcomes import Measured, Outcomes, measure_outcomes
from orchestrator.tracking.models import fetch_model
from orchestrator.units import parse_duration

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "outcome_"
# of MLflow, in a call
MOST_METRICS = 1000


def evaluate(
    model: str,
    log_folder: str | Path,
    truth: str | Path | pd.DataFrame,
    *,
    key: str | None = None,
    window: timedelta | str = "1d",
    since: timedelta | str | None = None,
    metrics: Sequence[str] = (),
    csv: CsvWish | Mapping[str, Any] | None = None,
    tracking_uri: str | None = None,
    track: bool = False,
) -> Outcomes:
    """Measures the answers that an endpoint has logged, now that the truth is known.

    Args:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a model bundle. Of a registered model, the
            answers of this version count.
        log_folder: of `deploy`.
        truth: a file or a data frame with the target column and a key.
        key: column of the log and of `truth` by which both are joined. Without it `_request`, and `_row` if there.
        window: how long a time is of which figures are given, such as `1d` or `6h`.
        since: how far back the log is read, such as `30d`; all of it if left out.
        metrics: names of further metrics than those that the model's test rows were measured by.
        csv: how a CSV file is written, instead of what is found out; see `sweep`.
        tracking_uri: MLflow store, or None for MLflow's default.
        track: write the figure of each window to the run of the version in MLflow, as `outcome_METRIC`.

    Raises:
        UsageError, DataError: there is no such log, or it does not fit to the truth.
        NoSuchModelError, BundleError: there is no such model, or it is damaged.
        TrackingError: the store cannot be used.
    """
    step = _duration(window, "window")
    back = None if since is None else _duration(since, "since")
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        source = fetch_model(model, tracking_uri, Path(folder))
        content = read_content(read_folder(source.path), source.path)
    if track and source.version is None:
        raise UsageError(
            "--track needs a registered model, such as models:/NAME@champion, since a folder has no run in MLflow"
        )
    log = read_requests(Path(log_folder), source.name, source.version, [key] if key else [], since=back)
    names = [content.schema.target.name, *([key] if key else [REQUEST, ROW])]
    table = load_rows(truth, names, read_csv_wish(csv))
    warn(table.notes)
    found = measure_outcomes(
        Measured(
            schema=content.schema, target_encoder=content.target_encoder, metrics=content.metrics, more=tuple(metrics)
        ),
        log,
        table,
        model=source.name,
        version=source.version,
        key=key,
        window=step,
    )
    if track and source.version is not None:
        _track(found, source.name, source.version, tracking_uri)
    return found


def _duration(given: timedelta | str, name: str) -> timedelta:
    try:
        return parse_duration(given)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _track(found: Outcomes, name: str, version: str, tracking_uri: str | None) -> None:
    """A time that is written again has the same step; MLflow shows the last value of it."""
    from mlflow.entities import Metric

    from orchestrator.tracking.store import client_for, tracked

    client = client_for(tracking_uri)
    metrics = [
        Metric(
            f"{PREFIX}{metric.replace(':', '.')}",
            value,
            int(window.start.timestamp() * 1000),
            int(window.start.timestamp() // (window.end - window.start).total_seconds()),
        )
        for window in found.windows
        for metric, value in window.figures.items()
    ]
    with tracked(tracking_uri):
        run_id = client.get_model_version(name, version).run_id
        if not run_id:
            raise UsageError(f"models:/{name}/{version} has no run in MLflow; leave --track out")
        for start in range(0, len(metrics), MOST_METRICS):
            client.log_batch(run_id, metrics=metrics[start : start + MOST_METRICS])
