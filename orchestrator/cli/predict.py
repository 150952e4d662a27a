"""`orchestrator predict`: answers for the rows of a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.base import Command, echo, json_option, print_json, tracking_option
from orchestrator.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """Answer each row of DATA (a CSV or Parquet file) with MODEL, in the order of the rows.

\b
Example:
  orchestrator predict models:/adult@champion new_rows.csv -o answers.csv

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle. The answers have the columns `label`
and `probability_<class>`; for a number `value`, and `quantile_<quantile>` if the model was trained for quantiles. The
name of the output says its format: .csv, .csv.gz, .parquet (or .pq), .json (a list of rows) or .jsonl (a row in each
line).

The first use of a model takes longest: a process in the background then converts it for onnxruntime, whose answers
agree with torch's to 1e-5, and keeps that below ~/.orchestrator/prepared. ORCHESTRATOR_KEEP_PREPARED=0 turns that off.
"""
FORMATS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda answers, path: answers.to_csv(path, index=False),
    ".csv.gz": lambda answers, path: answers.to_csv(path, index=False, compression="gzip"),
    ".parquet": lambda answers, path: answers.to_parquet(path, index=False),
    ".pq": lambda answers, path: answers.to_parquet(path, index=False),
    ".json": lambda answers, path: answers.to_json(path, orient="records", indent=1, double_precision=15),
    ".jsonl": lambda answers, path: answers.to_json(path, orient="records", lines=True, double_precision=15),
}


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.argument("data")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File. Default: CSV to stdout.")
@tracking_option
@json_option
def predict(model: str, data: str, output: Path | None, tracking_uri: str | None, as_json: bool) -> None:
    """See EXAMPLE."""
    if output is not None:
        _check(output)
        if Path(data).exists() and output.exists() and output.samefile(data):
            raise UsageError(f"--output {output}: is the file with the rows, which would be lost; give another name")
    from orchestrator.serving.inference.offline import predict as answer

    answers = answer(model, data, tracking_uri=tracking_uri)
    if output is not None:
        _write(answers, output)
        click.echo(f"{len(answers)} answers written to {output}", err=True)
    if as_json:
        print_json(answers.to_dict("records"))
    elif output is None and sys.stdout.isatty():
        echo(answers.to_csv(index=False).removesuffix("\n"))
    elif output is None:
        answers.to_csv(sys.stdout, index=False)


def _format(output: Path) -> str | None:
    return next((suffix for suffix in sorted(FORMATS, key=len, reverse=True) if output.name.endswith(suffix)), None)


def _check(output: Path) -> None:
    """Refuses a file that could not be written at the end.

    Raises:
        UsageError: its name has no format that is known, or it has no folder.
    """
    if _format(output) is None:
        hint = did_you_mean(output.suffix, FORMATS) if output.suffix else ""
        raise UsageError(f"--output {output}: give it a name that ends with {', '.join(FORMATS)}{hint}")
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder")
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}")


def _write(answers: pd.DataFrame, output: Path) -> None:
    """The file is there complete or not at all."""
    temporary = output.with_name(f".{output.name}.writing")
    try:
        FORMATS[_format(output) or ".csv"](answers, temporary)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None
