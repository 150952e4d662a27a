"""Where the header line of a file is, what its columns are called, and where the rows begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.notes import Note
from orchestrator.columns.values import is_number_text
from orchestrator.data.csv.below import (
    UNIT_WORDS,
    YEAR,
    columns_of,
    find_below,
    holds_values,
    is_value,
)
from orchestrator.data.csv.dialect import Record, are_row_names, usual_width
from orchestrator.data.csv.levels import find_levels
from orchestrator.errors import DataError, UsageError

# titles and comments above a header line are no longer than this
DEEPEST_HEADER = 50
# a line above the header that has as many cells is at most so far from it
NEAR_TITLE = 3
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the beginning of a file says about the rest.

    Attributes:
        names: of the columns, without blanks around them; empty where there is none.
        named: how many of them the header line has; those behind are of rows that end with delimiters.
        header: cells of the header line, without blanks around them.
        header_line: its place in the file, from one.
        first_line: where the rows begin.
        above: cells of the lines above the header and of unit lines below it, which may be repeated further down.
        notes: what was passed over.
    """

    names: tuple[str, ...]
    named: int
    header: tuple[str, ...]
    header_line: int
    first_line: int
    above: frozenset[tuple[str, ...]]
    notes: tuple[Note, ...]


def find_layout(origin: str, records: Sequence[Record], known: frozenset[str], wish: CsvWish = PLAIN_CSV) -> Layout:
    """Finds the header line among the first records of a file.

    Args:
        origin: what messages call the file.
        records: of its beginning.
        known: names of columns that are looked for.
        wish: what the user says of it.

    Raises:
        UsageError: the user says that it is in a line that is none.
        DataError: there is no header line, or it has a name twice.
    """
    filled = [record for record in records if not record.is_blank]
    plain = [record for record in filled if not (record.is_comment or record.is_rule)] or filled
    width = usual_width(Counter(len(record.cells) for record in plain))
    if wish.header_line is not None:
        header = _wished_header(origin, filled, wish.header_line)
    else:
        header = _known_header(filled, known) or _header(filled, plain, width)
    names = [_bare(cell, place) for place, cell in enumerate(header.cells)]
    last = header.last
    rest = [record for record in filled if record.line > last]
    notes: list[Note] = []
    above = [record for record in filled if record.line < header.line]
    if above and wish.header_line is None:
        count = f"{len(above)} lines stand" if len(above) > 1 else "1 line stands"
        notes.append(
            Note(
                why=f"{count} above the header",
                done=f"line {header.line} is taken as the header line",
                option="--header-line N takes another one",
            )
        )
    if any(record.line == header.line and _is_apart(record) for record in filled):
        notes.append(
            Note(
                why=f"line {header.line}, which begins with #, has a name for each column",
                done="it is taken as the header line",
                option="--header-line N takes another one",
            )
        )
    levels = None if wish.keep_lines else find_levels(names, rest, known)
    if levels is not None:
        lines, rest = rest[: levels.lines], rest[levels.lines :]
        names, last = levels.names, lines[-1].last
        notes.append(_levels_note(header.line, lines, names))
    below: list[Record] = []
    if not wish.keep_lines:
        below, found = find_below(rest, len(names))
        notes += found
    body = [record for record in rest[len(below) :] if not (record.is_comment or record.is_rule)]
    padded, named, found = _pad(names, body)
    _check_names(origin, header.line, padded, body)
    return Layout(
        names=tuple(padded),
        named=named,
        header=tuple(_bare(cell, place) for place, cell in enumerate(header.cells)),
        header_line=header.line,
        first_line=(below[-1].last if below else last) + 1,
        above=frozenset(tuple(cell.strip() for cell in record.cells) for record in [*above, *below]),
        notes=(*notes, *found),
    )


