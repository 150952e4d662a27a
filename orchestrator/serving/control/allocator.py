"""Memory that a burst of large requests has used goes back to the system. Only glibc has to be told."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache

# of mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# blocks of that size have pages of their own, which go back when they are freed; by itself glibc raises it to 32 MiB
LARGE_BLOCK = 256 * 1024
# free at the end of the heap before it shrinks: less would cost a system call with every other request
KEPT = 8 * 2**20
ARENAS = 2
TRIM_SECONDS = 5.0


def prefer_small() -> None:
    """Large blocks in pages of their own, few arenas; for a process whose threads allocate little at the same time."""
    library = _libc()
    if library is not None:
        for option, value in ((M_MMAP_THRESHOLD, LARGE_BLOCK), (M_TRIM_THRESHOLD, KEPT), (M_ARENA_MAX, ARENAS)):
            library.mallopt(option, value)


def give_back() -> None:
    """Free pages within all heaps go back to the system; takes milliseconds, in which other threads run."""
    library = _libc()
    if library is not None:
        library.malloc_trim(0)


class Trimming:
    """When to give memory back: every five seconds while there are large requests, and until the last is answered."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes one that has seen no large request.

        Args:
            seconds: within which a request that was parsed has been answered.
            clock: seconds that only grow.
        """
        self._seconds = seconds
        self._clock = clock
        self._large = 0
        self._until = self._next = clock()

    def is_due(self, large: int) -> bool:
        """Whether to do it now; `large` is how many large requests there have been."""
        now = self._clock()
        if large != self._large:
            self._large, self._until = large, now + self._seconds + TRIM_SECONDS
        if now < self._next or now > self._until:
            return False
        self._next = now + TRIM_SECONDS
        return True


@cache
def _libc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
