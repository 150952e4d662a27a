"""Durations, sizes and figures as people write and read them. Imports nothing heavy."""

from __future__ import annotations

import itertools
import math
import re
from datetime import timedelta

MINUTE, HOUR, DAY = 60, 3600, 86_400
UNITS = {
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
}
NUMBER = re.compile(r"\d+(?:\.\d+)?")
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?")
LATENCY = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s)")
EXPONENT = re.compile(r"e([+-])0*(\d+)$")
# below, and from here on, an exponent is easier to read
SMALL, LARGE = 1e-4, 1e15
# of a figure, and after which two figures are told apart as Python writes them
DIGITS, MOST_DIGITS = 4, 17
# duration below -> what it is rounded to, in seconds
ROUNDING = ((10, 1), (MINUTE, 5), (10 * MINUTE, 10), (HOUR, MINUTE), (6 * HOUR, 5 * MINUTE), (math.inf, HOUR))


def parse_duration(value: object) -> timedelta:
    """`90s`, `10m`, `5 min`, `2 hours`, `1h30m` or `7d`.

    Raises:
        ValueError: anything else, a number without a unit, or zero.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    if NUMBER.fullmatch(text):
        raise ValueError(f"'{value}' has no unit; write {text}s for seconds or {text}m for minutes")
    parts = PART.findall(text)
    scales = [UNITS.get(unit, 0) for _, unit in parts]
    whole = PART.sub("", text) == "" and 0 not in scales
    if not parts or not whole or any(after >= before for before, after in itertools.pairwise(scales)):
        raise ValueError(f"'{value}' is not a duration; write 90s, 10m, 2h, 1h30m or 7d")
    try:
        duration = timedelta(
            seconds=sum(float(number) * scale for (number, _), scale in zip(parts, scales, strict=True))
        )
    except OverflowError:
        raise ValueError(f"'{value}' is too long a duration") from None
    if not duration:
        raise ValueError("a duration must be longer than zero")
    return duration


def format_duration(duration: timedelta) -> str:
    """The inverse of `parse_duration`; to the second, if it is a minute or more."""
    whole = duration.total_seconds()
    minutes, seconds = divmod(round(whole) if whole >= MINUTE else whole, MINUTE)
    hours, minutes = divmod(int(minutes), MINUTE)
    parts = [f"{count:g}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if count]
    return "".join(parts) or "0s"


def parse_latency(value: object) -> timedelta:
    """`2ms`, `500us` or `0.5s`.

    Raises:
        ValueError: anything else, or less than a microsecond.
    """
    if isinstance(value, timedelta):
        return value
    match = LATENCY.fullmatch(str(value).strip().lower())
    if match is None:
        raise ValueError(f"'{value}' is not a time for a row; write 2ms, 500us or 0.5s")
    try:
        latency = timedelta(seconds=float(match[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[match[2]])
    except OverflowError:
        raise ValueError(f"'{value}' is too long a time for a row") from None
    if not latency:
        raise ValueError("a time for a row must be a microsecond at least")
    return latency


def show_latency(seconds: float) -> str:
    """`2ms`, `0.153ms`: the inverse of `parse_latency`, to 3 digits."""
    return f"{seconds * 1e3:.3g}ms" if seconds < 1 else f"{seconds:.3g}s"


def format_latency(latency: timedelta) -> str:
    """The inverse of `parse_latency`."""
    return f"{latency / timedelta(microseconds=1):.0f}us"


def parse_size(value: object) -> int:
    """`500MB`, `20GB` or `1.5TB`, or a number of bytes. Units are powers of 1000.

    Raises:
        ValueError: anything else, or less than one byte.
    """
    match = SIZE.fullmatch(str(value).strip().upper())
    if match is None:
        raise ValueError(f"'{value}' is not a size; write 500MB, 20GB or 1.5TB")
    size = int(float(match[1]) * 1000 ** ("", "K", "M", "G", "T").index(match[2] or ""))
    if size < 1:
        raise ValueError("a size must be larger than zero")
    return size


def parse_keep(value: object) -> timedelta | int:
    """How long or how much of something is kept: `30d`, `12h`, or `10GB`.

    Raises:
        ValueError: anything else. A unit is needed: 10M would be minutes to some and megabytes to others.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    try:
        return parse_size(text) if text.endswith("b") else parse_duration(text)
    except ValueError:
        raise ValueError(f"'{value}' is neither an age nor a size; write 30d, 12h or 10GB") from None


def format_keep(keep: timedelta | int) -> str:
    """The inverse of `parse_keep`."""
    return format_duration(keep) if isinstance(keep, timedelta) else f"{keep}B"


def show_number(value: object) -> str:
    """A figure with the digits that matter: `0.9312`, `118,412`, `1.23e-5`; an empty text for None.

    These are four, and all before the decimal point.
    """
    if value is None:
        return ""
    return _rounded(value, DIGITS) if isinstance(value, float) else str(value)


def show_apart(one: float, other: float) -> tuple[str, str]:
    """Two figures as `show_number` gives them, with more digits where different ones would look the same."""
    for digits in range(DIGITS, MOST_DIGITS):
        shown = _rounded(one, digits), _rounded(other, digits)
        if shown[0] != shown[1] or one == other:
            return shown
    return repr(one), repr(other)


def _rounded(value: float, digits: int) -> str:
    size = abs(value)
    if SMALL <= size < LARGE or size == 0:
        decimals = max(0, digits - len(f"{size:.0f}"))
        return f"{value:,.{decimals}f}" if size >= 1000 else f"{value:.{digits}g}"  # noqa: PLR2004
    return EXPONENT.sub(lambda match: f"e{match[1].strip('+')}{match[2]}", f"{value:.{digits}g}")


def counted(count: int, what: str) -> str:
    """`1 trial`, `2,000 trials`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def show_seconds(seconds: float) -> str:
    """A duration to talk about, rounded to what one can know of it: `40 s`, `3 min 20 s` or `2 h 10 min`."""
    step = next(step for below, step in ROUNDING if seconds < below)
    return show_exactly(max(1, round(seconds / step) * step))


def show_exactly(seconds: float) -> str:
    """A duration that was asked for, to the second: `1 min 15 s`."""
    whole = max(1, round(seconds))
    counts = ((whole // HOUR, "h"), (whole % HOUR // MINUTE, "min"), (whole % MINUTE, "s"))
    return " ".join(f"{count:,} {unit}" for count, unit in counts if count)


def show_bytes(count: float) -> str:
    """`1.5 GB`, `23 MB` or `0.1 MB`."""
    if count >= 2**30:
        return f"{count / 2**30:.1f} GB"
    return f"{count / 2**20:.0f} MB" if count >= 2**20 else f"{max(0.1, count / 2**20):.1f} MB"
