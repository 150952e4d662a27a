"""Texts of dates and times as people write them: a few shapes, each with its parts wherever they stand in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache, partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.digit_layouts import Digits, by_layout

# English, German, French, Spanish; none of them means two months
MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "january jan januar jänner jän janvier janv enero ene",
            "february feb februar feber février fevrier févr fevr fév febrero",
            "march mar märz maerz mär mrz mars marzo",
            "april apr avril avr abril abr",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet juil julio",
            "august aug août aout agosto ago",
            "september sep sept septembre septiembre setiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre decembre déc diciembre dic",
        ),
        start=1,
    )
    for name in names.split()
}
WEEKDAYS = tuple(
    name
    for names in (
        "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
        "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
        "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
        "lunes martes miércoles miercoles jueves viernes sábado sabado domingo mié mie jue vie sáb sab dom",
    )
    for name in names.split()
)
# minutes east of Greenwich; RFC 2822 and Europe
ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360,
    "pst": -480, "pdt": -420, "wet": 0, "west": 60, "cet": 60, "cest": 120, "mez": 60, "mesz": 120, "eet": 120,
    "eest": 180,
}  # fmt: skip
MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
# POSIX: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068
PIVOT = 69
YEARS, MONTHLY_YEARS = (1000, 9999), (1800, 2200)
LONGEST_SHORT_NAME = 4


class DateOrder(StrEnum):
    """What stands first where day, month and perhaps year are all plain numbers of two digits."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


def any_of(words: Sequence[str]) -> str:
    """A regular expression of words, the longer ones first."""
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


_YEAR4, _YEAR2 = "(?P<Y>[0-9]{4})", "'?(?P<y>[0-9]{2})"
_YEAR = f"(?:{_YEAR4}|{_YEAR2})"
_MONTH, _DAY = "(?P<m>[0-9]{1,2})", "(?P<d>[0-9]{1,2})"
_NAME = rf"(?P<b>{any_of(tuple(MONTHS))})\.?"
_NTH = r"(?P<d>[0-9]{1,2})(?:(?P<n>st|nd|rd|th|er)|\.)?"
# between numbers; between a number and a name, where there may be nothing
_BETWEEN, _LOOSE, _APART = r"(?: ?[-/.] ?| +)", r"(?:[-/., ]+(?:(?:of|de) )?)?", r"[-/., ]+(?:(?:of|de) )?"
_WEEKDAY = rf"(?:(?P<w>{any_of(WEEKDAYS)})(?:\.,? ?|, ?| +))?"
_ZONE = f"(?P<z>(?:utc|gmt)?[+-][0-9]{{2}}(?::?[0-9]{{2}})?|{any_of(tuple(ZONES))})"
_HALF = r"(?P<p>[ap])\.? ?m\.?"
_CLOCK = r"(?P<H>[0-9]{1,2})(?:[:.h](?P<M>[0-9]{2})(?:[:.](?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
_TIME = rf"{_CLOCK}(?: ?(?:{_HALF}|uhr))?"
_ZONED = rf"(?: ?{_ZONE}(?P<c> ?\([^)]*\))?)?"
_TAIL = rf"(?:(?: ?[t,_] ?| +(?:at |um |- |à )?){_TIME}{_ZONED})?"
_COMPACT_TAIL = (
    "(?:[t ]?(?P<H>[0-9]{2}):?(?P<M>[0-9]{2})(?::?(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    rf"(?: ?{_ZONE})?)?"
)
_TWO_DIGITS = r"(?:(?P<{}>[0-9]{{1,2}})/(?P<{}>[0-9]{{1,2}})/|(?P<{}2>[0-9]{{2}})[-.](?P<{}2>[0-9]{{2}})[-.])"


def _triple(first: str, second: str) -> str:
    """Numbers and a year of four digits, or of two where it cannot be the number of a version."""
    plain = f"(?P<{first}>[0-9]{{1,2}}){_BETWEEN}(?P<{second}>[0-9]{{1,2}}){_BETWEEN}{_YEAR4}"
    short = _TWO_DIGITS.format(f"{first}1", f"{second}1", first, second) + _YEAR2
    return f"(?:{plain}|{short})"


# those in which nothing can be taken for something else come first; each is tried on what is left by those before
UNAMBIGUOUS: dict[str, str] = {
    "ymd": f"{_WEEKDAY}{_YEAR4}{_BETWEEN}{_MONTH}{_BETWEEN}{_DAY}{_TAIL}",
    "dbY": f"{_WEEKDAY}{_NTH}{_LOOSE}{_NAME}{_LOOSE}{_YEAR}{_TAIL}",
    "bdY": f"{_WEEKDAY}{_NAME}{_LOOSE}{_NTH}{_APART}{_YEAR}{_TAIL}",
    # of logs of web servers
    "dbYt": f"{_DAY}/{_NAME}/{_YEAR4}:{_TIME}{_ZONED}",
    "Ybd": f"{_WEEKDAY}{_YEAR4}{_LOOSE}{_NAME}{_LOOSE}{_NTH}{_TAIL}",
    "bdtY": rf"{_WEEKDAY}{_NAME} +{_DAY} +{_CLOCK}(?: {_ZONE})? {_YEAR4}",
    "Ym": f"{_YEAR4}[-/m]{_MONTH}",
    "mY": rf"(?:(?P<m1>[0-9]{{1,2}})[-/]|(?P<m>[0-9]{{2}})\.){_YEAR4}",
    "bY": f"{_NAME}{_LOOSE}{_YEAR}",
    "Yb": f"{_YEAR4}{_LOOSE}{_NAME}",
    "Yq": f"{_YEAR4}[- ]?q(?P<q>[0-9])",
    "qY": f"q(?P<q>[0-9])[-/ ]?{_YEAR4}",
    "compact": f"{_YEAR4}(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}}){_COMPACT_TAIL}",
}
ORDERED: dict[DateOrder, dict[str, str]] = {
    DateOrder.MONTH: {"mdY": f"{_WEEKDAY}{_triple('m', 'd')}{_TAIL}"},
    DateOrder.DAY: {"dmY": f"{_WEEKDAY}{_triple('d', 'm')}{_TAIL}"},
    DateOrder.YEAR: {"ymd2": f"(?P<y>[0-9]{{2}})[-/.](?P<m>[0-9]{{2}})[-/.](?P<d>[0-9]{{2}}){_TAIL}"},
}
# without a day: the years of such texts must be usual ones
MONTHLY = frozenset({"Ym", "mY", "bY", "Yb", "Yq", "qY"})


