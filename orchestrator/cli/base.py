"""What all commands share: one-sentence errors with exit codes, `--debug`, JSON output. Imports nothing heavy."""

from __future__ import annotations

import _thread
import codecs
import contextlib
import errno
import itertools
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from orchestrator.cli.json_log import logging_as
from orchestrator.columns.notes import DataWarning
from orchestrator.environment import debugging, is_current_folder_gone
from orchestrator.errors import ConfigError, OrchestratorError, did_you_mean
from orchestrator.plain_text import DRIVING, one_line, plain
from orchestrator.replacing import replaced
from orchestrator.units import parse_duration, parse_latency, parse_size

# Ray's and MLflow's usage statistics stay off unless the user turns them on
QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # a server that is away is asked again by ourselves
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# until the callback in which an interrupt was lost is over
REPEAT_SECONDS = 0.05
# tables that go to a file or a pipe keep one line per row
UNBROKEN_WIDTH = 1000
# blanks between two columns
BETWEEN = 3
# of a configuration in a sentence; what has no underscore is a word, and what stands in quotes is the user's
ENTRY = re.compile(r"(?<![\w'.-])[a-z]+(?:_[a-z]+)+(?![\w'.])")


class Command(click.Command):
    """A command whose errors are one sentence: exit code 2 for usage, 1 for failure; `--debug` shows the traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks.")
        )

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Runs the command."""
        with logging_as(ctx):
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        for name, value in QUIET_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            with _terminated_as_interrupted(), _no_interrupt_lost(), _notes_as_sentences():
                return super().invoke(ctx)
        except OrchestratorError as error:
            if debugging():
                raise
            said = one_line(str(error))
            echo(f"Error: {as_typed(said, ctx) if isinstance(error, ConfigError) else said}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            # the reader of our output (head, less) has gone
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
            ctx.exit(1)
        except click.ClickException:
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if debugging():
                raise
            if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
                tell_full(error)
            else:
                echo(f"Error: {unforeseen(error)}", err=True)
            ctx.exit(1)


def as_typed(sentence: str, ctx: click.Context) -> str:
    """A sentence about a configuration that names options as they were typed, instead of the entries they became."""
    options = {str(item.name): max(item.opts, key=len) for item in ctx.command.params if isinstance(item, click.Option)}
    typed = {name for name in options if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    place, colon, rest = sentence.partition(": ")
    if colon and place in typed and rest.partition(" ")[0] not in typed:
        return f"{options[place]}: {rest}"
    # several options become a group of entries, such as resources or task
    told = rest if colon and place.removeprefix("--").isidentifier() else sentence
    first, blank, after = told.partition(" ")
    named = {first, *ENTRY.findall(told)}
    if typed.isdisjoint(named):
        return sentence
    return options.get(first, first) + blank + ENTRY.sub(lambda found: options.get(found[0], found[0]), after)


def unforeseen(error: Exception) -> str:
    """A sentence about an error that is none of ours."""
    if isinstance(error, FileNotFoundError) and is_current_folder_gone():
        return "the current folder was deleted; go to another one (`cd`)"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error} (--debug shows where)"
    reason = " ".join(str(error).split())
    return f"{type(error).__name__}: {reason[:500]} (this looks like a bug; --debug shows the traceback)"


def tell_full(error: OSError) -> None:
    """Says that the output went to a full disk; what is left of it is dropped."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    with contextlib.suppress(OSError):
        click.echo(f"Error: the output cannot be written: {error.strerror}", err=True)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM is Ctrl-C: what was begun is cleaned up and told, unless somebody else takes or ignores it."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _no_interrupt_lost() -> Iterator[None]:
    """Python drops what is raised in some callbacks, as at the end of an import: a Ctrl-C that is lost comes again."""
    before = sys.unraisablehook
    main = threading.main_thread().ident or 0
    inside = over = False

    def again() -> None:
        # what is raised in the hook itself is dropped, too, so the main thread is waited for, which a busy machine
        # may keep there for longer
        time.sleep(REPEAT_SECONDS)
        while inside:
            time.sleep(REPEAT_SECONDS)
        if not over:
            signal.pthread_kill(main, signal.SIGINT)

    def hook(unraisable: Any) -> None:  # noqa: ANN401
        nonlocal inside
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        inside = True
        try:
            # Thread.start() would wait for it, where another Ctrl-C may come
            _thread.start_new_thread(again, ())
        finally:
            inside = False

    try:
        with replaced(sys, unraisablehook=hook):
            yield
    finally:
        over = True


@contextmanager
def _notes_as_sentences() -> Iterator[None]:
    """What the library warns of about data are sentences on stderr."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:  # noqa: ANN401
            if issubclass(category, DataWarning):
                echo(f"note: {message}", err=True)
            else:
                before(message, category, *place, **more)

        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = show
        yield


def _set_debug(_context: click.Context, _option: click.Parameter, value: bool) -> bool:
    if value:
        os.environ["ORCHESTRATOR_DEBUG"] = "1"
    return value


class Checked(click.ParamType[Any]):
    """Text of a certain form, checked before anything else happens and handed on as it is."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        """Args:
        name: of the form, for help.
        parse: raises ValueError with a sentence for what has another form.
        """
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The value itself."""
        try:
            self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


class OneOf(click.Choice[str]):
    """One of some names; of one that is none of them the nearest is said."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ANN401
        """See click."""
        said = super().get_invalid_choice_message(value, ctx).rstrip(".")
        return f"{said}{did_you_mean(str(value), self.choices) or '.'}"


DURATION, SIZE, LATENCY = Checked("time", parse_duration), Checked("size", parse_size), Checked("time", parse_latency)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
tracking_option = click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    metavar="URI",
    help="MLflow store or server. Default: MLflow's own, the file mlflow.db in the current folder.",
)


def echo(text: str, *, err: bool = False) -> None:
    """Prints a line, see `plain`."""
    click.echo(plain(text), err=err)


def print_json(content: object) -> None:
    """Prints JSON to stdout."""
    # the same JSON in letters that every encoding has, unless it can be written in all of them
    named = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name
    text = json.dumps(content, indent=2, ensure_ascii=not named.startswith("utf"))
    # the same JSON: these stand within strings only
    click.echo(DRIVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> None:
    """Prints an aligned table to stdout, wide cells unbroken when the output is not a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*headers, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else one_line(str(cell)) for cell in row))
    console = Console(highlight=False, markup=False, width=table_width())
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines() if line.strip()))


def table_width() -> int:
    """How wide a table may be: as the terminal, or as it likes in a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNBROKEN_WIDTH


def count_fitting(columns: Sequence[Sequence[str]], width: int) -> int:
    """How many of the first columns of a table, each with its header, stand beside each other unbroken."""
    widths = [max(map(len, column)) + BETWEEN for column in columns]
    return sum(total <= width for total in itertools.accumulate(widths))


def parse_assignments(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """`("depth=2", "activation=relu")` -> {"depth": 2, "activation": "relu"}.

    Raises:
        click.BadParameter: an entry without `=`.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise click.BadParameter(f"'{pair}' must have the form NAME=VALUE", param_hint=option)
        values[name.strip()] = _parse_value(text.strip())
    return values


def _parse_value(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, Mapping | list) else value
