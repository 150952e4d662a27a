"""The report at the end of a sweep: it is told where it cannot be made, and nothing else depends on it."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.journal.folder import Header
from orchestrator.journal.statuses import SweepStatus
from orchestrator.runtime.untracked import OpenTracker
from orchestrator.storage import Storage

# that it takes, also on a busy machine, with thousands of trials
REPORT_SECONDS = 3.0


def report_ended(
    storage: Storage,
    header: Header,
    status: SweepStatus,
    *,
    tracker: OpenTracker | None,
    notify: Callable[[str], None],
    late: bool = False,
) -> None:
    """Writes the report of a sweep into its folder, and to its run in MLflow.

    Args:
        storage: folder of the sweep.
        header: what it is.
        status: how it has ended.
        tracker: None if MLflow does not answer.
        notify: is told why there is no report.
        late: whether the time of the sweep is over: to draw the pictures takes as long as all else here.
    """
    # a sweep that has its model has not failed, whatever is wrong with a page about it
    try:
        from orchestrator.reports import keep_report, pictures_of

        report, content = keep_report(storage, header, status)
        if tracker is not None:
            tracker.log_report(content, {} if late else pictures_of(report))
            if late:
                draw = f"to draw them: orchestrator sync {header.id}"
                notify(f"the time budget is over, so MLflow has no pictures of the report's charts; {draw}")
    except Exception as error:
        again = f"try again with: orchestrator report {header.id}"
        notify(f"the report of the sweep could not be written ({_reason(error)}); {again}")
    try:
        if tracker is not None:
            tracker.log_winner(storage)
    except Exception as error:
        again = f"try again with: orchestrator sync {header.id}"
        notify(f"what is known of the winner could not be written to MLflow ({_reason(error)}); {again}")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
