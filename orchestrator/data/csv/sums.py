"""Lines below the rows whose numbers are the sums, means or extremes of their columns, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.data.csv.totals import HIGHEST, LOWEST, bare_label

BLANKS = " \t\r\n\ufeff"
NOTHING = frozenset({"-", "–", "—"})  # noqa: RUF001
# rows above a line that is one of sums by its numbers alone, and numbers above each of these: fewer give some by chance
FEWEST, SEVERAL = 8, 3
# rows in whose numbers decimals are counted
HEAD = 1000
Numbers = NDArray[np.float64]


def is_sum_line(
    table: pa.Table,
    place: int,
    cells: Sequence[str],
    above: NDArray[np.bool_],
    numbers: Callable[[int], Numbers | None],
) -> bool:
    """Whether a line is one of sums by its numbers alone.

    Args:
        table: texts.
        place: of the line.
        cells: of it, without blanks around.
        above: the rows before it: bool [rows].
        numbers: of a column, NaN where there is none; None if it has texts.
    """
    found = {column: number for column, cell in enumerate(cells) if (number := plain_number(cell)) is not None}
    words = {column: cell for column, cell in enumerate(cells) if cell and column not in found and cell not in NOTHING}
    if not found or above.sum() < FEWEST:
        return False
    mask = pa.array(above)

    def rows(column: int) -> pa.ChunkedArray:
        return pc.utf8_trim(table.column(column).filter(mask), characters=BLANKS)

    if any(pc.any(pc.equal(rows(column), cell)).as_py() for column, cell in words.items()):
        return False
    if any(label in HIGHEST | LOWEST for label in map(bare_label, words.values())):
        return len(words) == 1 and _are_extremes(found, next(iter(words.values())), above, numbers)
    sums, others = 0, 0
    for column, number in found.items():
        values = _above(numbers(column), above)
        if values is None:
            return False
        unit = 0.5 * 10.0 ** -_decimals(cells[column]) + 1e-9 * abs(number)
        if abs(values.sum() - number) <= unit and abs(number) > np.abs(values).max():
            sums += int(np.count_nonzero(values)) >= SEVERAL
        elif not (abs(values.mean() - number) <= unit or number == len(values)):
            return False
        elif values.min() < values.max() and _decimals(cells[column]) > max(
            map(_decimals, rows(column)[:HEAD].to_pylist())
        ):
            # a mean has more decimals than what it is the mean of
            others += 1
    if not sums and not others:
        return False
    hollow = any(not pc.any(pc.equal(rows(column), "")).as_py() for column, cell in enumerate(cells) if not cell)
    if hollow or sums + others > 1:
        return True
    return bool(words) and bool(sums)


def _are_extremes(
    found: dict[int, float], label: str, above: NDArray[np.bool_], numbers: Callable[[int], Numbers | None]
) -> bool:
    for column, number in found.items():
        values = _above(numbers(column), above)
        if values is None or number != (values.max() if bare_label(label) in HIGHEST else values.min()):
            return False
    return True


def _above(numbers: Numbers | None, above: NDArray[np.bool_]) -> Numbers | None:
    if numbers is None:
        return None
    values = numbers[above]
    values = values[np.isfinite(values)]
    return values if len(values) >= SEVERAL else None


def plain_number(cell: str) -> float | None:
    """A number in the plain notation, or with a decimal comma."""
    for text in (cell, cell.replace(".", "").replace(",", "."), cell.replace(",", "")):
        try:
            return float(text)
        except ValueError:
            continue
    return None


def _decimals(cell: str) -> int:
    mark = max(cell.rfind("."), cell.rfind(","))
    return len(cell) - mark - 1 if mark >= 0 else 0
