"""`orchestrator plan`: what a sweep would run, need and take."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, json_option, print_json, print_table, tracking_option
from orchestrator.cli.options import notify, sweep_config, sweep_options
from orchestrator.units import counted, show_bytes, show_number, show_seconds

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.runtime.probe.estimate import NetworkEstimate, SweepEstimate

EXAMPLE = """Say what a sweep would run, need and take, without running it.

\b
Example:
  orchestrator plan adult.csv --target income --trials 20
  orchestrator plan adult.csv --target income --workers-per-trial 2 --address head:6379

Takes the arguments of `orchestrator sweep`. The smallest and the largest network of the search space are trained for a
moment on the workers that trials would have. What cannot run is refused, as `sweep` does.
"""


@click.command(cls=Command, help=EXAMPLE)
@sweep_options
@tracking_option
@json_option
def plan(data: str | None, config_file: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """See EXAMPLE."""
    config = sweep_config(data, config_file, options)

    from orchestrator.runtime.probe.estimate import estimate_sweep

    estimate = estimate_sweep(config, notify=notify)
    if as_json:
        print_json({**asdict(estimate), "notes": [note.to_json() for note in estimate.notes]})
    else:
        show(estimate, config)


def show(estimate: SweepEstimate, config: SweepConfig) -> None:
    """Prints the estimate."""
    click.echo(f"sweep {estimate.name}: {_amount(estimate)}, optimising {estimate.metric}")
    if estimate.follows:
        entries = ", ".join(f"{name} {_entry(value)}" for name, value in estimate.follows.items())
        click.echo(f"for data of this size the search space has: {entries}")
    click.echo(f"concurrency: {estimate.concurrency} at a time, {estimate.threads} threads in each worker")
    columns = ["architecture", "workers", "processes", "memory", "network", "parameters", "batch", "epoch", "settings"]
    rows = []
    for entry in estimate.architectures:
        memory = show_bytes(entry.memory) + (f" + {show_bytes(entry.gpu_memory)} GPU" if entry.gpu_memory else "")
        for title, network in (("smallest", entry.smallest), ("largest", entry.largest)):
            first = title == "smallest"
            left = [entry.name, entry.workers, entry.processes, memory] if first else [None] * 4
            rows.append([*left, title, *_network(network)])
    print_table(rows, columns)
    click.echo(
        f"disk: at most {show_bytes(estimate.storage_bytes)} for checkpoints and weights while it runs "
        f"({config.storage or 'in the state folder'}), {show_bytes(estimate.model_bytes)} for the registered model"
    )
    click.echo(f"duration: {show_duration(estimate)}")
    if estimate.spent is not None:
        click.echo(f"trials hold: about {estimate.spent}")
    for sentence in estimate.advice:
        click.echo(f"note: {sentence}")


def _amount(estimate: SweepEstimate) -> str:
    """How much is tried."""
    count = "as many trials as the time allows" if estimate.trials is None else counted(estimate.trials, "trial")
    if estimate.trials is not None and estimate.time_budget is not None:
        count += f" in {show_seconds(estimate.time_budget)} at most"
    preset = "" if estimate.preset is None else f" (preset {estimate.preset})"
    folds = "" if estimate.folds == 1 else f" on {estimate.folds} folds"
    return f"{count}{preset}, each of at most {counted(estimate.epochs, 'epoch')}{folds}"


def _entry(value: Any) -> str:  # noqa: ANN401
    """An entry of a search space in words."""
    if not isinstance(value, dict):
        return str(value)
    if "choices" in value:
        return " or ".join(map(str, value["choices"]))
    return f"{value.get('low')} to {value.get('high')}"


def _network(network: NetworkEstimate) -> list[str]:
    settings = ", ".join(f"{name} {show_number(value)}" for name, value in network.settings.items())
    return [f"{network.parameters:,}", str(network.batch_size), f"{network.epoch_seconds:.2g} s", settings]


def show_duration(estimate: SweepEstimate) -> str:
    """The expected duration, and the longest one if it differs."""
    if estimate.seconds == float("inf"):
        return "as long as there is no limit; give --trials or --time-budget"
    text = f"about {show_seconds(estimate.seconds)}"
    if estimate.seconds_at_most is not None and estimate.seconds_at_most > 1.05 * estimate.seconds:
        text += f", at most {show_seconds(estimate.seconds_at_most)} if no trial is stopped early"
    return text
