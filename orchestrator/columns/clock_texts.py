"""Texts of times of the day and of durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.date_words import ZONES, any_of
from orchestrator.columns.digit_layouts import Digits, by_layout

_NUMBER = r"(?P<{0}>[0-9]{{1,9}})(?:[.,](?P<{0}f>[0-9]{{1,9}}))?"
_UNITS = {
    "y": "years?|yrs?|y|jahren?|jahre?|ans?|années?|anos?|años?|anno|anni|jaar",
    "o": "months?|mos?|mons?|monaten?|monate?|mois|mes|meses|mês|mese|mesi|maanden?",
    "w": "weeks?|wks?|w|wochen?|semaines?|semanas?|settiman[ae]|weken",
    "d": "days?|d|tagen?|tage?|jours?|j|d[ií]as?|giorn[oi]|dagen|dag",
    "h": "hours?|hrs?|h|stunden?|std|heures?|horas?|or[ae]|uur|uren",
    "m": "minutes?|mins?|m|minuten?|minutos?|minut[oi]",
    "s": "seconds?|secs?|s|sekunden?|sek|secondes?|segundos?|second[oi]|seconden",
    "x": "milliseconds?|msecs?|ms",
}
# 2y 3m, and terms such as 6M beside 1Y
_MONTHLY_UNITS = _UNITS | {"o": f"{_UNITS['o']}|m", "m": _UNITS["m"].replace("|m|", "|")}
# a year is that of the calendar on average, and a month a twelfth of it
SECONDS = {"y": 31_556_952, "o": 2_629_746, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_AND = "(?:,? ?(?:and |und |et |y |e |en )?)"


def _spoken(units: Mapping[str, str]) -> str:
    numbers = (rf"(?:{_NUMBER.format(unit)} ?(?:{names})\.?(?![a-zà-ÿ]){_AND})?" for unit, names in units.items())
    return rf"(?P<sign>[-+])? ?{''.join(numbers)}"


_CLOCK = r"(?P<h>[0-9]{1,7}):(?P<m>[0-9]{2}):(?P<s>[0-9]{2})(?:[.,](?P<sf>[0-9]{1,9}))?"
_DESIGNATORS = (
    f"p(?:{_NUMBER.format('y')}y)?(?:{_NUMBER.format('o')}m)?(?:{_NUMBER.format('w')}w)?(?:{_NUMBER.format('d')}d)?"
    f"(?:t(?:{_NUMBER.format('h')}h)?(?:{_NUMBER.format('m')}m)?(?:{_NUMBER.format('s')}s)?)?"
)
DURATIONS = {
    "clock": f"(?P<sign>[-+])?{_CLOCK}",
    # a negative number of days, and a time of day that is added to it
    "days": rf"(?P<sign>[-+])?(?P<d>[0-9]{{1,7}}) ?(?:days?|d),? ?\+?{_CLOCK}",
    "short": r"(?P<sign>[-+])?(?P<first>[0-9]{1,5}):(?P<second>[0-9]{2})(?:[.,](?P<secondf>[0-9]{1,9})| ?h)?",
    "hours": r"(?P<h>[0-9]{1,5}) ?h ?(?P<m>[0-9]{2})(?: ?m(?:in)?\.?)?",
    "iso": f"(?P<sign>[-+])?{_DESIGNATORS}",
    "spoken": _spoken(_UNITS),
    "number": r"(?P<sign>[-+])?(?P<s>[0-9]{1,9})(?:\.(?P<sf>[0-9]{1,9}))?",
}
MONTHLY_DURATIONS = DURATIONS | {"spoken": _spoken(_MONTHLY_UNITS)}
TIME = (
    r"t?(?P<h>[0-9]{1,2})(?:(?:[:h](?P<m>[0-9]{2})|(?=[^0-9:h.]*[ap])|(?= ?(?:uhr|h)$))(?::(?P<s>[0-9]{2})"
    r"(?:[.,](?P<sf>[0-9]{1,9}))?)?)(?: ?(?:(?P<half>[ap])\.? ?m\.?|uhr|h))?"
    rf"(?P<zone> ?(?:(?:utc|gmt)?(?P<zsign>[+-])(?P<zh>[0-9]{{2}}):?(?P<zm>[0-9]{{2}})|(?:utc|gmt)[+-][0-9]{{1,2}}"
    rf"|{any_of(tuple(ZONES))}))?"
)
# a point between hours and minutes says little without a word behind it
DOTTED_TIME = r"(?P<h>[0-9]{1,2})\.(?P<m>[0-9]{2}) ?(?:(?P<half>[ap])\.? ?m\.?|uhr|h)"


@dataclass(frozen=True)
class ClockLayout:
    """Where the numbers of texts are that differ in nothing but their digits.

    Attributes:
        shape: its name.
        places: first and last byte of each number, by its name.
        sign: -1 or 1.
        half: "a" or "p" of AM and PM, or empty.
    """

    shape: str
    places: Mapping[str, tuple[int, int]]
    sign: int = 1
    half: str = ""


Seconds = NDArray[np.float64]
# parts of texts that are no numbers
WORDS = frozenset({"sign", "half", "zone", "zsign"})
LARGEST_OFFSET = 14


def _layout(shape: str, pattern: str, signature: str) -> ClockLayout | None:
    match = re.fullmatch(pattern, signature)
    if match is None:
        return None
    groups = {name for name, text in match.groupdict().items() if text and name not in WORDS}
    places = {
        name: (len(signature[: match.start(name)].encode()), len(signature[: match.end(name)].encode()))
        for name in groups
    }
    found = match.groupdict()
    return (
        ClockLayout(shape, places, -1 if found.get("sign") == "-" else 1, found.get("half") or "") if places else None
    )


@lru_cache(maxsize=2**12)
def _duration_layout(signature: str, *, months: bool) -> ClockLayout | None:
    shapes = MONTHLY_DURATIONS if months else DURATIONS
    found = (_layout(shape, pattern, signature) for shape, pattern in shapes.items())
    return next((layout for layout in found if layout is not None), None)


@lru_cache(maxsize=2**12)
def _time_layout(signature: str) -> ClockLayout | None:
    return _layout("time", TIME, signature) or _layout("time", DOTTED_TIME, signature)


def read_durations(texts: pa.Array, short: str, *, months: bool = False) -> tuple[Seconds, dict[str, int]]:
    """Seconds of texts as `normalised` gives them, float64 [texts], NaN for one that is no duration.

    Args:
        texts: such as 1:23:45, 3 days 04:05:06, PT1H30M, 1h 20m, or a number of seconds.
        short: what is first in 12:30, "h" or "m".
        months: whether an m alone means months.

    Returns:
        the seconds, and how many texts there are of each shape.
    """
    seconds = np.full(len(texts), np.nan)
    shapes: dict[str, int] = {}
    for layout, digits, rows in by_layout(texts, partial(_duration_layout, months=months)):
        seconds[rows] = _seconds(layout, digits, short)
        shapes[layout.shape] = shapes.get(layout.shape, 0) + len(rows)
    return seconds, shapes


def _seconds(layout: ClockLayout, digits: Digits, short: str) -> Seconds:
    names = {"first": short, "second": {"h": "m", "m": "s"}[short], "secondf": {"h": "mf", "m": "sf"}[short]}
    places = {names.get(name, name): place for name, place in layout.places.items()}
    whole, part = digits.zeros(), digits.zeros().astype(np.float64)
    fits = np.ones(len(whole), bool)
    for unit, factor in SECONDS.items():
        if unit in places:
            number = digits.number(*places[unit])
            whole = whole + number * factor * (layout.sign if layout.shape != "days" or unit == "d" else 1)
            is_clock = (
                layout.shape in ("clock", "days", "short", "hours")
                and unit in "ms"
                and (unit, layout.shape) != (short, "short")
            )
            if is_clock:
                fits &= number < 60  # noqa: PLR2004
        if f"{unit}f" in places:
            part = part + digits.microseconds(*places[f"{unit}f"]) / 1e6 * factor
    if "x" in places:
        part = part + digits.number(*places["x"]) / 1e3
    return np.where(fits, whole + (part if layout.shape == "days" else part * layout.sign), np.nan)


def read_times(texts: pa.Array) -> Seconds:
    """Seconds since midnight of texts as `normalised` gives them, float64 [texts], NaN for one that is no time.

    An offset from UTC behind it changes nothing: the time is the local one, as it is written.
    """
    seconds = np.full(len(texts), np.nan)
    for layout, digits, rows in by_layout(texts, _time_layout):
        hour, minute, second = (
            digits.number(*layout.places[name]) if name in layout.places else digits.zeros() for name in "hms"
        )
        # 24:00 is the end of the day
        whole = hour * 3600 + minute * 60 + second
        fits = ((hour < 24) | (whole == 86_400)) & (minute < 60) & (second < 60)  # noqa: PLR2004
        if layout.half:
            fits &= hour <= 12  # noqa: PLR2004
            hour = hour % 12 + (12 if layout.half == "p" else 0)
        if "zh" in layout.places:
            fits &= (digits.number(*layout.places["zh"]) <= LARGEST_OFFSET) & (digits.number(*layout.places["zm"]) < 60)  # noqa: PLR2004
        part = digits.microseconds(*layout.places["sf"]) if "sf" in layout.places else digits.zeros()
        seconds[rows] = np.where(fits, hour * 3600 + minute * 60 + second + part / 1e6, np.nan)
    return seconds
