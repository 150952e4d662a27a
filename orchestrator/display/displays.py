"""The forms in which a sweep is shown: nothing, lines in a log, a picture in a terminal."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from orchestrator.display.lines import Line
from orchestrator.display.log_lines import LogLine, LogLines
from orchestrator.display.machine import MachineWatch
from orchestrator.display.picture import draw
from orchestrator.display.screen import Screen
from orchestrator.journal import Event
from orchestrator.journal.folder import KnownSweep, sweeps_home
from orchestrator.plain_text import plain
from orchestrator.runtime.sweep_model import About, SweepModel

LOG_SECONDS = 1.0
HINT = "watch it with: "


class Display:
    """What all forms share, and a display that shows nothing. Open it as a context while the sweep runs.

    `on_event` may be called from other threads.
    """

    @property
    def seconds(self) -> float:
        """Of a core that threads of its own have taken to draw."""
        return 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The sweep is over, or broken off."""

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """A sweep is about to begin, or goes on.

        Args:
            sweep: what it is, and where.
            past: all that has happened in it.
        """

    def on_event(self, event: Event) -> None:
        """Something has happened, and is written down."""

    def notify(self, sentence: str) -> None:
        """A sentence for the user."""

    def on_result(self, content: Mapping[str, Any]) -> None:
        """The sweep has ended with a result; `content` is what `--json` prints."""

    def set_clock(self, behind: float) -> None:
        """The clock of the machine that drives the sweep is so many seconds behind that of this one."""


class LogDisplay(Display):
    """Lines that are written one after the other, few enough to be read."""

    def __init__(self, write: Callable[[str], None], *, hint: bool = False) -> None:
        """Args:
        write: writes a line.
        hint: whether to say how to watch the sweep.
        """
        self._hint = hint
        self._write, self._lock, self._stopping = write, threading.Lock(), threading.Event()
        self._model: SweepModel | None = None
        self._lines: LogLines | None = None

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """See `Display`."""
        with self._lock:
            first = self._model is None
            self._model = SweepModel(About.of(sweep.header), past)
            self._lines = LogLines(self._model, time.monotonic())
            if first and self._model.is_open:
                self.tell(LogLine(self._lines.state()))
        if first and self._hint:
            self._write(watch_hint(sweep))
        if first:
            threading.Thread(target=self._work, name="log", daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()

    def on_event(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            if self._model is None or self._lines is None:
                return
            self._model.apply(event)
            for line in self._lines.lines_of(event, time.monotonic()):
                self.tell(line)

    def notify(self, sentence: str) -> None:
        """See `Display`."""
        self._write(sentence)

    def _work(self) -> None:
        while not self._stopping.wait(LOG_SECONDS):
            with self._lock:
                for line in self._lines.lines_at(time.monotonic()) if self._lines is not None else ():
                    self.tell(line)

    def tell(self, line: LogLine) -> None:
        """Writes a line about trials."""
        self._write(line.text)


class TerminalDisplay(Display):
    """A picture below what is said, in a terminal."""

    def __init__(self, file: TextIO) -> None:
        """Args:
        file: the terminal.
        """
        self._model: SweepModel | None = None
        self._machine = MachineWatch()
        self._lock, self._behind = threading.Lock(), 0.0
        self._screen = Screen(file, self._draw)

    @property
    def seconds(self) -> float:
        """See `Display`."""
        return self._screen.seconds

    def __enter__(self) -> Self:
        self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.stop()

    def on_open(self, sweep: KnownSweep, past: Sequence[Event]) -> None:
        """See `Display`."""
        model = SweepModel(About.of(sweep.header), past)
        with self._lock:
            self._model = model

    def on_event(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            if self._model is not None:
                self._model.apply(event)

    def notify(self, sentence: str) -> None:
        """See `Display`."""
        self._screen.say(plain(sentence))

    def set_clock(self, behind: float) -> None:
        """See `Display`."""
        self._behind = behind

    def _draw(self, width: int, height: int) -> Sequence[Line]:
        if self._model is None:
            return []
        machine = self._machine.look()
        with self._lock:
            return draw(self._model, time.time(), width, height, machine=machine, plain=not self._screen.knows_unicode)


def watch_hint(sweep: KnownSweep) -> str:
    """How to watch a sweep, as a line of a log; `read_hint` reads it."""
    base = str(sweep.storage).rpartition("/")[0]
    place = [] if base == str(sweeps_home()) else ["--storage", base]
    return HINT + shlex.join(["orchestrator", "watch", sweep.id, *place])


def read_hint(line: str) -> tuple[str, str | None] | None:
    """The id and the place of the sweep of `watch_hint`; None for any other line."""
    if not line.startswith(f"{HINT}orchestrator watch "):
        return None
    words = shlex.split(line.removeprefix(HINT))[2:]
    return words[0], words[2] if len(words) > 2 else None  # noqa: PLR2004
