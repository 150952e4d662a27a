"""`orchestrator predict`: answers for the rows of a file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.base import Command, json_option, print_json, tracking_option

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """Answer each row of DATA (a CSV or Parquet file) with MODEL, in the order of the rows.

\b
Example:
  orchestrator predict models:/adult@champion new_rows.csv -o answers.csv

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle. The answers have the columns `label`
and `probability_<class>`, or `value` for a regression.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.argument("data")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="CSV or .parquet file. Default: CSV to stdout.")
@tracking_option
@json_option
def predict(model: str, data: str, output: Path | None, tracking_uri: str | None, as_json: bool) -> None:
    """See EXAMPLE."""
    from orchestrator.bundle import ModelBundle
    from orchestrator.data import load_table
    from orchestrator.errors import DataError, InvalidValueError, UsageError
    from orchestrator.tracking.models import fetch_model

    if output is not None and not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}")
    table = load_table(data)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        bundle = ModelBundle.load(fetch_model(model, tracking_uri, Path(folder)).path)
    try:
        answers = bundle.predict(table.frame)
    except InvalidValueError as error:
        raise DataError(f"{table.origin}: {error}") from None
    if output is not None:
        _write(answers, output)
        click.echo(f"{len(answers)} answers written to {output}", err=True)
    if as_json:
        print_json(answers.to_dict("records"))
    elif output is None:
        answers.to_csv(sys.stdout, index=False)


def _write(answers: pd.DataFrame, output: Path) -> None:
    """The file is there complete or not at all."""
    from orchestrator.errors import UsageError

    temporary = output.with_name(f".{output.name}.writing")
    try:
        if output.suffix in (".parquet", ".pq"):
            answers.to_parquet(temporary, index=False)
        else:
            answers.to_csv(temporary, index=False)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None
