"""`orchestrator evaluate`: how good the answers were that an endpoint has given."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import DURATION, Command, echo, json_option, print_json, print_table, tracking_option
from orchestrator.cli.csv_options import csv_options
from orchestrator.cli.show import has_braille
from orchestrator.errors import DataError, OrchestratorError, UsageError
from orchestrator.units import show_number

if TYPE_CHECKING:
    from orchestrator.evaluation.outcomes import Outcomes, OutcomeWindow

EXAMPLE = """Measure the answers that an endpoint has logged, now that the truth is known.

\b
Example:
  orchestrator evaluate models:/adult@champion --log-folder requests --truth labels.csv
  orchestrator evaluate models:/adult@champion --log-folder requests --truth labels.csv --key customer
  orchestrator evaluate models:/adult@champion --log-folder requests --truth labels.csv --bound roc_auc=0.85

The log is what `orchestrator deploy --log-folder` writes. The truth is a CSV, Parquet or JSON lines file with the
target column and a key: --key COLUMN, a column that requests have, too; else `_request`, the id that an answer has in
its header X-Request-Id, and `_row`, which counts the rows of a request from 0.

Exit codes: 0, all bounds are kept, or none was given; 1, a figure is worse than its bound; 2, it could not be measured.
"""
WIDEST, PIPED_WIDTH, HEIGHT = 100, 80, 8
# the codes that scripts go by
WORSE, UNMEASURED = 1, 2


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.option("--log-folder", required=True, metavar="FOLDER", help="That the endpoint was given.")
@click.option("--truth", required=True, metavar="FILE", help="Rows with the target column and a key.")
@click.option("--key", metavar="COLUMN", help="Of log and truth, which joins them. Default: _request, and _row.")
@click.option(
    "--bound",
    "bounds",
    metavar="METRIC=VALUE",
    multiple=True,
    help="Exit code 1 if the figure over all rows is worse. May be repeated.",
)
@click.option("--window", type=DURATION, default="1d", show_default=True, help="Time of which figures are shown.")
@click.option("--since", type=DURATION, metavar="TIME", help="How far back the log is read. Default: all of it.")
@click.option("--track", is_flag=True, help="Write the figures of each time to the version's run in MLflow.")
@csv_options
@tracking_option
@json_option
def evaluate(
    *,
    model: str,
    log_folder: str,
    truth: str,
    key: str | None,
    bounds: Sequence[str],
    window: timedelta,
    since: timedelta | None,
    track: bool,
    tracking_uri: str | None,
    as_json: bool,
    csv: dict[str, Any] | None = None,
) -> None:
    """See EXAMPLE."""
    wanted = [_bound(text) for text in bounds]
    from orchestrator.tracking.outcomes import evaluate as measure

    try:
        found = measure(
            model,
            log_folder,
            truth,
            key=key,
            window=window,
            since=since,
            metrics=[name for name, _ in wanted],
            csv=csv,
            tracking_uri=tracking_uri,
            track=track,
        )
        worse = [sentence for name, value in wanted if (sentence := _worse(found, name, value))]
    except OrchestratorError as error:
        # 1 says that the model is worse, which this does not
        error.exit_code = UNMEASURED
        raise
    if as_json:
        print_json({**found.to_json(), "bounds": dict(wanted), "kept": not worse})
    else:
        _show(found, [name for name, _ in wanted])
    for sentence in worse:
        echo(sentence, err=True)
    if worse:
        click.get_current_context().exit(WORSE)


def _bound(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        bound = float(value)
    except ValueError:
        bound = math.nan
    if not name or not math.isfinite(bound):
        raise UsageError(f"--bound {text}: give a metric and a number, such as roc_auc=0.85")
    return name, bound


def _worse(found: Outcomes, name: str, bound: float) -> str | None:
    """A sentence about a figure that is worse than its bound.

    Raises:
        OrchestratorError: there is no such figure.
    """
    from orchestrator.tasks import metric_named

    value = found.total.figures.get(name)
    if value is None:
        raise DataError(f"--bound {name}: these {found.total.known:,} rows with a truth do not have this metric")
    metric = metric_named(name, maximize=found.maximize if name == found.metric else None)
    if not metric.better(bound, value):
        return None
    word = "below" if metric.maximize else "above"
    return f"{name} is {show_number(value)}, {word} the bound of {show_number(bound)}"


def _show(found: Outcomes, asked: Sequence[str]) -> None:
    names = list(dict.fromkeys([found.metric, *asked, *found.total.figures]))

    def line(what: str, window: OutcomeWindow) -> list[str | None]:
        figures = [show_number(window.figures.get(name)) for name in names]
        return [what, f"{window.rows:,}", f"{window.known:,}", *figures]

    version = f", version {found.version}" if found.version else ""
    echo(f"{found.model}{version}")
    short = all(window.start.hour == window.start.minute == 0 for window in found.windows)
    form = "%Y-%m-%d" if short else "%Y-%m-%d %H:%M"
    print_table(
        [
            *(line(format(window.start, form), window) for window in found.windows),
            line("all", found.total),
            ["test rows", None, None, *(show_number(found.test.get(name)) for name in names)],
        ],
        ["answered (UTC)", "rows", "with truth", *names],
    )
    _show_curve(found)
    for note in found.notes:
        echo(f"note: {note}")


def _show_curve(found: Outcomes) -> None:
    from orchestrator.text_plots import step_plot

    curve = [
        (window.start.timestamp(), value)
        for window in found.windows
        if (value := window.figures.get(found.metric)) is not None
    ]
    if len(curve) < 2:  # noqa: PLR2004
        return
    end = found.windows[-1].end
    width = min(WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else PIPED_WIDTH
    axis = (f"{found.windows[0].start:%Y-%m-%d}", f"{end:%Y-%m-%d}")
    echo("")
    echo(f"{found.metric} over time")
    for row in step_plot(curve, end.timestamp(), width=width, height=HEIGHT, axis=axis, plain=not has_braille()):
        echo(row.rstrip())
