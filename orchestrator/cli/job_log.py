"""The log of a job that is followed, with the picture of its sweep below where its folder can be read from here."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orchestrator.cli.displays import draws
from orchestrator.errors import OrchestratorError
from orchestrator.plain_text import plain

if TYPE_CHECKING:
    from orchestrator.display.displays import TerminalDisplay

# lines that the picture makes needless
PROGRESS = re.compile(r"\[\d+(?:/\d+)?\] ")
END_SECONDS = 5.0


@contextmanager
def followed_log() -> Iterator[Callable[[str], None]]:
    """What to write the parts of a log with."""
    if not draws():
        yield lambda text: click.echo(text, nl=False)
        return
    from orchestrator.display.displays import TerminalDisplay

    with TerminalDisplay(sys.stderr) as display:
        log = FollowedLog(display)
        try:
            yield log.write
        finally:
            log.close()


class FollowedLog:
    """Finds out from its log where a job's sweep is, and shows it, without lines that the picture makes needless."""

    def __init__(self, display: TerminalDisplay) -> None:
        self._display, self._part = display, ""
        self._ended, self._shown = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Takes a part of the log, which need not end with a line."""
        *lines, self._part = (self._part + text).split("\n")
        for line in lines:
            self._take(line)

    def close(self) -> None:
        """The job has ended, or is no longer followed."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)
        if self._part:
            self._take(self._part)

    def _take(self, line: str) -> None:
        from orchestrator.display.displays import read_hint

        hint = read_hint(line)
        if hint is not None and self._thread is None:
            self._thread = threading.Thread(target=self._follow, args=hint, name="watch", daemon=True)
            self._thread.start()
        if not (self._shown.is_set() and PROGRESS.match(line)):
            self._display.notify(plain(line))

    def _follow(self, sweep_id: str, place: str | None) -> None:
        """Shows the sweep. Its folder may be on the cluster only: then the log is all there is."""
        from orchestrator.display.following import follow_sweep
        from orchestrator.journal.folder import find_sweep
        from orchestrator.storage import Storage

        try:
            found = find_sweep(sweep_id, None if place is None else Storage.at(place))
            self._shown.set()
            follow_sweep(found, self._display, ended=self._ended.is_set, sleep=self._ended.wait)
        except OrchestratorError:
            self._shown.clear()
