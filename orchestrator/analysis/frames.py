"""Trials and learning curves of a sweep as pandas frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.history import SweepHistory
from orchestrator.analysis.rows import METRICS, columns_of, rows_of

if TYPE_CHECKING:
    import pandas as pd


def trials_frame(history: SweepHistory) -> pd.DataFrame:
    """All trials of a sweep, the best first.

    Args:
        history: of the sweep.

    Returns:
        A row per trial, with its number in the sweep (`trial`) as index. Columns: `status`, `reason`, `value` (best
        validation value of the sweep's metric), `best_epoch`, `epochs`, `seconds`, `train_seconds`, `attempts`,
        `start` and `end` (UTC), `metrics.NAME` of the best epoch, and `params.NAME`. What a trial has not is missing.

    Example:
        frame = trials_frame(read_history("adult"))
        frame.groupby("params.architecture")["value"].max()
    """
    import pandas as pd

    rows = rows_of(history)
    cells = [
        {name: value for name, value in row.cells().items() if name not in ("start", "end")}
        | {"start": row.start, "end": row.end}
        for row in rows
    ]
    names = columns_of([row.cells() for row in rows]) or ["trial", "status", "value"]
    frame = pd.DataFrame(cells, columns=names)
    for name in ("best_epoch", "epochs", "attempts"):
        if name in frame:
            # whole numbers, some of which may be missing
            frame[name] = frame[name].astype("Int64")
    for name in ("start", "end"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name].astype("float64"), unit="s", utc=True)
    return frame.set_index("trial")


def curves_frame(history: SweepHistory) -> pd.DataFrame:
    """The learning curves of a sweep.

    Args:
        history: of the sweep.

    Returns:
        A row per epoch of each trial, by trial and epoch. Columns: `trial`, `epoch` (from 1), `at` (UTC), `elapsed`
        (seconds that the sweep had run by then), `train_loss`, `learning_rate`, `epoch_seconds`,
        `examples_per_second`, `best_value` (of the trial so far), and `metrics.NAME` on the validation rows.
    """
    import pandas as pd

    rows = [
        {
            "trial": trial.index,
            "epoch": epoch.report.epoch,
            "at": epoch.at,
            "elapsed": epoch.elapsed,
            "train_loss": epoch.report.train_loss,
            "learning_rate": epoch.report.learning_rate,
            "epoch_seconds": epoch.report.seconds,
            "examples_per_second": epoch.report.examples_per_second,
            "best_value": epoch.report.best_value,
            **{f"{METRICS}{name}": value for name, value in epoch.report.validation.items()},
        }
        for trial in history.trials
        for epoch in trial.epochs
    ]
    names = columns_of(rows) or ["trial", "epoch", "at", "elapsed", "train_loss"]
    frame = pd.DataFrame(rows, columns=names)
    frame["at"] = pd.to_datetime(frame["at"].astype("float64"), unit="s", utc=True)
    return frame
