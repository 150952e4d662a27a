"""Rows that have the right length but are none: repeated headers, comments, lines without a value, totals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.names import nameless, nameless_note
from orchestrator.columns.notes import Note
from orchestrator.columns.values import is_number_text
from orchestrator.data.csv.other_headers import find_other_headers
from orchestrator.data.csv.passed import SHOWN_LINES, Reason
from orchestrator.data.csv.rows import Body, Rows, line_of_row
from orchestrator.data.csv.summaries import find_summaries
from orchestrator.data.csv.sums import BLANKS

# a cell of a line that is drawn; one dash alone is a missing value
DRAWING = "-=_*~:+"
DRAWN = r"^\s*[-=_*~:+]{2,}\s*$"
Places = NDArray[np.int64]


def pass_over(body: Body, rows: Rows) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """The rows as a data frame, without what is no row and without nameless columns that are empty."""
    table, passed = rows.table, rows.passed
    found = _no_rows(body, rows) if body.width > 1 and table.num_rows else {}
    gone = np.unique(np.concatenate([*found.values(), np.empty(0, np.int64)])).astype(np.int64)
    for reason, places in found.items():
        if len(places):
            first = np.sort(places)[:SHOWN_LINES].tolist()
            passed.add(reason, [line_of_row(body, rows, place) for place in first], len(places), whole=True)
    if len(gone):
        keep = np.ones(table.num_rows, bool)
        keep[gone] = False
        table = table.filter(pa.array(keep))
    names, notes = _named(body, table)
    frame: pd.DataFrame = table.select(list(names)).rename_columns(list(names.values())).to_pandas()
    return frame, (*passed.notes(), *notes)


def _no_rows(body: Body, rows: Rows) -> dict[Reason, Places]:
    """The rows that are none, by reason."""
    table = rows.table
    found = {Reason.EMPTY: _like(table, [""] * body.width)}
    if body.keeps_lines:
        return found
    found |= {
        Reason.HEADER: _like(table, body.layout.header),
        Reason.ABOVE: _like_any(table, [cells for cells in body.layout.above if any(cells)]),
        Reason.COMMENT: _comments(table),
        Reason.RULE: _rules(table),
    }
    gone = np.concatenate(list(found.values())).astype(np.int64)
    found[Reason.HEADER] = np.concatenate([found[Reason.HEADER], find_other_headers(body, rows, gone)])
    gone = np.concatenate([gone, found[Reason.HEADER]])
    found[Reason.EMPTY] = np.setdiff1d(found[Reason.EMPTY], found[Reason.RULE])
    totals, footers = find_summaries(table, gone)
    return {**found, Reason.TOTAL: totals, Reason.FOOTER: footers}


def _rules(table: pa.Table) -> Places:
    """Lines that are drawn; the expression is for those that begin so."""
    first = table.column(0)
    begun = [np.flatnonzero(pc.starts_with(first, 2 * mark).to_numpy(zero_copy_only=False)) for mark in DRAWING]
    places = np.sort(np.concatenate(begun))
    found = _narrowed(table.take(pa.array(places)), [_drawn] * table.num_columns) if len(places) else places
    return places[found]


def _drawn(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.match_substring_regex(column, DRAWN)


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


def _named(body: Body, table: pa.Table) -> tuple[dict[str, str], list[Note]]:
    """The names of the columns that are kept, by their places; those without get what pandas would call them."""
    names: dict[str, str] = {}
    notes: list[Note] = []
    for place, name in enumerate(body.layout.names):
        if not name:
            column = table.column(place)
            if not pc.any(pc.not_equal(_trimmed(column), "")).as_py():
                continue
            name = nameless(place)  # noqa: PLW2901
            notes.append(nameless_note(name, f"(column {place + 1} of the file) has no name in the header line"))
        names[str(place)] = name
    return names, notes
