"""Whether May 20 is a day of every year, or the month of one year: what a column says about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.date_texts import DateOrder, WrittenMoments, read_texts
from orchestrator.columns.date_words import AMBIGUOUS_MONTHS, MONTHS
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.notes import Note
from orchestrator.columns.raw_column import RawColumn
from orchestrator.columns.values import Series

# months of some years are most of those that there are between the first and the last
FEW_YEARS, SEVERAL_MONTHS, PER_YEAR, NO_GAPS = 10, 6, 3, 0.6
# later years are not met yet
LAST_YEAR = 29
# days that are all in a few months are not months of as many years
FEW_MONTHS, MANY_NUMBERS = 3, 8
LEAST_TEXTS, LEAST_PAIRS, LAST_MONTH, LAST_DAY = 3, 12, 12, 31
LATE_DAY, LAST_DAY_OF_YEAR = 300, 366
ORDINAL = "(?:19|20)[0-9]{2}-(?P<day>[0-9]{3})"
PAIR = "(?P<first>[0-9]{2})(?P<between>[-/])(?P<second>[0-9]{2})"
# that are looked at to learn of which years they are, and the rows among which they mostly are
FIRST_DATES, HEAD = 200, 5000
_YEAR = r"(?:^|[^0-9])(?P<year>(?:19|20)[0-9]{2})(?:[^0-9]|$)"


@dataclass(frozen=True)
class Yearless:
    """What the texts of a column are that have a month and a number.

    Attributes:
        are_days: of every year, or else months of a year.
        notes: what the user should know.
    """

    are_days: bool
    notes: tuple[Note, ...]


def find_yearless(raw: RawColumn, texts: pa.Array, plain: WrittenMoments) -> Yearless | None:
    """Whether dates have no year; None if that is no question.

    Args:
        raw: the column.
        texts: normalised, without those that stand for a missing date.
        plain: they, read as dates with a year.
    """
    if len(texts) < LEAST_TEXTS or not read_texts(texts[:LEAST_TEXTS], None, yearless=True).read.all():
        return None
    found = read_texts(texts, None, yearless=True)
    if not found.read.all():
        return None
    days = found.local.view("M8[us]").astype("M8[D]")
    months = days.astype("M8[M]")
    if len(np.unique(months)) == 1 and _is_a_word(texts):
        return None
    shown = str(raw.series.dropna().iloc[0]).strip()
    numbers = (days - months.astype("M8[D]")).astype(np.int64) + 1
    if "dm" in found.names and numbers.max() <= LAST_MONTH:
        # 1.2. is a section, too
        return None
    if plain.read.all():
        return _settled(raw, shown, numbers, months, bool(pc.all(pc.match_substring(texts, " ")).as_py()))
    return Yearless(are_days=True, notes=(_days_note(raw.name, shown, f"--categorical '{raw.name}' keeps categories"),))


def day_and_month(raw: RawColumn) -> Note | None:
    """About pairs such as 20/05, which can be days and months; None if they cannot, or if nothing suggests it."""
    if not all(map(re.compile(PAIR).fullmatch, raw.first_texts)) or len(raw.first_texts) < LEAST_PAIRS:
        return None
    texts = raw.texts.texts
    parts = pc.extract_regex(pc.utf8_trim_whitespace(texts), pattern=f"^{PAIR}$")
    if parts.null_count:
        return None
    first, second = (
        pc.struct_field(parts, name).cast(pa.int64()).to_numpy(zero_copy_only=False) for name in ("first", "second")
    )
    day, month = (first, second) if first.max() > LAST_MONTH else (second, first)
    if not (month.min() >= 1 and month.max() <= LAST_MONTH < day.max() <= LAST_DAY and day.min() >= 1):
        return None
    between = parts[0]["between"].as_py()
    order = ("%d", "%m") if day is first else ("%m", "%d")
    return Note(
        column=raw.name,
        why=f"has pairs of numbers such as '{texts[0].as_py().strip()}', which can be days and months",
        done="not read as dates",
        option=f"--date-format '{raw.name}={between.join(order)}' reads days that come again every year",
    )


def day_of_year(raw: RawColumn) -> Note | None:
    """About texts such as 2023-312, which can be days of a year, or numbers of orders; None if they cannot."""
    if not all(map(re.compile(ORDINAL).fullmatch, raw.first_texts)) or len(raw.first_texts) < LEAST_PAIRS:
        return None
    texts = raw.texts.texts
    parts = pc.extract_regex(pc.utf8_trim_whitespace(texts), pattern=f"^{ORDINAL}$")
    if parts.null_count:
        return None
    days = pc.struct_field(parts, "day").cast(pa.int64()).to_numpy(zero_copy_only=False)
    if days.min() < 1 or not LATE_DAY < days.max() <= LAST_DAY_OF_YEAR:
        return None
    return Note(
        column=raw.name,
        why=f"has texts such as '{texts[0].as_py().strip()}', which can be days of a year",
        done="not read as dates",
        option=f"--date-format '{raw.name}=%Y-%j' reads dates",
    )


def _is_a_word(texts: pa.Array) -> bool:
    """Whether the only month is a word that means something else, too, as in Set 1, Set 2."""
    word = re.search(r"[^\W\d_]+", texts[0].as_py())
    return word is not None and (word[0] in AMBIGUOUS_MONTHS or word[0] not in MONTHS)


def _settled(
    raw: RawColumn, shown: str, numbers: NDArray[np.int64], months: NDArray[np.datetime64], are_apart: bool
) -> Yearless:
    """Numbers of two digits up to 31, with a month before each."""
    name = raw.name
    years, different = np.unique(numbers), len(np.unique(months))
    dense = len(years) >= NO_GAPS * (years[-1] - years[0] + 1)
    grid = dense and years[-1] <= LAST_YEAR and different >= SEVERAL_MONTHS and len(numbers) >= PER_YEAR * len(years)
    if grid and 1 < len(years) <= FEW_YEARS:
        return Yearless(are_days=False, notes=())
    elsewhere = _years_elsewhere(raw)
    if elsewhere is not None:
        first, last = elsewhere
        are_days, reason = not (first - 1 <= years[0] and years[-1] <= last + 1), "as other columns have such years"
        reason = "as other columns have other years" if are_days else reason
    else:
        few = different <= FEW_MONTHS and len(years) >= MANY_NUMBERS
        are_days = years[-1] > LAST_YEAR or few or (are_apart and not grid)
        reason = "as its numbers suggest"
    form = "%b %y" if are_apart else "%b-%y"
    if are_days:
        return Yearless(
            are_days=True, notes=(_days_note(name, shown, f"--date-format '{name}={form}' reads months of a year"),)
        )
    note = Note(
        column=name,
        why=f"has dates such as '{shown}', which can be a month of a year or a day of every year",
        done=f"read as months of a year, {reason}",
        option=f"--date-format '{name}={form.replace('y', 'd')}' reads days",
    )
    return Yearless(are_days=False, notes=(note,))


def _days_note(column: str, shown: str, option: str) -> Note:
    return Note(
        column=column,
        why=f"has days without a year, such as '{shown}'",
        done="read as days that come again every year",
        option=option,
    )


def _years_elsewhere(raw: RawColumn) -> tuple[int, int] | None:
    """The last two digits of the first and the last year that dates of other columns have; None if they have none."""
    years: set[int] = set()
    for other in raw.beside:
        if other.name != raw.name:
            years |= other.years
    return (min(years) % 100, max(years) % 100) if years and min(years) // 100 == max(years) // 100 else None


def years_of(series: Series) -> frozenset[int]:
    """The years that the first dates of a column have; none if it is not one of dates."""
    head = series.iloc[:HEAD].dropna().iloc[:FIRST_DATES]
    if len(head) < FIRST_DATES:
        head = series.dropna().iloc[:FIRST_DATES]
    if head.dtype.kind == "M":
        return frozenset(head.dt.year.tolist())
    texts = [text for text in head.tolist() if isinstance(text, str)]
    if len(texts) < len(head) or not texts:
        return frozenset()
    plain = normalised(pa.array(texts, pa.string()))
    found = pc.extract_regex(plain, pattern=_YEAR)
    if found.null_count or not any(read_texts(plain, order).read.all() for order in DateOrder):
        return frozenset()
    return frozenset(map(int, pc.struct_field(found, "year").to_pylist()))
