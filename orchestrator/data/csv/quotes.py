"""A quote that is not closed swallows rows without a word, so cells that go over several lines are looked at."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns.values import MISSING_STRINGS, is_number_text
from orchestrator.data.csv.rows import Body, Rows, line_of_row
from orchestrator.errors import DataError

HEAD = 1000
MOST_CELLS = 1000
MOST_WORDS = 0.1


def check_quotes(body: Body, rows: Rows) -> None:
    """Refuses a file in which a quote is not closed.

    Raises:
        DataError: the last cell never ends, or there is a row in a cell: with a number in each column of numbers.
    """
    table = rows.table
    if body.is_plain or not table.num_rows or rows.lines <= table.num_rows:
        return
    last = str(table.column(table.num_columns - 1)[-1].as_py())
    if "\n" in last and not rows.text.to_pybytes().rstrip().endswith(body.dialect.quote.encode()):
        raise _unclosed(body, rows, table.num_rows - 1)
    numbers = _number_columns(table)
    if not numbers:
        return
    for row, cell in _long_cells(table):
        for line in cell.splitlines()[1:-1]:
            cells = next(iter(body.dialect.split(io.StringIO(line))), [])
            if len(cells) == body.width and all(is_number_text(cells[place]) for place in numbers):
                raise _unclosed(body, rows, row)


def _number_columns(table: pa.Table) -> list[int]:
    """The columns that have numbers in nearly all of the first rows."""
    found = []
    for place, column in enumerate(table.slice(0, HEAD).columns):
        cells = [cell for cell in column.to_pylist() if cell.strip().lower() not in MISSING_STRINGS]
        if cells and sum(not is_number_text(cell) for cell in cells) <= MOST_WORDS * len(cells):
            found.append(place)
    return found


def _long_cells(table: pa.Table) -> Iterator[tuple[int, str]]:
    """Cells with three lines or more, and their rows."""
    for column in table.columns:
        mask = pc.match_substring_regex(column, "\n[^\n]*\n")
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False))[:MOST_CELLS].tolist():
            yield row, str(column[row].as_py())


def _unclosed(body: Body, rows: Rows, row: int) -> DataError:
    line = line_of_row(body, rows, row)
    return DataError(
        f"{body.origin}: a quote in line {line} is not closed, so that it holds rows below it; close it or take it out"
    )
