"""Memory that a burst of large requests has used goes back to the system. Only glibc has to be told."""

from __future__ import annotations

import ctypes
from functools import cache

# of mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# blocks of that size have pages of their own, which go back when they are freed; by itself glibc raises it to 32 MiB
LARGE_BLOCK = 256 * 1024
# free at the end of the heap before it shrinks: less would cost a system call with every other request
KEPT = 8 * 2**20
ARENAS = 2


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


@cache
def _libc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
