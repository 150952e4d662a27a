"""Screen: the last lines of a terminal, drawn again and again; all that is said meanwhile stands above them."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TextIO

from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style

from orchestrator.display.lines import Line, text_of, width_of
from orchestrator.replacing import replaced

# what drawing may take of this process's time, and how often it is done at most and at least
MOST_SHARE = 0.01
SHORTEST, LONGEST = 0.25, 5.0
# how long the end waits for a thread that may ask a cluster which does not answer
JOIN_SECONDS = 2.0
# until a terminal that takes nothing is asked again
BLOCKED_SECONDS = 0.01
ERASE_LINE, ERASE_BELOW = "\x1b[K", "\x1b[J"

Draw = Callable[[int, int], Sequence[Line]]


class Screen:
    """Keeps a picture at the end of what a terminal shows, from `start` to `stop`.

    The cursor stands below the picture, and is never hidden: however the process ends, the terminal can be used.
    When the terminal becomes narrower, it breaks the lines that are there; so many more are drawn over.

    Attributes:
        seconds: of a core that drawing has taken.
    """

    def __init__(self, file: TextIO, draw: Draw) -> None:
        """Args:
        file: a terminal.
        draw: the lines of the picture, given the width and the height that there are.
        """
        self._file, self._draw = file, draw
        self._console = Console(file=file)
        # also held by who says something while the picture is drawn
        self._lock = threading.RLock()
        self._stopping, self._context = threading.Event(), ExitStack()
        self._thread: threading.Thread | None = None
        self._shown: list[int] = []
        self.seconds = 0.0
        self._styles: dict[str, Style] = {}

    @property
    def knows_unicode(self) -> bool:
        """Whether more than ASCII can be shown."""
        return (self._file.encoding or "ascii").lower().startswith("utf")

    def start(self) -> None:
        """Begins to draw; what is printed from now on goes above."""
        names = [name for name in ("stdout", "stderr") if getattr(sys, name).isatty()]
        self._context.enter_context(replaced(sys, **{name: _Above(self, getattr(sys, name)) for name in names}))
        self._thread = threading.Thread(target=self._work, name="display", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Draws a last time, and leaves that where it is."""
        self._stopping.set()
        self._context.close()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
        self.refresh()

    def say(self, text: str) -> None:
        """Prints whole lines above the picture."""
        with self._lock:
            self._write(f"{self._back()}{ERASE_BELOW}{text.rstrip(chr(10))}\n{self._picture()}")

    def refresh(self) -> None:
        """Draws the picture over the one before."""
        with self._lock:
            before = self._back()
            self._write(f"{before}{self._picture()}{ERASE_BELOW}")

    def _work(self) -> None:
        wait = SHORTEST
        while not self._stopping.wait(wait):
            began = time.thread_time()
            self.refresh()
            spent = time.thread_time() - began
            self.seconds += spent
            wait = min(LONGEST, max(SHORTEST, spent / MOST_SHARE))

    def _size(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(self._file.fileno())
        except OSError:
            width, height = self._console.size
        return width or 80, height or 24

    def _back(self) -> str:
        """Moves to the start of the picture that is shown."""
        width, height = self._size()
        rows = sum(max(1, -(-length // width)) for length in self._shown)
        self._shown = []
        # what has left the terminal at its top cannot be reached
        rows = min(rows, height - 1)
        return f"\r\x1b[{rows}A" if rows else "\r"

    def _picture(self) -> str:
        width, height = self._size()
        lines = self._draw(width, height - 1)[: height - 1]
        self._shown = [width_of(line) for line in lines]
        return "".join(f"{self._styled(line)}{ERASE_LINE}\n" for line in lines)

    def _styled(self, line: Line) -> str:
        if self._console.no_color or self._console.color_system is None:
            return text_of(line)
        system = COLOR_SYSTEMS[self._console.color_system]
        return "".join(self._style(name).render(text, color_system=system) for text, name in line)

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = Style.parse(name)
        return self._styles[name]

    def _write(self, text: str) -> None:
        """Past the buffer of the file, which a signal's handler may find half written."""
        content = text.encode(self._file.encoding or "utf-8", "replace")
        try:
            while content:
                try:
                    content = content[os.write(self._file.fileno(), content) :]
                except BlockingIOError:
                    time.sleep(BLOCKED_SECONDS)
        except OSError:
            # the terminal is gone; the sweep goes on
            self._stopping.set()


class _Above(io.TextIOBase):
    """In the place of stdout or stderr: whole lines go above the picture."""

    def __init__(self, screen: Screen, file: TextIO) -> None:
        self._screen, self._file, self._part = screen, file, ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the terminal."""
        return self._file.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """Of the terminal."""
        return self._file.errors

    def isatty(self) -> bool:
        """What is below is one."""
        return True

    def fileno(self) -> int:
        """Of the terminal."""
        return self._file.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Keeps what is no whole line yet."""
        whole, newline, self._part = (self._part + text).rpartition("\n")
        if newline:
            self._screen.say(whole)
        return len(text)
