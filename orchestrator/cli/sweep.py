"""`orchestrator sweep`: search for the best network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, print_json, tracking_option
from orchestrator.cli.decisions import show_decisions
from orchestrator.cli.displays import Form, display_options, open_display
from orchestrator.cli.json_log import log_format_option
from orchestrator.cli.options import notify, prepare_early, show_registration, show_test, sweep_config, sweep_options
from orchestrator.units import counted, show_bytes, show_latency, show_number, show_seconds

if TYPE_CHECKING:
    from orchestrator.display.displays import Display
    from orchestrator.runtime.result import SweepResult
    from orchestrator.tracking.sync import SyncResult

EXAMPLE = """Search for the best network for DATA (sklearn:NAME, a CSV, Parquet or JSON file, a folder of Parquet
files).

\b
Example:
  orchestrator sweep adult.csv --target income --trials 20
  orchestrator sweep sklearn:iris --space quick --time-budget 90s
  orchestrator sweep --config sweep.yaml --resume

DATA may be left out when --config names a YAML file that has it. Ctrl-C stops cleanly and keeps what is finished;
`orchestrator resume` goes on, after that as after any other end.
"""


@click.command(cls=Command, help=EXAMPLE)
@sweep_options
@tracking_option
@log_format_option
@click.option(
    "--resume",
    "resumes",
    is_flag=True,
    help="Go on with the latest sweep of that name and these options that did not come to its end or was not sent.",
)
@display_options
def sweep(data: str | None, config_file: Path | None, resumes: bool, form: Form, **options: Any) -> None:  # noqa: ANN401
    """See EXAMPLE."""
    config = sweep_config(data, config_file, options)

    from orchestrator.runtime.hooks import Hooks
    from orchestrator.runtime.result import SweepResult
    from orchestrator.runtime.resume import run_or_resume
    from orchestrator.runtime.sweeps import run_sweep

    with open_display(form) as display:
        hooks = Hooks(notify=display.notify, observer=display)
        result = run_or_resume(config, hooks) if resumes else run_sweep(config, None, hooks)
    prepare_early(result.registration, config.tracking_uri)
    if isinstance(result, SweepResult):
        conclude(result, form, display)
    elif form is Form.JSON_LINES:
        display.on_result(sent_to_json(result))
    else:
        show_sent(result, as_json=form in (Form.JSON, Form.QUIET_JSON))


def show_sent(sent: SyncResult, *, as_json: bool) -> None:
    """Prints what was sent of a sweep that had ended before."""
    for note in sent.notes:
        notify(note)
    if as_json:
        print_json(sent_to_json(sent))
        return
    click.echo(f"MLflow has all of {sent.id}: {counted(sent.trials, 'trial')}, run {sent.run_id}")
    if sent.registration is not None:
        show_registration(sent.registration)


def sent_to_json(sent: SyncResult) -> dict[str, Any]:
    """What a script wants to know of it."""
    model = sent.registration.uri if sent.registration else None
    return {"id": sent.id, "run_id": sent.run_id, "trials": sent.trials, "model": model, "anew": sent.anew}


def conclude(result: SweepResult, form: Form, display: Display) -> None:
    """Prints what a sweep has ended with, and ends the command accordingly."""
    if form is Form.JSON_LINES:
        display.on_result(to_json(result))
    elif form in (Form.JSON, Form.QUIET_JSON):
        print_json(to_json(result))
    else:
        show(result)
    if result.unsent is not None:
        notify(
            f"MLflow does not answer ({result.unsent}); nothing is lost, send it later with: "
            f"orchestrator sync {result.id}"
        )
    if result.interrupted:
        notify(f"go on with: orchestrator resume {result.id}")
    if not result.accepted:
        notify(
            f"trial {result.best.index} was taken instead of a better one, so it does not become the champion by "
            "itself; accept it with --allow-second-best, or with: orchestrator promote"
        )
    if result.interrupted or result.unsent is not None or not result.accepted:
        raise click.exceptions.Exit(1)


def show(result: SweepResult) -> None:
    """Prints the winner and what to do next."""
    from orchestrator.sweeps.ensembles import shown

    best, registration = result.best, result.registration
    combined = result.ensemble is not None and result.ensemble.accepted
    statuses = [trial.status for trial in result.trials]
    how = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    times = f"{show_seconds(result.search_seconds)} of search, {show_seconds(result.seconds)} in all"
    click.echo(f"{counted(len(statuses), 'trial')} in {times}: {how}")
    click.echo(f"held {result.spent}")
    spec = best.best_spec or best.spec
    settings = ", ".join(f"{name} {show_number(value)}" for name, value in spec.settings.items())
    click.echo(f"best{' alone' if combined else ''}: trial {best.index}, {spec.architecture} ({settings})")
    if result.ensemble is not None:
        for line in shown(result.ensemble.to_json(), result.metric.name):
            click.echo(line)
    click.echo(f"validation {result.metric.name} {show_number(result.validation)}")
    cost = result.bundle.metrics.get("cost")
    if cost is not None:
        click.echo(f"a row takes {show_latency(cost['seconds'])} with {cost['engine']}, {show_bytes(cost['size'])}")
    show_decisions(result.bundle.metrics)
    show_test(result.test, result.test_looks)
    if registration is not None:
        show_registration(registration)
        click.echo(f"next: orchestrator deploy {registration.uri}")


def to_json(result: SweepResult) -> dict[str, Any]:
    """What a script wants to know."""
    registration = result.registration
    return {
        "id": result.id,
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
        "validation": result.validation,
        "ensemble": result.ensemble and result.ensemble.to_json(),
        "test": dict(result.test),
        "test_looks": result.test_looks,
        "notes": [note.to_json() for note in result.notes],
        "skipped": list(result.skipped),
        "bounded": list(result.bounded),
        "cost": result.bundle.metrics.get("cost"),
        "temperature": result.bundle.metrics.get("temperature"),
        "threshold": result.bundle.metrics.get("threshold"),
        "model": None
        if registration is None
        else {
            "name": registration.name,
            "version": registration.version,
            "champion": registration.champion,
            "reason": registration.reason,
            "uri": registration.uri,
            "existing": registration.existing,
        },
        "unsent": result.unsent,
        "interrupted": result.interrupted,
        "seconds": round(result.seconds, 3),
        "search_seconds": round(result.search_seconds, 3),
        "spent": {name: round(value, 6) for name, value in result.spent.to_json().items()},
    }
