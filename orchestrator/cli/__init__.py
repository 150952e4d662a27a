"""The command line: parse, call the library, show. Heavy imports are inside of the commands."""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import sys

import click

from orchestrator.cli.base import tell_full
from orchestrator.cli.card import card
from orchestrator.cli.compare import compare
from orchestrator.cli.completion import completion, make_completable
from orchestrator.cli.deploy import deploy, status, undeploy
from orchestrator.cli.doctor import doctor
from orchestrator.cli.evaluate import evaluate
from orchestrator.cli.explain import explain
from orchestrator.cli.export import export
from orchestrator.cli.init import init
from orchestrator.cli.inspect import inspect
from orchestrator.cli.jobs import jobs, submit
from orchestrator.cli.plan import plan
from orchestrator.cli.predict import predict
from orchestrator.cli.queue import queue
from orchestrator.cli.report import report
from orchestrator.cli.resume import resume, sweeps, sync
from orchestrator.cli.rollout import promote, rollback
from orchestrator.cli.show import show
from orchestrator.cli.spaces import spaces
from orchestrator.cli.sweep import sweep
from orchestrator.cli.train import train
from orchestrator.cli.trials import trials
from orchestrator.cli.ui import ui
from orchestrator.cli.watch import watch
from orchestrator.garbage import collect_rarely

HELP = """Find, train and serve the best neural network for a data set.

\b
Example:
  orchestrator sweep data.csv --target label
  orchestrator deploy models:/data@champion
"""


class Commands(click.Group):
    """Lists the commands in the order of their use, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, as they were added."""
        return list(self.commands)


@click.group(
    cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="orchestrator-automl", prog_name="orchestrator")
def main() -> None:
    """See HELP."""


COMMANDS = (
    inspect,
    init,
    sweep,
    resume,
    watch,
    plan,
    trials,
    show,
    compare,
    export,
    report,
    predict,
    explain,
    card,
    deploy,
    status,
    promote,
    rollback,
    evaluate,
    undeploy,
    submit,
    jobs,
    queue,
    train,
    sweeps,
    sync,
    spaces,
    ui,
    doctor,
    completion,
)
for command in COMMANDS:
    main.add_command(command)
    make_completable(command)


def run() -> None:
    """The program: a command, and the end of the process when all threads and exit handlers are through.

    Python would then take thousands of modules apart, one by one, which takes seconds and changes nothing any more.
    """
    code: int | None = None

    def leave() -> None:
        if code is None:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)

    # a shell can close them (`>&-`)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        # what an encoding has no letter for is shown as Python writes it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # what is registered first is called last
    atexit.register(leave)
    collect_rarely()
    try:
        main()
    except OSError as error:
        # of `--help`
        if error.errno != errno.ENOSPC:
            raise
        tell_full(error)
        code = 1
        sys.exit(code)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
