"""The leaderboard of a sweep, from its journal: no tracking store has to be asked for what is on this machine."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.analysis.history import history_of
from orchestrator.analysis.rows import rows_of
from orchestrator.columns.notes import Note
from orchestrator.errors import NoSuchSweepError
from orchestrator.journal.folder import KnownSweep, find_sweep
from orchestrator.tracking.leaderboard import Leaderboard, read_stored_leaderboard, stored_runs


def read_leaderboard(selector: str | None, tracking_uri: str | None = None, *, with_runs: bool = False) -> Leaderboard:
    """The leaderboard of a sweep.

    Args:
        selector: as in `find_sweep`: the sweep's id, its name or its MLflow run; None for the last sweep of all.
        tracking_uri: read it from this MLflow store. If left out, from the journal, or for a sweep that this machine
            does not know, from MLflow's default store.
        with_runs: whether the rows of a journal get the ids of their MLflow runs, for which MLflow is asked.

    Raises:
        NoSuchSweepError: nobody knows of it.
        StorageError: its journal is damaged.
        TrackingError: the store cannot be used.
    """
    if tracking_uri is None:
        try:
            found = find_sweep(selector)
        except NoSuchSweepError:
            return read_stored_leaderboard(selector, None)
        board = _from_journal(found)
        if board is not None:
            return _with_runs(board, found) if with_runs else board
    return read_stored_leaderboard(selector, tracking_uri)


def _from_journal(found: KnownSweep) -> Leaderboard | None:
    """None for a sweep whose journal has no trials: a version before journals may have tracked it."""
    history = history_of(found)
    if not history.trials:
        return None
    return Leaderboard(
        id=found.id,
        name=found.name,
        run_id=found.header.run_id or "",
        metric=found.header.metric,
        status=history.state,
        trials=rows_of(history),
        notes=tuple(map(Note.from_json, found.header.notes)),
        maximize=history.metric.maximize,
    )


def _with_runs(board: Leaderboard, found: KnownSweep) -> Leaderboard:
    if not board.run_id:
        return board
    runs = stored_runs(found.header.tracking_uri, board.run_id)
    return replace(board, trials=tuple(replace(row, run_id=runs.get(row.trial, "")) for row in board.trials))
