"""`orchestrator export`: trials of a sweep, models and sweeps as files for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.base import Command, echo
from orchestrator.cli.export_kuberay import export_kuberay
from orchestrator.cli.export_manifests import export_compose, export_serve_config, export_slurm, export_systemd
from orchestrator.cli.outputs import check_output
from orchestrator.cli.trials import filter_option
from orchestrator.units import counted

if TYPE_CHECKING:
    import pandas as pd

EXPORT = """Write the trials of a sweep, or how a model or a sweep is run elsewhere, into files for other programs.

\b
Example:
  orchestrator export csv adult -o trials.csv
  orchestrator export parquet adult -o curves.parquet --curves
  orchestrator export optuna adult -o study.db
  orchestrator export compose --model models:/adult@champion -o stack
  orchestrator export kuberay --sweep sweep.yaml -o sweep
"""
OPTUNA = """Write a study of Optuna: a SQLite file for its dashboard, plots and importances.

\b
Example:
  orchestrator export optuna adult -o study.db
  optuna-dashboard sqlite:///study.db

SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run; the last sweep if left out. Trials have their
parameters with distributions, values, the metric after each epoch, states and user attributes. `optuna.load_study`
reads it under the sweep's id.
"""
TABLE = """Write {kind}: a row per trial, or per epoch of each trial.

\b
Example:
  orchestrator export {command} adult -o trials.{command}
  orchestrator export {command} adult -o good.{command} --filter "metrics.roc_auc > 0.9"
  orchestrator export {command} adult -o curves.{command} --curves

SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run; the last sweep if left out. Columns are those of
`orchestrator trials`; times are in UTC.
"""
output_option = click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A new file."
)


@click.group(help=EXPORT)
def export() -> None:
    """See EXPORT."""


for command in (export_compose, export_kuberay, export_serve_config, export_slurm, export_systemd):
    export.add_command(command)

curves_option = click.option("--curves", is_flag=True, help="Learning curves: a row per epoch.")


@export.command("csv", cls=Command, help=TABLE.format(kind="a CSV file", command="csv"))
@click.argument("sweep", required=False)
@output_option
@filter_option
@curves_option
def export_csv(sweep: str | None, output: Path, condition: str | None, curves: bool) -> None:
    """See TABLE."""
    from orchestrator.analysis.files import write_csv

    _write_table(sweep, output, condition, curves=curves, write=write_csv)


@export.command("parquet", cls=Command, help=TABLE.format(kind="a Parquet file", command="parquet"))
@click.argument("sweep", required=False)
@output_option
@filter_option
@curves_option
def export_parquet(sweep: str | None, output: Path, condition: str | None, curves: bool) -> None:
    """See TABLE."""
    from orchestrator.analysis.files import write_parquet

    _write_table(sweep, output, condition, curves=curves, write=write_parquet)


@export.command("optuna", cls=Command, help=OPTUNA)
@click.argument("sweep", required=False)
@output_option
def export_optuna(sweep: str | None, output: Path) -> None:
    """See OPTUNA."""
    check_output(output, new=True)
    from orchestrator.analysis.history import read_history
    from orchestrator.analysis.studies import write_study

    history = read_history(sweep)
    count = write_study(history, output)
    echo(f"{counted(count, 'trial')} of {history.id} written to {output}", err=True)


def _write_table(
    sweep: str | None,
    output: Path,
    condition: str | None,
    *,
    curves: bool,
    write: Callable[[pd.DataFrame, Path], None],
) -> None:
    check_output(output, new=True)
    from orchestrator.analysis import curves_frame, read_history, rows_of, select, trials_frame

    history = read_history(sweep)
    chosen = select(rows_of(history), history.metric, condition=condition)
    wanted = [row.trial for row in chosen.rows]
    if curves:
        frame = curves_frame(history)
        frame = frame[frame["trial"].isin(wanted)]
    else:
        frame = trials_frame(history).loc[wanted]
    write(frame, output)
    what = f"{counted(len(frame), 'epoch')} of " if curves else ""
    echo(f"{what}{counted(len(wanted), 'trial')} of {history.id} written to {output}", err=True)
