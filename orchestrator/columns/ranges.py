"""Cells that say from where to where: 2024-01-01 - 2024-01-05, Jan–Mar 2024, 09:00-17:30, 10-20."""  # noqa: RUF002

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.clock_texts import read_times
from orchestrator.columns.date_texts import DateOrder, read_texts
from orchestrator.columns.date_words import MONTHS
from orchestrator.columns.digit_layouts import normalised
from orchestrator.columns.number_texts import CURRENCY_OF, plain_text
from orchestrator.columns.values import shorten

_WORDS = "to|till?|until|through|thru|bis|à|au|a|al|até|hasta|tot|do|по"
# a dash with blanks and any word; without blanks, only what is no part of a date
BETWEEN = re.compile(
    rf"\s+(?:[-\u2010-\u2015~\u2192/]|{_WORDS})\s+|[\u2012-\u2015~\u2192]|\.\.+|(?<=[^\W\d_])-(?=[^\W\d_])"
    r"|(?<=\d)(?:/|--?)(?=\d{4}-\d)|(?<=\d{4})-(?=\d{1,2}[./])|(?<=\d\.)-(?=\d)"
)
CLOCKS = re.compile(r"(\d{1,2}[:.h]\d{2}(?: ?[ap]m)?) ?- ?(\d{1,2}[:.h]\d{2}(?: ?[ap]m)?)", re.ASCII)
NUMBERS = re.compile(r"(\d+(?:[.,]\d+)?) ?- ?(\d+(?:[.,]\d+)?)", re.ASCII)
# the day or the month with which a date begins that ends with the year
PART = re.compile(r"\d{1,2}(?:\.|st|nd|rd|th)?(?:\s+[^\W\d_]+\.?)?|[^\W\d_]+\.?", re.ASCII)
# of the cells, and cells that are looked at
SHARE, SOME = 0.95, 2000
REMEDY = "write where they begin and where they end into columns of their own"


def range_reason(counts: Mapping[str, int], *, numbers: bool) -> tuple[str, str] | None:
    """Why cells that are ranges are neither dates nor numbers, as a part of a sentence, and what to do; else None.

    Args:
        counts: how often each cell is there.
        numbers: whether ranges of numbers are meant, too: a few of these are bands, such as 18-25, and good categories.
    """
    some = list(counts)[:SOME]
    for what, are_such in KINDS.items():
        # the first cell shows nearly always that nothing is to be seen
        if (what != "numbers" or numbers) and are_such(some[:1]).any() and are_such(some).mean() >= SHARE:
            return f"has ranges of {what}, such as {shorten(some[0])}, which are not read", REMEDY
    return None


def are_clock_ranges(texts: pa.Array) -> bool:
    """Whether what looks like times with offsets, such as 09:00-12:00, goes from one time to a later one."""
    return bool(_are_clocks(texts[:SOME].to_pylist()).all())


def _are_dates(texts: Sequence[str]) -> NDArray[np.bool_]:
    found = [BETWEEN.split(text.strip()) for text in texts]
    pairs = [parts if len(parts) == 2 and all(parts) else ["", ""] for parts in found]  # noqa: PLR2004
    if not any(map(any, pairs)):
        return np.zeros(len(texts), bool)
    begins, ends = (normalised(pa.array(side, pa.string())) for side in zip(*pairs, strict=True))
    return _begin_dates(begins) & _end_dates(ends)


def _end_dates(texts: pa.Array) -> NDArray[np.bool_]:
    found = _are_yearless(texts)
    for order in (None, *DateOrder):
        found |= read_texts(texts, order).read
    return found


def _begin_dates(texts: pa.Array) -> NDArray[np.bool_]:
    found = _end_dates(texts)
    found |= np.array([_is_part(text) for text in texts.to_pylist()], bool)
    return found


def _are_yearless(texts: pa.Array) -> NDArray[np.bool_]:
    return read_texts(texts, None, yearless=True).read


def _is_part(text: str) -> bool:
    """Whether a text is a month, or the day of one that is named later."""
    if not PART.fullmatch(text):
        return False
    words = re.findall(r"[^\W\d_]{3,}", text)
    return all(word in MONTHS for word in words)


def _are_clocks(texts: Sequence[str]) -> NDArray[np.bool_]:
    matches = [CLOCKS.fullmatch(plain_text(text).lower()) for text in texts]
    if not any(matches):
        return np.zeros(len(texts), bool)
    times = [[match[at] if match is not None else "" for match in matches] for at in (1, 2)]
    begins, ends = (read_times(pa.array(side, pa.string())) for side in times)
    return np.asarray(begins < ends)


def _are_numbers(texts: Sequence[str]) -> NDArray[np.bool_]:
    signs = "".join(sign for sign in CURRENCY_OF if len(sign) == 1 and not sign.isalnum())
    plain = [re.sub(f"[{re.escape(signs)}%]", "", plain_text(text)) for text in texts]
    pairs = [NUMBERS.fullmatch(re.sub(rf" (?:{_WORDS}) ", "-", text)) for text in plain]
    return np.array([pair is not None and _number(pair[1]) < _number(pair[2]) for pair in pairs], bool)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


KINDS: Mapping[str, Callable[[Sequence[str]], NDArray[np.bool_]]] = {
    "dates": _are_dates,
    "times": _are_clocks,
    "numbers": _are_numbers,
}
