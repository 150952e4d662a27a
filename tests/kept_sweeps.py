"""Headers of sweeps as tests need them: what a test says nothing about is the same everywhere."""

from __future__ import annotations

from typing import Any

from orchestrator.journal.folder import Header


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
