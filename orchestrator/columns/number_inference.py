"""Finds out how the numbers of a column are written: from all of its different cells, and how often each occurs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.distinct import DistinctTexts, distinct_texts
from orchestrator.columns.number_affixes import Affixes, find_affixes, more_than_numbers
from orchestrator.columns.number_answers import are_bands, are_grades, labelled_answers, several_codes
from orchestrator.columns.number_notation import LONGEST, NumberNotation, matches
from orchestrator.columns.number_texts import INFINITE, PLACEHOLDERS, lowered, plain_text, plain_texts
from orchestrator.columns.values import MISSING_STRINGS, Series, is_number_text
from orchestrator.columns.wish import ColumnWish

# of the cells that have a value: words that stand for a missing number everywhere, other words, other texts with digits
PLACEHOLDER_SHARE, WORD_SHARE, ODD_SHARE = 0.5, 0.2, 0.02
# different ones, of a column that is found to be numbers, and of one that the user says is
MOST_WORDS, MOST_WORDS_ASKED = 50, 300
# no more different whole numbers than this beside a word are codes
FEW_CODES = 10
# a column that is not of numbers although so many are is told of
TOLD_SHARE = 0.5
# cells that are looked at first
FIRST_CELLS, FIRST_SHARE, SAMPLE_CELLS = 1000, 0.3, 20_000
# different cells of a column of answers from a form
MOST_ANSWERS_READ = 2000
_ENDLESS = r"(?i)^[-+]?(?:inf|infinity|\x{221e}|1\.#inf)$"
_LARGE = r"[eE]\+?[0-9]{3,}$|[0-9]{300}"
_NUMBER_LIKE = r"^[^0-9]{0,12}[0-9]"
_GROUPED = r"^-?[1-9][0-9]{0,2}(?:\.[0-9]{3})?$"
# but no thousands, as in 720 026
_LEADING_ZERO = r"(?:^[-+]?|(?:^|[^0-9])[ ']|[^0-9.,eE+ '-])0[0-9]+(?:$|[^0-9.,])"


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """The different texts of a column, without those that are missing.

    Attributes:
        texts: as they are written.
        plain: `plain_texts` of them.
        counts: rows of each, int64.
        others: rows with a number that is no text.
        endless: rows of those with each of the two infinite numbers.
    """

    texts: pa.Array
    plain: pa.Array
    counts: NDArray[np.int64]
    others: int = 0
    endless: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, series: Series, distinct: DistinctTexts | None = None, *, written: bool = False) -> Cells | None:
        """Of a column; None if it has no texts, or what is neither text nor number.

        Args:
            series: its cells.
            distinct: its texts, if it has nothing else and they are known.
            written: numbers are taken as a file has them, if all texts beside them are words.
        """
        if isinstance(series.dtype, pd.StringDtype):
            distinct = distinct or distinct_texts(series)
            return cls._known(distinct.texts.cast(pa.string()), distinct.rows, ())
        if series.dtype != object:
            return None
        cells = series.dropna().tolist()
        amounts = Counter(cell for cell in cells if isinstance(cell, str))
        numbers = [cell for cell in cells if not isinstance(cell, str)]
        kinds = set(map(type, numbers))
        if not amounts or not all(
            issubclass(kind, bool | int | float | Decimal | np.number | np.bool_) for kind in kinds
        ):
            return None
        are_words = written and not matches(pa.array(list(amounts), pa.string()), "[0-9]").any()
        if are_words and kinds.isdisjoint((bool, np.bool_)):
            amounts, numbers = amounts + Counter(map(str, numbers)), []
        counts = np.fromiter(amounts.values(), np.int64, len(amounts))
        return cls._known(pa.array(list(amounts), pa.string()), counts, numbers)

    @classmethod
    def of_numbers(cls, series: Series) -> Cells:
        """Of a column that has no texts."""
        none = pa.array([], pa.string())
        return cls._known(none, np.empty(0, np.int64), series.dropna().tolist())

    @classmethod
    def _known(cls, texts: pa.Array, counts: NDArray[np.int64], numbers: Sequence[object]) -> Cells:
        plain = plain_texts(texts)
        missing = pc.is_in(pc.ascii_lower(plain), value_set=pa.array([*sorted(MISSING_STRINGS), None]))
        endless = Counter(str(number) for number in numbers if isinstance(number, float) and math.isinf(number))
        if pc.any(missing).as_py():
            known = pc.invert(missing)
            texts, plain, counts = (
                texts.filter(known),
                plain.filter(known),
                counts[known.to_numpy(zero_copy_only=False)],
            )
        return cls(texts=texts, plain=plain, counts=counts, others=len(numbers), endless=endless)

    @cached_property
    def are_endless(self) -> NDArray[np.bool_]:
        """Which are infinite, or too large for a float64."""
        found = matches(self.plain, _ENDLESS)
        large = np.flatnonzero(matches(self.plain, _LARGE))
        for at, text in zip(large.tolist(), self.plain.take(pa.array(large)).to_pylist(), strict=True):
            found[at] = is_number_text(text) and math.isinf(float(text))
        return found

    def are_among(self, words: Iterable[str]) -> NDArray[np.bool_]:
        """Which are some words, lower-cased."""
        found = pc.is_in(pc.ascii_lower(self.plain), value_set=pa.array(sorted(words), pa.string()))
        return np.asarray(found.to_numpy(zero_copy_only=False))

    @cached_property
    def placeholders(self) -> NDArray[np.bool_]:
        """Which are words that stand for a missing number everywhere."""
        return self.are_among(PLACEHOLDERS)

    @property
    def rows(self) -> int:
        """That have a value."""
        return int(self.counts.sum()) + self.others

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """Of the rows that have a value, those of some texts."""
        return float(self.counts[chosen].sum() / max(self.rows, 1))

    def shown(self, chosen: NDArray[np.bool_]) -> dict[str, int]:
        """Some of the texts, with their rows, the most frequent ones first."""
        at = np.flatnonzero(chosen)
        at = at[np.argsort(-self.counts[at], kind="stable")]
        return dict(zip(self.texts.take(pa.array(at)).to_pylist(), self.counts[at].tolist(), strict=True))

    def first(self, chosen: NDArray[np.bool_]) -> str | None:
        """The first of some texts."""
        at = np.flatnonzero(chosen)[:1]
        return str(self.texts[int(at[0])].as_py()) if len(at) else None

    @cached_property
    def are_number_like(self) -> bool:
        """Whether enough of the first of them have digits near to their beginning."""
        first = self.plain[:FIRST_CELLS]
        return len(first) > 0 and bool(matches(first, _NUMBER_LIKE).mean() >= FIRST_SHARE)

    @cached_property
    def are_grouped(self) -> bool:
        """Whether all could be whole numbers with points between thousands, or all be others."""
        if not matches(self.plain[:FIRST_CELLS], _GROUPED).all() or not matches(self.plain, _GROUPED).all():
            return False
        return _has_marks(self)

    @cached_property
    def affixes(self) -> Affixes:
        """What stands around numbers among texts from all over the column."""
        step = max(1, len(self.plain) // SAMPLE_CELLS)
        return find_affixes(self.plain.take(pa.array(np.arange(0, len(self.plain), step))), self.counts[::step])


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What the cells of a column say about its decimal mark.

    Attributes:
        notation: with the mark that was chosen, symbols and factors.
        doubtful: a cell that can be read in two ways, if no cell and no user says in which.
        elsewhere: whether other columns of the table have decided.
        refusal: why there is no mark for all cells, as a part of a sentence; empty if there is one.
    """

    notation: NumberNotation
    doubtful: str | None = None
    elsewhere: bool = False
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class NumberReading:
    """What was found out about a column of texts.

    Attributes:
        cells: of the column.
        notation: how its numbers are written, None if it is no column of numbers.
        marks: what was found about its decimal mark, if anything.
        words: texts that count as missing, with their rows.
        known: which texts are numbers, bool [texts].
        numbers: that the texts are, float64 [texts], NaN for others.
        refusal: why it is no column of numbers although many of its cells are, as a part of a sentence.
    """

    cells: Cells
    notation: NumberNotation | None = None
    marks: Marks | None = None
    words: Mapping[str, int] = field(default_factory=dict)
    known: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    refusal: str = ""


