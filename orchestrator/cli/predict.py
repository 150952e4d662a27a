"""`orchestrator predict`: answers for the rows of a file."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, OneOf, echo, json_option, print_json, tracking_option
from orchestrator.cli.csv_options import csv_options
from orchestrator.cli.row_files import FORMATS, check_output, find_format, write_rows
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """Answer each row of DATA (a CSV, Parquet or JSON lines file) with MODEL, in the order of the rows.

\b
Example:
  orchestrator predict models:/adult@champion new_rows.csv -o answers.csv
  orchestrator predict models:/adult@champion new_rows.csv --keep id --format jsonl

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle. The answers have the columns `label`
and `probability_<class>`; for a number `value`, and `quantile_<quantile>` if the model was trained for quantiles. DATA
may have no rows: then there is no answer.

The name of the output says its format: .csv, .csv.gz, .parquet (or .pq), .json (a list of rows) or .jsonl (a row in
each line). --keep and --keep-all write columns of DATA before the answers, as they stand there; an answer that is
called like one of them becomes `predicted_label`, for instance.

The first use of a model takes longest: a process in the background then converts it for onnxruntime, whose answers
agree with torch's to 1e-5, and keeps that below ~/.orchestrator/prepared. ORCHESTRATOR_KEEP_PREPARED=0 turns that off.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.argument("data")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File. Default: CSV to stdout.")
@click.option(
    "--format",
    "file_format",
    type=OneOf([name.removeprefix(".") for name in FORMATS]),
    help="Of the output, whatever its name; without --output csv, json or jsonl.",
)
@click.option("--keep", metavar="COLUMN", multiple=True, help="Column of DATA to write, too. May be repeated.")
@click.option("--keep-all", is_flag=True, help="Write all columns of DATA, too.")
@csv_options
@tracking_option
@json_option
def predict(
    *,
    model: str,
    data: str,
    output: Path | None,
    file_format: str | None,
    keep: Sequence[str],
    keep_all: bool,
    tracking_uri: str | None,
    as_json: bool,
    csv: dict[str, Any] | None = None,
) -> None:
    """See EXAMPLE."""
    suffix = find_format(output, file_format)
    if output is not None:
        check_output(output)
        if Path(data).exists() and output.exists() and output.samefile(data):
            raise UsageError(f"--output {output}: is the file with the rows, which would be lost; give another name")
    if as_json and output is None and file_format not in (None, "json"):
        raise UsageError(f"--json and --format {file_format} contradict each other; give one of them")
    from orchestrator.serving.inference.offline import answer_rows

    found = answer_rows(model, data, keep=keep, csv=csv, tracking_uri=tracking_uri)
    answers = found.joined([str(name) for name in found.rows.frame.columns] if keep_all else list(dict.fromkeys(keep)))
    if output is not None:
        write_rows(answers, output, suffix)
        click.echo(f"{len(answers)} answers written to {output}", err=True)
    if as_json:
        print_json(answers.to_dict("records"))
    elif output is None:
        _show(answers, suffix)


def _show(answers: pd.DataFrame, suffix: str) -> None:
    """Writes to stdout; a terminal gets nothing that drives it."""
    if not sys.stdout.isatty():
        FORMATS[suffix](answers, sys.stdout)
        return
    stream = io.StringIO()
    FORMATS[suffix](answers, stream)
    echo(stream.getvalue().removesuffix("\n"))
