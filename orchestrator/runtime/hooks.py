"""What the caller of a sweep or of a training run may listen to or replace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.runtime.worker.session import Train
    from orchestrator.sweeps.trial_table import Listener

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Hooks:
    """What a caller may listen to or replace.

    Attributes:
        on_trial: called with the record and the trial table when a trial is over.
        notify: called with sentences for the user.
        train: instead of `train_trial`, with its signature.
    """

    on_trial: Listener | None = None
    notify: Notify = lambda _sentence: None
    train: Train | None = None
