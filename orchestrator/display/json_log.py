"""A sweep in a log of JSON: the lines of `LogDisplay` with their figures, and the fields of `--json-lines`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from orchestrator.display.displays import LogDisplay
from orchestrator.display.json_lines import events_of, trial_fields
from orchestrator.display.log_lines import LogLine
from orchestrator.journal import Closed, Event, Opened
from orchestrator.journal.statuses import TrialStatus


class Say(Protocol):
    """Writes a sentence with what it is made of."""

    def __call__(
        self, message: str, event: str = ..., *, level: str = ..., fields: Mapping[str, Any] | None = ...
    ) -> None:
        """See `JsonLog.say`."""


class JsonLogDisplay(LogDisplay):
    """Says begin and end of a session, too."""

    def __init__(self, say: Say) -> None:
        """Args:
        say: writes a line.
        """
        super().__init__(say)
        self._say = say

    def on_event(self, event: Event) -> None:
        """See `Display`."""
        super().on_event(event)
        if self._model is None or not isinstance(event, Opened | Closed):
            return
        about = self._model.about
        for name, fields in events_of(self._model, event):
            said = f"{about.id}: a session begins" if isinstance(event, Opened) else f"{about.id} is {event.status}"
            self._say(said, name, fields={"id": about.id, **fields})

    def tell(self, line: LogLine) -> None:
        """See `LogDisplay`."""
        model, record = self._model, line.trial
        if model is None:
            return
        if record is None:
            counts = {str(status): model.counts[status] for status in TrialStatus}
            elapsed = round(model.elapsed(time.time()), 1)
            self._say(line.text, "state", fields={"id": model.about.id, "trials": counts, "elapsed": elapsed})
            return
        level = "warning" if record.status == TrialStatus.FAILED else "info"
        self._say(line.text, "trial", level=level, fields={"id": model.about.id, **trial_fields(record)})
