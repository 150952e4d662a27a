"""`orchestrator compare`: sweeps beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, print_table
from orchestrator.units import show_exactly, show_number

if TYPE_CHECKING:
    from orchestrator.analysis.comparison import ComparedSweep, SweepComparison

EXAMPLE = """Show sweeps beside each other: settings that differ, what they found, and how fast.

\b
Example:
  orchestrator compare adult adult-20260131-120000-1a2b
  orchestrator compare one two three --metric roc_auc

Each SWEEP is an id (see `orchestrator sweeps`), a name (the latest of that name) or an MLflow run. The best value so
far is compared at equal times of running. Where data or splits are not the same, it says so.
"""
# seconds below which tenths of them matter
SHORT = 10


@click.command(cls=Command, help=EXAMPLE)
@click.argument("sweeps", nargs=-1, required=True, metavar="SWEEP SWEEP...")
@click.option("--metric", metavar="NAME", help="By this validation metric. Default: what the sweeps optimise.")
@json_option
def compare(sweeps: tuple[str, ...], metric: str | None, as_json: bool) -> None:
    """See EXAMPLE."""
    if len(sweeps) == 1:
        raise click.UsageError("give two sweeps or more; `orchestrator trials` shows one")
    from orchestrator.analysis.comparison import compare as compared
    from orchestrator.analysis.history import read_history

    histories = [read_history(selector) for selector in sweeps]
    ids = [history.id for history in histories]
    again = next((number for number, sweep_id in enumerate(ids) if sweep_id in ids[:number]), None)
    if again is not None:
        raise click.UsageError(
            f"'{sweeps[again]}' is {ids[again]} once more; a name is the latest sweep of that name: give ids"
        )
    found = compared(histories, metric)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)


def _show(found: SweepComparison) -> None:
    ids = [sweep.id for sweep in found.sweeps]
    print_table(_figures(found), ["", *ids])
    echo("")
    if found.differing:
        echo("settings that differ")
        print_table(([name, *map(_cell, values)] for name, values in found.differing.items()), ["", *ids])
    else:
        echo("all settings are the same")
    if found.progress:
        echo("")
        echo(f"best {found.metric.name} so far, by seconds of search")
        print_table(
            ([f"after {_time(seconds)}", *map(show_number, values)] for seconds, values in found.progress),
            ["", *ids],
        )
    for note in found.notes:
        echo(f"note: {note}")


def _figures(found: SweepComparison) -> list[list[str]]:
    sweeps, metric = found.sweeps, found.metric.name
    lines = [
        ["state", *(sweep.state for sweep in sweeps)],
        ["trials", *map(_trials, sweeps)],
        ["epochs", *(f"{sweep.epochs:,}" for sweep in sweeps)],
        ["search", *(_time(sweep.search_seconds) for sweep in sweeps)],
        ["in all", *(_time(sweep.seconds) for sweep in sweeps)],
        [f"best {metric}", *_marked(found)],
        ["best trial", *(_cell(sweep.best_trial) for sweep in sweeps)],
        ["architecture", *(sweep.architecture or "" for sweep in sweeps)],
        ["winner", *map(_winner, sweeps)],
    ]
    tests = dict.fromkeys(name for sweep in sweeps for name in sweep.test)
    lines += [[f"test {name}", *(show_number(sweep.test.get(name)) for sweep in sweeps)] for name in tests]
    lines += [
        ["model", *(sweep.model or "" for sweep in sweeps)],
        ["champion", *(sweep.champion.partition(":")[0] for sweep in sweeps)],
    ]
    return [line for line in lines if any(line[1:])]


def _time(seconds: float) -> str:
    """Of a sweep that is over, so that two of them look the same only if they are."""
    return f"{seconds:.2g} s" if seconds < SHORT else show_exactly(seconds)


def _marked(found: SweepComparison) -> list[str]:
    """The best values, with a mark at the one that is better than all others."""
    values = [sweep.best for sweep in found.sweeps if sweep.best is not None]
    top = None if not values else max(values) if found.metric.maximize else min(values)
    marked = len(values) > 1 and [value == top for value in values].count(True) == 1
    return [f"{show_number(sweep.best)}{' *' if marked and sweep.best == top else ''}" for sweep in found.sweeps]


def _trials(sweep: ComparedSweep) -> str:
    counted = ", ".join(f"{count} {status}" for status, count in sweep.trials.items())
    return f"{sum(sweep.trials.values())} ({counted})" if counted else "0"


def _winner(sweep: ComparedSweep) -> str:
    if sweep.validation is None:
        return ""
    what = f"ensemble of {sweep.ensemble}" if sweep.ensemble else "one network"
    return f"{what}, {sweep.metric} {show_number(sweep.validation)}"


def _cell(value: Any) -> str:  # noqa: ANN401
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return show_number(value) if isinstance(value, float) else str(value)
