"""The command line: parse, call the library, show. Heavy imports are inside of the commands."""

from __future__ import annotations

import click

from orchestrator.cli.deploy import deploy, status, undeploy
from orchestrator.cli.doctor import doctor
from orchestrator.cli.jobs import jobs, submit
from orchestrator.cli.plan import plan
from orchestrator.cli.predict import predict
from orchestrator.cli.resume import resume, sweeps, sync
from orchestrator.cli.rollout import promote, rollback
from orchestrator.cli.spaces import spaces
from orchestrator.cli.sweep import sweep
from orchestrator.cli.train import train
from orchestrator.cli.trials import trials
from orchestrator.cli.ui import ui

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
    sweep,
    resume,
    plan,
    trials,
    predict,
    deploy,
    status,
    promote,
    rollback,
    undeploy,
    submit,
    jobs,
    train,
    sweeps,
    sync,
    spaces,
    ui,
    doctor,
)
for command in COMMANDS:
    main.add_command(command)