def _levels_note(line: int, lines: Sequence[Record], names: Sequence[str]) -> Note:
    numbers = ", ".join(str(number) for number in (line, *(record.line for record in lines[:-1])))
    return Note(
        why=f"the header has {COUNTS.get(len(lines) + 1, len(lines) + 1)} lines ({numbers} and {lines[-1].line})",
        done=f"their names are joined, such as '{max(names, key=len)}'",
        option=f"--keep-lines keeps {'the second one as a row' if len(lines) == 1 else 'all but the first as rows'}",
    )


def _wished_header(origin: str, filled: Sequence[Record], line: int) -> Record:
    for record in filled:
        if record.line <= line <= record.last:
            return record
    raise UsageError(f"{origin}: --header-line {line}: that line is blank, or too far from the beginning")


def _bare(cell: str, place: int) -> str:
    name = cell.strip().removeprefix("\ufeff").strip()
    return name.lstrip("#").strip() or name if place == 0 else name


def _known_header(filled: Sequence[Record], known: frozenset[str]) -> Record | None:
    """The record with the most names that are known, if it has any."""
    candidates = filled[:DEEPEST_HEADER]
    if not known or not candidates:
        return None

    def matches(record: Record) -> int:
        return len(known.intersection(_bare(cell, place) for place, cell in enumerate(record.cells)))

    best = max(candidates, key=matches)
    return best if matches(best) > 0 and matches(best) >= min(2, len(known)) else None


def _header(filled: Sequence[Record], plain: Sequence[Record], width: int) -> Record:
    """The header line of a file of which no names are known."""
    core = _core(plain, width)
    for place, record in enumerate(plain[:DEEPEST_HEADER]):
        if not _is_title(record, plain[place + 1 :], core):
            header = record
            break
    else:
        header = plain[0]
    comments = [record for record in filled if record.is_comment and record.line < header.line]
    if header is plain[0] and comments and header is not comments[-1]:
        last = _without_sign(comments[-1], width)
        before = [comment for comment in comments[:-1] if len(comment.cells) == len(last.cells)]
        if before and all(_bare(cell, place).lower() in UNIT_WORDS for place, cell in enumerate(last.cells)):
            last = before[-1]
        names = [_bare(cell, place) for place, cell in enumerate(last.cells)]
        if len(last.cells) in (width, core) and _are_names(names, core):
            # what numpy.savetxt writes, or "#id,name"
            is_attached = not _is_apart(comments[-1])
            if not _are_names([cell.strip() for cell in header.cells], core) or (
                is_attached and not _has_contrast(header, plain[1:])
            ):
                return last
    return header


def _is_apart(record: Record) -> bool:
    """Whether a line begins with a number sign that a blank follows: "#id,name" is another thing than "# id,name"."""
    return record.is_comment and not record.cells[0].lstrip("\ufeff ")[1:2].strip()


def _without_sign(comment: Record, width: int) -> Record:
    """A comment whose number sign is a cell of its own, as where blanks keep cells apart, without that cell."""
    alone = comment.cells[0].strip() == "#" and len(comment.cells) == width + 1
    return Record(comment.line, comment.last, comment.cells[1:]) if alone else comment


def _core(plain: Sequence[Record], width: int) -> int:
    """The number of columns without those at the end that are empty in every usual row."""
    usual = [record.cells for record in plain if len(record.cells) == width]
    return 1 + max((place for cells in usual for place, cell in enumerate(cells) if cell.strip()), default=0)


def _is_title(record: Record, following: Sequence[Record], core: int) -> bool:
    """Whether a line above the rows holds a title, or groups of columns, and the header comes later."""
    if record.filled >= core or (record.filled == core - 1 and not record.cells[0].strip() and len(record.cells) > 1):
        # the second is how pandas writes the names of a frame with its index
        return record.filled == len(record.cells) and _is_wide_title(record, following[:NEAR_TITLE], following, core)
    near = following[:DEEPEST_HEADER]
    place = next((at for at, other in enumerate(near) if other.filled >= core), None)
    if place is None:
        return False
    candidate = near[place]
    if not _are_names([cell.strip() for cell in candidate.cells], core):
        return False
    contrast = _has_contrast(candidate, following[place + 1 :])
    if record.filled == 1:
        return contrast or core > 2 or candidate.line - record.last > 1  # noqa: PLR2004
    return contrast


