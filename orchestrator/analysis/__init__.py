"""What sweeps have found, to be looked at: trials as rows and frames, learning curves, filters, comparisons.

All of it is made of journals: no tracking store is asked, and nothing that is imported here needs torch, Ray or MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lazy import lazily

if TYPE_CHECKING:
    from orchestrator.analysis.comparison import ComparedSweep, SweepComparison, compare
    from orchestrator.analysis.details import TrialDetails, details_of, find_details
    from orchestrator.analysis.filters import compile_filter
    from orchestrator.analysis.frames import curves_frame, trials_frame
    from orchestrator.analysis.history import RecordedEpoch, SweepHistory, TrialHistory, history_of, read_history
    from orchestrator.analysis.importance import importance_of, parallel_coordinates, parameter_importances, slices
    from orchestrator.analysis.rows import TrialRow, row_of, rows_of
    from orchestrator.analysis.selection import Selection, select
    from orchestrator.analysis.studies import study_trials, write_study
else:
    __getattr__ = lazily(
        __name__,
        comparison=["ComparedSweep", "SweepComparison", "compare"],
        details=["TrialDetails", "details_of", "find_details"],
        filters=["compile_filter"],
        frames=["curves_frame", "trials_frame"],
        history=["RecordedEpoch", "SweepHistory", "TrialHistory", "history_of", "read_history"],
        importance=["importance_of", "parallel_coordinates", "parameter_importances", "slices"],
        rows=["TrialRow", "row_of", "rows_of"],
        selection=["Selection", "select"],
        studies=["study_trials", "write_study"],
    )

__all__ = [
    "ComparedSweep",
    "RecordedEpoch",
    "Selection",
    "SweepComparison",
    "SweepHistory",
    "TrialDetails",
    "TrialHistory",
    "TrialRow",
    "compare",
    "compile_filter",
    "curves_frame",
    "details_of",
    "find_details",
    "history_of",
    "importance_of",
    "parallel_coordinates",
    "parameter_importances",
    "read_history",
    "row_of",
    "rows_of",
    "select",
    "slices",
    "study_trials",
    "trials_frame",
    "write_study",
]