def decimal_of(cells: Cells) -> str | None:
    """The decimal mark of a column if its cells say so, None if they do not."""
    marks = find_marks(cells, None, lambda: None) if cells.are_number_like else None
    return None if marks is None or marks.doubtful or marks.refusal or not _has_marks(cells) else marks.notation.decimal


def with_missing_words(series: Series, wish: ColumnWish) -> NumberReading | None:
    """Of a column that has numbers only, some of which stand for a missing one, or are infinite."""
    cells = Cells.of_numbers(series)
    if not wish.missing and not cells.endless:
        return None
    missing = (*_words(wish), *(INFINITE if cells.endless else ()))
    notation = NumberNotation(missing=tuple(dict.fromkeys(missing)))
    numbers = notation.numbers(series, str(series.name))
    different = len(np.unique(numbers[~np.isnan(numbers)]))
    # what is infinite everywhere else is no measure
    return NumberReading(cells=cells, notation=notation, words=cells.endless) if different > 1 else None


def find_marks(cells: Cells, wished: str | None, elsewhere: Callable[[], str | None]) -> Marks | None:
    """The decimal mark of a column; None if no cell is a number.

    Args:
        cells: of the column.
        wished: the mark that the user says it has.
        elsewhere: the mark of other columns of the table, if they have one.
    """
    affixes = cells.affixes
    around = NumberNotation(symbols=affixes.symbols, factors=affixes.factors, negative=affixes.negative)
    if cells.are_endless.any():
        around = replace(around, missing=INFINITE)
    notations = {mark: replace(around, decimal=mark) for mark in (".", ",")}
    point, comma = (notation.fits(cells.plain) for notation in notations.values())
    # thousands of 2,495E+09 are written by nobody
    point &= ~matches(cells.plain, ",[0-9]+[eE]")
    comma &= ~matches(cells.plain, r"\.[0-9]+[eE]")
    if not (point | comma).any():
        return None
    with_point, with_comma = (matches(cells.plain, mark) for mark in (r"\.", ","))
    doubtful = point & comma & (with_point | with_comma)
    shares = {".": cells.share(point & ~comma), ",": cells.share(comma & ~point)}
    found = Marks(notation=notations["."])
    if wished is not None:
        found = Marks(notation=notations[wished])
    elif any(shares.values()):
        mark, other = sorted(shares, key=lambda mark: -shares[mark])
        found = Marks(notation=notations[mark])
        if shares[other] > ODD_SHARE:
            examples = f"'{cells.first(comma & ~point)}' and '{cells.first(point & ~comma)}'"
            found = replace(found, refusal=f"some of its numbers have a decimal comma and others a point ({examples})")
    elif doubtful.any():
        known = elsewhere()
        # three digits behind a point are common, behind that of an amount of money they are not
        money = bool(affixes.currencies) and not with_comma.any()
        found = Marks(
            notation=notations[known or ("," if money else ".")],
            doubtful=cells.first(doubtful),
            elsewhere=known is not None,
        )
    if found.notation.decimal == ",":
        # 35.720 beside 35.72 is as doubtful as alone
        sure = comma & with_point if not (point & ~comma).any() else comma & ~point & with_point
        found = replace(found, notation=replace(found.notation, thousands=bool(sure.any())))
    return found


