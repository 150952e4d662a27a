"""What sweeps have found, to be looked at: trials as rows and frames, learning curves, filters, comparisons.

All of it is made of journals: no tracking store is asked, and nothing that is imported here needs torch, Ray or MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.analysis.filters import compile_filter
    from orchestrator.analysis.frames import curves_frame, trials_frame
    from orchestrator.analysis.history import RecordedEpoch, SweepHistory, TrialHistory, history_of, read_history
    from orchestrator.analysis.rows import TrialRow, row_of, rows_of
    from orchestrator.analysis.selection import Selection, select
else:
    __getattr__ = lazily(
        __name__,
        filters=["compile_filter"],
        frames=["curves_frame", "trials_frame"],
        history=["RecordedEpoch", "SweepHistory", "TrialHistory", "history_of", "read_history"],
        rows=["TrialRow", "row_of", "rows_of"],
        selection=["Selection", "select"],
    )

__all__ = [
    "RecordedEpoch",
    "Selection",
    "SweepHistory",
    "TrialHistory",
    "TrialRow",
    "compile_filter",
    "curves_frame",
    "history_of",
    "read_history",
    "row_of",
    "rows_of",
    "select",
    "trials_frame",
]
