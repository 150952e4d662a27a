"""`orchestrator trials`: the leaderboard of a sweep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from orchestrator.cli.base import Command, count_fitting, echo, json_option, print_json, print_table, table_width
from orchestrator.cli.numbers import WholeNumber
from orchestrator.units import counted, show_number

if TYPE_CHECKING:
    from orchestrator.analysis import Selection, TrialRow
    from orchestrator.tracking.leaderboard import Leaderboard

EXAMPLE = """Show the trials of a sweep, the best first.

\b
Example:
  orchestrator trials                 # the last sweep
  orchestrator trials adult           # the last sweep of that name
  orchestrator trials 3f9a2c41        # by the id of its MLflow run, also shortened
  orchestrator trials adult --filter "params.architecture = 'mlp' and metrics.roc_auc > 0.9"
  orchestrator trials adult --sort seconds --columns 'trial,metrics.*,params.width'

SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run. It is read from the journal of the sweep; sweeps of
other machines are found in the MLflow store, by their run or name. Columns are trial, status, reason, value,
best_epoch, epochs, seconds, train_seconds, attempts, start, end, metrics.NAME (of the best epoch) and params.NAME.
"""
COMMON = ("architecture", "learning_rate", "batch_size")
# columns that are shown however narrow the terminal is
FIGURES = 5


class Names(click.ParamType[tuple[str, ...]]):
    """Names between commas."""

    name = "list"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            self.fail(f"'{value}' has an empty name", param, ctx)
        return names


filter_option = click.option(
    "--filter", "condition", metavar="TEXT", help="Only these, in MLflow's grammar, with or, not and brackets besides."
)


@click.command(cls=Command, help=EXAMPLE)
@click.argument("sweep", required=False)
@filter_option
@click.option(
    "--sort",
    "order",
    multiple=True,
    metavar="COLUMN [asc|desc]",
    help="Metrics the best first, others ascending, unless said. May be repeated.",
)
@click.option("--columns", type=Names(), metavar="LIST", help="Show these, such as 'trial,value,params.*'.")
@click.option("--limit", type=WholeNumber(1), default=20, show_default=True, help="Show this many.")
@click.option("--tracking-uri", metavar="URI", help="Read it from this MLflow store or server.")
@json_option
def trials(
    *,
    sweep: str | None,
    condition: str | None,
    order: tuple[str, ...],
    columns: tuple[str, ...] | None,
    limit: int,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """See EXAMPLE."""
    from orchestrator.analysis.selection import select
    from orchestrator.tasks import Metric
    from orchestrator.tracking.sweep_leaderboard import read_leaderboard

    board = read_leaderboard(sweep, tracking_uri, with_runs=as_json)
    metric = Metric(board.metric, maximize=board.maximize)
    chosen = select(board.trials, metric, condition=condition, order=order, columns=columns or ())
    if as_json and columns is None:
        print_json(replace(board, trials=chosen.rows).to_json())
    elif as_json:
        print_json([{name: cells.get(name) for name in chosen.columns} for cells in chosen.cells])
    else:
        _show(board, chosen, limit, narrowed=columns is not None)


def _show(board: Leaderboard, chosen: Selection, limit: int, *, narrowed: bool) -> None:
    about = ", ".join(filter(None, (board.run_id[:8], board.status)))
    count = counted(len(board.trials), "trial")
    if len(chosen.rows) < len(board.trials):
        count = f"{len(chosen.rows)} of {count}"
    echo(f"sweep {board.id or board.name} ({about}), {count} by {board.metric}")
    shown = chosen.rows[:limit]
    if narrowed:
        cells = chosen.cells[:limit]
        print_table(([show_number(row.get(name)) for name in chosen.columns] for row in cells), chosen.columns)
    else:
        _show_usual(shown, board.metric)
    for note in board.notes:
        echo(f"note: {note}")
    for row in shown:
        if row.status == "failed":
            echo(f"trial {row.trial} failed: {row.reason}")
    if len(chosen.rows) > limit:
        click.echo(f"{len(chosen.rows) - limit} more: --limit {len(chosen.rows)}")


def _show_usual(shown: tuple[TrialRow, ...], metric: str) -> None:
    """The columns that matter most: those by which trials differ among them."""
    varying = [
        name
        for name in {name: None for row in shown for name in row.parameters}
        if name not in ("seed", "metric")
        and (name in COMMON or len({str(row.parameters.get(name)) for row in shown}) > 1)
    ]
    # those that many trials have come first
    varying.sort(key=lambda name: (name not in COMMON, -sum(name in row.parameters for row in shown)))
    lines = [
        [
            str(row.trial),
            show_number(row.value),
            show_number(row.best_epoch),
            row.status,
            show_number(row.seconds),
            *(show_number(row.parameters.get(name)) for name in varying),
        ]
        for row in shown
    ]
    headers = ["trial", metric, "epoch", "status", "seconds", *varying]
    count = max(FIGURES, count_fitting(list(zip(headers, *lines, strict=True)), table_width()))
    print_table((line[:count] for line in lines), headers[:count])
    if count < len(headers):
        more = counted(len(headers) - count, "more setting")
        echo(f"{more}: `orchestrator show` has those of a trial, --json all")
