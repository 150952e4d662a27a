"""How a command shows a sweep while it runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from orchestrator.cli.options import notify

if TYPE_CHECKING:
    from orchestrator.display.displays import Display

# terminals that cannot move their cursor
DUMB = ("", "dumb", "unknown")


def open_display() -> Display:
    """A picture on stderr if that is a terminal, lines otherwise; stdout holds results only."""
    from orchestrator.display.displays import LogDisplay, TerminalDisplay

    if sys.stderr.isatty() and os.environ.get("TERM", "") not in DUMB:
        return TerminalDisplay(sys.stderr)
    return LogDisplay(notify)
