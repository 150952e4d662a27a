"""Sweeps as tests need them, headers and journals: what a test says nothing about is the same everywhere."""

from __future__ import annotations

from typing import Any

from orchestrator.journal import Begun, Drawn, Ended, Journal, Paused, Reported
from orchestrator.journal.folder import Header, sweeps_home
from orchestrator.training import EpochReport, TrialSpec


def a_header(**given: Any) -> Header:
    """The header of a sweep `a-1` on one core."""
    usual = {
        "id": "a-1",
        "name": "a",
        "config": {"data": "sklearn:iris", "trials": 1},
        "space": {},
        "digest": "d",
        "metric": "log_loss",
        "run_id": None,
        "tracking_uri": "sqlite:///x.db",
        "threads": 1,
        "folder": "/",
        "labels": {},
        "started": 1.0,
    }
    return Header(**{**usual, **given})


def write_journal(sweep_id, *events):
    """The journal of a sweep of this machine."""
    journal = Journal(sweeps_home().child(sweep_id), lambda _event: None, lambda: None)
    for event in events:
        journal.record(event)
    journal.close()


def events_of(index, *values, end=None, spec=None, point=None, metrics=None):
    """A trial with these values of the metric, log_loss, after its epochs; `end` is a status, or paused."""
    begun = 100.0 * (index + 1)
    yield Drawn(begun, index, spec or TrialSpec(architecture="mlp", settings={"width": index + 1}), point or {})
    yield Begun(begun, index, 1)
    for epoch, value in enumerate(values, start=1):
        best = min(values[:epoch])
        report = EpochReport(
            epoch=epoch,
            train_loss=1.0,
            validation={"log_loss": value, **(metrics or {})},
            learning_rate=0.1,
            seconds=1.0,
            examples_per_second=1.0,
            best_epoch=values.index(best) + 1,
            best_value=best,
            last=False,
        )
        yield Reported(at=begun + epoch, index=index, report=report, train_seconds=float(epoch), kept=1, stored=10)
    if end == "paused":
        yield Paused(begun + len(values), index)
    elif end is not None:
        yield Ended(begun + len(values), index, end, "its loss is not a number" if end == "failed" else "")
