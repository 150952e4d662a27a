"""How the cells of a file are kept apart: found by parsing its beginning in every way, not by counting characters."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from orchestrator.columns.notes import Note
from orchestrator.columns.values import is_number_text
from orchestrator.data.csv.totals import is_rule
from orchestrator.errors import DataError

DELIMITERS = (",", ";", "\t", "|")
# only if all else fails, for they stand in times and between words
RARE_DELIMITERS = (":", " ")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", ":": "colons", " ": "blanks"}
SAMPLE = 512 * 1024
SAMPLE_RECORDS = 1000
LONGEST_LINE = 8 * SAMPLE
# of the records that must have as many cells as most
LEAST_SHARE = 0.5
SEPARATOR_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
# of a number; the expressions take long for long texts
LONGEST_NUMBER = 40
COMMA_NUMBER = re.compile(r"[^\w,;|]*\d[\d., '\u2019]*[^\w,;|]*\w{0,3}")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the cells of a file are written.

    Attributes:
        delimiter: between cells.
        quote: around cells that hold a delimiter, a quote or a line break.
        escape: before a quote in a quoted cell; None if quotes are doubled there.
        skips_blanks: whether blanks between a delimiter and a quote mean nothing.
        joins_blanks: whether several delimiters are one.
    """

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    skips_blanks: bool = False
    joins_blanks: bool = False

    def split(self, lines: Iterator[str] | Sequence[str]) -> Iterator[list[str]]:
        """The cells of each record."""
        if self.joins_blanks:
            lines = (" ".join(line.split()) for line in lines)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.skips_blanks,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A line of a file, or several if there is a line break in a cell.

    Attributes:
        line, last: the first and the last line, from one.
        cells: as they are written, without quotes.
    """

    line: int
    last: int
    cells: list[str]

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it."""
        return not any(cell.strip() for cell in self.cells)

    @property
    def is_comment(self) -> bool:
        """Whether it begins with a number sign."""
        return bool(self.cells) and self.cells[0].lstrip("\ufeff ").startswith("#")

    @property
    def is_rule(self) -> bool:
        """Whether it is drawn with dashes and the like."""
        return is_rule(self.cells)

    @property
    def filled(self) -> int:
        """How many of the cells hold something."""
        return sum(bool(cell.strip()) for cell in self.cells)


@dataclass(frozen=True)
class Beginning:
    """The beginning of a file.

    Attributes:
        lines: with their line ends.
        is_cut: whether more follows.
    """

    lines: list[str]
    is_cut: bool

    def records(self, dialect: Dialect) -> list[Record]:
        """The first records; none if the lines cannot be read so."""
        reader = csv.reader(())
        found: list[Record] = []
        last = 0
        try:
            reader = dialect.split(self.lines)  # type: ignore[assignment]
            for cells in reader:
                found.append(Record(last + 1, reader.line_num, cells))
                last = reader.line_num
                if len(found) == SAMPLE_RECORDS:
                    return found
        except csv.Error:
            return []
        # a record that goes over the end is not complete
        return found[:-1] if self.is_cut and len(found) > 1 else found


def take_sample(origin: str, content: bytes) -> Beginning:
    """Whole lines from the beginning of a text in UTF-8: at least one.

    Raises:
        DataError: the first line is longer than any header line.
    """
    for size in (SAMPLE, LONGEST_LINE):
        head = content[:size]
        if len(head) == len(content):
            return Beginning(list(io.StringIO(head.decode("utf-8"), newline="")), is_cut=False)
        end = max(head.rfind(b"\n"), head.rfind(b"\r", 0, -1))
        if end >= 0:
            return Beginning(list(io.StringIO(head[: end + 1].decode("utf-8"), newline="")), is_cut=True)
    raise DataError(f"{origin}: the first line is longer than {LONGEST_LINE >> 20} MiB; is it CSV?")


def find_dialect(sample: Beginning, known: frozenset[str], mark: str | None = None) -> tuple[Dialect, list[Note]]:
    """The dialect of a file, and what was guessed.

    Args:
        sample: its beginning.
        known: names of columns that are looked for.
        mark: the delimiter, if it is known.
    """
    if mark is not None:
        return _quoting(sample, Dialect(delimiter=mark, joins_blanks=mark == " "))
    named = next((match for line in sample.lines[:1] if (match := SEPARATOR_LINE.fullmatch(line))), None)
    if named:
        return _quoting(sample, Dialect(delimiter=named[1]))
    text = "".join(sample.lines)
    best: tuple[tuple[float, ...], Dialect] | None = None
    for order, delimiter in enumerate(DELIMITERS):
        if delimiter not in text:
            continue
        for quote in ('"', "'") if "'" in text else ('"',):
            dialect = Dialect(delimiter=delimiter, quote=quote)
            if quote == "'" and not _is_quoted_singly(sample, dialect):
                continue
            matches, share, width = _rate(sample, dialect, known)
            if width > 1 and (share >= LEAST_SHARE or matches):
                rank = (matches, round(share, 3), quote == "'", width, -order)
                if best is None or rank > best[0]:
                    best = rank, dialect
    if best is None:
        return _rarely(sample, known)
    dialect, notes = _quoting(sample, best[1])
    if dialect.quote == "'":
        notes.append(Note(why="the cells stand between single quotes", done="these are taken as quotes"))
    return dialect, notes


