"""`orchestrator predict`: answers for the rows of a file."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, tracking_option
from orchestrator.cli.csv_options import csv_options
from orchestrator.errors import UsageError, did_you_mean

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
Target = Path | IO[Any]
FORMATS: dict[str, Callable[[pd.DataFrame, Target], object]] = {
    ".csv": lambda answers, to: answers.to_csv(to, index=False),
    ".csv.gz": lambda answers, to: answers.to_csv(to, index=False, compression="gzip"),
    ".parquet": lambda answers, to: answers.to_parquet(to, index=False),
    ".pq": lambda answers, to: answers.to_parquet(to, index=False),
    ".json": lambda answers, to: _write_json(answers, to, lines=False),
    ".jsonl": lambda answers, to: _write_json(answers, to, lines=True),
}
# of which people can read what is written
TEXT_FORMATS = (".csv", ".json", ".jsonl")


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.argument("data")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File. Default: CSV to stdout.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice([name.removeprefix(".") for name in FORMATS]),
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
    suffix = _format(output, file_format)
    if output is not None:
        _check(output)
        if Path(data).exists() and output.exists() and output.samefile(data):
            raise UsageError(f"--output {output}: is the file with the rows, which would be lost; give another name")
    if as_json and output is None and file_format not in (None, "json"):
        raise UsageError(f"--json and --format {file_format} contradict each other; give one of them")
    from orchestrator.serving.inference.offline import answer_rows

    found = answer_rows(model, data, keep=keep, csv=csv, tracking_uri=tracking_uri)
    answers = found.joined([str(name) for name in found.rows.frame.columns] if keep_all else list(dict.fromkeys(keep)))
    if output is not None:
        _write(answers, output, suffix)
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


def _write_json(answers: pd.DataFrame, to: Target, *, lines: bool) -> None:
    answers.to_json(
        to, orient="records", lines=lines, indent=None if lines else 1, double_precision=15, date_format="iso"
    )


def _format(output: Path | None, file_format: str | None) -> str:
    """The ending that says how the answers are written.

    Raises:
        UsageError: the name of the output has none that is known, or the format is none for stdout.
    """
    if file_format is not None:
        suffix = f".{file_format}"
        if output is None and suffix not in TEXT_FORMATS:
            raise UsageError(f"--format {file_format}: cannot be written to stdout; name a file with --output")
        return suffix
    if output is None:
        return ".csv"
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if output.name.endswith(suffix):
            return suffix
    hint = did_you_mean(output.suffix, FORMATS) if output.suffix else ""
    raise UsageError(f"--output {output}: give it a name that ends with {', '.join(FORMATS)}{hint}, or say --format")


def _check(output: Path) -> None:
    """Refuses a file that could not be written at the end.

    Raises:
        UsageError: it is a folder, or it has none.
    """
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder")
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}")


def _write(answers: pd.DataFrame, output: Path, suffix: str) -> None:
    """The file is there complete or not at all."""
    temporary = output.with_name(f".{output.name}.writing")
    try:
        FORMATS[suffix](answers, temporary)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None
