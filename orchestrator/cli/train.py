"""`orchestrator train`: one fixed configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, json_option, parse_assignments, print_json, tracking_option
from orchestrator.cli.decisions import show_decisions
from orchestrator.cli.feature_options import FEATURE_FIELDS
from orchestrator.cli.json_log import log_format_option
from orchestrator.cli.numbers import WholeNumber
from orchestrator.cli.options import data_options, notify, prepare_early, show_registration, show_test
from orchestrator.cli.outputs import check_folder
from orchestrator.cli.row_options import ROW_FIELDS, TARGET_FIELDS
from orchestrator.networks.settings import ARCHITECTURES
from orchestrator.units import show_number

if TYPE_CHECKING:
    from orchestrator.runtime.reproduce import Reproduction
    from orchestrator.runtime.train import TrainResult
    from orchestrator.training import EpochReport

EXAMPLE = """Train one network on DATA with fixed settings, in this process; or a trial of a sweep once more.

\b
Example:
  orchestrator train sklearn:iris --architecture mlp --set depth=1 --set width=4 --epochs 100
  orchestrator train adult.csv --target income --architecture resnet --set learning_rate=0.001
  orchestrator train --from-trial adult:3        # trial 3 of the latest sweep 'adult'
  orchestrator train --from-trial 3f9a2c41       # by the id of its MLflow run

--set takes entries of a trial (optimizer, learning_rate, weight_decay, batch_size, schedule, warmup_epochs,
gradient_clip, patience) and settings of the architecture (depth, width, activation, dropout, normalization).
--from-trial compares the metrics of all epochs: on a CPU they are the same to the last bit, unless the data or the
versions have changed, which it says. DATA then is where the data is now, if it was moved.
"""
OF_A_TRIAL = (
    *("target", "name", "task", "categorical", "ignore", "ignore_text", "columns", "csv", "metric", "seed"),
    "background",
    *("architecture", "settings", "epochs"),
    *ROW_FIELDS,
    *TARGET_FIELDS,
    *FEATURE_FIELDS,
)


@click.command(cls=Command, help=EXAMPLE)
@click.argument("data", required=False)
@data_options
@click.option(
    "--architecture",
    metavar="NAME",
    help=f"{', '.join(ARCHITECTURES)} or package.module:Class. Default: mlp.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting. May be repeated.")
@click.option("--epochs", type=WholeNumber(1), help="Passes over the training rows. Default: 30.")
@click.option("--from-trial", metavar="TRIAL", help="Train this one again: SWEEP:INDEX or the id of an MLflow run.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Also write the model bundle to this new folder.")
@tracking_option
@log_format_option
@json_option
def train(
    *,
    data: str | None,
    from_trial: str | None,
    output: Path | None,
    as_json: bool,
    tracking_uri: str | None,
    register_model: bool | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """See EXAMPLE."""
    if output is not None:
        check_folder(output, new=True)
    common = {
        "tracking_uri": tracking_uri,
        "register_model": register_model is not False,
        "on_epoch": _show_epoch,
        "notify": notify,
    }
    if from_trial is not None:
        given = [name for name in OF_A_TRIAL if options.get(name) not in (None, ())]
        if given:
            option = "set" if given[0] == "settings" else given[0]
            raise click.UsageError(f"--{option} does not go with --from-trial, which has it of the trial")
        result, repeated = _repeat(from_trial, data, common)
    elif data is None:
        raise click.UsageError("Missing argument 'DATA' (or --from-trial).")
    else:
        result, repeated = _anew(data, options, common), None
    if output is not None:
        result.bundle.save(output)
    prepare_early(result.registration, tracking_uri)
    if as_json:
        print_json(_to_json(result, repeated))
        return
    click.echo(f"best epoch {result.report.best_epoch}, {result.spec.metric} {show_number(result.report.best_value)}")
    show_decisions(result.bundle.metrics)
    show_test(result.test, result.looks)
    if repeated is not None:
        _show_comparison(repeated)
    if result.registration is not None:
        show_registration(result.registration)


def _anew(data: str, options: dict[str, Any], common: dict[str, Any]) -> TrainResult:
    from orchestrator.runtime.train import train as run

    parameters = parse_assignments(options.pop("settings"), "--set")
    epochs, seed, architecture = options.pop("epochs"), options.pop("seed"), options.pop("architecture")
    if epochs is not None:
        parameters["epochs"] = epochs
    return run(data, parameters=parameters, seed=seed or 0, architecture=architecture or "mlp", **options, **common)


def _repeat(trial: str, data: str | None, common: dict[str, Any]) -> tuple[TrainResult, Reproduction]:
    from orchestrator.runtime.reproduce import reproduce

    repeated = reproduce(trial, data=data, **common)
    return repeated.result, repeated


def _show_epoch(report: EpochReport) -> None:
    from orchestrator.display.json_lines import epoch_fields

    figures = ", ".join(f"{name} {show_number(value)}" for name, value in report.validation.items())
    said = f"epoch {report.epoch}: training loss {show_number(report.train_loss)}, {figures}"
    notify(said, "epoch", fields=epoch_fields(report))


def _show_comparison(repeated: Reproduction) -> None:
    trial = f"trial {repeated.trial.index} of {repeated.trial.name}"
    if repeated.difference is None:
        click.echo(f"the same metrics as {trial} in all {repeated.epochs} epochs, to the last bit")
        return
    reasons = "; ".join(repeated.reasons) or "nothing that is known to matter has changed"
    click.echo(f"other metrics than {trial}: {repeated.difference} ({reasons})")


def _to_json(result: TrainResult, repeated: Reproduction | None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": result.name,
        "run_id": result.run_id,
        "parameters": result.spec.parameters,
        "validation": dict(result.report.validation),
        "best_epoch": result.report.best_epoch,
        "best_value": result.report.best_value,
        "temperature": result.bundle.metrics.get("temperature"),
        "threshold": result.bundle.metrics.get("threshold"),
        "test": dict(result.test),
        "test_looks": result.looks,
        "notes": [note.to_json() for note in result.notes],
        "model": result.registration.uri if result.registration else None,
        "seconds": round(result.seconds, 3),
    }
    if repeated is not None:
        content["again"] = {
            "trial": repeated.trial.index,
            "run_id": repeated.trial.run_id,
            "same": repeated.difference is None,
            "difference": repeated.difference,
            "reasons": list(repeated.reasons),
        }
    return content