def _rate(sample: Beginning, dialect: Dialect, known: frozenset[str]) -> tuple[int, float, int]:
    """How many of the known names are in one record, how evenly the cells are spread, and over how many columns."""
    records = [record for record in sample.records(dialect) if not record.is_blank]
    matches = max((len(known.intersection(map(str.strip, record.cells))) for record in records[:20]), default=0)
    records = [record for record in records if not record.is_comment and not record.is_rule] or records
    widths = Counter(len(record.cells) for record in records if len(record.cells) > 1)
    if not widths:
        return matches, 0.0, 1
    width = usual_width(widths)
    usual = [record for record in records[:100] if len(record.cells) == width]
    cells = len(usual) * width
    clean = (cells - sum(_others(record, dialect.delimiter) for record in usual)) / cells
    return matches, widths[width] / len(records) * clean, width


def _others(record: Record, delimiter: str) -> int:
    """How many cells have another delimiter in them."""
    text = "".join(record.cells)
    if not any(other in text for other in (";", "\t", "|", ",") if other != delimiter):
        return 0
    return sum(_has_other_delimiter(cell, delimiter) for cell in record.cells)


def usual_width(widths: Counter[int]) -> int:
    """The number of cells that most records have; of equals the largest."""
    return max(widths, key=lambda width: (widths[width], width))


def _has_other_delimiter(cell: str, delimiter: str) -> bool:
    # a tab around a cell is a blank
    cell = cell.strip()
    if any(other in cell for other in (";", "\t", "|") if other != delimiter):
        return True
    # a comma is at home in numbers and before a blank
    return (
        delimiter != ","
        and bool(re.search(r",(?! )", cell))
        and not (len(cell) <= LONGEST_NUMBER and COMMA_NUMBER.fullmatch(cell))
    )


def _is_quoted_singly(sample: Beginning, dialect: Dialect) -> bool:
    """Whether nearly all lines have a cell between single quotes, and each quote is closed."""
    lines = [line.strip() for line in sample.lines[:200] if line.strip()]
    mark = re.escape(dialect.delimiter)
    cell = re.compile(rf"(?:^|{mark})'[^']*'(?={mark}|$)")
    good = sum(bool(cell.search(line)) and line.count("'") % 2 == 0 for line in lines)
    return bool(lines) and good >= 0.9 * len(lines) and not any('"' in line for line in lines)


def _quoting(sample: Beginning, dialect: Dialect) -> tuple[Dialect, list[Note]]:
    """The same delimiter with the way of quoting that gives the most even rows."""
    text = "".join(sample.lines)
    notes: list[Note] = []
    if f"\\{dialect.quote}" in text:
        escaped = replace(dialect, escape="\\")
        if _evenness(sample, escaped) > _evenness(sample, dialect):
            dialect = escaped
            notes.append(Note(why="quotes in cells follow a backslash", done="the backslash is left out"))
    if dialect.delimiter != " " and re.search(rf"{re.escape(dialect.delimiter)} +{dialect.quote}", text):
        skipping = replace(dialect, skips_blanks=True)
        if _evenness(sample, skipping) >= _evenness(sample, dialect):
            dialect = skipping
    return dialect, notes


def _evenness(sample: Beginning, dialect: Dialect) -> float:
    records = [record for record in sample.records(dialect) if not record.is_blank]
    widths = Counter(len(record.cells) for record in records)
    return max(widths.values()) / len(records) if records else 0.0


def _rarely(sample: Beginning, known: frozenset[str]) -> tuple[Dialect, list[Note]]:
    """Colons or blanks, if all lines agree and a column of numbers speaks for them; else a single column."""
    for delimiter in RARE_DELIMITERS:
        dialect = Dialect(delimiter=delimiter, joins_blanks=delimiter == " ")
        every = [item for item in sample.records(dialect) if not item.is_blank]
        records = [item for item in every if not (item.is_comment or item.is_rule)]
        if len(records) < 2 or len({len(record.cells) for record in records[1:]}) != 1:  # noqa: PLR2004
            continue
        header, rows = records[0].cells, records[1:]
        if every[0].is_comment and all(map(is_number_text, header)):
            # what numpy.savetxt writes
            above = [item for item in every if item.is_comment and item.line < records[0].line]
            header, rows = above[-1].cells[above[-1].cells[0].strip() == "#" :], records
        names = [cell.strip() for cell in header]
        width = len(rows[0].cells)
        if len(names) < 2 or any(not name or is_number_text(name) for name in names):  # noqa: PLR2004
            continue
        if not (len(names) == width or (len(names) == width - 1 and are_row_names(rows))):
            continue
        columns = list(zip(*(record.cells for record in rows), strict=True))
        if known.issuperset(names) or any(all(map(is_number_text, column)) for column in columns[width - len(names) :]):
            note = Note(
                why=f"the cells are kept apart by {NAMES[delimiter]} only",
                done=f"these are taken as delimiters, which gives {width} columns",
                option="--delimiter says what parts them",
            )
            return dialect, [note]
    return Dialect(delimiter=","), []


def are_row_names(rows: Sequence[Record]) -> bool:
    """Whether the first cells of some rows of one length tell them apart, as names of rows that R writes do.

    A number that is cut in two by a decimal comma, or a name by the comma before the first name, does not.
    """
    first = [record.cells[0].strip() for record in rows]
    if len(first) < 2 or not all(first) or len(set(first)) < len(first):  # noqa: PLR2004
        return False
    if all(map(str.isdecimal, first)):
        numbers = list(map(int, first))
        if sorted(numbers) in (list(range(len(first))), list(range(1, len(first) + 1))):
            return True
        # rows of which some were left out
        return numbers == sorted(numbers) and not all(record.cells[1].strip().isdecimal() for record in rows)
    return not any(map(is_number_text, first)) and not all(record.cells[1].startswith(" ") for record in rows)


def line_starts(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each of the lines begins and ends, in bytes of UTF-8."""
    places = [0]
    for line in lines:
        places.append(places[-1] + len(line.encode("utf-8")))
    return pairwise(places)
