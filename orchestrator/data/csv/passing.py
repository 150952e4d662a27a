"""Rows that have the right length but are none: repeated headers, comments, lines without a value, totals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.notes import Note
from orchestrator.columns.values import is_number_text
from orchestrator.data.csv.rows import Body, Reason, Rows, is_total, line_of_row

BLANKS = " \t\r\n\ufeff"
MOST_TOTALS = 3
Places = NDArray[np.int64]


def pass_over(body: Body, rows: Rows) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """The rows as a data frame, without what is no row and without nameless columns that are empty."""
    table, passed = rows.table, rows.passed
    found: dict[Reason, Places] = {}
    if body.width > 1 and table.num_rows:
        found = {
            Reason.HEADER: _like(table, body.layout.header),
            Reason.ABOVE: _like_any(table, [cells for cells in body.layout.above if any(cells)]),
            Reason.EMPTY: _like(table, [""] * body.width),
            Reason.COMMENT: _comments(table),
        }
    gone = np.unique(np.concatenate([*found.values(), np.empty(0, np.int64)])).astype(np.int64)
    totals = _totals(table, gone) if body.width > 1 else []
    if totals:
        found[Reason.TOTAL] = np.array(totals, np.int64)
        gone = np.union1d(gone, found[Reason.TOTAL])
    for reason, places in found.items():
        if len(places):
            passed.add(reason, line_of_row(body, rows, int(places.min())), len(places))
    if len(gone):
        keep = np.ones(table.num_rows, bool)
        keep[gone] = False
        table = table.filter(pa.array(keep))
    names, notes = _named(body, table)
    frame: pd.DataFrame = table.select(list(names)).rename_columns(list(names.values())).to_pandas()
    return frame, (*passed.notes(), *notes)


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim(column, characters=BLANKS)


def _where(mask: pa.ChunkedArray) -> Places:
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))


def _narrowed(table: pa.Table, tests: Sequence[Callable[[pa.ChunkedArray], pa.ChunkedArray]]) -> Places:
    """The rows that pass the tests of all columns; most rows fail the first."""
    places: Places | None = None
    for column, test in zip(table.columns, tests, strict=True):
        passes = _where(test(column if places is None else column.take(pa.array(places))))
        places = passes if places is None else places[passes]
        if not len(places):
            break
    return np.empty(0, np.int64) if places is None else places


def _like(table: pa.Table, cells: Sequence[str]) -> Places:
    """The rows with the given cells, but for blanks around them; what is not given is empty."""
    padded = [*cells, *[""] * (table.num_columns - len(cells))]
    if len(padded) > table.num_columns and any(padded[table.num_columns :]):
        return np.empty(0, np.int64)

    def test(cell: str) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
        return lambda column: pc.equal(_trimmed(column), cell)

    return _narrowed(table, [test(cell) for cell in padded[: table.num_columns]])


def _like_any(table: pa.Table, lines: Sequence[Sequence[str]]) -> Places:
    found = [_like(table, cells) for cells in lines if len(cells) == table.num_columns]
    return np.concatenate([*found, np.empty(0, np.int64)]).astype(np.int64)


def _comments(table: pa.Table) -> Places:
    """Rows whose first cell begins with a number sign where all others have numbers."""
    first = table.column(0)
    places = _where(pc.starts_with(first, "#"))
    if not len(places) or 2 * len(places) > table.num_rows:
        return np.empty(0, np.int64)
    others = np.ones(table.num_rows, bool)
    others[places] = False
    texts = pc.unique(_trimmed(first.filter(pa.array(others)))).to_pylist()
    return places if all(not text or is_number_text(text) for text in texts) else np.empty(0, np.int64)


def _totals(table: pa.Table, gone: Places) -> list[int]:
    """The last rows, if they sum up the others."""
    found: list[int] = []
    passed = set(gone.tolist())
    row = table.num_rows - 1
    while row > 0 and len(found) < MOST_TOTALS:
        if row not in passed:
            cells = [str(cell).strip() for cell in table.slice(row, 1).to_pylist()[0].values()]
            if not _sums_up(cells, table, [*passed, *found, row]):
                break
            found.append(row)
        row -= 1
    return found


def _sums_up(cells: Sequence[str], table: pa.Table, without: Sequence[int]) -> bool:
    label = next((place for place, cell in enumerate(cells) if is_total(cell)), None)
    if label is None or any(cell and not is_number_text(cell) for cell in cells[:label]):
        return False
    others = np.ones(table.num_rows, bool)
    others[list(without)] = False
    if not others.any():
        return False
    if not any(cell for place, cell in enumerate(cells) if place != label):
        return True
    rest = table.filter(pa.array(others))
    if _numbers(rest.column(label)) is not None:
        return True
    for place, cell in enumerate(cells):
        column = rest.column(place)
        if place != label and not cell and not pc.any(pc.equal(_trimmed(column), "")).as_py():
            return True
        if cell and place != label and is_number_text(cell):
            numbers = _numbers(column)
            if numbers is not None and _is_sum(float(cell), numbers):
                return True
    return False


def _is_sum(total: float, numbers: NDArray[np.float64]) -> bool:
    """Whether it is the sum or the mean of at least two numbers, as it may have been rounded."""
    known = numbers[np.isfinite(numbers)]
    if len(known) < 2:  # noqa: PLR2004
        return False
    return any(abs(total - wanted) <= 1e-4 * max(abs(wanted), 1.0) for wanted in (known.sum(), known.mean()))


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    trimmed = _trimmed(column)
    try:
        numbers = pc.if_else(pc.equal(trimmed, ""), None, trimmed).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def _named(body: Body, table: pa.Table) -> tuple[dict[str, str], list[Note]]:
    """The names of the columns that are kept, by their places; those without get what pandas would call them."""
    names: dict[str, str] = {}
    notes: list[Note] = []
    for place, name in enumerate(body.layout.names):
        if not name:
            column = table.column(place)
            if not pc.any(pc.not_equal(_trimmed(column), "")).as_py():
                continue
            given = f"Unnamed: {place}"
            notes.append(
                Note(
                    column=given,
                    why=f"(column {place + 1} of the file) has no name in the header line",
                    done="it is called so",
                    option=f"--ignore '{given}' leaves it out",
                )
            )
            name = given  # noqa: PLW2901
        names[str(place)] = name
    return names, notes
