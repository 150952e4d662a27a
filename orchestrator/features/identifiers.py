"""Row numbers and keys: whole numbers that tell rows apart, but say nothing about new ones."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.columns.codes import words_of
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import HEAD_ROWS, RawColumn

IDENTIFIER_ROWS = 20
IDENTIFIER_SHARE = 0.95
# rows that were filtered or deleted leave gaps
COUNTED_SHARE = 0.8
# so few different ones are rather an answer than keys
FEW_KEYS = 2
# of the steps from row to row; a few rows may have been moved
ORDERED_SHARE = 0.98
# two of these are the same in most columns of whole numbers that do not count
SOME_ROWS = 30_000
LARGEST_EXACT = 2.0**53

# columns without a name, as pandas, R and readr write and read them
NAMELESS = re.compile(r"|unnamed: ?\d+(\.\d+)*|index|level_\d+|__index_level_\d+__|\.\.\.\d+", re.ASCII)
KEYS_AT_THE_END = frozenset({"id", "ids", "key", "uuid", "guid", "nr", "no", "number", "nummer", "index", "idx", "pk"})
KEYS_AT_THE_START = frozenset({"id", "rowid", "row", "uuid", "guid", "lfd"})
KEYS_IN_ONE_WORD = re.compile(
    r"(row|record|case|user|customer|client|passenger|patient|person|member|account|order|invoice|ticket|item|product"
    r"|article|object|sample|transaction|session|event|employee|student|kunden|artikel|row|serial|lfd)"
    r"(id|key|nr|no|num|number|nummer)",
    re.ASCII,
)
# those that name nothing else: an index can be a measure, and a number a count
SURE_KEYS = frozenset({"id", "ids", "key", "uuid", "guid", "pk"})
GROUPED = re.compile(r"\d+|\d{1,3}(?:[, '\u2019\xa0\u202f]\d{3})+", re.ASCII)
# a name that says what is measured
MEASURES = frozenset(
    [
        *(
            "time",
            "timestamp",
            "ts",
            "t",
            "date",
            "year",
            "quarter",
            "month",
            "week",
            "day",
            "hour",
            "minute",
            "second",
        ),
        *("age", "rank", "ranking", "position", "depth", "height", "width", "length", "distance", "size", "angle"),
        *("temperature", "temp", "dose", "price", "amount", "count", "population", "quantity", "total", "level"),
        *("elapsed", "duration", "jahr", "monat", "woche", "tag", "stunde", "minuten", "sekunden", "alter", "preis"),
    ]
)
YEARS = (1500, 2200)
# of seconds since 1970, and of the smaller units
MOMENTS = (3e8, 2.6e9)
UNITS = (1.0, 1e3, 1e6, 1e9)


@dataclass(frozen=True)
class Identifier:
    """What was seen of a column that tells rows apart.

    Attributes:
        why: as the part of a sentence after the column's name.
        measures: whether its name says that it is a measure for all that.
    """

    why: str
    measures: bool = False

    def note(self, column: str) -> Note:
        """What the user should know."""
        if self.measures:
            option = f"--ignore '{column}' leaves it out"
            return Note(column=column, why=self.why, done="read as numbers, because of its name", option=option)
        option = f"--numeric '{column}' keeps it"
        return Note(column=column, why=f"{self.why}, so it is no measure", done="left out", option=option)

    def kept_note(self, column: str) -> Note:
        """The same, where there is no other column."""
        option = f"--ignore '{column}' leaves it out"
        return Note(column=column, why=self.why, done="read as numbers, since nothing else is left", option=option)


def find_identifier(raw: RawColumn) -> Identifier | None:
    """What shows that a column of whole numbers counts rows or holds their keys; None if nothing does."""
    numbers = raw.numbers if raw.numbers is not None else _grouped_numbers(raw)
    if numbers is None or len(numbers) < IDENTIFIER_ROWS:
        return None
    if NAMELESS.fullmatch(raw.name.strip().lower()) and (again := _counts_again(numbers)) is not None:
        return Identifier(again)
    # most columns show in a few rows that they do not count
    first = numbers[:HEAD_ROWS]
    if not _are_whole(first[~np.isnan(first)]) or not _may_tell_apart(raw):
        return None
    known = numbers[~np.isnan(numbers)]
    if len(known) < IDENTIFIER_ROWS or not _are_whole(known) or not _are_distinct(known[:SOME_ROWS]):
        return None
    ordered = np.sort(known)
    steps = np.diff(ordered)
    distinct = 1 + np.count_nonzero(steps)
    words = words_of(raw.name)
    measures = not MEASURES.isdisjoint(words)
    if is_key_name(raw.name) and not measures and distinct > IDENTIFIER_SHARE * len(known):
        return Identifier(_counts(ordered, steps) or "has a name of keys and another whole number in nearly every row")
    if distinct < len(numbers) or _has_points(raw) or _are_times(ordered, steps):
        return None
    why = _counts(ordered, steps)
    return Identifier(why, measures) if why is not None else None


def follows_rows(raw: RawColumn) -> Note | None:
    """About whole numbers, another one in every row, that go up or down from row to row, whatever the steps are.

    Numbers that count are left out as identifiers; of others it is not clear: a table may be sorted by a measure.
    """
    numbers = raw.numbers
    if numbers is None or len(numbers) < IDENTIFIER_ROWS:
        return None
    first = numbers[:HEAD_ROWS]
    if not _are_whole(first[~np.isnan(first)]) or not _may_tell_apart(raw) or _has_points(raw):
        return None
    known = numbers[~np.isnan(numbers)]
    if len(known) < IDENTIFIER_ROWS or not MEASURES.isdisjoint(words_of(raw.name)) or not _are_whole(known):
        return None
    steps = np.diff(known)
    up, down = np.count_nonzero(steps > 0), np.count_nonzero(steps < 0)
    ordered = np.sort(known)
    if (
        max(up, down) < ORDERED_SHARE * len(steps)
        or not np.diff(ordered).all()
        or _are_times(ordered, np.diff(ordered))
    ):
        return None
    return Note(
        column=raw.name,
        why=f"goes {'up' if up > down else 'down'} from row to row, so it may be a row number or a key",
        done="read as numbers",
        option=f"--ignore '{raw.name}' leaves it out",
    )


def repeated_keys(raw: RawColumn) -> Note | None:
    """About whole numbers that come again, in a column that is called as keys are: those of shops or patients."""
    words, numbers = words_of(raw.name), raw.numbers
    joined = "".join(words)
    is_sure = bool(words) and (
        words[-1] in SURE_KEYS
        or words[0] in SURE_KEYS
        or (KEYS_IN_ONE_WORD.fullmatch(joined) is not None and joined.endswith(("id", "key")))
    )
    if not is_sure or numbers is None or _has_points(raw):
        return None
    known = numbers[~np.isnan(numbers)]
    if len(known) < IDENTIFIER_ROWS or not _are_whole(known) or len(np.unique(known[:HEAD_ROWS])) <= FEW_KEYS:
        return None
    return Note(
        column=raw.name,
        why="has a name of keys and whole numbers that come again, so they may be names of something",
        done="read as numbers",
        option=f"--categorical '{raw.name}' reads them as codes, --ignore '{raw.name}' leaves them out",
    )


def is_key_name(name: str) -> bool:
    """Whether a column is called as row numbers and keys are, or has no name."""
    words = words_of(name)
    if NAMELESS.fullmatch(name.strip().lower()):
        return True
    if not words:
        return False
    joined = "".join(words)
    return (
        words[-1] in KEYS_AT_THE_END or words[0] in KEYS_AT_THE_START or KEYS_IN_ONE_WORD.fullmatch(joined) is not None
    )


def _grouped_numbers(raw: RawColumn) -> NDArray[np.float64] | None:
    """Whole numbers with marks between thousands, float64 [rows]; None of all else."""
    if not raw.head or not all(map(GROUPED.fullmatch, raw.head)):
        return None
    reading = raw.number_reading
    if reading is None or reading.notation is None or reading.notation.symbols or reading.notation.decimal != ".":
        return None
    return reading.notation.numbers(raw.series, raw.name, raw.only_texts)


def _may_tell_apart(raw: RawColumn) -> bool:
    """What the first rows say: quick, since most columns have a value twice."""
    if pd.api.types.is_bool_dtype(raw.series.dtype) or raw.series.dtype.kind in "Mm":
        return False
    rows = min(HEAD_ROWS, len(raw.series))
    return sum(raw.head.values()) > 1 and len(raw.head) >= IDENTIFIER_SHARE * min(rows, sum(raw.head.values()))


def _has_points(raw: RawColumn) -> bool:
    """Whether the numbers are written with fractions, as measures are that happen to be whole."""
    return pd.api.types.is_float_dtype(raw.series.dtype) or any("." in key for key in raw.head)


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool((np.abs(numbers) < LARGEST_EXACT).all()) and bool((numbers == np.floor(numbers)).all())


def _are_distinct(numbers: NDArray[np.float64]) -> bool:
    return len(np.unique(numbers)) > IDENTIFIER_SHARE * len(numbers)


def _counts(ordered: NDArray[np.float64], steps: NDArray[np.float64]) -> str | None:
    """Whether sorted whole numbers go up in equal steps, with a few gaps."""
    if not steps.all():
        return None
    step = int(np.gcd.reduce(steps.astype(np.int64)))
    first, last = int(ordered[0]), int(ordered[-1])
    if len(ordered) < COUNTED_SHARE * ((last - first) // step + 1):
        return None
    shown = ", ".join(str(first + step * place) for place in range(3))
    return f"counts rows ({shown}, ... up to {last})"


def _counts_again(numbers: NDArray[np.float64]) -> str | None:
    """Whether numbers count the rows of several parts of a table, one after another, each from the same number on."""
    steps = np.diff(numbers)
    starts = np.append(0, np.flatnonzero(~(steps > 0)) + 1)
    alike = numbers[starts] == numbers[0]
    # 1, 2, 3 again and again is a place in a group
    are_parts = 1 < len(starts) <= len(numbers) / IDENTIFIER_ROWS
    if not are_parts or not alike.all() or not _are_whole(numbers):
        return None
    up = steps[steps > 0]
    if np.count_nonzero(up == up.min()) < COUNTED_SHARE * len(up):
        return None
    return f"counts the rows of {len(starts):,} parts of the table, each from {numbers[0]:.0f} on"


def _are_times(ordered: NDArray[np.float64], steps: NDArray[np.float64]) -> bool:
    """Whether sorted whole numbers are years, days as 20240131, or regular moments as seconds since 1970."""
    first, last = float(ordered[0]), float(ordered[-1])
    if YEARS[0] <= first and last <= YEARS[1]:
        return True
    if any(MOMENTS[0] * unit <= first and last <= MOMENTS[1] * unit and steps.min() > unit for unit in UNITS):
        return True
    months, days = ordered // 100 % 100, ordered % 100
    dates = (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)  # noqa: PLR2004
    return bool(first >= YEARS[0] * 1e4 and last <= YEARS[1] * 1e4 and dates.all())
