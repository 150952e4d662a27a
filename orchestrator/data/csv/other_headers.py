"""Header lines among the rows that are not those of the file: of files of other layouts that were put together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.values import is_number_text
from orchestrator.data.csv.rows import Body, Rows, line_of_row
from orchestrator.data.csv.sums import BLANKS
from orchestrator.errors import DataError

# in which names are looked for; of the rows that may have them, and of the cells that must
FIRST_COLUMNS, MOST_SHARE, LEAST_ALIKE = 3, 0.05, 0.6
LEAST_NAMES = 3


def find_other_headers(body: Body, rows: Rows, gone: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows with the names of the header in other case: int64 places.

    Args:
        body, rows: of the file.
        gone: places of rows that are known to be none.

    Raises:
        DataError: the names have another order, or some are others, so that the rows below mean something else.
    """
    table = rows.table
    given = body.layout.header[: table.num_columns]
    header = tuple(name.casefold() for name in given if name)
    if len(header) < LEAST_NAMES or len(set(header)) < len(header):
        return np.empty(0, np.int64)
    found = []
    for place in _candidates(body, table):
        cells = tuple(str(table.column(at)[place].as_py()).strip(BLANKS) for at in range(len(given)))
        names = tuple(cell.casefold() for cell, name in zip(cells, given, strict=True) if name)
        if place in gone or not any(cells):
            continue
        if names == header:
            found.append(place)
            continue
        reason = _reason(names, header)
        if reason:
            line, shown = line_of_row(body, rows, place), ", ".join(cells)
            raise DataError(
                f"{body.origin}: line {line} looks like the header line of another file ({shown}), {reason}; give all "
                f"rows the same columns in the same order, or say --keep-lines if it is a row"
            )
    return np.array(found, dtype=np.int64)


def _candidates(body: Body, table: pa.Table) -> list[int]:
    """The rows that have a name of the header in one of the first columns; none if these are many."""
    names = {name for name in body.layout.header if name}
    forms = pa.array(
        sorted(names.union(*({name.lower(), name.upper(), name.title()} for name in names))), pa.large_string()
    )
    such = np.zeros(table.num_rows, bool)
    for column in table.columns[:FIRST_COLUMNS]:
        such |= pc.is_in(column, value_set=forms).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(such)
    return places.tolist() if len(places) <= max(1, MOST_SHARE * table.num_rows) else []


def _reason(names: tuple[str, ...], header: tuple[str, ...]) -> str:
    """What is different, as a part of a sentence; empty if it is no header line."""
    if sorted(names) == sorted(header):
        return "with the columns in another order"
    others = [(one, name) for one, name in zip(names, header, strict=True) if one != name]
    alike = len(header) - len(others)
    if alike < max(2, LEAST_ALIKE * len(header)) or any(not one or is_number_text(one) for one, _ in others):
        return ""
    return f"with '{others[0][0]}' in the place of '{others[0][1]}'"
