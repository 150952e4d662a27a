"""What stands in a column of dates where there is none: placeholders, words, and dates that mean no end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.date_words import OPEN_WORDS, no_dates
from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.number_inference import MOST_WORDS_ASKED, PLACEHOLDER_SHARE, WORD_SHARE
from orchestrator.columns.number_notes import listed
from orchestrator.columns.number_texts import PLACEHOLDERS
from orchestrator.columns.values import MISSING_STRINGS

# rows with texts that are neither dates nor words, and how many different texts are kept in mind
ODD_SHARE, ODD_TEXTS = 0.05, 20
# a column that is not of dates is told of if so many of its rows are
TOLD_SHARE = 0.2
SOME_DECADES = "2040-01-01"
FAR_AWAY, FEW_FAR, LONG_GAP = "2200-01-01", 3, 20
# where programs begin to count, or put what they do not know
LOWEST = (
    "1601-01-01",
    "1753-01-01",
    "1800-01-01",
    "1899-12-30",
    "1899-12-31",
    "1900-01-01",
    "1901-01-01",
    "1970-01-01",
)
YEAR_ONE = r"^0001-0?1-0?1(?:[ t]00:00:00(?:\.0+)?z?)?$|^0?1[./-]0?1[./-]0001(?: (?:00:00:00|12:00:00 am))?$"
_HAS_DIGIT = re.compile("[0-9]").search
A_YEAR = 365 * 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Texts of a column that are no dates.

    Attributes:
        rows: of each, as they are written.
        learned: those that stand for a missing date in this column only, normalised.
        refusal: why there are too many, as a part of a sentence.
        is_told: whether so many rows are dates that the refusal is worth a note.
    """

    rows: Mapping[str, int]
    learned: tuple[str, ...] = ()
    refusal: str = ""
    is_told: bool = False


def are_words(texts: Sequence[str]) -> bool:
    """Whether some texts are words that show that a column has no dates and no times: none has a digit."""
    if not texts or any(map(_HAS_DIGIT, texts)):
        return False
    plain = [text.strip().lower() for text in texts]
    return any(text not in MISSING_STRINGS | PLACEHOLDERS | OPEN_WORDS for text in plain)


def are_gaps(texts: pa.Array) -> NDArray[np.bool_]:
    """Which normalised texts are likely to stand for a missing date: not only those that do so everywhere."""
    return no_dates(texts) | _are_open(texts)


def _are_open(texts: pa.Array) -> NDArray[np.bool_]:
    found = pc.or_(
        pc.is_in(texts, value_set=pa.array(sorted(OPEN_WORDS))), pc.match_substring_regex(texts, pattern=YEAR_ONE)
    )
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def gaps_of(written: pa.Array, texts: pa.Array, rows: NDArray[np.int64], total: int, *, wished: bool) -> Gaps:
    """What some texts are that are no dates.

    Args:
        written, texts: they, as they stand and normalised.
        rows: of each: int64 [texts].
        total: rows of the column that have a value.
        wished: whether the user wants the column to be one of dates.
    """
    everywhere = no_dates(texts)
    open_ended = everywhere | _are_open(texts)
    words = ~open_ended & ~np.asarray(pc.match_substring_regex(texts, "[0-9]").to_numpy(zero_copy_only=False), bool)
    others = ~open_ended & ~words
    learned = texts.filter(pa.array(~everywhere)).to_pylist()
    order = np.argsort(-rows, kind="stable")
    shown = dict(zip(written.take(pa.array(order)).to_pylist(), rows[order].tolist(), strict=True))
    refusal = ""
    if len(learned) > (MOST_WORDS_ASKED if wished else ODD_TEXTS):
        refusal = f"{len(learned):,} different cells are no dates, such as '{learned[0]}'"
    for chosen, most, what in (
        (open_ended, PLACEHOLDER_SHARE, "stand for a missing date"),
        (words, WORD_SHARE, "are words"),
        (others, ODD_SHARE, "are no dates"),
    ):
        share = rows[chosen].sum() / max(total, 1)
        if share > most and not wished:
            example = written[int(np.flatnonzero(chosen)[0])].as_py().strip()
            limit = f"more than {100 * most:.0f} % are too many"
            refusal = f"{100 * share:.0f} % of its cells {what}, such as '{example}', and {limit}"
    told = bool(rows.sum() <= (1 - TOLD_SHARE) * total and rows[others].sum() <= total / 2)
    return Gaps(rows=shown, learned=tuple(learned), refusal=refusal, is_told=told)


def gaps_note(column: str, gaps: Mapping[str, int], what: str = "dates") -> tuple[Note, ...]:
    """What the user should know about cells that are none."""
    if not gaps:
        return ()
    count = sum(gaps.values())
    texts = listed({text.strip(): rows for text, rows in gaps.items()})
    return (
        Note(
            column=column,
            why=f"has {what}, and in {rows_text(count)} texts that are none: {texts}",
            done="they are missing values",
            option=f"--categorical '{column}' keeps all of it as categories",
        ),
    )


def extremes_of(
    column: str, moments: NDArray[np.int64], rows: NDArray[np.int64], kept: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Dates that stand for no end, in ISO 8601, and what the user should know of these and of others far from the rest.

    Args:
        column: its name.
        moments: distinct local ones, in microseconds since 1970: int64 [moments].
        rows: of each.
        kept: dates that the user says are what they are.
    """
    highest = _microseconds(FAR_AWAY)
    if len(moments) < FEW_FAR or (
        moments.min() > _microseconds(LOWEST[-1]) and moments.max() < _microseconds(SOME_DECADES)
    ):
        return (), ()
    values, places = np.unique(moments, return_inverse=True)
    counts = np.bincount(places, rows).astype(np.int64)
    far = (values >= highest) | (values < _microseconds("0002-01-01"))
    ends: tuple[str, ...] = ()
    notes: list[Note] = []
    if 0 < far.sum() <= FEW_FAR < len(values):
        written = {_iso(moment): int(count) for moment, count in zip(values[far], counts[far], strict=True)}
        ends = tuple(text.lower() for text in written if text not in kept)
        if ends:
            name = f"--value '{column}={next(iter(written))}'"
            why = f"has dates far from all others: {listed(written)}"
            done = "they stand for no date, and are missing values"
            notes.append(Note(column=column, why=why, done=done, option=f"{name} reads it as the date that it is"))
        values, counts = values[~far], counts[~far]
    return ends, (*notes, *_far_notes(column, values, counts, kept))


def _far_notes(
    column: str, values: NDArray[np.int64], counts: NDArray[np.int64], kept: Sequence[str]
) -> Iterator[Note]:
    """About dates in several rows that are far from all others, and likely to be no dates."""
    if len(values) < FEW_FAR:
        return
    for at, beside, where in ((0, 1, "before"), (-1, -2, "after")):
        text, years = _iso(values[at]), int(abs(values[beside] - values[at]) // A_YEAR)
        likely = text[:10] in LOWEST if at == 0 else text[4:10] in ("-12-31", "-01-01")
        if counts[at] > 1 and years > LONG_GAP and likely and text not in kept:
            why = f"has {text} in {counts[at]:,} rows, {years} years {where} all others"
            option = f"--na '{column}={text}' reads it as a missing value"
            yield Note(column=column, why=why, done="read as the date that it is", option=option)


def _microseconds(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def _iso(moment: np.int64) -> str:
    """The day, with the time if there is one."""
    text = pd.Timestamp(np.datetime64(int(moment), "us")).isoformat()
    return text.removesuffix("T00:00:00")
