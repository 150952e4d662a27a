"""`orchestrator sweep`: search for the best network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, json_option, print_json, show_number, tracking_option
from orchestrator.cli.options import data_options, say, show_registration, show_test

if TYPE_CHECKING:
    from orchestrator.execution.ledger import Ledger, TrialRecord
    from orchestrator.execution.sweep import SweepResult

EXAMPLE = """Search for the best network for DATA (sklearn:NAME, a CSV or a Parquet file).

\b
Example:
  orchestrator sweep adult.csv --target income --trials 20
  orchestrator sweep sklearn:iris --space quick --time-budget 90s

DATA may be left out when --config names a YAML file that has it. Ctrl-C stops cleanly and keeps what is finished.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("data", required=False)
@data_options
@click.option("--space", metavar="NAME|FILE", help="Search space, see `orchestrator spaces`. Default: tabular.")
@click.option("--architecture", metavar="NAME", help="Search this one only: mlp, resnet or package.module:Class.")
@click.option("--algorithm", type=click.Choice(["tpe", "random", "grid"]), help="What to try next. Default: tpe.")
@click.option("--scheduler", type=click.Choice(["asha", "none"]), help="What to stop early. Default: asha.")
@click.option("--trials", type=click.IntRange(1), help="How many. Default: 20, or as many as --time-budget allows.")
@click.option("--time-budget", metavar="TIME", help="Such as 90s, 10m or 2h.")
@click.option("--epochs", type=click.IntRange(1), help="Of each trial, at most. Default: the search space's.")
@click.option("--patience", type=click.IntRange(0), help="Epochs without improvement; 0: no early stopping.")
@click.option(
    "--workers-per-trial", type=click.IntRange(1), help="Processes that train one network together. Default: 1."
)
@click.option("--cpus-per-worker", type=click.IntRange(1), help="CPU cores of a worker. Default: 1.")
@click.option("--gpus-per-worker", type=click.FloatRange(0), help="GPUs of a worker, or a part of one. Default: 0.")
@click.option("--concurrency", type=click.IntRange(1), help="Trials at once, at most. Default: what fits.")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="Of training. Default: fp32.")
@click.option("--accumulation", type=click.IntRange(1), help="Parts of a batch, to save memory. Default: 1.")
@click.option("--compile/--no-compile", default=None, help="torch.compile the networks. Default: no.")
@click.option("--placement-timeout", metavar="TIME", help="Give up when nothing finds a place so long. Default: 10m.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster. Default: a local one for this sweep.")
@click.option("--storage", type=click.Path(path_type=Path), help="Folder for weights of trials; shared on a cluster.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file with these options.")
@tracking_option
@json_option
def sweep(data: str | None, config_file: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """See EXAMPLE."""
    from orchestrator.config import ResourceConfig, SweepConfig, read_yaml
    from orchestrator.execution.sweep import Hooks, run_sweep

    resources = {name: options.pop(name) for name in ResourceConfig.model_fields}
    given = {name: value for name, value in options.items() if value not in (None, ())}
    resources = {name: value for name, value in resources.items() if value is not None}
    content: dict[str, Any] = read_yaml(config_file) if config_file else {}
    if resources:
        given["resources"] = {**content.get("resources", {}), **resources}
    if data is not None:
        given["data"] = data
    if "data" not in content and data is None:
        raise click.UsageError("Missing argument 'DATA'.")
    config = SweepConfig.create(**{**content, **given})
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