def _is_wide_title(record: Record, near: Sequence[Record], following: Sequence[Record], core: int) -> bool:
    """Whether a line that is as wide as the rows holds no names, but values and names twice, and the header is near."""
    cells = [cell.strip() for cell in record.cells]
    if len(set(cells)) == len(cells) or not any(is_value(cell) and not YEAR.fullmatch(cell) for cell in cells):
        return False
    return any(
        _are_names([cell.strip() for cell in other.cells], core)
        and _has_contrast(other, following[place + 1 + skipped :])
        for place, other in enumerate(near)
        # lines of units below the names hide what the rows are like
        for skipped in (0, NEAR_TITLE)
    )


def _are_names(cells: Sequence[str], core: int) -> bool:
    """Whether all cells could be names of columns: distinct, none of them empty or a value."""
    names = list(cells[:core])
    values = [name for name in names if is_value(name) and not YEAR.fullmatch(name)]
    return bool(names) and all(names) and not values and len(set(names)) == len(names)


def _has_contrast(header: Record, body: Sequence[Record]) -> bool:
    """Whether there is a name above a column of values."""
    columns = columns_of(body, len(header.cells))
    return any(not is_value(name) and holds_values(column) for name, column in zip(header.cells, columns, strict=False))


def _pad(names: Sequence[str], body: Sequence[Record]) -> tuple[list[str], int, list[Note]]:
    """Names for as many columns as the rows have, and how many of them the header line gives."""
    widths = Counter(len(record.cells) for record in body)
    width = usual_width(widths) if widths else len(names)
    if len(names) > width:
        named = len(names)
        while named > width and not names[named - 1]:
            named -= 1
        return list(names[:named]), named, []
    if len(names) == width or len(names) >= _core(body, width):
        return [*names, *[""] * (width - len(names))], len(names), []
    if len(names) == width - 1 and are_row_names([record for record in body if len(record.cells) == width]):
        note = Note(
            why="the header line has one name less than there are columns, and the first one names or counts the rows",
            done="the first column is taken as that without a name, as R writes it",
        )
        return ["", *names], len(names) + 1, [note]
    return list(names), len(names), []


def _check_names(origin: str, line: int, names: Sequence[str], body: Sequence[Record]) -> None:
    columns = columns_of(body, len(names))
    given = [name for name in names if name]
    if all(map(is_number_text, given)) or _are_a_row(names, columns):
        shown = ", ".join(list(names)[:3])
        place = "the first line" if line == 1 else f"line {line}"
        raise DataError(f"{origin}: {place} ({shown}, ...) holds values, not column names; add a header line")
    repeated = [name for name, count in Counter(given).items() if count > 1]
    if repeated:
        raise DataError(
            f"{origin}: the column name '{repeated[0]}' occurs {given.count(repeated[0])} times; rename one, or write "
            "names that stand on several lines on one"
        )


def _are_a_row(names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether the names are like what stands below them: numbers above numbers, and words that are found below."""
    above = [float(name) for name, column in zip(names, columns, strict=True) if _is_number_above(name, column)]
    if not above or any(
        name and not is_number_text(name) and holds_values(column) for name, column in zip(names, columns, strict=True)
    ):
        return False
    words = [column for name, column in zip(names, columns, strict=True) if name and not is_number_text(name)]
    given = [name for name in names if name and not is_number_text(name)]
    return any(name in column for name, column in zip(given, words, strict=True)) or above != sorted(set(above))


def _is_number_above(name: str, column: Sequence[str]) -> bool:
    return is_number_text(name) and holds_values(column)
