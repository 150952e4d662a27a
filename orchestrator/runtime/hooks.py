"""What the caller of a sweep or of a training run may listen to or replace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.journal import Event
    from orchestrator.journal.folder import KnownSweep
    from orchestrator.runtime.worker.session import Train
    from orchestrator.sweeps.trial_table import Listener

Notify = Callable[[str], None]


class SweepObserver(Protocol):
    """Is told all that happens in a sweep. One that raises is not told any more; the sweep goes on."""

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """A sweep is about to begin, or goes on.

        Args:
            sweep: what it is, and where.
            past: all that has happened in it.
        """

    def on_event(self, event: Event) -> None:
        """Something has happened, and is written down; called from a thread of the journal's."""


@dataclass(frozen=True)
class Hooks:
    """What a caller may listen to or replace.

    Attributes:
        on_trial: called with the record and the trial table when a trial is over.
        notify: called with sentences for the user.
        train: instead of `train_trial`, with its signature.
        observer: is told every event of the journal, within a second.
    """

    on_trial: Listener | None = None
    notify: Notify = lambda _sentence: None
    train: Train | None = None
    observer: SweepObserver | None = None


def observed(first: Callable[[Event], None], hooks: Hooks) -> Callable[[Event], None]:
    """Tells an event to `first`, then to the observer, if there is one, until that raises."""
    observers = [] if hooks.observer is None else [hooks.observer]

    def tell(event: Event) -> None:
        first(event)
        for observer in list(observers):
            try:
                observer.on_event(event)
            except Exception as error:
                observers.clear()
                hooks.notify(f"note: the sweep goes on without its display, which has failed: {error!r}")

    return tell
