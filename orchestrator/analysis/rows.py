"""A trial as one row of a table, under the names by which it is sorted, filtered and shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.analysis.history import SweepHistory, TrialHistory
from orchestrator.journal import FINAL, TrialStatus

METRICS, PARAMETERS = "metrics.", "params."
# in the order in which they stand in tables
ATTRIBUTES = (
    *("trial", "status", "reason", "value", "best_epoch", "epochs"),
    *("seconds", "train_seconds", "attempts", "start", "end"),
)


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One line of a leaderboard.

    Attributes:
        trial: index in the sweep.
        run_id: in MLflow; empty if MLflow was not asked.
        status: finished, stopped, failed, interrupted, paused, waiting or running; `reason` says why it did not finish.
        value: best validation value of the sweep's metric, None if there is none.
        best_epoch: the epoch of that value.
        seconds: while it was running; None until it has ended.
        parameters: flat.
        epochs: how many are over, None if that is not known.
        train_seconds: spent inside of the training function, None if that is not known.
        attempts: how often a worker has taken it up, None if that is not known.
        start, end: of its first attempt and of its last, seconds since 1970; None if that is not known.
        metrics: training loss and validation metrics of the best epoch.
    """

    trial: int
    run_id: str
    status: str
    reason: str
    value: float | None
    best_epoch: int | None
    seconds: float | None
    parameters: dict[str, Any]
    epochs: int | None = None
    train_seconds: float | None = None
    attempts: int | None = None
    start: float | None = None
    end: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def cells(self) -> dict[str, Any]:
        """The row flat: `trial`, `status`, ..., `metrics.NAME`, `params.NAME`; times as texts that sort by time."""
        own = {name: getattr(self, name) for name in ATTRIBUTES}
        own |= {name: _moment(own[name]) for name in ("start", "end")}
        metrics = {f"{METRICS}{name}": value for name, value in self.metrics.items()}
        return {**own, **metrics, **{f"{PARAMETERS}{name}": value for name, value in self.parameters.items()}}


def row_of(trial: TrialHistory) -> TrialRow:
    """The row of a trial."""
    record, best = trial.record, trial.best
    metrics = {} if best is None else {"train_loss": best.train_loss, **best.validation}
    over = trial.status in (*FINAL, TrialStatus.INTERRUPTED)
    return TrialRow(
        trial=record.index,
        run_id="",
        status=trial.status,
        reason=trial.reason,
        value=record.value,
        best_epoch=record.report.best_epoch or None if record.report is not None else None,
        seconds=round(record.seconds, 3) if over else None,
        parameters=record.spec.parameters,
        epochs=record.epochs,
        train_seconds=round(record.train_seconds, 3),
        attempts=record.attempts,
        start=record.started or None,
        end=trial.ended,
        metrics=metrics,
    )


def rows_of(history: SweepHistory) -> tuple[TrialRow, ...]:
    """The rows of all trials of a sweep, the best first, those without a value last."""
    rows = {trial.index: row_of(trial) for trial in history.trials}
    return tuple(rows[index] for index in history.ranking)


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """All names that occur in rows of `cells`: attributes, then metrics, then parameters, each as first seen."""
    seen = dict.fromkeys(name for row in rows for name in row)
    own = [name for name in seen if not name.startswith((METRICS, PARAMETERS))]
    return [
        *own,
        *(name for name in seen if name.startswith(METRICS)),
        *(name for name in seen if name.startswith(PARAMETERS)),
    ]


def known_columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """All names by which trials can be sorted and filtered: attributes, which all have, and what occurs in the rows."""
    return columns_of([dict.fromkeys(ATTRIBUTES), *rows])


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")
