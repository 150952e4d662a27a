"""How often Python looks for objects that only refer to each other: rarely, in processes of our own."""

from __future__ import annotations

import gc

# what torch, Ray and MLflow make while they are imported stays, about a million objects; by default Python looks
# through them again and again meanwhile, a fifth of the time that these imports take
YOUNG, MIDDLE, OLD = 100_000, 20, 10


def collect_rarely() -> None:
    """For a process that this package has started; one that only uses the package keeps its own settings.

    Source: https://docs.python.org/3/library/gc.html#gc.set_threshold
    """
    gc.set_threshold(YOUNG, MIDDLE, OLD)
