"""Texts of dates and times as people write them: a few shapes, each with its parts wherever they stand in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache, partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.date_words import MONTHS, WEEKDAYS, ZONES, any_of
from orchestrator.columns.digit_layouts import Digits, by_layout

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
# POSIX: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068
PIVOT, LAST_SHORT = 69, 2068
YEARS, MONTHLY_YEARS = (1000, 9999), (1800, 2200)
LONGEST_SHORT_NAME = 4
# of the years up to 9999, in microseconds
LAST_COUNTED = 253_402_300_800 * MICROSECONDS


class DateOrder(StrEnum):
    """What stands first where day, month and perhaps year are all plain numbers of two digits."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


_YEAR4, _YEAR2 = "(?P<Y>[0-9]{4})", "'?(?P<y>[0-9]{2})"
_YEAR = f"(?:{_YEAR4}|{_YEAR2})"
_MONTH, _DAY = "(?P<m>[0-9]{1,2})", "(?P<d>[0-9]{1,2})"
_NAME = rf"(?P<b>{any_of(tuple(MONTHS))})\.?"
_NTH = r"(?P<d>[0-9]{1,2})(?:(?P<n>st|nd|rd|th|er)|\.)?"
# between numbers; between a number and a name, where there may be nothing
_BETWEEN, _LOOSE, _APART = r"(?: ?[-/.] ?| +)", r"(?:[-/., ]+(?:(?:of|de|del) )?)?", r"[-/., ]+(?:(?:of|de|del) )?"
_WEEKDAY = rf"(?:(?P<w>{any_of(WEEKDAYS)})(?:\.,? ?|, ?| +))?"
_ZONE = (
    f"(?P<z>(?:utc|gmt)?[+-][0-9]{{2}}(?::?[0-9]{{2}})?|(?:utc|gmt)[+-][0-9](?::[0-9]{{2}})?|{any_of(tuple(ZONES))})"
)
_HALF = r"(?P<p>[ap])\.? ?m\.?"
_CLOCK = r"(?P<H>[0-9]{1,2})(?:[:.h](?P<M>[0-9]{2})(?:[:.](?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
_TIME = rf"{_CLOCK}(?: ?(?:{_HALF}|uhr))?"
# what Java writes behind it says nothing more
_ZONED = rf"(?: ?{_ZONE}(?P<c> ?\([^)]*\)|\[[a-z0-9_/+-]{{1,40}}\])?)?"
_TAIL = rf"(?:(?: ?[t,_] ?| +(?:at |@ |um |- |à |kl\.? ?|a las |alle |às |om )?){_TIME}{_ZONED})?"
_COMPACT_TAIL = (
    "(?:[t ]?(?P<H>[0-9]{2}):?(?P<M>[0-9]{2})(?::?(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    rf"(?: ?{_ZONE})?)?"
)


def _triple(first: str, second: str) -> str:
    """Numbers and a year of four digits, or of two."""
    plain = f"(?P<{first}>[0-9]{{1,2}}){_BETWEEN}(?P<{second}>[0-9]{{1,2}}){_BETWEEN}{_YEAR4}"
    short = (
        rf"(?P<{first}{at}>[0-9]{{1,2}}){mark}(?P<{second}{at}>[0-9]{{1,2}}){mark}"
        for at, mark in enumerate(("/", "-", r"\. ?"), 1)
    )
    return f"(?:{plain}|(?:{'|'.join(short)}){_YEAR2})"


