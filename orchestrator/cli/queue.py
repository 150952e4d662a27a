"""`orchestrator queue`: which sweeps share a cluster, and the limits of their queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from orchestrator.cli.base import Command, json_option, print_json, print_table
from orchestrator.cli.jobs import CommandGroup
from orchestrator.cli.numbers import Number, WholeNumber
from orchestrator.errors import UsageError
from orchestrator.units import show_number

QUEUE = """Show which sweeps share a cluster, what each of them has, and who waits for what.

\b
Example:
  orchestrator queue --address head:6379
  orchestrator queue limit ann --cores 8 --address head:6379
  orchestrator queue limit ann --none --address head:6379
"""
LIMIT = """Limit what all sweeps of a queue together may have of the cluster.

\b
Example:
  orchestrator queue limit ann --cores 8
  orchestrator queue limit students --cores 32 --gpus 2
  orchestrator queue limit students --none

NAME is what sweeps say with --queue; the name of the user, of those that do not. Sweeps that run keep to it within
seconds: trials that are too many pause after their epoch.
"""
KINDS = {"cores": "CPU", "gpus": "GPU"}


def _address_option(*, own: bool) -> click.Option:
    return click.Option(
        ["--address"],
        envvar="RAY_ADDRESS" if own else None,
        metavar="HOST:PORT",
        help="Ray cluster. Default: RAY_ADDRESS.",
    )


@click.group(cls=CommandGroup, params=[_address_option(own=True)], invoke_without_command=True, help=QUEUE)
@json_option
@click.pass_context
def queue(context: click.Context, address: str | None, as_json: bool) -> None:
    """See QUEUE."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"--json does not go with {context.invoked_subcommand}")
        return

    from orchestrator.cluster import ray_session

    with ray_session(_given(address)):
        from orchestrator.runtime.shares.actor import shown_rows
        from orchestrator.runtime.shares.queues import queue_limits

        rows, limits = shown_rows(), queue_limits()
    if as_json:
        shown = {name: {word: found.get(kind) for word, kind in KINDS.items()} for name, found in limits.items()}
        print_json({"sweeps": rows, "queues": shown})
    else:
        _show(rows, limits)


@queue.command("limit", cls=Command, params=[_address_option(own=False)], help=LIMIT)
@click.argument("name")
@click.option("--cores", type=WholeNumber(1), help="Of all its sweeps together.")
@click.option("--gpus", type=Number(0), help="Of all its sweeps together.")
@click.option("--none", "unlimited", is_flag=True, help="Take its limits away.")
@click.pass_context
def limit(
    context: click.Context, *, name: str, address: str | None, cores: int | None, gpus: float | None, unlimited: bool
) -> None:
    """See LIMIT."""
    amounts = {kind: float(most) for kind, most in (("CPU", cores), ("GPU", gpus)) if most is not None}
    if bool(amounts) == unlimited:
        raise click.UsageError("give --cores, --gpus or both, or --none")

    from orchestrator.cluster import ray_session

    above = context.parent.params["address"] if context.parent else None
    with ray_session(_given(address or above)):
        from orchestrator.runtime.shares.queues import limit_queue

        limit_queue(name, amounts)
    click.echo(f"{name}: {_shown(amounts)}")


def _given(address: str | None) -> str:
    if address is None:
        raise UsageError("which cluster? give --address HOST:PORT, or set RAY_ADDRESS")
    return address


def _show(rows: list[dict[str, Any]], limits: Mapping[str, Mapping[str, float]]) -> None:
    if rows:
        columns = ["sweep", "user", "queue", "priority", "share", "cores", "gpus", "trials", "waits for"]
        print_table(([_cell(row, column) for column in columns] for row in rows), columns)
    else:
        click.echo("no sweep runs or waits on this cluster")
    for name, amounts in sorted(limits.items()):
        click.echo(f"queue {name}: {_shown(amounts)}")


def _cell(row: Mapping[str, Any], column: str) -> object:
    if column == "trials":
        return f"{row['running']} of {row['allowed']}"
    found = row[column.replace(" ", "_")]
    return show_number(found) if isinstance(found, float) else found


def _shown(amounts: Mapping[str, float]) -> str:
    most = [f"{amounts[kind]:g} {kind}" for kind in KINDS.values() if kind in amounts]
    return f"at most {' and '.join(most)}" if most else "no limit"
