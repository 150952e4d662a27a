"""`orchestrator trials`: the leaderboard of a sweep."""

from __future__ import annotations

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, print_table
from orchestrator.units import show_number

EXAMPLE = """Show the trials of a sweep, the best first.

\b
Example:
  orchestrator trials                 the last sweep
  orchestrator trials adult           the last sweep of that name
  orchestrator trials 3f9a2c41        by the id of its MLflow run, also shortened

SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run. It is read from the journal of the sweep; sweeps of
other machines are found in the MLflow store, by their run or name.
"""
COMMON = ("architecture", "learning_rate", "batch_size")


@click.command(cls=Command, help=EXAMPLE)
@click.argument("sweep", required=False)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Show this many.")
@click.option("--tracking-uri", metavar="URI", help="Read it from this MLflow store or server.")
@json_option
def trials(sweep: str | None, limit: int, tracking_uri: str | None, as_json: bool) -> None:
    """See EXAMPLE."""
    from orchestrator.tracking.sweep_leaderboard import read_leaderboard

    board = read_leaderboard(sweep, tracking_uri, with_runs=as_json)
    if as_json:
        print_json(board.to_json())
        return
    about = ", ".join(filter(None, (board.run_id[:8], board.status)))
    click.echo(f"sweep {board.id or board.name} ({about}), {len(board.trials)} trials by {board.metric}")
    shown = board.trials[:limit]
    varying = [
        name
        for name in {name: None for row in shown for name in row.parameters}
        if name not in ("seed", "metric")
        and (name in COMMON or len({str(row.parameters.get(name)) for row in shown}) > 1)
    ]
    print_table(
        (
            [
                row.trial,
                show_number(row.value),
                row.best_epoch,
                row.status,
                show_number(row.seconds),
                *(show_number(row.parameters.get(name)) for name in varying),
            ]
            for row in shown
        ),
        ["trial", board.metric, "epoch", "status", "seconds", *varying],
    )
    for note in board.notes:
        echo(f"note: {note}")
    for row in shown:
        if row.status == "failed":
            click.echo(f"trial {row.trial} failed: {row.reason}")
    if len(board.trials) > limit:
        click.echo(f"{len(board.trials) - limit} more: --limit {len(board.trials)}")
