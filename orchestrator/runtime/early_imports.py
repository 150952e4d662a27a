"""What takes seconds to import, imported while a sweep waits for something else: for Ray, or for its first trials.

Two threads that import packages which import each other may see one of them half made, so each of these is over before
the main thread goes on to what it prepares.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence

# what the process of a trial needs before its first epoch is over
TRIAL_MODULES = ("orchestrator.runtime.tune.actor", "orchestrator.training.loop", "sklearn.metrics")


def import_for_search(*, gangs: bool) -> None:
    """What it takes to start trials; `quiet_tune` comes before.

    Args:
        gangs: whether trials have several workers.
    """
    for name in ("adapters", "actor", "lifeline", "admission"):
        importlib.import_module(f"orchestrator.runtime.tune.{name}")
    if gangs:
        importlib.import_module("orchestrator.runtime.gangs.trial")
        importlib.import_module("orchestrator.runtime.gangs.pool")


def import_for_export() -> None:
    """What it takes to write a bundle: torch's compiler, which torch.export imports when it is called."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torch.export._trace")


def worth_preloading(modules: Sequence[str], slots: int, cores: int) -> Sequence[str]:
    """The modules, if most of the workers that Ray starts, one for each core, will train trials."""
    return modules if 2 * slots > cores else ()
