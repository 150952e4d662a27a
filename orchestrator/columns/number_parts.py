"""Cells that have several numbers, or one in a form that is not read: why their column is none of numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.columns.values import shorten

_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"


class _Form(NamedTuple):
    """How cells are written, what they have, what to write instead, and how many different ones there are at least."""

    pattern: re.Pattern[str]
    what: str
    remedy: str
    least: int = 1


_MINUTES, _SECONDS = r"['\u2019\u2032]", r"(?:[\"\u201d\u2033]|'')"
_FEET, _INCHES = rf"\d+\s*(?:{_MINUTES}|ft\.?|feet)", rf"\d+(?:\.\d+)?\s*(?:{_SECONDS}|in\.?|inches)"
_MEASURE = rf"{_NUMBER}(?:\s*[a-z]{{1,3}})?"
FORMS = (
    _Form(
        re.compile(
            rf"{_NUMBER}\s*[\u00b0\u00ba]\s*{_NUMBER}\s*{_MINUTES}\s*(?:{_NUMBER}\s*{_SECONDS})?\s*[NSEWO]?", re.ASCII
        ),
        "degrees, minutes and seconds",
        "write decimal degrees, such as 17.944",
    ),
    _Form(
        re.compile(rf"{_FEET}(?:\s*{_INCHES})?|{_FEET}\s*\d+|{_INCHES}", re.ASCII | re.IGNORECASE),
        "feet and inches",
        "write inches, such as 71",
    ),
    _Form(
        re.compile(rf"{_NUMBER}(?:\s*(?:\u00b1|\+/?-)\s*{_NUMBER}(?:\s*[a-z%]{{1,4}})?)?", re.ASCII),
        "numbers with how exact they are",
        "write both into columns of their own",
    ),
    _Form(
        re.compile(
            r"[+-]?\d+(?:[ -]\d{1,2}[/\u2044]\d{1,3}|\s?[\u00bc-\u00be\u2150-\u215e])?|[\u00bc-\u00be\u2150-\u215e]",
            re.ASCII,
        ),
        "fractions",
        "write them as 6.25",
    ),
    _Form(
        re.compile(rf"{_NUMBER}\s?(?:lbs?|st|kg)\.?\s?{_NUMBER}\s?(?:oz|lbs?|g)\.?", re.ASCII | re.IGNORECASE),
        "amounts in two units",
        "write them in one",
    ),
    # a few, such as 16:9 and 4:3, are categories as they should be
    _Form(
        re.compile(rf"{_NUMBER}\s*:\s*{_NUMBER}|\d+[.,]\d+\s*/\s*\d+", re.ASCII),
        "two numbers in each cell",
        "write each of them into a column of its own",
        least=11,
    ),
    _Form(
        re.compile(rf"{_NUMBER}\s*[\u00d7x*\u00b7]\s*10\s*(?:\^|\*\*)?\s*[+-]?\d+", re.ASCII),
        "powers of ten",
        "write them as 4.5e-2",
    ),
    # but for hexadecimal names
    _Form(
        re.compile(rf"(?!0[xX]\d{{4}}){_MEASURE}(?:\s*[\u00d7xX*]\s*{_MEASURE})+", re.ASCII),
        "several numbers in each cell",
        "write each of them into a column of its own",
    ),
)
PLAIN = re.compile(_NUMBER, re.ASCII)
# of the rows
SHARE = 0.95


def number_parts(counts: Mapping[str, int]) -> tuple[str, str] | None:
    """Why cells that have digits are no numbers, as a part of a sentence, and what to do; None if they are others.

    Args:
        counts: how often each cell is there.
    """
    total = sum(counts.values())
    first = next((key for key in counts if not PLAIN.fullmatch(key)), "")
    for form in FORMS:
        # the first cell shows nearly always that nothing is to be seen
        if len(counts) < form.least or not form.pattern.fullmatch(first):
            continue
        fitting = sum(rows for key, rows in counts.items() if form.pattern.fullmatch(key))
        if fitting >= SHARE * total:
            return f"has {form.what}, such as {shorten(first)}, which are not read as numbers", form.remedy
    return None
