"""`orchestrator explain`: why a model answers as it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.choices import MethodName, names_of
from orchestrator.cli.base import Command, OneOf, echo, json_option, print_json, tracking_option
from orchestrator.cli.csv_options import csv_options
from orchestrator.cli.numbers import WholeNumber
from orchestrator.cli.outputs import check_output
from orchestrator.cli.row_files import find_format, write_rows
from orchestrator.errors import UsageError
from orchestrator.serving.inference.row_writers import WRITERS

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.explanations import Explanation

EXAMPLE = """Say why MODEL answers as it does, by the columns of the data.

\b
Example:
  orchestrator explain models:/adult@champion                            # what counts, over 100 training rows
  orchestrator explain models:/adult@champion new_rows.csv --rows 1,5-9
  orchestrator explain models:/adult@champion new_rows.csv --rows 3 --method lime
  orchestrator explain models:/adult@champion adult.csv --method permutation
  orchestrator explain models:/adult@champion --method pdp --column age
  orchestrator explain models:/adult@champion new_rows.csv -o contributions.parquet

\b
shap         what each column adds to the answer, against the mean answer to 100 training rows (Shapley values)
lime         a linear model around each row, and how well it fits there
permutation  what the model's metric loses when a column is shuffled; DATA needs the target column
pdp          how the answer depends on each column, everything else as in the rows; which columns interact

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle; DATA a CSV, Parquet or JSON lines
file. Without DATA, the training rows that the model keeps are explained. Of more than 1,000 rows 1,000 are taken (by
pdp 100), drawn by chance, unless --rows names them. A category, a date, a text or a list is one column.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.argument("data", required=False)
@click.option("--rows", metavar="LIST", help="Rows of DATA, counted from 1, such as 1,5-9. Default: all.")
@click.option(
    "--method",
    type=OneOf(names_of(MethodName)),
    default="shap",
    show_default=True,
    help="What each column adds; a linear model around a row; what the metric needs; mean answers to other values.",
)
@click.option(
    "--explain-class",
    "answer",
    metavar="NAME",
    help="Class, or number such as quantile_0.9, to explain. Default: the second of two classes, the predicted one of "
    "several, the number.",
)
@click.option("--log-odds", is_flag=True, help="Explain log(p / (1 - p)) instead of probabilities p.")
@click.option("--background", metavar="FILE", help="Rows to compare with. Default: those that the model keeps.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Of pdp. Default: all. May be repeated.")
@click.option("--metric", metavar="NAME", help="Of permutation. Default: the one that the model was chosen by.")
@click.option("--repeats", type=WholeNumber(2), help="Of permutation: shuffles of each column. Default: 10.")
@click.option("--samples", type=WholeNumber(10), help="Of lime: rows drawn around each row. Default: 1000.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help=f"File: {', '.join(WRITERS)}.")
@csv_options
@tracking_option
@json_option
def explain(
    *,
    model: str,
    data: str | None,
    rows: str | None,
    method: MethodName,
    answer: str | None,
    log_odds: bool,
    background: str | None,
    output: Path | None,
    tracking_uri: str | None,
    as_json: bool,
    csv: dict[str, Any] | None = None,
    **own: Any,  # noqa: ANN401
) -> None:
    """See EXAMPLE."""
    options = {name: value for name, value in own.items() if value not in (None, ())}
    options |= {} if answer is None else {"output": answer}
    options |= {"scale": "log-odds"} if log_odds else {}
    _check_options(method, options, background)
    suffix = find_format(output, None)
    if output is not None:
        check_output(output)
    from orchestrator.serving.inference.explaining import explain_rows

    found = explain_rows(
        model, data, rows=rows, method=method, background=background, csv=csv, tracking_uri=tracking_uri, **options
    )
    if output is not None:
        table = _plain_cells(found.explanation, suffix)
        write_rows([table], output, suffix)
        echo(f"{len(table)} lines written to {output}", err=True)
    if as_json:
        print_json(found.explanation.to_json())
    elif output is None:
        from orchestrator.cli.explanation_tables import show_explanation

        show_explanation(found.explanation, found.total)


# what an option is about; all others are of all methods
ONLY = {
    "columns": ("--column", ("pdp",)),
    "metric": ("--metric", ("permutation",)),
    "repeats": ("--repeats", ("permutation",)),
    "samples": ("--samples", ("lime",)),
    "output": ("--explain-class", ("shap", "lime", "pdp")),
    "scale": ("--log-odds", ("shap", "lime", "pdp")),
    "background": ("--background", ("shap", "lime", "pdp")),
}


def _check_options(method: str, options: dict[str, Any], background: str | None) -> None:
    given = {**options, "background": background} if background is not None else options
    for name in given:
        option, methods = ONLY[name]
        if method not in methods:
            raise UsageError(f"{option}: is for --method {' and '.join(methods)}; leave it out")


def _plain_cells(explanation: Explanation, suffix: str) -> pd.DataFrame:
    """The table as a file can have it: Parquet has no column of numbers and texts, and CSV no lists."""
    table = explanation.to_frame()
    if "value" in table and "json" not in suffix:
        table["value"] = [None if cell is None else str(cell) for cell in table["value"]]
    return table
