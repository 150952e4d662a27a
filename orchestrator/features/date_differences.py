"""Days between two columns of dates: from an order to its delivery, from a birth to a contract."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from orchestrator.columns.date_notation import DateNotation
from orchestrator.columns.features_wish import NONE, FeaturesWish
from orchestrator.columns.notes import Note
from orchestrator.features._numbers import NumberSummary
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.fitted import NumericFeature

DAYS = "days"
# columns of dates; of more there are too many pairs
FEWEST, MOST = 2, 4
Pair = tuple[str, str]


def date_pairs(columns: Sequence[Column]) -> tuple[Pair, ...]:
    """Each two columns of dates, in their order; none if there are too many. Days without a year are no dates here."""
    dates = [column.name for column in columns if column.kind is ColumnKind.DATETIME and not _is_yearless(column)]
    return tuple(combinations(dates, 2)) if FEWEST <= len(dates) <= MOST else ()


def _is_yearless(column: Column) -> bool:
    return isinstance(column.notation, DateNotation) and column.notation.yearless


def days_between(
    first: Mapping[str | None, NDArray[np.float64]], second: Mapping[str | None, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Days from one parsed column of dates to another: float64 [rows], NaN where one is missing."""
    return second[DAYS] - first[DAYS]


def fit_differences(summaries: Mapping[Pair, NumberSummary], wish: FeaturesWish) -> tuple[NumericFeature, ...]:
    """The features of pairs that are not always equally far apart."""
    if wish.date_differences == NONE:
        return ()
    found = []
    for (first, second), numbers in summaries.items():
        if not numbers.count:
            continue
        median, mean, std = numbers.figures()
        if std > 0:
            # that one of both is missing is said beside its own parts
            found.append(
                NumericFeature(
                    column=second, part=DAYS, since=first, median=median, mean=mean, std=std, indicator=False
                )
            )
    return tuple(found)


def difference_notes(pairs: Sequence[Pair], wish: FeaturesWish, said: Container[str] = ()) -> tuple[Note, ...]:
    """That there are such inputs; that is no guess of columns of which the user has said that they are dates."""
    columns = list(dict.fromkeys(name for pair in pairs for name in pair))
    if wish.date_differences == NONE or all(name in said for name in columns):
        return ()
    shown = ", ".join(f"from '{first}' to '{second}'" for first, second in pairs)
    why = f"{', '.join(map(repr, columns[:-1]))} and {columns[-1]!r} are dates"
    done = f"the days {shown} are inputs, too"
    return (Note(why=why, done=done, option="--date-differences none leaves them out"),)
