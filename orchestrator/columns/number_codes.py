"""Plain numbers that are written as no measure is: versions such as 2.10, and part numbers such as 3E53."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from orchestrator.columns.raw_column import RawColumn

DECIMAL = re.compile(r"\d{1,4}(?:\.(\d{1,3}))?", re.ASCII)
# the second number of a version is seldom larger, two decimals of a measure mostly are
MOST_PARTS = 30
# of the rows: so few different numbers come again and again
FEW = 0.2
EXPONENT = re.compile(r"\d+[eE]\d+", re.ASCII)
ZERO_EXPONENT = re.compile(r"\d+[eE]0\d*", re.ASCII)
OTHER_LETTER = re.compile(r"\d+[A-DF-Za-df-z]\d+", re.ASCII)
DIGITS = re.compile(r"\d+", re.ASCII)
# of the rows: what else stands among part numbers
OTHER_SHARE = 0.1
# all whole numbers of a column with so many digits are rather keys than measures
KEY_DIGITS, NAMED_KEY_DIGITS, MOST_DIGITS = 8, 5, 15
MIN_KEYS = 20


def why_written_so(raw: RawColumn) -> str | None:
    """What shows that texts that Python reads as numbers are names, as the part of a sentence after the column's name.

    The first rows are asked first: they show nearly always that nothing is to be seen.
    """
    if not _has_texts(raw):
        return None
    if _begins_ragged(raw) and (shown := _versions(raw.counts)):
        return f"has '{shown}' with a zero at the end that counts, as versions and sections have it"
    if not _begins_with_point(raw) and any(map(EXPONENT.fullmatch, raw.head)) and (shown := _part_numbers(raw.counts)):
        return f"has codes of digits and letters, such as '{shown}'"
    return None


def same_number(raw: RawColumn) -> tuple[str, str] | None:
    """Two spellings of one number in a column of few different ones, such as 2.5 and 2.50; None if there are none."""
    if not _has_texts(raw) or not _begins_ragged(raw) or len(raw.counts) > FEW * raw.rows:
        return None
    spelled: dict[float, str] = {}
    for key in raw.counts:
        found = DECIMAL.fullmatch(key)
        # pandas itself writes 7.0 for 7
        if found is not None and found[1] and found[1] != "0" and (other := spelled.setdefault(float(key), key)) != key:
            return other, key
    return None


def lone_exponent(raw: RawColumn) -> str | None:
    """A number such as 3E5, for which programs write 3E+05, in a column of whole numbers; None if there is none."""
    if not _has_texts(raw) or not raw.begins_with(EXPONENT, DIGITS) or "E" not in "".join(raw.head):
        return None
    if not all(EXPONENT.fullmatch(key) or DIGITS.fullmatch(key) for key in raw.counts):
        return None
    return next((key for key in raw.counts if EXPONENT.fullmatch(key) and "E" in key), None)


def key_digits(numbers: NDArray[np.float64], *, named: bool) -> int | None:
    """How many digits all numbers of a column have, if they are whole and so many that they may be keys; else None.

    Args:
        numbers: float64 [rows], NaN where missing.
        named: whether the column's name says that it is a key.
    """
    known = numbers[~np.isnan(numbers)]
    if len(known) < MIN_KEYS:
        return None
    least, most = float(known.min()), float(known.max())
    digits = len(str(int(most))) if 0 < most < 10.0**MOST_DIGITS else 0
    if digits < (NAMED_KEY_DIGITS if named else KEY_DIGITS) or least < 10.0 ** (digits - 1):
        return None
    # amounts are round
    are_keys = bool((known == np.floor(known)).all()) and bool((known % 10 != 0).any())
    return digits if are_keys else None


def _has_texts(raw: RawColumn) -> bool:
    return isinstance(raw.series.dtype, pd.StringDtype | pd.CategoricalDtype) or raw.series.dtype == object


def _begins_ragged(raw: RawColumn) -> bool:
    return raw.begins_with(DECIMAL) and _are_ragged(raw.head)


def _begins_with_point(raw: RawColumn) -> bool:
    """Whether one of the first cells has a point, which none has beside part numbers."""
    return any("." in cell for cell in raw.first_cells if isinstance(cell, str))


def _are_ragged(keys: Iterable[str]) -> bool:
    """Whether all are plain decimals, with more digits behind the point in some than in others."""
    lengths = set()
    for key in keys:
        found = DECIMAL.fullmatch(key)
        if found is None:
            return False
        lengths.add(len(found[1] or ""))
    return len(lengths - {0}) > 1


def _versions(counts: Mapping[str, int]) -> str | None:
    """One with a zero at the end, if all are two numbers with a point between."""
    matches = {key: DECIMAL.fullmatch(key) for key in counts}
    if not all(matches.values()):
        return None
    parts = {key: found[1] for key, found in matches.items() if found is not None and found[1]}
    if any(len(part) > 1 and part.startswith("0") for part in parts.values()) or not parts:
        return None
    if max(map(int, parts.values())) > MOST_PARTS:
        return None
    shortest = min(map(len, parts.values()))
    return next((key for key, part in parts.items() if len(part) > shortest and part.endswith("0")), None)


def _part_numbers(counts: Mapping[str, int]) -> str | None:
    """One with an E, if others show that it is no power of ten."""
    with_e = [key for key in counts if EXPONENT.fullmatch(key)]
    lettered = [key for key in counts if OTHER_LETTER.fullmatch(key)]
    digits = [key for key in counts if DIGITS.fullmatch(key)]
    rows, codes = sum(counts.values()), sum(counts[key] for key in (*with_e, *lettered, *digits))
    if not with_e or codes < (1 - OTHER_SHARE) * rows:
        return None
    # 1E+05 is a number
    if any("e+" in key.lower() or "e-" in key.lower() or "." in key for key in counts):
        return None
    upper = [key for key in with_e if "E" in key]
    same_length = len({len(key) for key in (*with_e, *digits)}) == 1
    if lettered or any(map(ZERO_EXPONENT.fullmatch, with_e)) or (upper and (not digits or same_length)):
        return (lettered or with_e)[0]
    return None
