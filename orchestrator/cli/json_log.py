"""`--log-format json`: whatever a command says on stderr is an object of JSON per line, for what collects logs."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from orchestrator.display.finite import known
from orchestrator.replacing import replaced

FORMATS = ("text", "json")
VARIABLE = "ORCHESTRATOR_LOG_FORMAT"
NOTE = "note"
# how sentences begin that say more than how something stands
LEVELS = {"Error: ": "error", "Warning: ": "warning", "note: ": "info"}


class JsonLog(io.TextIOBase):
    """In the place of stderr: lines become objects, also those that libraries print."""

    def __init__(self, file: TextIO) -> None:
        """Args:
        file: where they are written.
        """
        self._file, self._rest, self._lock = file, "", threading.Lock()

    # of a stream whose encoding is its own
    encoding, errors = "utf-8", "backslashreplace"

    def say(
        self, message: str, event: str = NOTE, *, level: str = "info", fields: Mapping[str, Any] | None = None
    ) -> None:
        """Writes an object.

        Args:
            message: a sentence for people.
            event: what has happened, by name.
            level: info, warning or error.
            fields: what the sentence is made of.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        content = {"time": at, "level": level, "event": event, "message": message, **(fields or {})}
        text = json.dumps(known(content), allow_nan=False, separators=(",", ":"), default=str)
        with self._lock:
            self._file.write(f"{text}\n")
            self._file.flush()

    def write(self, text: str) -> int:
        """Takes in what is printed; a line is an object when it is whole."""
        if not isinstance(text, str):
            raise TypeError("stderr takes text")
        with self._lock:
            *lines, self._rest = f"{self._rest}{text}".split("\n")
        for line in lines:
            self._say_line(line)
        return len(text)

    def flush(self) -> None:
        """Nothing waits but the beginning of a line."""

    def close(self) -> None:
        """A line without an end is one, too."""
        with self._lock:
            rest, self._rest = self._rest, ""
        self._say_line(rest)

    def isatty(self) -> bool:
        """A terminal shows it to nobody who reads."""
        return False

    def fileno(self) -> int:
        """Of the file behind it."""
        return self._file.fileno()

    def _say_line(self, line: str) -> None:
        if not line.strip():
            return
        begin = next((begin for begin in LEVELS if line.startswith(begin)), "")
        level = LEVELS.get(begin, "info")
        self.say(line.removeprefix(begin), "error" if level == "error" else NOTE, level=level)


def _choose(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    context.meta[VARIABLE] = value


log_format_option = click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    envvar=VARIABLE,
    expose_value=False,
    callback=_choose,
    help="Of what is said on stderr: sentences, or JSON, an object per line. Default: text.",
)


@contextmanager
def logging_as(context: click.Context) -> Iterator[None]:
    """stderr is what the user has chosen, for a command and the processes that it starts."""
    if context.meta.get(VARIABLE) != "json":
        yield
        return
    log = JsonLog(sys.stderr)
    with replaced(os.environ, **{VARIABLE: "json"}), replaced(sys, stderr=log):
        try:
            yield
        finally:
            log.close()