# those in which nothing can be taken for something else come first; each is tried on what is left by those before
UNAMBIGUOUS: dict[str, str] = {
    "ymd": rf"{_WEEKDAY}{_YEAR4}{_BETWEEN}{_MONTH}{_BETWEEN}{_DAY}\.?{_TAIL}",
    "dbY": rf"{_WEEKDAY}{_NTH}{_LOOSE}{_NAME}{_LOOSE}{_YEAR}(?: г\.)?{_TAIL}",  # noqa: RUF001
    "bdY": f"{_WEEKDAY}{_NAME}{_LOOSE}{_NTH}{_APART}{_YEAR}{_TAIL}",
    # of logs of web servers, and of SAS
    "dbYt": rf"\[?{_DAY}/?{_NAME}/?{_YEAR}:{_TIME}{_ZONED}\]?",
    "Ybd": f"{_WEEKDAY}{_YEAR4}{_LOOSE}{_NAME}{_LOOSE}{_NTH}{_TAIL}",
    "bdtY": rf"{_WEEKDAY}{_NAME} +{_DAY} +{_CLOCK}(?: {_ZONE})? {_YEAR4}",
    # Chinese and Japanese, Korean
    "ymd cjk": f"{_YEAR4} ?[年년] ?{_MONTH} ?[月월] ?{_DAY} ?[日일]{_TAIL}",
    "ym cjk": f"{_YEAR4} ?[年년] ?{_MONTH} ?[月월]",
    "Ym": f"{_YEAR4}[-/m]{_MONTH}",
    "mY": rf"(?:(?P<m1>[0-9]{{1,2}})[-/]|(?P<m>[0-9]{{2}})\.){_YEAR4}",
    "bY": f"{_NAME}{_LOOSE}{_YEAR}",
    "Yb": f"{_YEAR4}{_LOOSE}{_NAME}",
    "Yq": f"{_YEAR4}[-/ ]?(?:q(?P<q>[0-9])|(?P<q2>[0-9])q)",
    "qY": f"q(?P<q>[0-9])(?:[-/ ]?{_YEAR4}|[-/ ]'?(?P<y>[0-9]{{2}})|'(?P<y2>[0-9]{{2}}))",
    "nqY": f"(?P<q>[0-9])q[-/ ]?{_YEAR}",
    "Yh": f"{_YEAR4}[-/ ]?h(?P<a>[0-9])",
    "hY": f"h(?P<a>[0-9])[-/ ]?{_YEAR4}",
    # fiscal years
    "fY": f"fy[- ]?'?(?:{_YEAR4}(?P<n>[-/][0-9]{{2}})?|(?P<y>[0-9]{{2}}))(?:[-/ ]?(?:q(?P<q>[0-9])|h(?P<a>[0-9])))?",
    "qfY": f"(?:q(?P<q>[0-9])|(?P<q2>[0-9])q|h(?P<a>[0-9]))[-/ ]?fy[- ]?'?(?:{_YEAR4}|(?P<y>[0-9]{{2}}))",
    # weeks of ISO 8601, with the day or without
    "Ywd": "(?P<Y>[0-9]{4})-?w(?P<k>[0-9]{2})-?(?P<u>[0-9])",
    "Yw": f"{_YEAR4}(?:[-/ ]?|[-/ ])(?:w|kw|cw|wk|week)[- ]?(?P<k>[0-9]{{1,2}})",
    "wY": f"(?:w|kw|cw|wk|week)[- ]?(?P<k>[0-9]{{1,2}})[-/ ]{{1,2}}{_YEAR4}",
    "compact": f"{_YEAR4}(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}}){_COMPACT_TAIL}",
    "compact hour": f"{_YEAR4}(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}})[t ]?(?P<H>[0-9]{{2}})",
    # of JSON that .NET writes
    "ticks": r"\\?/date\((?P<s>-)?(?P<e>[0-9]{1,14})(?P<z>[+-][0-9]{4})?\)\\?/",
}
ORDERED: dict[DateOrder, dict[str, str]] = {
    DateOrder.MONTH: {"mdY": f"{_WEEKDAY}{_triple('m', 'd')}{_TAIL}"},
    DateOrder.DAY: {"dmY": f"{_WEEKDAY}{_triple('d', 'm')}{_TAIL}"},
    DateOrder.YEAR: {"ymd2": f"(?P<y>[0-9]{{2}})[-/.](?P<m>[0-9]{{2}})[-/.](?P<d>[0-9]{{2}}){_TAIL}"},
}
# such as 3.10.23, which may be the number of a version, too
UNPADDED = "^(?:[0-9][-.] ?[0-9]{1,2}|[0-9]{2}[-.] ?[0-9])[-.] ?[0-9]{2}(?:$|[^0-9])"
# days that come again every year: May 20, 20 May, 20.05., --05-20
YEARLESS: dict[str, str] = {
    "bd": f"{_WEEKDAY}{_NAME}{_APART}{_NTH}{_TAIL}",
    "db": f"{_WEEKDAY}{_NTH}{_LOOSE}{_NAME}{_TAIL}",
    "dm": rf"{_WEEKDAY}{_DAY}\. ?{_MONTH}\.{_TAIL}",
    "md": f"--(?P<m>[0-9]{{2}})-?(?P<d>[0-9]{{2}}){_TAIL}",
    "md cjk": f"{_MONTH} ?[月월] ?{_DAY} ?[日일]{_TAIL}",
}
# without a day, or such as other numbers are: the years of such texts must be usual ones
MONTHLY = frozenset(
    {"Ym", "mY", "bY", "Yb", "Yq", "qY", "nqY", "Yh", "hY", "fY", "qfY", "Ywd", "Yw", "wY", "ym cjk", "compact hour"}
)
# years that begin in any month
FISCAL = frozenset({"fY", "qfY"})
# a year with a day more than others has all days that there are
ANY_YEAR = 2000


