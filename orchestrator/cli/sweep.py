"""`orchestrator sweep`: search for the best network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, json_option, print_json, show_number, tracking_option
from orchestrator.cli.options import say, show_registration, show_test, sweep_config, sweep_options

if TYPE_CHECKING:
    from orchestrator.execution.ledger import Ledger, TrialRecord
    from orchestrator.execution.sweep import SweepResult

EXAMPLE = """Search for the best network for DATA (sklearn:NAME, a CSV or Parquet file, a folder of Parquet files).

\b
Example:
  orchestrator sweep adult.csv --target income --trials 20
  orchestrator sweep sklearn:iris --space quick --time-budget 90s

DATA may be left out when --config names a YAML file that has it. Ctrl-C stops cleanly and keeps what is finished.
"""


@click.command(cls=Command, help=EXAMPLE)
@sweep_options
@tracking_option
@json_option
def sweep(data: str | None, config_file: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """See EXAMPLE."""
    from orchestrator.execution.sweep import Hooks, run_sweep

    config = sweep_config(data, config_file, options)
    result = run_sweep(config, None, Hooks(Progress(config.trials), say))
    if as_json:
        print_json(to_json(result))
    else:
        show(result)
    if result.interrupted:
        raise click.exceptions.Exit(1)


class Progress:
    """One line on stderr for each trial that is over."""

    def __init__(self, trials: int | None) -> None:
        self.trials = trials

    def __call__(self, record: TrialRecord, ledger: Ledger) -> None:
        """Prints the line."""
        total = f"/{self.trials}" if self.trials else ""
        value = f"{ledger.metric.name} {show_number(record.value)}" if record.value is not None else "no result"
        reason = f" ({record.reason})" if record.reason else ""
        best = ledger.best
        tail = f", best {show_number(best.value)} (trial {best.index})" if best is not None else ""
        say(
            f"[{len(ledger.ended())}{total}] trial {record.index} {record.spec.architecture}: {value}, "
            f"{record.status}{reason}, {record.seconds:.1f} s{tail}"
        )


def show(result: SweepResult) -> None:
    """Prints the winner and what to do next."""
    best, registration = result.best, result.registration
    statuses = [trial.status for trial in result.trials]
    counted = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    click.echo(f"{len(result.trials)} trials in {result.seconds:.1f} s: {counted}")
    settings = ", ".join(f"{name} {show_number(value)}" for name, value in best.spec.settings.items())
    click.echo(f"best: trial {best.index}, {best.spec.architecture} ({settings})")
    click.echo(f"validation {result.metric.name} {show_number(best.value)}")
    show_test(result.test)
    if registration is not None:
        show_registration(registration)
        click.echo(f"next: orchestrator deploy {registration.uri}")


def to_json(result: SweepResult) -> dict[str, Any]:
    """What a script wants to know."""
    registration = result.registration
    return {
        "name": result.name,
        "run_id": result.run_id,
        "metric": result.metric.name,
        "trials": [
            {
                "trial": trial.index,
                "status": trial.status,
                "reason": trial.reason,
                "value": trial.value,
                "epochs": trial.epochs,
                "seconds": round(trial.seconds, 3),
                "parameters": trial.spec.parameters,
            }
            for trial in result.trials
        ],
        "best_trial": result.best.index,
        "validation": result.best.value,
        "test": dict(result.test),
        "model": None
        if registration is None
        else {
            "name": registration.name,
            "version": registration.version,
            "champion": registration.champion,
            "reason": registration.reason,
            "uri": registration.uri,
        },
        "interrupted": result.interrupted,
        "seconds": round(result.seconds, 3),
    }
