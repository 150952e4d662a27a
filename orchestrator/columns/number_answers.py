"""Answers of forms among numbers: labelled ones ("5 - very much"), several in a cell ("101,303"), bands and grades."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.columns.code_notation import folded
from orchestrator.columns.number_notation import matches
from orchestrator.columns.number_texts import CURRENCY_OF, PERCENT, UNITS

# a number, a sign between, and what it stands for
LABELLED = re.compile(r"(\d{1,3})(?: ?[-=:] ?|[.)] ?| ?\()([^\d\s].*)", re.ASCII | re.DOTALL)
MOST_LABELS = 30
# different cells of a column of bands or grades
MOST_BANDS = 30
GROUPS = re.compile(r"[1-9]\d{2}(?:[, ]\d{3})*", re.ASCII)
# of the numbers behind a mark, those that stand in front of one or alone, too
KNOWN_SHARE = 0.8
MOST_ANSWERS = 50
SEPARATORS = (";", "|", ",", "/")
# three numbers in all cells are dates that somebody wrote in two orders
DATE = re.compile(r"\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})(?: .*)?", re.ASCII)
# of the rows that have several answers, and values that are looked at
SEVERAL_SHARE, SOME = 0.1, 2000
LONGEST_ANSWER = 40


def labelled_answers(texts: Sequence[str]) -> dict[str, float] | None:
    """The number of each labelled text among whole numbers, lower-cased; None if there are no labels, or other texts.

    Each number has one label, and each label one number: those of 5 kg and 7 kg would be the same.

    Args:
        texts: all different ones of a column, plain.
    """
    labels: dict[int, str] = {}
    found: dict[str, float] = {}
    for text in texts:
        if text.isdecimal():
            continue
        match = LABELLED.fullmatch(text)
        if match is None or len(found) >= MOST_LABELS:
            return None
        number, label = int(match[1]), folded(match[2].rstrip(")"))
        if not any(map(str.isalpha, label)) or _is_sign(label) or labels.setdefault(number, label) != label:
            return None
        found[text] = float(number)
    return found if found and len(set(labels.values())) == len(labels) else None


def are_bands(plain: pa.Array, numbers: NDArray[np.float64]) -> bool:
    """Whether a few texts are what is below and above some limits, such as <30 and >30, which would be one number."""
    below, above = (set(numbers[matches(plain, rf"^{sign}")].tolist()) for sign in "<>")
    return len(plain) <= MOST_BANDS and not below.isdisjoint(above)


def are_grades(plain: pa.Array, numbers: NDArray[np.float64]) -> bool:
    """Whether a few small whole numbers have a plus or a minus behind them, as 2+, 2 and 2- of schools have it."""
    better, worse = (set(np.abs(numbers[matches(plain, rf"^[0-9]{{1,2}} ?{sign}$")]).tolist()) for sign in (r"\+", "-"))
    return len(plain) <= MOST_BANDS and not better.isdisjoint(worse)


def several_codes(texts: Sequence[str]) -> bool:
    """Whether numbers of three digits with marks between are several answers in one cell, but no thousands.

    The numbers behind the marks are then few, and stand in front of one or alone in other cells.

    Args:
        texts: different ones of a column, plain.
    """
    if not all(map(GROUPS.fullmatch, texts)):
        return False
    cells = [re.split("[, ]", text) for text in texts]
    first, later = {cell[0] for cell in cells}, {number for cell in cells for number in cell[1:]}
    few = len(later) > 1 and len(first | later) <= MOST_ANSWERS
    return few and len(later & first) >= KNOWN_SHARE * len(later)


def several_answers(counts: Mapping[str, int]) -> str | None:
    """One of the values that hold several answers, if a column has a few answers in many combinations; else None."""
    some = list(counts)[:SOME]
    if several_codes(some):
        return next(key for key in some if not key.isdecimal())
    rows = sum(counts[key] for key in some)
    for mark in SEPARATORS:
        cells = {key: _answers(key, mark) for key in some if mark in key}
        if sum(counts[key] for key in cells) < SEVERAL_SHARE * rows or all(map(DATE.fullmatch, cells)):
            continue
        places: dict[str, set[int]] = {}
        for answers in (*cells.values(), *([key] for key in some if mark not in key)):
            for place, answer in enumerate(answers):
                places.setdefault(answer, set()).add(place)
        few = len(places) <= MOST_ANSWERS and len(places) < len(cells)
        # a town and its country stand always at the same place
        moves = sum(len(found) > 1 for found in places.values()) > len(places) / 2
        # 1,5 is a number
        long = any(len(answers) > 2 for answers in cells.values()) or not _are_numbers(places)  # noqa: PLR2004
        if few and moves and long and all(0 < len(answer) <= LONGEST_ANSWER for answer in places):
            return next(iter(cells))
    return None


def _answers(key: str, mark: str) -> list[str]:
    return [answer.strip() for answer in key.strip(mark + " ").split(mark)]


def _are_numbers(answers: Iterable[str]) -> bool:
    return all(answer.isdecimal() for answer in answers)


def _is_sign(label: str) -> bool:
    return label in CURRENCY_OF or label in PERCENT or label in UNITS
