"""Names on several lines: groups of columns and what is in them, as a data frame with a `MultiIndex` is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.columns.names import UNNAMED_LEVEL
from orchestrator.columns.values import MISSING_STRINGS
from orchestrator.data.csv.below import FEW_ROWS, SOME_ROWS, YEAR, columns_of, holds_values, is_value
from orchestrator.data.csv.dialect import Record

# lines of names below the first one
MOST_MORE_LINES = 4
WHOLE = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True)
class Levels:
    """A header of several lines.

    Attributes:
        names: of the columns, their levels joined by points.
        lines: how many there are below the first one, with that of the names of an index.
    """

    names: list[str]
    lines: int


def find_levels(first: Sequence[str], rest: Sequence[Record], known: frozenset[str]) -> Levels | None:
    """The names that a header of several lines gives; None if its first line is all of it.

    That is so if the first line alone names columns twice or not at all, as tables with groups of columns do.

    Args:
        first: names on the first line.
        rest: what is below it, without blank lines.
        known: names of columns that are looked for.
    """
    if len(set(filter(None, first))) == len(first):
        return None
    found, names = None, list(first)
    for count, record in enumerate(rest[:MOST_MORE_LINES], 1):
        cells = [_without_number(cell) for cell in record.cells[: len(first)]]
        if len(cells) < len(first) or record.is_rule:
            break
        joined = _joined(names, cells)
        below = rest[count:]
        index = _index_names(below, len(first))
        levels = Levels(_with_index(joined, index), count + bool(index))
        # further lines of names would hide what the rows are like
        far = rest[MOST_MORE_LINES + 1 :]
        body = far if len(far) >= FEW_ROWS else below[1:] if index else below
        if len(known.intersection(levels.names)) >= max(1, min(2, len(known))):
            # the names that a model has say it
            if known <= set(levels.names) or found is None:
                found = levels
        elif not _is_level(names, cells, body, has_index=bool(index)):
            break
        elif _is_complete(names, cells, levels.names, len(index)) and not known:
            found = levels
        if index:
            break
        names = joined
    return found


def _without_number(cell: str) -> str:
    """A name without what pandas puts where it reads an empty one."""
    name = cell.strip()
    return "" if UNNAMED_LEVEL.fullmatch(name) else name


def _joined(first: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Names of one more level; a group is named above its first column only, or above each."""
    group, names = "", []
    for place, (name, cell) in enumerate(zip(first, cells, strict=True)):
        group = name or (group if place else "")
        names.append(".".join(filter(None, (group if cell or name else "", cell))))
    return names


def _index_names(below: Sequence[Record], width: int) -> list[str]:
    """What the line below the names says of the index, as pandas writes it: names first, then nothing."""
    if len(below) <= 1 or len(below[0].cells) != width:
        return []
    cells = [cell.strip() for cell in below[0].cells]
    named = next((place for place, cell in enumerate(cells) if not cell), width)
    columns = columns_of(below[1:], width)
    is_index = 0 < named < width and not any(cells[named:]) and not any(map(is_value, cells[:named]))
    # a row may well have a value in its first cell alone, but not where all others have values everywhere
    return cells[:named] if is_index and all(any(column) for column in columns[named:]) else []


def _with_index(names: Sequence[str], index: Sequence[str]) -> list[str]:
    """With those of the index instead of what stands above them, which names the levels."""
    return [*index, *names[len(index) :]]


def _is_complete(first: Sequence[str], cells: Sequence[str], joined: Sequence[str], index: int) -> bool:
    """Whether these lines give each column a name of its own, behind those of an index."""
    blank = [place for place, name in enumerate(first) if not name]
    given = [name for name in joined if name]
    lead = next((place for place, name in enumerate(joined) if name), 0)
    return len(set(given)) == len(given) and all(cells[place] for place in blank if place >= max(lead, index, 1))


def _is_level(first: Sequence[str], cells: Sequence[str], body: Sequence[Record], *, has_index: bool) -> bool:
    """Whether the cells of a line are further names, and no values."""
    columns = columns_of(body, len(first))
    values = [place for place, cell in enumerate(cells) if is_value(cell) and not YEAR.fullmatch(cell)]
    if not values:
        words = [place for place, column in enumerate(columns) if holds_values(column) and _has_letter(cells[place])]
        return bool(words) and not any(cell and cell in column for cell, column in zip(cells, columns, strict=True))
    if not all(WHOLE.fullmatch(cells[place]) for place in values):
        return False
    if has_index:
        return True
    if max(map(len, columns), default=0) < FEW_ROWS:
        return False
    # numbers that count what is in a group: what stands below is of another kind
    if any(cell and cell in column for cell, column in zip(cells, columns, strict=True)):
        return _is_beside_index(first, cells, columns)
    return (
        all(_is_unlike(columns[place]) for place in values)
        or _is_beside_index(first, cells, columns)
        or any(_is_new_word(cell, column) for cell, column in zip(cells, columns, strict=True))
    )


def _has_letter(cell: str) -> bool:
    return any(map(str.isalpha, cell))


def _is_unlike(column: Sequence[str]) -> bool:
    """Whether whole numbers are few among the cells."""
    known = [cell for cell in column if cell.lower() not in MISSING_STRINGS]
    return bool(known) and sum(WHOLE.fullmatch(cell) is not None for cell in known) <= len(known) / 2


def _is_beside_index(first: Sequence[str], cells: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether the first column has no name on any line, but a value in each row: the index of a data frame."""
    return not first[0] and not cells[0] and all(columns[0]) and len(set(columns[0])) == len(columns[0])


def _is_new_word(cell: str, column: Sequence[str]) -> bool:
    """Whether it is a word above a few others that come again and again."""
    known = [other for other in column if other.lower() not in MISSING_STRINGS]
    return _has_letter(cell) and len(known) >= SOME_ROWS and 2 * len(set(known)) <= len(known) and cell not in known
