"""What happened in a sweep: one record per trial, filled by Tune's callbacks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from orchestrator.errors import StorageError
from orchestrator.execution.trainable import ActorSettings, weights_name
from orchestrator.tracking import tags
from orchestrator.tracking.writer import TrialWriter
from orchestrator.training import EpochReport, Metric, TrialSpec

MAX_REASON = 400


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        index: number in the sweep, from 0.
        spec: what was trained.
        status: running, finished, stopped (by the scheduler or the time budget), failed or interrupted.
        reason: why it did not finish.
        report: of its last epoch, None before the first.
        epochs: how many reports there were.
        seconds: from start to end.
        train_seconds: spent inside of the training function.
    """

    index: int
    spec: TrialSpec
    started: float
    status: str = "running"
    reason: str = ""
    report: EpochReport | None = None
    epochs: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0

    @property
    def value(self) -> float | None:
        """The best validation value, None if there is none."""
        return self.report.best_value if self.report else None


Listener = Callable[[TrialRecord, "Ledger"], None]


class Ledger(tune.Callback):  # type: ignore[misc]
    """All trials of a sweep; tells the writer and a listener of each change.

    Attributes:
        trials: by index.
    """

    def __init__(self, metric: Metric, writer: TrialWriter, settings: ActorSettings, listener: Listener | None) -> None:
        self.metric = metric
        self.trials: dict[int, TrialRecord] = {}
        self._writer, self._listener, self._settings = writer, listener, settings
        self._best: TrialRecord | None = None
        self._deadline = float("inf")

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for its own way of resuming, which is not used here
        return {}

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best value so far; of equal ones the first."""
        return self._best

    @property
    def reports(self) -> int:
        """Epochs of all trials."""
        return sum(trial.epochs for trial in self.trials.values())

    def stop_after(self, seconds: float) -> None:
        """From then on, what is stopped is stopped by the time budget."""
        self._deadline = time.monotonic() + seconds

    @property
    def _time_is_up(self) -> bool:
        return time.monotonic() >= self._deadline

    def ended(self) -> list[TrialRecord]:
        """The trials that are over."""
        return [trial for trial in self.trials.values() if trial.status != "running"]

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ANN401
        """Tune: a process takes up the trial."""
        index = trial.config["index"]
        if index not in self.trials:
            record = TrialRecord(index, TrialSpec.from_json(trial.config["spec"]), time.time())
            self.trials[index] = record
            self._writer.started(index, record.spec)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,  # noqa: ANN401
    ) -> None:
        """Tune: an epoch is over, or the trial could not go on."""
        record = self.trials[trial.config["index"]]
        record.train_seconds = result["train_seconds"]
        if "failure" in result:
            record.reason = result["failure"]
            return
        record.report = EpochReport.from_json(result["report"])
        record.epochs += 1
        self._writer.reported(record.index, record.report)
        if self._best is None or self.metric.better(record.report.best_value, self._best.report.best_value):  # type: ignore[union-attr]
            before, self._best = self._best, record
            if before is not None and before is not record and before.status != "running":
                self._forget_weights(before)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ANN401
        """Tune: the trial is over, by itself or stopped."""
        record = self.trials[trial.config["index"]]
        if record.reason:
            self._end(record, "failed", record.reason)
        elif record.report is not None and record.report.last:
            self._end(record, "finished", "")
        else:
            by = "the time budget" if self._time_is_up else "the scheduler"
            self._end(record, "stopped", f"by {by} after epoch {record.epochs}")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:  # noqa: ANN401
        """Tune: the trial's process is lost."""
        self.on_trial_start(iteration, trials, trial)
        record = self.trials[trial.config["index"]]
        self._end(record, "failed", f"the process of the trial was lost ({_last_words(trial)})")

    def close(self, *, interrupted: bool) -> None:
        """Ends what is still running when Tune has come to its end: the user stopped it, or the time budget."""
        for record in self.trials.values():
            if record.status != "running":
                continue
            if self._time_is_up and not interrupted:
                self._end(record, "stopped", f"by the time budget after epoch {record.epochs}")
            else:
                self._end(record, "interrupted", "stopped by the user" if interrupted else "the sweep ended before")

    def _end(self, record: TrialRecord, status: str, reason: str) -> None:
        record.status, record.reason = status, reason
        record.seconds = time.time() - record.started
        extra = {tags.TRAIN_SECONDS: f"{record.train_seconds:.3f}"}
        self._writer.ended(record.index, status, reason, extra)
        if record is not self._best:
            self._forget_weights(record)
        if self._listener is not None:
            self._listener(record, self)

    def _forget_weights(self, record: TrialRecord) -> None:
        # a file too many is no reason to end a sweep
        with contextlib.suppress(StorageError):
            self._settings.storage.remove(weights_name(record.index))


def _last_words(trial: Trial) -> str:
    """What Tune has written down about the end of a trial's process, in one line."""
    try:
        lines = [line.strip() for line in Path(trial.error_file).read_text(errors="replace").splitlines()]
    except (OSError, TypeError):
        return "no reason is known"
    told = [line for line in lines if line.startswith(("The actor", "Worker exit"))] or [
        line for line in lines if line
    ][-1:]
    return " ".join(told)[:MAX_REASON] or "no reason is known"
