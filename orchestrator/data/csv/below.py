"""Lines between the header and the rows: a rule, units, types, questions, formats."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.columns.notes import Note
from orchestrator.columns.number_texts import PLACEHOLDERS
from orchestrator.columns.values import MISSING_STRINGS, is_number_text
from orchestrator.data.csv.dialect import Record

BODY = 100
# a unit line, a line of types and a line of descriptions may stand there, and more
MOST_LINES = 5
LONGEST_UNIT = 20
# rows that say what a column holds
FEW_ROWS, SOME_ROWS = 3, 10
MOST = 0.9
SHOWN = 40
YEAR = re.compile(r"(19|20)\d\d")
UNIT = re.compile(r"[\[(].*[\])]|[^\d]*[/%°²³€$£µ][^\d]*\d?")
TYPE = re.compile(r"[a-z][a-z ]*\(\d+(, *\d+)?\)( [a-z ]+)?|[a-z]+:[a-z]+\d*", re.IGNORECASE)
UNITS = """
g kg mg t lb lbs oz mm cm m km in ft mi nm um s sec ms us ns min h hr hrs d days years year yr m2 m3 l ml c k f v mv
a ma w kw mw kwh mwh j kj pa hpa kpa bar mbar psi hz khz mhz ghz n rpm db ppm ppb mol usd eur gbp chf kn deg rad
degc degf degk celsius fahrenheit lx lux cl dl gal mph kmh wh va var gb mb kb
count units float int integer string str text number numeric double date datetime bool boolean varchar char category
bigint smallint tinyint int8 int16 int32 int64 uint8 uint32 uint64 float32 float64 real decimal long short byte object
timestamp timestamptz time nvarchar blob nominal categorical continuous discrete tag field datetime64 unit unitless
"""
UNIT_WORDS = frozenset(UNITS.split())


def find_below(body: Sequence[Record], width: int) -> tuple[list[Record], list[Note]]:
    """The lines at the beginning of what is below the header that are no rows.

    Args:
        body: what is below the header, without blank lines.
        width: cells of the header line.
    """
    found: list[Record] = []
    notes: list[Note] = []
    rest = list(body[:BODY])
    while rest and len(found) < MOST_LINES:
        record = rest[0]
        if record.is_rule:
            what = "is a rule"
        else:
            if len(record.cells) < width or len(rest) < 2:  # noqa: PLR2004
                break
            # further lines of this kind would hide what the rows are like
            columns = columns_of(rest[MOST_LINES:] if len(rest) > MOST_LINES + SOME_ROWS else rest[1:], width)
            cells = [record.cells[0].lstrip().removeprefix("#"), *record.cells[1:]]
            if _are_units(cells, columns):
                what = "holds units"
            elif _clashes(cells, columns, after=any(not other.is_rule for other in found)):
                what = "holds words where the rows below have values"
            else:
                break
        shown = ", ".join(cell.strip() for cell in record.cells if cell.strip())[:SHOWN]
        notes.append(_note(record.line, what, shown))
        found.append(record)
        del rest[0]
    return found, notes


def _note(line: int, what: str, shown: str) -> Note:
    # nobody wants a rule as a row
    option = "" if what == "is a rule" else "--keep-lines keeps it"
    return Note(why=f"line {line} below the header {what} ({shown})", done="passed over", option=option)


def columns_of(body: Sequence[Record], width: int) -> list[list[str]]:
    """The cells of the first rows, column by column."""
    rows = [record.cells for record in body[:BODY] if len(record.cells) >= width and not record.is_rule]
    return [[row[place].strip() for row in rows] for place in range(width)]


def holds_values(cells: Sequence[str]) -> bool:
    """Whether there are numbers, dates and times, and nothing else but missing values."""
    known = [cell for cell in cells if cell.lower() not in MISSING_STRINGS]
    return bool(known) and all(map(is_value, known))


def _mostly_values(cells: Sequence[str]) -> bool:
    """As `holds_values`, where a few of the lines may be none of the rows."""
    known = [cell for cell in cells if cell.lower() not in MISSING_STRINGS]
    return bool(known) and sum(map(is_value, known)) >= MOST * len(known)


def is_value(cell: str) -> bool:
    """Whether it is a number, a date or a time: digits without letters."""
    text = cell.strip()
    if is_number_text(text):
        return True
    return any(character.isdigit() for character in text) and not any(character.isalpha() for character in text)


def _is_unit(cell: str) -> bool:
    short = len(cell) <= LONGEST_UNIT and UNIT.fullmatch(cell) is not None
    return short or cell.lower() in UNIT_WORDS or TYPE.fullmatch(cell) is not None


def _are_units(cells: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether there is a unit above a column of numbers, and nothing but units, types and blanks elsewhere."""
    units = 0
    for cell, column in zip((cell.strip() for cell in cells), columns, strict=False):
        is_unit = _is_unit(cell)
        if not is_unit and cell not in ("", "-"):
            return False
        if is_unit and cell in column:
            return False
        units += is_unit and _mostly_values(column)
    return units > 0


def _clashes(cells: Sequence[str], columns: Sequence[Sequence[str]], *, after: bool) -> bool:
    """Whether no cell is like what stands below it: words above values, and words that none of the rows has.

    Words above two columns of values are needed, or above one if everything else speaks for it: a row may well have a
    word in one of its numbers.

    Args:
        cells: of the line.
        columns: what stands below.
        after: whether another line was passed over before, of which this one goes on.
    """
    if max(map(len, columns), default=0) < FEW_ROWS:
        return False
    words, fresh, filled = 0, 0, 0
    for cell, column in zip((cell.strip() for cell in cells), columns, strict=False):
        if cell.lower() in MISSING_STRINGS or cell.lower() in PLACEHOLDERS:
            continue
        filled += 1
        known = [other for other in column if other.lower() not in MISSING_STRINGS]
        if cell in known or is_value(cell):
            return False
        if _mostly_values(known):
            words += 1
        elif _all_have_digits(known):
            # such as "12 kg" or "3-Mar-2024"
            if any(character.isdigit() for character in cell) and not _is_unit(cell):
                return False
            words += 1
        elif len(known) >= SOME_ROWS and 2 * len(set(known)) <= len(known):
            fresh += 1
    if after and filled == 1:
        return words == 1
    return words > 1 or (words == 1 and fresh > 0 and words + fresh == filled)


def _all_have_digits(cells: Sequence[str]) -> bool:
    return bool(cells) and all(any(character.isdigit() for character in cell) for cell in cells)
