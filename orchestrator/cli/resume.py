"""`orchestrator resume`, `sync` and `sweeps`: sweeps that were interrupted, and those that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import DURATION, SIZE, Command, json_option, print_json, print_table
from orchestrator.cli.displays import Form, display_options, open_display
from orchestrator.cli.json_log import log_format_option
from orchestrator.cli.numbers import Number, WholeNumber
from orchestrator.cli.options import cost_options, second_best_option, sharing_options
from orchestrator.cli.sweep import conclude, show_sent

if TYPE_CHECKING:
    from orchestrator.journal.folder import BrokenSweep, KnownSweep

RESUME = """Go on with a sweep after any kind of end, or extend one that is finished.

\b
Example:
  orchestrator resume                          # the latest sweep
  orchestrator resume adult                    # the latest sweep of that name
  orchestrator resume adult --trials +20       # 20 more trials
  orchestrator resume adult --storage s3://bucket/sweeps --address head:6379

Finished trials stay, the others go on from their last checkpoints; the search and its scheduler know all that happened,
and MLflow has the same runs. SWEEP is an id (see `orchestrator sweeps`), a name or an MLflow run.
"""
SYNC = """Send MLflow what it has not got of a sweep, because it did not answer: runs, metrics, the model.

\b
Example:
  orchestrator sync adult
  orchestrator sync adult --tracking-uri http://new-server:5000

Nothing is sent twice; the command may be repeated.
"""
SWEEPS = """List the sweeps that were started from this machine, or are in a storage; the latest first.

\b
Example:
  orchestrator sweeps
  orchestrator sweeps --storage s3://bucket/sweeps
  orchestrator sweeps --remove adult-20260131-120000-1a2b
"""
storage_option = click.option(
    "--storage", metavar="FOLDER|URI", help="Where sweeps are. Default: where this machine knows of some."
)


@click.command(cls=Command, help=RESUME)
@click.argument("sweep", required=False)
@storage_option
@click.option("--trials", metavar="N|+N", help="So many in all, or so many more. Default: as planned.")
@click.option("--time-budget", type=DURATION, help="Of all sessions together. Default: as planned.")
@click.option("--concurrency", type=WholeNumber(1), help="Trials at once, at most. Default: as before.")
@sharing_options
@click.option("--max-failures", type=WholeNumber(0), help="Of a trial whose process is lost. Default: as before.")
@click.option("--failed-share", type=Number(0, 1, min_open=True), help="Give up above. Default: as before.")
@click.option("--epoch-timeout", type=DURATION, help="End the process of a longer epoch. Default: as before.")
@click.option("--disk-budget", type=SIZE, help="Of the whole sweep, such as 20GB. Default: as before.")
@click.option("--placement-timeout", type=DURATION, help="Give up when nothing finds a place. Default: as before.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster. Default: as before.")
@click.option("--tracking-uri", metavar="URI", help="MLflow, if it has another address now. Default: as before.")
@click.option("--register/--no-register", "register_model", default=None, help="Register the model in MLflow.")
@second_best_option
@cost_options[0]
@cost_options[1]
@log_format_option
@display_options
def resume(sweep: str | None, storage: str | None, trials: str | None, form: Form, **options: Any) -> None:  # noqa: ANN401
    """See RESUME."""
    from orchestrator.runtime.hooks import Hooks
    from orchestrator.runtime.resume import resume_sweep

    tracking_uri = options.pop("tracking_uri")
    with open_display(form) as display:
        hooks = Hooks(notify=display.notify, observer=display)
        result = resume_sweep(
            sweep, storage=storage, trials=trials, tracking_uri=tracking_uri, hooks=hooks, options=options
        )
    conclude(result, form, display)


@click.command(cls=Command, help=SYNC)
@click.argument("sweep", required=False)
@storage_option
@click.option("--tracking-uri", metavar="URI", help="MLflow store or server. Default: the sweep's own.")
@json_option
def sync(sweep: str | None, storage: str | None, tracking_uri: str | None, as_json: bool) -> None:
    """See SYNC."""
    from orchestrator.tracking.sync import sync as send

    result = send(sweep, storage=storage, tracking_uri=tracking_uri)
    show_sent(result, as_json=as_json)


@click.command(cls=Command, help=SWEEPS)
@storage_option
@click.option("--remove", "removed", multiple=True, metavar="ID", help="Delete its folder. MLflow keeps what it has.")
@json_option
def sweeps(storage: str | None, removed: tuple[str, ...], as_json: bool) -> None:
    """See SWEEPS."""
    from orchestrator.journal.folder import all_sweeps
    from orchestrator.journal.removal import remove_sweep
    from orchestrator.storage import Storage

    base = None if storage is None else Storage.at(storage)
    for sweep_id in removed:
        # it needs MLflow, which a list does not
        from orchestrator.tracking.sync import end_removed

        end_removed(remove_sweep(sweep_id, base))
        click.echo(f"{sweep_id} is removed", err=as_json)
    found = [] if removed else all_sweeps(base)
    if as_json:
        print_json([_to_json(sweep) for sweep in found])
    elif found:
        columns = ["id", "state", "metric", "started", "storage"]
        print_table(([_to_json(sweep)[column] for column in columns] for sweep in found), columns)
        for sweep in found:
            problem = _problem(sweep)
            if problem:
                click.echo(f"{sweep.id}: {problem}")
    elif not removed:
        click.echo("there are no sweeps yet; start one with: orchestrator sweep DATA --target COLUMN")


def _to_json(found: KnownSweep | BrokenSweep) -> dict[str, Any]:
    from datetime import datetime

    from orchestrator.journal.folder import KnownSweep

    header = found.header if isinstance(found, KnownSweep) else None
    started = datetime.fromtimestamp(found.started).astimezone() if found.started else None
    return {
        "id": found.id,
        "name": found.name,
        "state": found.state,
        "metric": header and header.metric,
        "run_id": header and header.run_id,
        "tracking_uri": header and header.tracking_uri,
        "started": started and started.isoformat(sep=" ", timespec="seconds"),
        "storage": str(found.storage),
        "notes": list(header.notes) if header else [],
        "problem": _problem(found) or None,
    }


def _problem(found: KnownSweep | BrokenSweep) -> str:
    from orchestrator.journal.folder import KnownSweep

    if isinstance(found, KnownSweep):
        again = f"{found.damage}; `orchestrator resume {found.id}` makes it again from its second copy"
        return again if found.damage else ""
    return found.reason