def shapes(order: DateOrder | None, *, yearless: bool = False) -> dict[str, str]:
    """Regular expressions of the texts that are read, by name: those of an order only if there is one."""
    if yearless:
        return YEARLESS
    return UNAMBIGUOUS | (ORDERED[order] if order is not None else {})


@dataclass(frozen=True, kw_only=True)
class WrittenMoments:
    """What texts say.

    Attributes:
        local: the time as it is written, in microseconds since 1970: int64 [texts].
        offset: minutes east of Greenwich, 0 where none is written: int64 [texts].
        read: which texts are dates: bool [texts].
        names: of the shapes by which some were read.
        has_short: whether some have years of two digits.
    """

    local: NDArray[np.int64]
    offset: NDArray[np.int64]
    read: NDArray[np.bool_]
    names: tuple[str, ...] = ()
    has_short: bool = False

    @property
    def utc(self) -> NDArray[np.int64]:
        """The moments in microseconds since 1970, UTC."""
        return self.local - self.offset * (60 * MICROSECONDS)


@dataclass(frozen=True, kw_only=True)
class DateLayout:
    """Where the parts of texts are that differ in nothing but their digits.

    Attributes:
        shape: its name.
        digits: first and last byte of each number, by part.
        month: that is named, or 0.
        half: "a" or "p" of AM and PM, or empty.
        zone: minutes, where its name says it; otherwise the sign of the offset.
        sign: of a number that counts from 1970 on.
    """

    shape: str
    digits: Mapping[str, tuple[int, int]]
    month: int
    half: str
    zone: int
    sign: int = 1


@lru_cache(maxsize=2**13)
def layout_of(signature: str, order: DateOrder | None, *, yearless: bool = False) -> DateLayout | None:
    """The layout of texts with 9 in the place of each digit; None if they are not dates."""
    known = shapes(order, yearless=yearless)
    matches = ((shape, _compiled(pattern).fullmatch(signature)) for shape, pattern in known.items())
    shape, match = next(((shape, match) for shape, match in matches if match is not None), ("", None))
    if match is None:
        return None
    # d, d1 and d2 are one part at different places
    parts = {name[0]: name for name, text in match.groupdict().items() if text}
    if "H" in parts and not parts.keys() & {"M", "p"} and shape != "compact hour":
        # an hour alone is a time only with AM or PM
        return None
    places = {part: match.span(name) for part, name in parts.items() if part in "YymdqakujeHMSf"}
    zone = match[parts["z"]] if "z" in parts else ""
    if "9" in zone:
        begin = match.start(parts["z"]) + zone.index("9")
        hours = re.match("9{1,2}", zone[zone.index("9") :])
        places["z"] = begin, begin + (hours.end() if hours is not None else 0)
        if zone.count("9") > 2:  # noqa: PLR2004
            end = match.end(parts["z"])
            places["Z"] = end - 2, end
    digits = {
        part: (len(signature[:begin].encode()), len(signature[:end].encode())) for part, (begin, end) in places.items()
    }
    sign = -1 if "-" in zone else 1
    return DateLayout(
        shape=shape,
        digits=digits,
        month=MONTHS[match["b"]] if "b" in parts else 0,
        half=match["p"] if "p" in parts else "",
        zone=sign if "z" in places else ZONES.get(zone, 0),
        sign=-1 if "s" in parts else 1,
    )


def read_texts(
    texts: pa.Array, order: DateOrder | None, *, yearless: bool = False, last_year: int | None = None
) -> WrittenMoments:
    """Reads texts. What one says does not depend on the others.

    Args:
        texts: as `normalised` gives them.
        order: of numbers; without one, texts that need it are not read.
        yearless: whether days without a year are read, as those of the year 2000, and no others.
        last_year: that two digits can mean, `LAST_SHORT` if left out.
    """
    local, offset = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    read = np.zeros(len(texts), bool)
    used: dict[str, None] = {}
    last, has_short = last_year or LAST_SHORT, False
    for layout, digits, rows in by_layout(texts, partial(layout_of, order=order, yearless=yearless)):
        local[rows], offset[rows], read[rows] = _read_layout(layout, digits, last)
        used[layout.shape] = None
        has_short |= "y" in layout.digits
    return WrittenMoments(local=local, offset=offset, read=read, names=tuple(used), has_short=has_short)


