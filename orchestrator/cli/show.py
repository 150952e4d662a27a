"""`orchestrator show`: one trial of a sweep."""

from __future__ import annotations

import math
import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, print_table
from orchestrator.units import show_bytes, show_number

if TYPE_CHECKING:
    from orchestrator.analysis.details import TrialDetails

EXAMPLE = """Show one trial: its settings, learning curve, files, why it ended, and the command that trains it again.

\b
Example:
  orchestrator show adult:3      # trial 3 of the latest sweep 'adult'
  orchestrator show 3            # trial 3 of the last sweep

SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run.
"""
HEIGHT, WIDEST, PIPED_WIDTH = 10, 100, 80


@click.command(cls=Command, help=EXAMPLE)
@click.argument("trial", metavar="SWEEP:INDEX")
@json_option
def show(trial: str, as_json: bool) -> None:
    """See EXAMPLE."""
    from orchestrator.analysis.details import find_details

    found = find_details(trial)
    if as_json:
        print_json(_to_json(found))
        return
    _show_end(found)
    _show_settings(found)
    _show_curve(found)
    _show_files(found)
    if found.command is None:
        echo(f"to train it again: {found.no_command}")
    else:
        echo(f"train it again: {found.command}")


def _show_end(found: TrialDetails) -> None:
    trial, metric = found.trial, found.history.metric
    reason = f" ({trial.reason})" if trial.reason else ""
    echo(f"trial {trial.index} of {found.history.id}: {trial.status}{reason}")
    record = trial.record
    report = record.report
    if report is None:
        echo(f"no epoch is over; {record.attempts} attempts" if record.attempts != 1 else "no epoch is over")
    else:
        of = f"epoch {report.best_epoch} of {record.epochs}, {record.spec.epochs} at most"
        echo(f"{metric.name} {show_number(record.value)} ({of}): number {found.rank} of {found.ranked}")
    if trial.best is not None:
        others = {"training loss": trial.best.train_loss, **trial.best.validation}
        others.pop(metric.name, None)
        echo("  " + ", ".join(f"{name} {show_number(value)}" for name, value in others.items()))
    times = [f"{show_number(record.seconds)} s in all, {show_number(record.train_seconds)} s of them training"]
    times += [f"from {_moment(record.started)}"] if record.started else []
    times += [f"to {_moment(trial.ended)}"] if trial.ended else []
    times += [f"{record.attempts} attempts"] if record.attempts > 1 else []
    echo("  " + ", ".join(times))
    if found.folds > 1:
        echo(
            f"  {found.folds} folds: as many networks, whose answers on the rows they did not see are measured together"
        )
    if found.won:
        echo("  its network is the model of the sweep")
    elif found.weight is not None:
        echo(
            f"  its network has a weight of {show_number(found.weight)} in the ensemble that is the model of the sweep"
        )


def _show_settings(found: TrialDetails) -> None:
    record = found.trial.record
    spec = record.best_spec or record.spec
    drawn = {name.rpartition(".")[2] for name in record.point}
    echo("")
    print_table(
        ([name, show_number(value), "searched" if name in drawn else ""] for name, value in spec.parameters.items()),
        ["setting", "value", ""],
    )


def _show_curve(found: TrialDetails) -> None:
    from orchestrator.text_plots import step_plot

    name = found.history.metric.name
    points = [(float(epoch.report.epoch), epoch.report.validation.get(name)) for epoch in found.trial.epochs]
    curve = [(at, value) for at, value in points if value is not None and math.isfinite(value)]
    if len(curve) < 2:  # noqa: PLR2004
        return
    width = min(WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else PIPED_WIDTH
    echo("")
    echo(f"{name} after each epoch")
    axis = (f"epoch {curve[0][0]:.0f}", f"epoch {curve[-1][0]:.0f}")
    for line in step_plot(curve, curve[-1][0] + 1, width=width, height=HEIGHT, axis=axis, plain=not has_braille()):
        echo(line.rstrip())


def has_braille() -> bool:
    """Whether the output can hold the characters that curves are drawn with."""
    try:
        "⠿".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _show_files(found: TrialDetails) -> None:
    echo("")
    if not found.files:
        echo("no checkpoint or weights are kept of it")
    for file in found.files:
        echo(f"kept: {file.address} ({show_bytes(file.size)})")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


def _to_json(found: TrialDetails) -> dict[str, Any]:
    from orchestrator.analysis.rows import row_of

    row = row_of(found.trial)
    return {
        "sweep": found.history.id,
        "metric": found.history.metric.name,
        **{name: value for name, value in vars(row).items() if name != "run_id"},
        "searched": dict(found.trial.record.point),
        "rank": found.rank,
        "folds": found.folds,
        "curve": [{"epoch": epoch.report.epoch, **epoch.report.points} for epoch in found.trial.epochs],
        "files": [vars(file) for file in found.files],
        "weight": found.weight,
        "won": found.won,
        "command": found.command,
    }
