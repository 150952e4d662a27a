"""Years that cannot be meant: of two digits and yet to come, or of another calendar than the Gregorian one."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.codes import words_of
from orchestrator.columns.date_texts import DAY, PIVOT, DateOrder, read_texts, written_as
from orchestrator.columns.notes import Note, rows_text

# columns of what is past: whole words of their names, and parts of these
PAST_WORDS = frozenset(
    ("dob", "dod", "born", "bday", "geb", "birth", "nato", "nata", "naiss", "nac", "fnac", "died", "death", "deceased")
)
PAST_STEMS = (
    *("birth", "geburt", "gebdat", "geboren", "naissance", "nacimiento", "nascita", "nasciment", "geboorte", "födels"),
    *("fødsel", "född", "født", "syntym", "urodz", "narozen", "születés", "naștere", "doğum", "рожден", "γέννησ"),
    *("verstorben", "sterbedat", "décès", "deceased", "fallec"),
)
# years after today from which on a year of two digits is told of, where all are to come and where others are past
FUTURE, WRAPPED = 10, 1
FIRST_SHORT, SOME_DATES = 2000, 3
# years of the Gregorian calendar that a column may have without a word
USUAL_YEARS = (1500, 2200)
CALENDARS = (
    ((2300, 2700), "as of the Thai calendar, which is 543 years ahead"),
    ((1250, 1500), "as of a Persian or an Islamic calendar"),
)
Moments = NDArray[np.int64]


def last_year_of(column: str) -> int | None:
    """The last year that two digits can mean in a column whose name says that all is past; None in others."""
    name = column.lower()
    is_past = not PAST_WORDS.isdisjoint(words_of(column)) or any(stem in name for stem in PAST_STEMS)
    return _today().year if is_past else None


def century_notes(
    column: str, written: pa.Array, texts: pa.Array, rows: Moments, order: DateOrder | None
) -> tuple[Note, ...]:
    """What the user should know of years of two digits.

    Args:
        column: its name.
        written, texts: distinct dates as they stand, and normalised.
        rows: of each.
        order: of plain numbers.
    """
    last_year = last_year_of(column)
    found = read_texts(texts, order)
    # which of them have years of two digits shows in what changes with the century
    short = found.read & (found.local != read_texts(texts, order, last_year=FIRST_SHORT - 1).local)
    if last_year is not None:
        moved = np.flatnonzero(short & (found.local != read_texts(texts, order, last_year=last_year).local))
        why = "has the name of dates that are past, and years of two digits"
        done, century = f"read as years up to {last_year}", -100
    else:
        now = np.datetime64(_today(), "us").astype(np.int64)
        wraps = bool((found.local[found.read] < 0).any() or (found.local[found.read & ~short] < now).any())
        moved = np.flatnonzero(short & (found.local > now + (WRAPPED if wraps else FUTURE) * 366 * DAY))
        why, done, century = "has years of two digits that are yet to come", f"00 to {PIVOT - 1} are read as 20..", 0
    if not len(moved):
        return ()
    shown = " ".join(written[int(moved[0])].as_py().split())
    year = int(found.local[moved[0]].view("M8[us]").astype("M8[Y]").astype(np.int64)) + 1970
    option = f"--date-format '{column}={written_as(shown, order)}' reads {year}" if century else ""
    option = option or "where others are meant, write years of four digits"
    why = f"{why}, such as '{shown}' in {rows_text(int(rows[moved].sum()))}"
    return (Note(column=column, why=why, done=f"{done}, this one as {year + century}", option=option),)


def calendar_notes(column: str, moments: Moments) -> tuple[Note, ...]:
    """About dates of which most are of years that suggest another calendar: distinct local ones, in microseconds."""
    if len(moments) < SOME_DATES:
        return ()
    years = moments.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    middle = int(np.median(years))
    if USUAL_YEARS[0] <= middle <= USUAL_YEARS[1]:
        return ()
    like = next((f", {text}" for (low, high), text in CALENDARS if low <= middle < high), "")
    note = Note(
        column=column,
        why=f"has dates of the years {years.min()} to {years.max()}{like}",
        done="read as dates of the Gregorian calendar",
        option=f"give dates of that calendar, or --ignore '{column}' leaves the column out",
    )
    return (note,)


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()