def _read_layout(
    layout: DateLayout, digits: Digits, last_year: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Local time, offset and which texts are dates, see `WrittenMoments`. A day that no calendar has is none."""
    part = partial(_part, layout, digits)
    offset = layout.zone * (part("z") * 60 + part("Z")) if "z" in layout.digits else digits.zeros() + layout.zone
    if "e" in layout.digits:
        counted = layout.sign * part("e") * 1000 + offset * (60 * MICROSECONDS)
        return counted, offset, np.abs(counted) < LAST_COUNTED
    days, fits = _read_days(layout, digits, last_year)
    hour, minute, second = part("H"), part("M"), part("S")
    if layout.half:
        fits &= hour <= 12  # noqa: PLR2004
        hour = hour % 12 + (12 if layout.half == "p" else 0)
    fraction = digits.microseconds(*layout.digits["f"]) if "f" in layout.digits else digits.zeros()
    seconds = hour * 3600 + minute * 60 + second
    # 24:00 is the end of a day
    fits &= (hour < 24) | (seconds * MICROSECONDS + fraction == DAY)  # noqa: PLR2004
    fits &= (minute < 60) & (second < 60) & (part("z") < 24) & (part("Z") < 60)  # noqa: PLR2004
    return days * DAY + seconds * MICROSECONDS + fraction, offset, fits


def _part(layout: DateLayout, digits: Digits, name: str, default: int = 0) -> NDArray[np.int64]:
    """A number in each of some texts."""
    return digits.number(*layout.digits[name]) if name in layout.digits else digits.zeros() + default


def _read_days(layout: DateLayout, digits: Digits, last_year: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970, and which of them there are."""
    places, part = layout.digits, partial(_part, layout, digits)
    year = part("Y", ANY_YEAR)
    if "y" in places:
        short = part("y")
        year = short + np.where(short + 2000 <= last_year, 2000, 1900)
    low, high = MONTHLY_YEARS if layout.shape in MONTHLY else YEARS
    fits = (year >= low) & (year <= high)
    if "k" in places:
        days, weeks = _read_weeks(np.where(fits, year, ANY_YEAR), part("k"), part("u", 1))
        return days, fits & weeks
    month = part("m", layout.month or 1)
    if "q" in places:
        month = part("q") * 3 - 2
    elif "a" in places:
        month = part("a") * 6 - 5
    day = part("d", 1)
    fits &= (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004
    start = np.where(fits, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    days = start.astype("M8[D]").astype(np.int64) + day - 1
    return days, fits & (days < (start + 1).astype("M8[D]").astype(np.int64))


def _read_weeks(
    year: NDArray[np.int64], week: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970 of weeks of ISO 8601, and which of them there are."""

    def first(years: NDArray[np.int64]) -> NDArray[np.int64]:
        # the first week has the fourth of January; 1970-01-01 was a Thursday
        fourth = (years - 1970).astype("M8[Y]").astype("M8[D]").astype(np.int64) + 3
        return fourth - (fourth + 3) % 7

    days = first(year) + (week - 1) * 7 + day - 1
    return days, (week >= 1) & (day >= 1) & (day <= 7) & (days < first(year + 1))  # noqa: PLR2004


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def written_as(text: str, order: DateOrder | None, *, yearless: bool = False) -> str | None:
    """The `strptime` format of a text as it stands, its parts in place; None if it is not a date.

    Args:
        text: with single blanks and none around.
        order: of numbers.
        yearless: see `read_texts`.
    """
    lowered = text.lower()
    layout = layout_of(re.sub("[0-9]", "9", lowered), order, yearless=yearless)
    known = shapes(order, yearless=yearless)
    match = _compiled(known[layout.shape]).fullmatch(lowered) if layout is not None else None
    if match is None:
        return None
    spans = sorted((*match.span(name), name[0]) for name, part in match.groupdict().items() if part)
    pieces, end = [], 0
    for begin, stop, part in spans:
        # th and the name of a time zone in brackets say nothing
        directive = "" if part in "nc" else _directive(part, lowered[begin:stop], match)
        pieces += [text[end:begin].replace("%", "%%"), directive]
        # the m of pm belongs to it
        behind = re.compile(r"\.? ?m\.?").match(lowered, stop) if part == "p" else None
        end = stop if behind is None else behind.end()
    return "".join([*pieces, text[end:].replace("%", "%%")])


def _directive(part: str, text: str, match: re.Match[str]) -> str:
    if part in "bw":
        directive = "%b" if part == "b" else "%a"
        return directive if len(text) <= LONGEST_SHORT_NAME else f"%{directive[1].upper()}"
    if part == "H":
        return "%I" if match.groupdict().get("p") else "%H"
    if "k" in match.groupdict() and part in "Yk":
        # weeks have years of their own
        return {"Y": "%G", "k": "%V"}[part]
    if part == "a":
        return "%h"
    return f"%{part}"
