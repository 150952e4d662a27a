"""The forms in which a sweep is shown: nothing, lines in a log, a picture in a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TextIO

from orchestrator.display.lines import Line
from orchestrator.display.log_lines import LogLines
from orchestrator.display.machine import MachineWatch
from orchestrator.display.model import About, SweepModel
from orchestrator.display.picture import draw
from orchestrator.display.screen import Screen
from orchestrator.journal import Event
from orchestrator.journal.folder import Header

LOG_SECONDS = 1.0


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

    def on_open(self, header: Header, past: Sequence[Event]) -> None:
        """A sweep is about to begin, or goes on.

        Args:
            header: what it is.
            past: all that has happened in it.
        """

    def on_event(self, event: Event) -> None:
        """Something has happened, and is written down."""

    def notify(self, sentence: str) -> None:
        """A sentence for the user."""


class LogDisplay(Display):
    """Lines that are written one after the other, few enough to be read."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Args:
        write: writes a line.
        """
        self._write, self._lock, self._stopping = write, threading.Lock(), threading.Event()
        self._model: SweepModel | None = None
        self._lines: LogLines | None = None

    def on_open(self, header: Header, past: Sequence[Event]) -> None:
        """See `Display`."""
        self._model = SweepModel(About.of(header), past)
        self._lines = LogLines(self._model, time.monotonic())
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
                self._write(line)

    def notify(self, sentence: str) -> None:
        """See `Display`."""
        self._write(sentence)

    def _work(self) -> None:
        while not self._stopping.wait(LOG_SECONDS):
            with self._lock:
                for line in self._lines.lines_at(time.monotonic()) if self._lines is not None else ():
                    self._write(line)


class TerminalDisplay(Display):
    """A picture below what is said, in a terminal."""

    def __init__(self, file: TextIO) -> None:
        """Args:
        file: the terminal.
        """
        self._model: SweepModel | None = None
        self._machine = MachineWatch()
        # not held while a cluster is asked
        self._lock = threading.Lock()
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

    def on_open(self, header: Header, past: Sequence[Event]) -> None:
        """See `Display`."""
        model = SweepModel(About.of(header), past)
        with self._lock:
            self._model = model

    def on_event(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            if self._model is not None:
                self._model.apply(event)

    def notify(self, sentence: str) -> None:
        """See `Display`."""
        self._screen.say(sentence)

    def _draw(self, width: int, height: int) -> Sequence[Line]:
        machine = self._machine.look()
        with self._lock:
            if self._model is None:
                return []
            return draw(self._model, time.time(), width, height, machine=machine, plain=not self._screen.knows_unicode)
