"""`orchestrator inspect`: what a data set or a model is, without training."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, print_table, tracking_option
from orchestrator.cli.column_files import column_lines, comment, target_entries, yaml_lines
from orchestrator.cli.decisions import show_decisions
from orchestrator.cli.options import read_options
from orchestrator.cli.outputs import check_output, write_text
from orchestrator.errors import UsageError
from orchestrator.units import counted, show_number

if TYPE_CHECKING:
    from orchestrator.bundle.inspection import ModelInspection
    from orchestrator.columns.notes import Note
    from orchestrator.data.inspection import Inspection

EXAMPLE = """Say what SOURCE is: its columns, how they are read, and what is guessed. Nothing is trained.

\b
Example:
  orchestrator inspect adult.csv --target income
  orchestrator inspect adult.csv --target income -o columns.yaml
  orchestrator sweep adult.csv --columns columns.yaml
  orchestrator inspect adult.csv --target income --html adult.html
  orchestrator inspect models:/adult@champion

SOURCE is data (sklearn:NAME, a CSV, Parquet or JSON file, a folder of them; of Parquet a sample is read) or a model
(models:/NAME@ALIAS, models:/NAME/VERSION, the folder of a model bundle). Without --target all columns are features.
The file of -o says how each column is read; edit it and give it back with --columns to sweep, plan, train and submit.
--html writes a page that needs no network: all of this, and how the values of each column are spread.
"""
MODEL_FILES = ("schema.json", "MLmodel")


@click.command(cls=Command, help=EXAMPLE)
@click.argument("source")
@read_options
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Also write a YAML file of columns: a new one.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Also write a page about data.")
@tracking_option
@json_option
def inspect(
    source: str,
    output: Path | None,
    page: Path | None,
    tracking_uri: str | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """See EXAMPLE."""
    if output is not None:
        check_output(output, new=True)
    if page is not None:
        check_output(page, "--html")
    if _is_model(source):
        given = [name for name, value in options.items() if value not in (None, ())]
        if given or page is not None:
            raise UsageError(f"{source}: is a model, whose columns are known; such options are for data")
        found: Inspection | ModelInspection = _model(source, tracking_uri)
    else:
        found = _data(source, options)
    if output is not None:
        _write(output, source, found)
    if page is not None:
        _write_page(page, found)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)


def _is_model(source: str) -> bool:
    folder = Path(source)
    return source.startswith("models:/") or any((folder / name).is_file() for name in MODEL_FILES)


def _model(source: str, tracking_uri: str | None) -> ModelInspection:
    from orchestrator.bundle.inspection import inspect_bundle
    from orchestrator.tracking.models import fetch_model

    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        return inspect_bundle(fetch_model(source, tracking_uri, Path(folder)).path, source)


def _data(source: str, options: Mapping[str, Any]) -> Inspection:
    from orchestrator.config import SweepConfig
    from orchestrator.data.inspection import inspect_data
    from orchestrator.sweeps.plan import data_options

    given = {name: value for name, value in options.items() if value not in (None, ())}
    return inspect_data(source, data_options(SweepConfig.create(data=source, **given)))


def _write_page(page: Path, found: Any) -> None:  # noqa: ANN401
    from orchestrator.reports.data import data_report
    from orchestrator.reports.html import to_html

    write_text(page, to_html(data_report(found)), "--html")
    click.echo(f"written to {page}", err=True)


def _show(found: Inspection | ModelInspection) -> None:
    from orchestrator.data.inspection import Inspection

    if isinstance(found, Inspection):
        rows = f"a sample of {found.rows:,} rows" if found.sampled else f"{found.rows:,} rows"
        echo(f"{found.origin}: {rows}, {counted(len(found.columns), 'column')}")
    else:
        echo(f"{found.origin}: a model of {counted(len(found.columns), 'column')}")
    if found.target is not None:
        balance = f"; {found.balance}" if isinstance(found, Inspection) else ""
        echo(f"target '{found.target.name}': {found.target.task.title}{balance}")
    if isinstance(found, Inspection):
        titles = ["column", "kind", "missing", "distinct", "examples", "why"]
        lines = [
            [item.name, item.kind, found.missing(item), f"{item.distinct:,}", ", ".join(item.examples), item.why]
            for item in found.columns
        ]
    else:
        titles = ["column", "kind", "written", "encoded"]
        lines = [[item.name, item.kind, item.written, item.encoded] for item in found.columns]
    print_table(lines, titles)
    if not isinstance(found, Inspection):
        _show_metrics(found.metrics)
        show_decisions(found.metrics)
    _show_notes(found.notes)
    if isinstance(found, Inspection):
        _show_notes(found.suspicions)


def _show_metrics(metrics: Mapping[str, Any]) -> None:
    """Those that this program has written; a bundle comes from elsewhere."""
    if isinstance(metrics.get("metric"), str) and isinstance(metrics.get("validation"), float):
        echo(f"validation {metrics['metric']} {show_number(metrics['validation'])}")
    members = metrics.get("ensemble", {}).get("members") if isinstance(metrics.get("ensemble"), Mapping) else None
    if isinstance(members, list) and members:
        echo(f"ensemble of {len(members)} trials")
    test = metrics.get("test")
    if isinstance(test, Mapping) and test:
        echo("test " + ", ".join(f"{name} {show_number(value)}" for name, value in test.items()))


def _show_notes(notes: Sequence[Note]) -> None:
    for note in notes:
        echo(f"note: {note}")


def _write(output: Path, source: str, found: Inspection | ModelInspection) -> None:
    """Writes the file of columns, with the notes as comments where they belong."""
    lines = [
        f"# how the columns of {comment(source)} are read; edit it, then give it back with --columns",
        *(yaml_lines(target_entries(found.target)) if found.target is not None else ()),
        *column_lines(found),
    ]
    write_text(output, "\n".join([*lines, ""]))
    click.echo(f"written to {output}", err=True)
