"""Following a sweep that another process drives, or a job on another machine, by the journal in its folder."""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestrator.display.displays import Display
from orchestrator.errors import ExecutionError
from orchestrator.journal import Closed
from orchestrator.journal.folder import KnownSweep, all_sweeps, find_sweep
from orchestrator.journal.lock import is_locked
from orchestrator.journal.statuses import SweepStatus
from orchestrator.journal.tail import JournalTail
from orchestrator.storage import Storage

# how often a folder, and an object store, is looked at
FOLDER_SECONDS, STORE_SECONDS = 0.5, 3.0
# how often it is asked whether somebody still drives the sweep, and how long after its last word that counts
LOCK_SECONDS, LAST_WORD_SECONDS = 5.0, 15.0
# clocks of two machines that are further apart than this are taken to be wrong
EARLY_SECONDS, LATE_SECONDS = 2.0, 30.0


def find_followed(
    selector: str | None,
    base: Storage | None,
    notify: Callable[[str], None],
    sleep: Callable[[float], object] = time.sleep,
) -> KnownSweep:
    """As `find_sweep`; waits for a sweep that has just been started, and has not written down yet what it is.

    Args:
        selector, base: see `find_sweep`.
        notify: is told once that it waits.
        sleep: waits for so many seconds.

    Raises:
        ExecutionError: see `find_sweep`.
    """
    told = False
    while True:
        try:
            return find_sweep(selector, base)
        except ExecutionError:
            starting = [sweep for sweep in all_sweeps(base) if selector in (None, sweep.id, sweep.name)][:1]
            if not any(sweep.state == SweepStatus.UNSTARTED and is_locked(sweep.storage) for sweep in starting):
                raise
        if not told:
            notify(f"{starting[0].id} is starting")
            told = True
        sleep(FOLDER_SECONDS)


def follow_sweep(
    found: KnownSweep,
    display: Display,
    *,
    ended: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], object] = time.sleep,
) -> SweepStatus:
    """Shows what happens in a sweep until nobody drives it any more.

    Args:
        found: the sweep.
        display: is told of its events.
        ended: whether it is known from elsewhere that it has ended.
        sleep: waits for so many seconds.

    Returns:
        How its last session has ended; `killed` if it could not say so.

    Raises:
        StorageError: the journal cannot be read, or is damaged.
    """
    tail = JournalTail(found.storage)
    wait = FOLDER_SECONDS if found.storage.is_local else STORE_SECONDS
    events, _ = tail.read()
    display.on_open(found, events)
    asked = heard = time.monotonic()
    driven = is_locked(found.storage)
    while driven:
        sleep(wait)
        events, anew = tail.read()
        if anew:
            display.on_open(found, events)
        elif events:
            heard = time.monotonic()
            display.set_clock(_offset(time.time() - events[-1].at))
            for event in events:
                display.on_event(event)
        now = time.monotonic()
        closed = _is_closed(tail)
        # who cannot write to the folder is not told whether it is locked
        if ended() or (closed and now > heard + LAST_WORD_SECONDS):
            break
        if closed or now > asked + LOCK_SECONDS:
            asked, driven = now, is_locked(found.storage)
    events, anew = tail.read()
    if anew:
        display.on_open(found, events)
    for event in events if not anew else ():
        display.on_event(event)
    last = tail.events[-1] if tail.events else None
    return last.status if isinstance(last, Closed) else SweepStatus.KILLED


def _is_closed(tail: JournalTail) -> bool:
    return bool(tail.events) and isinstance(tail.events[-1], Closed)


def _offset(late: float) -> float:
    """Seconds that the clock of the driver's machine is behind, from how late an event is heard of."""
    return late if late < -EARLY_SECONDS or late > LATE_SECONDS else 0.0