def read_numbers(cells: Cells, wish: ColumnWish, elsewhere: Callable[[], str | None]) -> NumberReading:
    """How the numbers of a column are written.

    Args:
        cells: of the column.
        wish: what the user says about it.
        elsewhere: the decimal mark of other columns of the table, if they have one.
    """
    nothing, asked = NumberReading(cells=cells), wish.kind == "numeric"
    if not asked and not cells.are_number_like:
        return nothing
    if (answers := _answers(cells, wish)) is not None:
        return answers
    if cells.affixes.are_codes and not asked:
        # a category, as it should be
        return nothing
    marks = find_marks(cells, wish.decimal, elsewhere)
    if marks is None or (cells.affixes.refusal and (not asked or cells.affixes.are_codes)):
        return replace(nothing, refusal=cells.affixes.refusal or more_than_numbers(cells.plain, cells.counts))
    endless = INFINITE if cells.endless or cells.are_endless.any() else ()
    notation = replace(marks.notation, missing=tuple(dict.fromkeys((*_words(wish), *endless))))
    numbers, read = notation.read_texts(cells.texts)
    odd, words = ~read, ~read & ~matches(cells.plain, "[0-9]")
    # what the user says is missing is none of too many
    placeholders = cells.placeholders & ~cells.are_among(_words(wish))
    without = odd | cells.placeholders | cells.are_endless
    known = read & ~np.isnan(numbers)
    shown = {**cells.endless, **cells.shown(without)}
    found = NumberReading(cells=cells, marks=marks, words=shown, known=known, numbers=numbers)
    # the first of them show it nearly always
    different = len(np.unique(numbers[known][:FIRST_CELLS]))
    different = bool(cells.others) + (len(np.unique(numbers[known])) if different <= FEW_CODES else different)
    refusal = marks.refusal or _too_long(cells, odd)
    if not asked and (are_bands(cells.plain, numbers) or are_grades(cells.plain, numbers)):
        # categories, as they should be
        return nothing
    if different < 2 or (not asked and _are_codes(cells, read)):  # noqa: PLR2004
        return replace(nothing, refusal=more_than_numbers(cells.plain, cells.counts * odd))
    if not refusal and asked and odd.sum() > MOST_WORDS_ASKED:
        refusal = f"{odd.sum():,} different cells are no numbers, such as '{cells.first(odd)}'"
    elif not refusal and not asked:
        refusal = _too_many(cells, placeholders, odd, words)
        whole = different <= FEW_CODES and bool((numbers[known] % 1 == 0).all())
        if words.any() and whole and not cells.affixes.symbols:
            refusal = f"few whole numbers beside a word such as '{cells.first(words)}' look like codes"
    if refusal:
        # a few numbers beside words are categories as they should be
        many = different > FEW_CODES or bool(cells.affixes.symbols) or bool((numbers[known] % 1 != 0).any())
        others = 1 - cells.share(cells.placeholders)
        is_told = many and 1 - cells.share(without) >= TOLD_SHARE * others
        return replace(found, refusal=refusal if is_told else more_than_numbers(cells.plain, cells.counts * odd))
    missing = plain_texts(cells.texts.filter(pa.array(odd))).to_pylist()
    return replace(
        found, notation=replace(notation, missing=(*notation.missing, *dict.fromkeys(map(lowered, missing))))
    )


