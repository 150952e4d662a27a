"""LogLines: a sweep in a log. A line per trial that is over or, when there are many, a line now and then for all."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from orchestrator.journal import Closed, Ended, Event
from orchestrator.journal.statuses import TrialStatus
from orchestrator.runtime.sweep_model import OVER, SweepModel
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.units import show_number, show_seconds

# so many lines may follow each other at once, and one more in so many seconds
BURST, SECONDS_PER_LINE = 30, 5.0
# what was held back is summed up so often
SUMMARY_SECONDS = 10.0
# when no trial ends, a line says so often that all is well
QUIET_SECONDS = 60.0


class LogLine(NamedTuple):
    """A line of a log; of one trial, or of all if that is None."""

    text: str
    trial: TrialRecord | None = None


class LogLines:
    """Says which lines to write. Its time is given, so that it can be simulated."""

    def __init__(self, model: SweepModel, now: float) -> None:
        """Args:
        model: of the sweep; takes in each event before `lines_of` is asked.
        now: seconds, always growing.
        """
        self._model = model
        self._tokens, self._filled, self._written = float(BURST), now, now
        self._held: Counter[TrialStatus] = Counter()
        self._reasons: set[str] = set()

    def lines_of(self, event: Event, now: float) -> list[LogLine]:
        """What to write when an event has happened."""
        if isinstance(event, Closed):
            return self._summary(now)
        if not isinstance(event, Ended):
            return []
        record = self._model.table.records[event.index]
        self._refill(now)
        new_reason = event.status == TrialStatus.FAILED and event.reason not in self._reasons
        if new_reason:
            self._reasons.add(event.reason)
        if self._tokens < 1 and not new_reason:
            self._held[event.status] += 1
            return self._summary(now) if now >= self._written + SUMMARY_SECONDS else []
        self._tokens = max(0.0, self._tokens - 1)
        before = self._summary(now)
        self._written = now
        return [*before, LogLine(self._line(record), record)]

    def lines_at(self, now: float) -> list[LogLine]:
        """What to write although nothing has ended; ask about once a second."""
        if self._held and now >= self._written + SUMMARY_SECONDS:
            return self._summary(now)
        model = self._model
        if now < self._written + QUIET_SECONDS or not (model.is_open and model.running):
            return []
        self._written = now
        return [LogLine(self.state())]

    def state(self) -> str:
        """How all trials stand."""
        model = self._model
        left = model.seconds_left(model.last) if model.is_open else None
        states = ", ".join(f"{model.counts[status]} {status}" for status in TrialStatus if model.counts[status] > 0)
        time = f", about {show_seconds(left)} left" if left is not None else ""
        return f"{self._count()} {states}{self._best()}{time}"

    def _refill(self, now: float) -> None:
        self._tokens = min(float(BURST), self._tokens + (now - self._filled) / SECONDS_PER_LINE)
        self._filled = now

    def _summary(self, now: float) -> list[LogLine]:
        """One line for all that was held back."""
        if not self._held:
            return []
        count = sum(self._held.values())
        states = ", ".join(f"{self._held[status]} {status}" for status in OVER if self._held[status])
        self._held.clear()
        self._written = now
        more = f"{count} more {'trial' if count == 1 else 'trials'}"
        return [LogLine(f"{self._count()} {more}: {states}{self._best()}")]

    def _count(self) -> str:
        total = f"/{self._model.wanted}" if self._model.wanted else ""
        return f"[{self._model.over}{total}]"

    def _best(self) -> str:
        best = self._model.table.best
        return f", best {show_number(best.value)} (trial {best.index})" if best is not None else ""

    def _line(self, record: TrialRecord) -> str:
        metric = self._model.about.metric.name
        value = f"{metric} {show_number(record.value)}" if record.value is not None else "no result"
        reason = f" ({record.reason})" if record.reason else ""
        return (
            f"{self._count()} trial {record.index} {record.spec.architecture}: {value}, "
            f"{record.status}{reason}, {record.seconds:.1f} s{self._best()}"
        )
