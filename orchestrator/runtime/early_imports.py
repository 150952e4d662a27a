"""What takes seconds to import, imported while a command waits for something else: for Ray, or for its first trials.

Two threads that import packages which import each other may see one of them half made, so each of these is over before
the main thread goes on to what it prepares.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError, UsageError
from orchestrator.lazy import import_before_torch
from orchestrator.sweeps.plan import readers_of
from orchestrator.sweeps.slots import own_limit, plan_slots

# what the process of a trial needs before its first epoch is over
TRIAL_MODULES = ("orchestrator.runtime.tune.actor", "orchestrator.training.loop")


def import_for_search(*, gangs: bool) -> None:
    """What it takes to start trials; `quiet_tune` comes before.

    Args:
        gangs: whether trials have several workers.
    """
    import_before_torch()
    from orchestrator.runtime.tune import actor, adapters, lifeline, room  # noqa: F401

    if gangs:
        from orchestrator.runtime.gangs import pool, trial  # noqa: F401


def import_for_probe() -> None:
    """What it takes to probe networks; `quiet_tune` comes before."""
    import_before_torch()
    from orchestrator.runtime.probe import probe  # noqa: F401


def import_for_export() -> None:
    """What it takes to write a bundle: torch's compiler, which torch.export imports when it is called; and a report."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torch.export._trace")
    importlib.import_module("jinja2")
    importlib.import_module("orchestrator.reports.report")


def preload_for(config: SweepConfig, sizes: Mapping[str, int], *, streamed: bool) -> Sequence[str]:
    """What the workers of a Ray of our own import at once; those of a gang are other processes.

    With GPUs there are fewer trials than cores, how many only Ray knows.
    """
    if set(sizes.values()) != {1} or config.resources.gpus_per_worker > 0:
        return ()
    # there is no affinity on macOS
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(ExecutionError, UsageError):
        node = {"CPU": cores}
        readers = readers_of(config, streamed=streamed)
        limit = own_limit(config, sizes, readers)
        slots = plan_slots([node], config.resources, sizes=sizes, trials=config.trials, limit=limit, readers=readers)
        # Ray starts a worker for each core: most of them shall have use for it
        return TRIAL_MODULES if 2 * slots.count > cores else ()
    # what does not fit is said when Ray is there
    return ()


@contextmanager
def after(work: Future[None]) -> Iterator[None]:
    """Nothing begins before this work is over."""
    work.result()
    yield
