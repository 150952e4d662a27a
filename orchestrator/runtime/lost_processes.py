"""Why the process of a trial is gone, in words of ours; Ray's own text is for `--debug`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from orchestrator.environment import debugging

MOST_LETTERS = 300
ANSI = re.compile(r"\x1b\[[0-9;]*m")
MEMORY = re.compile(r"running low on memory|OutOfMemoryError|NODE_OUT_OF_MEMORY")
AMOUNT = re.compile(r"was (\d+(?:\.\d+)?\s*GB) / (\d+(?:\.\d+)?\s*GB)")
NODE = re.compile(r"node has died|NodeDiedError|node was (?:terminated|drained|preempted)|NODE_DIED", re.IGNORECASE)
EXIT_CODE = re.compile(r"exit code (\d+)")
SIGTERM = "receives a SIGTERM"
VANISHED = "connection error code"
# of a machine that was cut off, before Ray gives it up
SILENT = "The actor is temporarily unavailable"
KILLED = re.compile(r"ray\.kill|INTENDED_SYSTEM_EXIT")
SETUP = re.compile(r"RuntimeEnvSetupError|failed to (?:start|register)|could not be started", re.IGNORECASE)
# how a text begins that tells of a process, not of an error in it
TOLD = ("The actor", "Worker exit", "Task was killed due to")
OWN_ERROR = re.compile(r"^orchestrator\.errors\.\w+: ")
CREATION = "an error raised in its creation task"
ADDRESS = re.compile(r"^\s*ip: (\S+)", re.MULTILINE)
PROCESS = re.compile(r"^\s*pid: (\d+)", re.MULTILINE)
CRASH = re.compile(r"\*\*\* (SIG[A-Z]+) received")


def explain_lost_process(text: str, logs: Path | None = None) -> str:
    """One line about the end of a process.

    Args:
        text: what Ray says of it.
        logs: of Ray on this machine, where a process that crashes leaves the signal.
    """
    text = ANSI.sub("", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "no reason is known"
    if debugging():
        return " ".join(lines)
    told = [line for line in lines if line.startswith(TOLD)]
    if not told or CREATION in told[0]:
        # a traceback ends with what matters
        return shorten(OWN_ERROR.sub("", lines[-1]))
    return _cause(text, logs) or f"{shorten(told[0])}; --debug shows the rest"


def shorten(text: str) -> str:
    """A text in one line; a long one ends after a whole word."""
    return textwrap.shorten(" ".join(text.split()), MOST_LETTERS, placeholder=" ...")


def _cause(text: str, logs: Path | None) -> str | None:
    where = f" on {found[1]}" if (found := ADDRESS.search(text)) else ""
    if MEMORY.search(text):
        amount = f" ({found[1]} of {found[2]} in use)" if (found := AMOUNT.search(text)) else ""
        return f"Ray ended it because its machine ran out of memory{amount}"
    if NODE.search(text):
        return f"its machine is gone{where.replace(' on ', ': ')}"
    if SIGTERM in text:
        return f"it was killed by signal 15 (SIGTERM){where}"
    if found := EXIT_CODE.search(text):
        return f"it ended with exit code {found[1]}{where}"
    if VANISHED in text:
        crash = _crash(logs, int(found[1])) if (found := PROCESS.search(text)) and logs is not None else None
        if crash is not None:
            return f"it crashed with {crash}{where}"
        return f"it is gone without a word, as after signal 9 (SIGKILL), os._exit or a lack of memory{where}"
    if SILENT in text:
        return "it did not answer any more, as when its machine has lost its network"
    if KILLED.search(text):
        return "it was ended by Ray"
    if SETUP.search(text):
        return f"its worker could not be started{where}"
    return None


def _crash(logs: Path | None, process: int) -> str | None:
    """The signal that a process has written down before it died of it."""
    for file in logs.glob(f"worker-*-{process}.err") if logs is not None else ():
        try:
            found = CRASH.search(file.read_text(errors="replace"))
        except OSError:
            continue
        if found:
            return found[1]
    return None
