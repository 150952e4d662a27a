"""Cells that have several numbers, or one in a form that is not read: why their column is none of numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from orchestrator.columns.values import shorten

_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"


class _Form(NamedTuple):
    """How cells are written, what they have, and what to write instead."""

    pattern: re.Pattern[str]
    what: str
    remedy: str


_MINUTES, _SECONDS = r"['\u2019\u2032]", r"(?:[\"\u201d\u2033]|'')"
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
# of the rows
SHARE = 0.95


def number_parts(counts: Mapping[str, int]) -> tuple[str, str] | None:
    """Why cells that have digits are no numbers, as a part of a sentence, and what to do; None if they are others.

    Args:
        counts: how often each cell is there.
    """
    total, first = sum(counts.values()), next(iter(counts), "")
    for form in FORMS:
        # the first cell shows nearly always that nothing is to be seen
        if not form.pattern.fullmatch(first):
            continue
        fitting = sum(rows for key, rows in counts.items() if form.pattern.fullmatch(key))
        if fitting >= SHARE * total:
            return f"has {form.what}, such as {shorten(first)}, which are not read as numbers", form.remedy
    return None
