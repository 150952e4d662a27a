"""`orchestrator predict`: answers for the rows of a file."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orchestrator.cli.base import Command, OneOf, echo, json_option, print_json, tracking_option
from orchestrator.cli.csv_options import csv_options
from orchestrator.cli.numbers import WholeNumber
from orchestrator.cli.options import notify
from orchestrator.cli.outputs import check_folder, check_output
from orchestrator.cli.row_files import find_format, write_rows
from orchestrator.errors import ExecutionError, UsageError
from orchestrator.serving.inference.row_writers import WRITERS, records_of, write_frames
from orchestrator.units import counted

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = """Answer each row of DATA (a CSV, Parquet or JSON lines file) with MODEL, in the order of the rows.

\b
Example:
  orchestrator predict models:/adult@champion new_rows.csv -o answers.csv
  orchestrator predict models:/adult@champion new_rows.csv --keep id --format jsonl
  orchestrator predict models:/adult@champion rows/ -o answers/ --keep id
  orchestrator predict models:/adult@champion s3://bucket/rows -o s3://bucket/answers --address head:6379

MODEL is models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a model bundle. The answers have the columns `label`
and `probability_<class>`; for a number `value`, and `quantile_<quantile>` if the model was trained for quantiles. DATA
may have no rows: then there is no answer.

The name of the output says its format: .csv, .csv.gz, .parquet (or .pq), .json (a list of rows) or .jsonl (a row in
each line). --keep and --keep-all write columns of DATA before the answers, as they stand there; an answer that is
called like one of them becomes `predicted_label`, for instance.

DATA may be a folder, or its address in an object store. With a folder as --output its files are answered by several
processes, on this machine or on a Ray cluster, each in a file of the same name. A run that was ended goes on when it is
called again; when all is answered it does nothing. With a file as --output all rows are answered there, as one table.

The first use of a model takes longest: a process in the background then converts it for onnxruntime, whose answers
agree with torch's to 1e-5, and keeps that below ~/.orchestrator/prepared. ORCHESTRATOR_KEEP_PREPARED=0 turns that off.
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("model")
@click.argument("data")
@click.option("--output", "-o", help="File, or folder for the answers to a folder. Default: CSV to stdout.")
@click.option(
    "--format",
    "file_format",
    type=OneOf([name.removeprefix(".") for name in WRITERS]),
    help="Of the output, whatever its name; without --output csv, json or jsonl; of a folder parquet if left out.",
)
@click.option("--keep", metavar="COLUMN", multiple=True, help="Column of DATA to write, too. May be repeated.")
@click.option("--keep-all", is_flag=True, help="Write all columns of DATA, too.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster, for a folder. Default: Ray on this machine.")
@click.option("--workers", type=WholeNumber(1), help="Processes that answer a folder. Default: one per core.")
@csv_options
@tracking_option
@json_option
def predict(
    *,
    model: str,
    data: str,
    output: str | None,
    file_format: str | None,
    keep: Sequence[str],
    keep_all: bool,
    address: str | None,
    workers: int | None,
    tracking_uri: str | None,
    as_json: bool,
    csv: dict[str, Any] | None = None,
) -> None:
    """See EXAMPLE."""
    if _is_batch(data, output):
        _predict_folder(
            model,
            data,
            output,
            file_format=file_format or "parquet",
            keep=keep,
            keep_all=keep_all,
            address=address,
            workers=workers,
            tracking_uri=tracking_uri,
            as_json=as_json,
            csv=csv,
        )
        return
    _refuse_folder_options()
    file = None if output is None else Path(output)
    suffix = find_format(file, file_format)
    if file is not None:
        check_output(file)
        if Path(data).exists() and file.exists() and file.samefile(data):
            raise UsageError(f"--output {output}: is the file with the rows, which would be lost; give another name")
    if as_json and file is None and file_format not in (None, "json"):
        raise UsageError(f"--json and --format {file_format} contradict each other; give one of them")
    from orchestrator.serving.inference.offline import answer_blocks

    blocks = answer_blocks(model, data, keep=keep, csv=csv, tracking_uri=tracking_uri)
    kept = list(dict.fromkeys(keep))
    answers = (found.joined(list(map(str, found.rows.columns)) if keep_all else kept) for found in blocks)
    if as_json:
        frames = list(answers)
        answers = (frame for frame in frames)
    if file is not None:
        click.echo(f"{write_rows(answers, file, suffix)} answers written to {output}", err=True)
    if as_json:
        print_json([row for frame in frames for row in records_of(frame)])
    elif file is None:
        _show(answers, suffix)


def _is_batch(data: str, output: str | None) -> bool:
    """Whether files are to be answered each for itself; an address with an ending is that of a file."""
    if "://" in data:
        return data.endswith("/") or not PurePosixPath(data).suffix
    # a folder is one table where its answers go to one file
    return Path(data).is_dir() and output is not None and not output.lower().endswith(tuple(WRITERS))


def _refuse_folder_options() -> None:
    """Raises UsageError for what only a folder with rows has."""
    context = click.get_current_context()
    for name in ("address", "workers"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name}: is for a folder of files whose answers go to a folder; leave it out")


def _predict_folder(model: str, data: str, output: str | None, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    if output is None:
        raise UsageError(f"{data}: is a folder with rows: name the folder for the answers with --output")
    if "://" not in output:
        check_folder(Path(output))
    from orchestrator.serving.batch.run import predict_folder

    found = predict_folder(model, data, output, notify=notify, **options)
    if as_json:
        print_json(found.to_json())
    elif not found.files and not found.failed:
        echo(f"nothing to do: all {counted(found.files_before, 'file')} are answered in {found.output}")
    else:
        was = "was" if found.files_before == 1 else "were"
        before = f"; {counted(found.files_before, 'file')} {was} answered before" if found.files_before else ""
        speed = f" in {found.seconds:.1f} s ({found.rows / found.seconds:,.0f} rows/s)" if found.rows else ""
        echo(f"{found.rows:,} rows of {counted(found.files, 'file')} answered in {found.output}{speed}{before}")
    if found.failed:
        _, reason = next(iter(found.failed.items()))
        more = f"; {len(found.failed) - 1} more failed" if len(found.failed) > 1 else ""
        raise ExecutionError(f"{counted(len(found.failed), 'file')} could not be answered: {reason}{more}")


def _show(answers: Iterable[pd.DataFrame], suffix: str) -> None:
    """Writes to stdout; a terminal gets nothing that drives it."""
    if not sys.stdout.isatty():
        if isinstance(sys.stdout, io.TextIOWrapper):
            # a cell is never written otherwise than it is
            sys.stdout.reconfigure(errors="strict")
        try:
            write_frames(answers, sys.stdout, suffix)
        except UnicodeEncodeError as error:
            letter = ascii(error.object[error.start])[1:-1]
            raise UsageError(
                f"the encoding of the output, {error.encoding}, has no {letter}: `export PYTHONIOENCODING=utf-8`, or "
                "write into a file with --output"
            ) from None
        return
    stream = io.StringIO()
    write_frames(answers, stream, suffix)
    echo(stream.getvalue().removesuffix("\n"))
