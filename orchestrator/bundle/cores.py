"""Batches that are computed at the same time, each on a thread of its own.

Threads that share one operation wait for each other at its end: for small batches, and where other programs use the
cores too, that takes several times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.inputs import Inputs


def on_all_cores(
    network: Callable[[Inputs], NDArray[np.float32]], batches: Iterable[Inputs]
) -> Iterator[NDArray[np.float32]]:
    """What a network of torch gives for each of some batches, in their order; as many at once as torch has threads."""
    batches, threads = list(batches), torch.get_num_threads()
    if min(len(batches), threads) < 2:  # noqa: PLR2004
        yield from map(network, batches)
        return
    try:
        # the number is one of the thread that says it, but new threads begin with the last one that was said
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(network, batches)
    finally:
        torch.set_num_threads(threads)
