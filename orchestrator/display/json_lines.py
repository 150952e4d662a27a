"""A sweep as lines of JSON for other programs. `docs/display.md` has the form, which `VERSION` counts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from orchestrator.display.displays import Display
from orchestrator.display.finite import known
from orchestrator.errors import OrchestratorError
from orchestrator.journal import Closed, Drawn, Event, Opened, Reported
from orchestrator.journal.folder import KnownSweep
from orchestrator.runtime.sweep_model import About, SweepModel
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.training import EpochReport

# a field that is added changes nothing; one that means something else, or is gone, is a new version
VERSION = 1


class JsonLinesDisplay(Display):
    """Writes an event per line. When nobody reads them any more the sweep goes on, and the end says so."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Args:
        write: writes a line at once; may raise OSError.
        """
        self._write, self._lock = write, threading.Lock()
        self._model: SweepModel | None = None
        self._problem: OSError | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What has broken the sweep off is the last event."""
        if error is not None:
            code = error.exit_code if isinstance(error, OrchestratorError) else 1
            message = "stopped by the user" if isinstance(error, KeyboardInterrupt) else str(error)
            self._say("error", time.time(), {"message": message, "exit_code": code})

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """See `Display`; what has happened before is not told again."""
        with self._lock:
            self._model = SweepModel(About.of(sweep.header), past)

    def on_event(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            if self._model is None:
                return
            self._model.apply(event)
            for name, fields in events_of(self._model, event):
                self._say(name, event.at, fields)

    def notify(self, sentence: str) -> None:
        """See `Display`."""
        self._say("note", time.time(), {"text": sentence})

    def on_result(self, content: Mapping[str, Any]) -> None:
        """See `Display`: the last event.

        Raises:
            OSError: lines could not be written.
        """
        self._say("result", time.time(), {"result": content})
        if self._problem is not None:
            raise self._problem

    def _say(self, name: str, at: float, fields: Mapping[str, Any]) -> None:
        if self._problem is None:
            try:
                self._write(line_of(name, at, fields))
            except OSError as error:
                self._problem = error


def line_of(name: str, at: float, fields: Mapping[str, Any]) -> str:
    """An event as a line of ASCII; numbers that JSON does not know are null."""
    content = {"version": VERSION, "event": name, "at": at, **fields}
    return json.dumps(known(content), allow_nan=False, separators=(",", ":"))


def events_of(model: SweepModel, event: Event) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What is told of an event of the journal, which the model has taken in: names and fields."""
    if isinstance(event, Opened):
        yield "open", _opened(model, event)
    elif isinstance(event, Closed):
        yield "close", {"id": model.about.id, "status": event.status, "reason": event.reason}
    elif isinstance(event, Reported):
        yield "epoch", _epoch(model, model.table.records[event.index])
    else:
        record = model.table.records[event.index]
        fields = trial_fields(record)
        yield "trial", {**fields, "parameters": record.spec.parameters} if isinstance(event, Drawn) else fields


def _opened(model: SweepModel, event: Opened) -> dict[str, Any]:
    about, outlook = model.about, event.outlook
    return {
        "id": about.id,
        "name": about.name,
        "metric": about.metric.name,
        "maximize": about.metric.maximize,
        "trials": event.trials,
        "over": model.over,
        "time_budget": outlook and outlook.time_budget,
        "slots": outlook and outlook.slots,
        "epochs": outlook and outlook.epochs,
        "rungs": outlook and list(outlook.rungs),
    }


def trial_fields(record: TrialRecord) -> dict[str, Any]:
    """How a trial stands."""
    return {
        "trial": record.index,
        "status": record.status,
        "reason": record.reason,
        "architecture": record.spec.architecture,
        "attempt": record.attempts,
        "epochs": record.epochs,
        "value": record.value,
        "seconds": round(record.seconds, 3),
    }


def _epoch(model: SweepModel, record: TrialRecord) -> dict[str, Any]:
    report = record.report
    if report is None:
        return {}
    best = {"best_of_sweep": model.table.best is record}
    return {"trial": record.index, "epochs": record.spec.epochs, **epoch_fields(report), **best}


def epoch_fields(report: EpochReport) -> dict[str, Any]:
    """What an epoch has come to."""
    return {
        "epoch": report.epoch,
        "validation": dict(report.validation),
        "train_loss": report.train_loss,
        "learning_rate": report.learning_rate,
        "examples_per_second": report.examples_per_second,
        "seconds": report.seconds,
        "best_epoch": report.best_epoch,
        "best_value": report.best_value,
    }
