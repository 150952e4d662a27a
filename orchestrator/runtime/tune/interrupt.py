"""Ctrl-C: once stops a sweep cleanly, twice stops it now."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the user asked to stop.

    Attributes:
        requested: set by the first signal.
    """

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_on_signal(notify: Callable[[str], None], stop: Callable[[], None]) -> Iterator[Interruption]:
    """While it is open, the first SIGINT or SIGTERM makes Tune end its run, the second raises KeyboardInterrupt.

    Tune ends a run on SIGUSR1 by itself; its own handler for SIGINT is switched off (TUNE_DISABLE_SIGINT_HANDLER).
    Outside of the main thread nothing is changed.

    Args:
        notify: is told what happens.
        stop: called with the first signal.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if interruption.requested:
            raise KeyboardInterrupt
        interruption.requested = True
        stop()
        notify("stopping: finished trials are kept, the others can go on later (again to stop at once)")
        if signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            os.kill(os.getpid(), signal.SIGUSR1)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    user_handler = signal.getsignal(signal.SIGUSR1)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGUSR1, user_handler)
