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


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a caller may listen to or replace.

    Attributes:
        on_trial: called with the record and the trial table when a trial is over.
        notify: called with sentences for the user.
        train: instead of `train_trial`, with its signature.
        observer: is told every event of the journal, within a second.
        metrics: is told the same, when the sweep runs where metrics are shown.
    """

    on_trial: Listener | None = None
    notify: Notify = lambda _sentence: None
    train: Train | None = None
    observer: SweepObserver | None = None
    metrics: SweepObserver | None = None

    @property
    def observers(self) -> dict[str, SweepObserver]:
        """All that there are, by what they are for."""
        found = {"display": self.observer, "metrics": self.metrics}
        return {name: observer for name, observer in found.items() if observer is not None}


def observed(first: Callable[[Event], None], hooks: Hooks) -> Callable[[Event], None]:
    """Tells an event to `first`, then to each observer, until that raises."""
    observers = hooks.observers

    def tell(event: Event) -> None:
        first(event)
        for name, observer in list(observers.items()):
            try:
                observer.on_event(event)
            except Exception as error:
                del observers[name]
                hooks.notify(f"note: the sweep goes on without its {name}, which has failed: {error!r}")

    return tell
