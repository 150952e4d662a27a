"""`orchestrator init`: a commented configuration of a sweep over a data file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import DURATION, Command, echo
from orchestrator.cli.column_files import column_lines, comment, target_entries, yaml_lines
from orchestrator.cli.options import MetricOption, read_options
from orchestrator.cli.outputs import check_output, write_text
from orchestrator.errors import DataError, UsageError
from orchestrator.units import counted

if TYPE_CHECKING:
    from orchestrator.config import SweepConfig
    from orchestrator.data.dataset import DataOptions
    from orchestrator.data.inspection import Inspection

EXAMPLE = """Write a sweep over DATA as a commented YAML file: what is predicted, how long is searched, and how each
column is read, with the reason. Nothing is trained.

\b
Example:
  orchestrator init adult.csv --target income      # writes sweep.yaml
  orchestrator plan --config sweep.yaml            # what it would take
  orchestrator sweep --config sweep.yaml           # the same as: orchestrator sweep adult.csv --target income

What was guessed wrong is corrected in the file. Without --target, the column that is called as targets are (target,
label, y, ...) is taken, or the last one, and the file says so.
"""
DEFAULT_FILE = Path("sweep.yaml")
# how columns are called that are predicted, in the order in which they are looked for
TARGET_NAMES = ("target", "label", "class", "outcome", "y", "labels", "response")
ABOUT_TIME = (
    "# how much is tried: quick (a minute), good (10 minutes, 40 trials at most) or best (an hour); a time of your own",
    "# counts instead, from the first trial to the end",
)


@click.command(cls=Command, help=EXAMPLE)
@click.argument("data")
@read_options
@click.option("--metric", cls=MetricOption, metavar="NAME", help="What is optimised.")
@click.option("--time-budget", type=DURATION, help="Of search and end, from the first trial: 90s, 10m, 2h.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), default=DEFAULT_FILE, show_default=True, help="File to write."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def init(data: str, output: Path, force: bool, **options: Any) -> None:  # noqa: ANN401
    """See EXAMPLE."""
    if output.exists() and not force:
        raise UsageError(f"--output {output}: exists; --force replaces it, -o names another file")
    check_output(output)
    from orchestrator.config import SweepConfig
    from orchestrator.sweeps.plan import data_options

    given = {name: value for name, value in options.items() if value not in (None, ())}
    config = SweepConfig.create(data=data, **given)
    found, guessed = _inspected(data, data_options(config))
    for note in (*found.notes, *found.suspicions):
        echo(f"note: {note}", err=True)
    if guessed:
        echo(
            f"note: '{found.target and found.target.name}' is predicted, {guessed}; --target names another column",
            err=True,
        )
    text = "\n".join([*_lines(config, found, guessed, output), ""])
    write_text(output, text)
    echo(f"written to {output}; look at it, then: orchestrator sweep --config {output}")


def _inspected(data: str, options: DataOptions) -> tuple[Inspection, str]:
    """What the data is, and why its target is one that nobody has named; empty if somebody has."""
    from dataclasses import replace

    from orchestrator.data.folders import is_streamed
    from orchestrator.data.inspection import inspect_table, table_of
    from orchestrator.data.settling import listed

    table, guessed, sampled = table_of(data, options), "", is_streamed(data)
    if options.target is not None or table.default_target is not None:
        return inspect_table(
            table, replace(options, target=options.target or table.default_target), sampled=sampled
        ), ""
    names = list(map(str, table.frame.columns))
    target, guessed = likely_target(names)
    try:
        return inspect_table(table, replace(options, target=target), sampled=sampled), guessed
    except DataError as error:
        raise UsageError(
            f"{table.origin}: say which column to predict with --target (columns: {listed(names)}); the one that is "
            f"{guessed.partition(',')[0]} is none: {error}"
        ) from None


def likely_target(names: Sequence[str]) -> tuple[str, str]:
    """The column that is probably predicted, and why."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    named = next((lowered[known] for known in TARGET_NAMES if known in lowered), None)
    return (names[-1], "the last column") if named is None else (named, "called as targets are")


def _lines(config: SweepConfig, found: Inspection, guessed: str, output: Path) -> list[str]:
    from orchestrator.features import ColumnKind

    target = found.target
    assert target is not None  # noqa: S101
    task = target.task
    metric = config.metric or task.find_metric(None).name
    others = ", ".join(name for name in (*task.metrics, *task.more_metrics) if name != metric)
    said = config.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    entries = target_entries(target)
    rest = {
        name: value
        for name, value in said.items()
        if name not in {"data", "metric", "time_budget", "columns", "categorical", "ignore", *entries}
    }
    time = config.time_budget is not None
    rows = f"a sample of {found.rows:,} rows" if found.sampled else f"{found.rows:,} rows"
    columns = counted(len(found.columns), "column")
    return [
        f"# A sweep over {comment(found.origin)}: {rows}, {columns}. Made by `orchestrator init`.",
        f"# Correct what is wrong, then: orchestrator sweep --config {comment(str(output))}",
        "# Every option of `orchestrator sweep --help` can stand here, written as trials, keep_top, max_size.",
        *yaml_lines({"data": config.data}),
        "",
        f"# what is predicted{f' ({guessed})' if guessed else ''}: {comment(task.title)}; {comment(found.balance)}",
        *yaml_lines(entries),
        f"# what is optimised{f'; others: {others}' if others else ''}",
        *yaml_lines({"metric": metric}),
        "",
        *ABOUT_TIME,
        *([] if time else ["preset: good"]),
        *(yaml_lines({"time_budget": said["time_budget"]}) if time else ["# time_budget: 30m"]),
        *(["", "# what else was said", *yaml_lines(rest)] if rest else []),
        "",
        *(f"# note: {comment(str(note))}" for note in found.notes if note.column is None),
        f"# how columns are read: {', '.join(ColumnKind)}; ignore: left out;",
        "# date_format, decimal, missing and values say how cells are written, such as {kind: numeric, missing: [999]}",
        *column_lines(found),
    ]
