"""Rows and answers as CSV: `Content-Type: text/csv` and `Accept: text/csv`."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pandas as pd

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.names import same_names, spelling_note
from orchestrator.columns.notes import Note
from orchestrator.data.columnar import Cell
from orchestrator.data.csv import CsvLimits, parse_csv
from orchestrator.data.file_decimals import OwnDecimals
from orchestrator.data.schema import Schema
from orchestrator.errors import DataError, InvalidRequestError
from orchestrator.serving.http.asgi import Headers
from orchestrator.serving.http.bodies import Parsed, check_count, missing
from orchestrator.tasks import Predictions

ORIGIN = "the body"
# beside those of the model
OTHER_COLUMNS = 1000
PASSED_LINES = 1000
CSV_TYPE = (b"content-type", b"text/csv; charset=utf-8")
NOTES_HEADER = b"orchestrator-notes"
LONGEST_NOTES = 2000


def parse_csv_rows(schema: Schema, body: bytes, max_rows: int | None = None, wish: CsvWish = PLAIN_CSV) -> Parsed:
    """A CSV file with a header line, as `predict` reads it; `wish` is what its header says.

    Returns:
        The cells of each of the schema's columns, texts but for numbers with another decimal mark than the model's; the
        number of rows; what was passed over.

    Raises:
        TooManyRowsError: there are more than `max_rows`.
        InvalidRequestError: it cannot be read, or a column is missing.
    """
    names = [column.name for column in schema.columns]
    limits = CsvLimits(columns=len(names) + OTHER_COLUMNS, passed=PASSED_LINES)
    try:
        table = parse_csv(ORIGIN, body, names, wish, limits=limits)
    except DataError as error:
        # there are no options in a request
        raise InvalidRequestError(str(error).removesuffix(", or say --encoding")) from None
    rows = len(table.frame)
    check_count(rows, max_rows)
    same = same_names(names, [str(name) for name in table.frame.columns])
    for name in names:
        if name not in same:
            raise missing("the column", name, table.frame.columns, schema)
    decimals = OwnDecimals.of(schema.columns, table.frame)
    frame = decimals.read(table.frame)
    # there are no options in a request
    passed = [replace(note, option="") for note in table.notes]
    spelling = [spelling_note(name, present) for name, present in same.items() if present != name]
    return {name: _cells(frame[same[name]]) for name in names}, rows, (*passed, *spelling, *decimals.notes)


def _cells(series: pd.Series) -> list[Cell]:
    # numbers are where there were texts with another decimal mark
    cells: list[Cell] = series.tolist()
    return cells if isinstance(series.dtype, pd.StringDtype) else [None if pd.isna(cell) else cell for cell in cells]


def csv_answer(answers: Predictions) -> bytes:
    """The answers as `predict` writes them: a header line, and a line for each row."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(answers.flat_names)
    writer.writerows(row.values() for row in answers.flat_records())
    return stream.getvalue().encode("utf-8")


def note_headers(notes: tuple[Note, ...]) -> Headers:
    """What was passed over in a body, for those who read the answer as CSV."""
    if not notes:
        return []
    text = "; ".join(map(str, notes)).encode("ascii", "backslashreplace")
    return [(NOTES_HEADER, text.replace(b"\n", b" ").replace(b"\r", b" ")[:LONGEST_NOTES])]
