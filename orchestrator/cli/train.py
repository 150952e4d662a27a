"""`orchestrator train`: one fixed configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, json_option, parse_assignments, print_json, show_number, tracking_option
from orchestrator.cli.options import data_options, say, show_registration, show_test

if TYPE_CHECKING:
    from orchestrator.training import EpochReport

EXAMPLE = """Train one network on DATA with fixed settings, in this process.

\b
Example:
  orchestrator train sklearn:iris --architecture mlp --set depth=1 --set width=4 --epochs 100
  orchestrator train adult.csv --target income --architecture resnet --set learning_rate=0.001

--set takes entries of a trial (optimizer, learning_rate, weight_decay, batch_size, schedule, warmup_epochs,
gradient_clip, patience) and settings of the architecture (depth, width, activation, dropout, normalization).
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("data")
@data_options
@click.option("--architecture", metavar="NAME", default="mlp", show_default=True, help="Or package.module:Class.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting. May be repeated.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training rows. Default: 30.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Also write the model bundle to this new folder.")
@tracking_option
@json_option
def train(
    data: str,
    settings: tuple[str, ...],
    epochs: int | None,
    seed: int | None,
    output: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """See EXAMPLE."""
    from orchestrator.errors import UsageError
    from orchestrator.execution.train import train as run

    if output is not None and output.exists():
        raise UsageError(f"--output {output}: exists; choose another name")
    parameters = parse_assignments(settings, "--set")
    if epochs is not None:
        parameters["epochs"] = epochs

    def tell(report: EpochReport) -> None:
        figures = ", ".join(f"{name} {show_number(value)}" for name, value in report.validation.items())
        say(f"epoch {report.epoch}: training loss {show_number(report.train_loss)}, {figures}")

    if options["register_model"] is None:
        options["register_model"] = True
    result = run(data, parameters=parameters, seed=seed or 0, on_epoch=tell, say=say, **options)
    if output is not None:
        result.bundle.save(output)
    if as_json:
        print_json(
            {
                "name": result.name,
                "run_id": result.run_id,
                "parameters": result.spec.parameters,
                "validation": dict(result.report.validation),
                "best_epoch": result.report.best_epoch,
                "best_value": result.report.best_value,
                "test": dict(result.test),
                "model": result.registration.uri if result.registration else None,
                "seconds": round(result.seconds, 3),
            }
        )
        return
    click.echo(f"best epoch {result.report.best_epoch}, {result.spec.metric} {show_number(result.report.best_value)}")
    show_test(result.test)
    if result.registration is not None:
        show_registration(result.registration)