def shapes(order: DateOrder | None) -> dict[str, str]:
    """Regular expressions of the texts that are read, by name: those of an order only if there is one."""
    return UNAMBIGUOUS | (ORDERED[order] if order is not None else {})


@dataclass(frozen=True, kw_only=True)
class WrittenMoments:
    """What texts say.

    Attributes:
        local: the time as it is written, in microseconds since 1970: int64 [texts].
        offset: minutes east of Greenwich, 0 where none is written: int64 [texts].
        read: which texts are dates: bool [texts].
        names: of the shapes by which some were read.
    """

    local: NDArray[np.int64]
    offset: NDArray[np.int64]
    read: NDArray[np.bool_]
    names: tuple[str, ...] = ()

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
    """

    shape: str
    digits: Mapping[str, tuple[int, int]]
    month: int
    half: str
    zone: int


@lru_cache(maxsize=2**13)
def layout_of(signature: str, order: DateOrder | None) -> DateLayout | None:
    """The layout of texts with 9 in the place of each digit; None if they are not dates."""
    matches = ((shape, _compiled(pattern).fullmatch(signature)) for shape, pattern in shapes(order).items())
    shape, match = next(((shape, match) for shape, match in matches if match is not None), ("", None))
    if match is None:
        return None
    # d, d1 and d2 are one part at different places
    parts = {name[0]: name for name, text in match.groupdict().items() if text}
    if "H" in parts and not parts.keys() & {"M", "p"}:
        # an hour alone is a time only with AM or PM
        return None
    places = {part: match.span(name) for part, name in parts.items() if part in "YymdqHMSf"}
    zone = match[parts["z"]] if "z" in parts else ""
    if "9" in zone:
        begin = match.start(parts["z"]) + zone.index("9")
        places["z"] = begin, begin + 2
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
    )


def read_texts(texts: pa.Array, order: DateOrder | None) -> WrittenMoments:
    """Reads texts. What one says does not depend on the others.

    Args:
        texts: as `normalised` gives them.
        order: of numbers; without one, texts that need it are not read.
    """
    local, offset = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    read = np.zeros(len(texts), bool)
    used: dict[str, None] = {}
    for layout, digits, rows in by_layout(texts, partial(layout_of, order=order)):
        local[rows], offset[rows], read[rows] = _read_layout(layout, digits)
        used[layout.shape] = None
    return WrittenMoments(local=local, offset=offset, read=read, names=tuple(used))


def _read_layout(layout: DateLayout, digits: Digits) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Local time, offset and which texts are dates, see `WrittenMoments`. A day that no calendar has is none."""
    places = layout.digits

    def part(name: str, default: int = 0) -> NDArray[np.int64]:
        return digits.number(*places[name]) if name in places else digits.zeros() + default

    year = part("Y")
    if "y" in places:
        short = part("y")
        year = short + np.where(short < PIVOT, 2000, 1900)
    month = part("q") * 3 - 2 if "q" in places else part("m", layout.month or 1)
    day = part("d", 1)
    low, high = MONTHLY_YEARS if layout.shape in MONTHLY else YEARS
    fits = (year >= low) & (year <= high) & (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004
    start = np.where(fits, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    days = start.astype("M8[D]").astype(np.int64) + day - 1
    fits &= days < (start + 1).astype("M8[D]").astype(np.int64)
    hour, minute, second = part("H"), part("M"), part("S")
    if layout.half:
        fits &= hour <= 12  # noqa: PLR2004
        hour = hour % 12 + (12 if layout.half == "p" else 0)
    fraction = digits.microseconds(*places["f"]) if "f" in places else digits.zeros()
    offset = layout.zone * (part("z") * 60 + part("Z")) if "z" in places else digits.zeros() + layout.zone
    fits &= (hour < 24) & (minute < 60) & (second < 60) & (part("z") < 24) & (part("Z") < 60)  # noqa: PLR2004
    seconds = hour * 3600 + minute * 60 + second
    return days * DAY + seconds * MICROSECONDS + fraction, offset, fits


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def written_as(text: str, order: DateOrder | None) -> str | None:
    """The `strptime` format of a text as it stands, its parts in place; None if it is not a date.

    Args:
        text: with single blanks and none around.
        order: of numbers.
    """
    lowered = text.lower()
    layout = layout_of(re.sub("[0-9]", "9", lowered), order)
    match = _compiled(shapes(order)[layout.shape]).fullmatch(lowered) if layout is not None else None
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
    return f"%{part}"
