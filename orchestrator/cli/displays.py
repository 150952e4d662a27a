"""How a command shows a sweep while it runs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from orchestrator.cli.base import json_option
from orchestrator.cli.json_log import JsonLog
from orchestrator.cli.options import notify
from orchestrator.columns.notes import DataWarning

if TYPE_CHECKING:
    from orchestrator.display.displays import Display

# terminals that cannot move their cursor
DUMB = ("", "dumb", "unknown")
Function = TypeVar("Function", bound=Callable[..., Any])


class Form(Enum):
    """What a command prints of a sweep."""

    SHOWN = "shown"
    QUIET = "quiet"
    JSON = "json"
    QUIET_JSON = "quiet json"
    JSON_LINES = "json lines"


quiet_option = click.option("--quiet", is_flag=True, help="No progress and no notes: the result and errors only.")
lines_option = click.option(
    "--json-lines", is_flag=True, help="Print each event as a line of JSON, the result as the last one."
)


def display_options(function: Function) -> Function:
    """`--quiet`, `--json` and `--json-lines`, which the command gets as one `form`."""

    @wraps(function)
    def command(*args: Any, quiet: bool, as_json: bool, json_lines: bool, **given: Any) -> Any:  # noqa: ANN401
        return function(*args, form=_form(quiet=quiet, as_json=as_json, json_lines=json_lines), **given)

    decorated: Any = command
    for option in (json_option, lines_option, quiet_option):
        decorated = option(decorated)
    return cast(Function, decorated)


def _form(*, quiet: bool, as_json: bool, json_lines: bool) -> Form:
    if json_lines:
        if as_json or quiet:
            raise click.UsageError(f"--json-lines does not go with {'--json' if as_json else '--quiet'}")
        return Form.JSON_LINES
    if as_json:
        return Form.QUIET_JSON if quiet else Form.JSON
    return Form.QUIET if quiet else Form.SHOWN


@contextmanager
def open_display(form: Form, *, hint: bool = True) -> Iterator[Display]:
    """A picture on stderr if that is a terminal, lines otherwise; stdout holds results only, or the lines of JSON.

    Args:
        form: what the user asked for.
        hint: whether lines say how to watch the sweep from elsewhere.
    """
    with _display(form, hint=hint) as display, _notes_told(display):
        yield display


def _display(form: Form, *, hint: bool) -> Display:
    from orchestrator.display.displays import Display, LogDisplay, TerminalDisplay
    from orchestrator.display.json_lines import JsonLinesDisplay

    if form in (Form.QUIET, Form.QUIET_JSON):
        return Display()
    if form is Form.JSON_LINES:
        return JsonLinesDisplay(_write_line)
    if isinstance(sys.stderr, JsonLog):
        from orchestrator.display.json_log import JsonLogDisplay

        return JsonLogDisplay(sys.stderr.say)
    if draws():
        return TerminalDisplay(sys.stderr)
    return LogDisplay(notify, hint=hint)


def draws() -> bool:
    """Whether stderr is a terminal that can show a picture."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in DUMB


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _notes_told(display: Display) -> Iterator[None]:
    """What the library warns of about data goes where other notes go."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:  # noqa: ANN401
            if issubclass(category, DataWarning):
                display.notify(f"note: {message}")
            else:
                before(message, category, *place, **more)

        warnings.showwarning = show
        yield