def _answers(cells: Cells, wish: ColumnWish) -> NumberReading | None:
    """What is found out about a column of answers from a form; None if it is none."""
    asked, few = wish.kind == "numeric", len(cells.plain) <= MOST_ANSWERS_READ
    if not few or not matches(cells.plain, "[^0-9]").any():
        return None
    texts = cells.plain.filter(pa.array(~cells.placeholders)).to_pylist()
    if not asked and several_codes(texts):
        return NumberReading(cells=cells)
    numbers = labelled_answers(texts)
    if numbers is None:
        return None
    if len(numbers) == len(texts) and not cells.others and not asked:
        # what all labels stand for need not be in an order
        return NumberReading(cells=cells)
    values = tuple((lowered(text), number) for text, number in numbers.items())
    notation = NumberNotation(missing=_words(wish), values=values)
    found, read = notation.read_texts(cells.texts)
    return NumberReading(
        cells=cells,
        notation=notation,
        words=cells.shown(cells.placeholders),
        known=read & ~np.isnan(found),
        numbers=found,
    )


def _words(wish: ColumnWish) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lowered(plain_text(word)) for word in wish.missing))


def _too_long(cells: Cells, odd: NDArray[np.bool_]) -> str:
    """Why texts that are no numbers are no words for missing ones either; empty if they may be."""
    lengths = pc.utf8_length(cells.plain.filter(pa.array(odd)))
    longest = pc.max(lengths).as_py() or 0
    return f"a text of {longest:,} characters is among its numbers" if longest > LONGEST else ""


def _too_many(cells: Cells, placeholders: NDArray[np.bool_], odd: NDArray[np.bool_], words: NDArray[np.bool_]) -> str:
    """Why so many cells that are no numbers make it another kind of column; empty if they do not."""
    for chosen, most, what in (
        (placeholders, PLACEHOLDER_SHARE, "words that stand for a missing value"),
        (words, WORD_SHARE, "words"),
        (odd & ~words, ODD_SHARE, "no numbers"),
    ):
        if cells.share(chosen) > most:
            share, example = 100 * cells.share(chosen), cells.first(chosen)
            limit = f"more than {100 * most:.0f} % are too many"
            return f"{share:.0f} % of its cells are {what}, such as '{example}', and {limit}"
    return f"{odd.sum()} different cells are no numbers, such as '{cells.first(odd)}'" if odd.sum() > MOST_WORDS else ""


def _are_codes(cells: Cells, read: NDArray[np.bool_]) -> bool:
    """Whether numbers begin with zeros that say something, as those of places and telephones do."""
    return bool((read & matches(cells.plain, _LEADING_ZERO)).any())


def _has_marks(cells: Cells) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells.plain, "[0-9][.,]|[.,][0-9]")).as_py())
