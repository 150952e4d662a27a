"""What a sweep has before its first trial: its folder, which it locks, and its run in MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from orchestrator.cluster import check_surroundings
from orchestrator.errors import DataError, LostLockError, StoppedError, StorageError, UsageError
from orchestrator.journal.folder import Header, announce, forget, has_begun, write_header
from orchestrator.journal.lock import Lock, locked
from orchestrator.runtime.assembly import Origin, first_header
from orchestrator.runtime.untracked import OpenTracker
from orchestrator.sweeps.plan import SweepPlan, data_options
from orchestrator.tracking import tags
from orchestrator.tracking.description import Description
from orchestrator.tracking.origin import describe_origin
from orchestrator.tracking.store import absolute_uri, resolve_tracking_uri
from orchestrator.tracking.sweeps import SweepTracker

STOP_SECONDS = 5.0
# in a program that calls `sweep`, Ray makes SystemExit of SIGTERM
STOPS = (KeyboardInterrupt, SystemExit, StoppedError)


@contextmanager
def sweep_folder(origin: Origin) -> Iterator[Lock]:
    """The sweep's folder is there, and no other process drives the sweep.

    Raises:
        UsageError: it cannot be used.
        ExecutionError: another process drives the sweep, or Ray will not start.
    """
    storage = origin.storage
    # before anything is written down of the sweep
    check_surroundings(origin.config.address)
    announce(storage, origin.id)
    try:
        storage.prepare()
    except UsageError:
        if origin.known is None:
            forget(origin.id)
        raise
    with locked(storage, origin.id) as lock:
        try:
            yield lock
        finally:
            if lock.lost is None and origin.known is None and not has_begun(storage):
                # there is nothing to go on with
                with contextlib.suppress(StorageError):
                    storage.clear()
                    forget(origin.id)


def open_tracker(origin: Origin, planning: Future[SweepPlan]) -> tuple[SweepTracker, Header]:
    """The sweep in MLflow. Its header is written before: a run that no header knows could not be found again."""
    plan = planning.result()
    if origin.known is not None and plan.dataset.digest != origin.known.digest:
        raise DataError(
            f"{plan.dataset.origin}: the data has changed since the sweep {origin.id} was started, so its trials could "
            "not be compared; bring the old file back, or start a new sweep"
        )
    header = first_header(plan, origin, absolute_uri(resolve_tracking_uri(plan.config.tracking_uri)))
    data = describe_origin(origin.config.data, data_options(origin.config))
    labels = {tags.SWEEP_ID: origin.id, tags.STORAGE: str(origin.storage), **data}
    description = Description.of(plan.name, plan.dataset, plan.metric, plan.parameters, labels)
    if origin.known is None:
        description.save(origin.storage)
        write_header(origin.storage, header)
        tracker = SweepTracker(header.tracking_uri, description)
    else:
        description = Description.read(origin.storage) or description
        tracker = SweepTracker.open_again(header.tracking_uri, header.run_id, description, header.started)
    if header.run_id != tracker.run_id:
        header = header.with_run(tracker.run_id, absolute_uri(tracker.client.tracking_uri))
        with tracker.ended_on_error():
            write_header(origin.storage, header)
    return tracker, header


def give_up(origin: Origin, opening: Future[tuple[OpenTracker, Header]], error: BaseException) -> None:
    """`abandon`, once the run is there; who stops a sweep does not wait long for a store that does not answer.

    Args:
        origin: of the sweep.
        opening: `open_tracker`, which may still be at work.
        error: that has ended the sweep.
    """
    with contextlib.suppress(TimeoutError):
        if opening.exception(STOP_SECONDS if isinstance(error, STOPS) else None) is None:
            abandon(origin, opening.result()[0], error)


def abandon(origin: Origin, tracker: OpenTracker, error: BaseException) -> None:
    """MLflow learns why the sweep has ended, if this session has made a run there or gone on with one."""
    if isinstance(error, LostLockError):
        # the run is that of another driver now
        tracker.halt()
        return
    if origin.known is None or tracker.has_begun or tracker.run_id != origin.known.run_id:
        interrupted = isinstance(error, STOPS)
        reason = "stopped by the user" if interrupted else str(error)
        tracker.abandon("KILLED" if interrupted else "FAILED", reason)
