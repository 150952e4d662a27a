"""What users are told about how the numbers of a column are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from orchestrator.columns.notes import Note, rows_text
from orchestrator.columns.number_inference import WORD_SHARE, Cells, NumberReading
from orchestrator.columns.number_notation import NumberNotation, matches
from orchestrator.columns.number_texts import CURRENCIES, PERCENT
from orchestrator.columns.raw_column import RawColumn

SHOWN = 5
# a share of cells without a sign that is worth a word
SOME = 0.05
_LIMITS = r"^(?:[<>~]|[cC]a\.)|[0-9] ?\+$"
_PLAIN = r"^\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*$"


def number_notes(column: str, reading: NumberReading) -> tuple[Note, ...]:
    """What the user should know about a column that is read so."""
    option = f"--categorical '{column}' reads its cells as categories"
    return tuple(_notes(column, reading, "they count as missing", option))


def target_notes(column: str, reading: NumberReading) -> tuple[Note, ...]:
    """What the user should know about a target that is read so."""
    return tuple(_notes(column, reading, "these rows are left out", "--task multiclass reads its cells as classes"))


def _notes(column: str, reading: NumberReading, words_done: str, as_categories: str) -> Iterator[Note]:
    notation = reading.notation or NumberNotation()
    cells, marks = reading.cells, reading.marks
    known = reading.known
    limits = known & matches(cells.plain, _LIMITS)
    example = cells.first(known & ~limits & ~matches(cells.texts, _PLAIN))
    if notation.negative:
        # what is less to be seen of it
        example = cells.first(known & matches(cells.plain, notation.negative_end.pattern))
    doubt = None
    if marks is not None and marks.doubtful is not None:
        doubt = _doubtful(column, notation, marks.doubtful, elsewhere=marks.elsewhere)
    if doubt is not None:
        yield doubt
    elif example is not None:
        what = "numbers with labels" if notation.values else "numbers"
        yield Note(
            column=column,
            why=f"has {what} such as '{example}'",
            done=f"read as {shown_number(notation, example)}",
            option=as_categories,
        )
    if limits.any():
        limit = str(cells.first(limits))
        yield Note(
            column=column,
            why=f"has limits such as '{limit}' in {rows_text(int(cells.counts[limits].sum()))}",
            done=f"the number itself is taken, {shown_number(notation, limit)}",
            option=as_categories,
        )
    yield from _about_symbols(column, reading, as_categories)
    if reading.words:
        rows = sum(reading.words.values())
        yield Note(
            column=column,
            why=f"has {listed(reading.words)} among its numbers, {rows_text(rows)} of {cells.rows:,}",
            # words that stand for nothing else may be more
            done=words_done + (f", up to {100 * WORD_SHARE:.0f} %" if rows <= WORD_SHARE * cells.rows else ""),
            option=as_categories,
        )


def _doubtful(column: str, notation: NumberNotation, example: str, *, elsewhere: bool) -> Note | None:
    """About a number that can be read in two ways; None if both are the same (the mark is that of "ca.")."""
    other = "," if notation.decimal == "." else "."
    another = replace(notation, decimal=other, thousands=True)
    mine, its = (shown_number(form, example) for form in (notation, another))
    if mine == its:
        return None
    says = "other columns have such a decimal mark" if elsewhere else "no cell says which"
    return Note(
        column=column,
        why=f"has numbers such as '{example}', which can be {mine} or {its}, and {says}",
        done=f"read as {mine}",
        option=f"--decimal '{column}={other}' reads {its}",
    )


def categories_note(raw: RawColumn) -> tuple[Note, ...]:
    """About a target of numbers whose type says that they are categories."""
    if not isinstance(raw.series.dtype, pd.CategoricalDtype):
        return ()
    count = len(raw.label_counts)
    return (
        Note(
            column=raw.name,
            why=f"has the type category, but its {count:,} different numbers have too few rows each to be classes",
            done="numbers are predicted",
            option="--task multiclass predicts classes",
        ),
    )


def refused_note(raw: RawColumn) -> Note | None:
    """About a target of which many cells are numbers, and which is none of numbers; None if it is none such."""
    reading = raw.number_reading
    if reading is None or not reading.refusal or raw.number_error is None:
        return None
    words = reading.cells.shown(reading.cells.placeholders)
    option = "".join(f" --na '{raw.name}={word}'" for word in list(words)[:SHOWN])
    return Note(
        column=raw.name,
        why=f"has numbers, but {reading.refusal}",
        done="each text is a class, each number too",
        option=f"{option.strip()} --task regression leaves such rows out and predicts numbers" if words else "",
    )


def dotted_note(raw: RawColumn) -> Note | None:
    """About plain numbers such as 1.234, which may have a point between thousands; None if nothing hints at it."""
    if raw.numbers is None or raw.wish.decimal is not None or raw.number_reading is not None:
        return None
    cells = Cells.of(raw.series, raw.only_texts) if raw.may_have_thousands else None
    if cells is None or not cells.are_grouped:
        return None
    dotted = matches(cells.plain, r"\.")
    # a program writes 567.000 beside 4.117, and no 12.000 beside 12.500
    if dotted.all() and not matches(cells.plain, "0$").all() and raw.decimal_elsewhere() == ".":
        return None
    return _doubtful(raw.name, NumberNotation(), str(cells.first(dotted)), elsewhere=False)


def _about_symbols(column: str, reading: NumberReading, option: str) -> Iterator[Note]:
    affixes = reading.cells.affixes
    if len(affixes.currencies) > 1:
        amounts = {CURRENCIES[code][0]: rows for code, rows in affixes.currencies.items()}
        yield Note(
            column=column,
            why=f"has amounts in several currencies ({listed(amounts)})",
            done="the numbers are taken as they stand, without exchange rates",
            option=option,
        )
    if (shares := _percent_and_shares(reading)) is not None:
        why = f"has percentages such as '{shares[0]}' beside numbers up to 1 such as '{shares[1]}', which may be shares"
        done = "all are taken as they stand, 50 % as 50"
        yield Note(column=column, why=why, done=done, option=f"write all of them in one way; {option}")
    elif affixes.symbols and SOME < affixes.share < 1 - SOME:
        yield Note(
            column=column,
            why=f"has '{affixes.symbols[0]}' in only {100 * affixes.share:.0f} % of its numbers",
            done="the others are read as if they had it, too",
            option=option,
        )
    if affixes.rate and affixes.rate_share < 1 - SOME:
        yield Note(
            column=column,
            why=f"has '{affixes.rate}' in only {100 * affixes.rate_share:.0f} % of its numbers",
            done="the others are read as if they had it, too",
            option=option,
        )


def _percent_and_shares(reading: NumberReading) -> tuple[str, str] | None:
    """A percentage and a number without its sign, where all of these are as small as shares of 1; None if not so."""
    numbers, known, plain = reading.numbers, reading.known, reading.cells.plain
    if numbers is None or known is None or set(PERCENT).isdisjoint(reading.cells.affixes.symbols):
        return None
    percent = known & matches(plain, f"(?:{'|'.join(map(re.escape, PERCENT))})")
    shares = known & ~percent
    if not percent.any() or np.abs(numbers[shares]).max(initial=0) > 1 or (numbers[shares] % 1 == 0).all():
        return None
    large = percent & (np.abs(numbers) > 1)
    return (str(reading.cells.first(large)), str(reading.cells.first(shares))) if large.any() else None


def sentinel_note(column: str, sentinels: Mapping[float, int]) -> Note:
    """About numbers that may stand for a missing one, with the rows of each."""
    names = {short_number(number): rows for number, rows in sentinels.items()}
    listed_rows = " and ".join(f"{name} in {rows_text(rows)}" for name, rows in names.items())
    options = " ".join(f"--na '{column}={name}'" for name in names)
    return Note(
        column=column,
        why=f"has {listed_rows}, far from its other numbers",
        done="read as it stands",
        option=f"{options} makes it missing" if len(names) == 1 else f"{options} make them missing",
    )


def shown_number(notation: NumberNotation, text: str) -> str:
    """The number that a text is read as, without a point if it is whole."""
    number = notation.read_cell(text)
    if number is None:
        return "no number"
    return short_number(number)


def short_number(number: float) -> str:
    """A number, without a point if it is whole."""
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else repr(number)  # noqa: PLR2004


def listed(words: Mapping[str, int]) -> str:
    """Some words, with the rows of each."""
    shown = ", ".join(f"'{word[:30]}' ({rows:,})" for word, rows in list(words.items())[:SHOWN])
    return f"{shown} and {len(words) - SHOWN} more" if len(words) > SHOWN else shown
