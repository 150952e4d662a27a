"""How the numbers of a column are written: decimal comma, thousands marks, currency, unit, words for what is missing.

A notation is one regular expression, which three engines follow: RE2 for columns, Python's for single cells, and that
of JSON Schema for clients.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns.distinct import DistinctTexts, distinct_texts
from orchestrator.columns.notation import NumberCells
from orchestrator.columns.number_texts import BLANKS, PLACEHOLDERS, POWERS, SAME, lowered, plain_text, plain_texts
from orchestrator.columns.patterns import ANY_CHARACTER, any_form, in_class, word_pattern
from orchestrator.columns.values import (
    MISSING_STRINGS,
    Series,
    is_number_text,
    parse_number,
    shorten,
    to_numbers,
)
from orchestrator.columns.wish import DECIMAL_MARKS
from orchestrator.errors import InvalidValueError

# of one notation, and of one sign or word in it
MOST, LONGEST = 400, 300
# an exponent of three digits
LARGE = 1e99
# characters of all symbols together: RE2 has bounds, too
MOST_SYMBOLS = 1000
_NUMBERS = ("first", "behind", "bracketed")
_FACTORS = ("first_factor", "factor_behind", "factor_bracketed")
_EXPONENTS = ("first_exponent", "exponent_behind", "exponent_bracketed")
_SIGNS = ("before", "beside", "after")
_LISTS = ("symbols", "factors", "missing", "negative")


@dataclass(frozen=True, kw_only=True)
class NumberNotation(NumberCells):
    """How the numbers of one column are written. What can be read in one way only is read whatever is said here.

    Attributes:
        decimal: decimal mark, a point or a comma; the other one may stand between groups of three digits.
        thousands: whether that other mark stands for thousands also where it could be a decimal mark of its own, as in
            35.720: only if training had such cells; of a comma between thousands nobody doubts it.
        symbols: signs, codes and units that may stand before or behind a number: those of one currency or unit.
        factors: letters and words behind a number that stand for thousands or millions.
        missing: words that stand for a missing number, lower-cased, beside those that do so everywhere; numbers, too.
        negative: those of the symbols that make a number negative: S for south, DR for a debit.
        values: words that stand for a number, lower-cased, with it: "5 - very much" is 5.
    """

    decimal: str = "."
    thousands: bool = True
    symbols: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    values: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        texts = (*self.symbols, *self.factors, *self.missing, *(word for word, _ in self.values))
        if len(texts) > MOST or not all(isinstance(text, str) and 0 < len(text) <= LONGEST for text in texts):
            raise ValueError("its words are not those that stand among numbers")
        # a symbol is taken out of a text, of which a number must be left
        starts = f"0123456789+-{''.join(DECIMAL_MARKS)}"
        are_symbols = not any(symbol[0] in starts for symbol in self.symbols) and set(self.negative) <= set(
            self.symbols
        )
        are_symbols = are_symbols and POWERS.keys() >= set(self.factors)
        if not all(isinstance(number, int | float) and math.isfinite(number) for _, number in self.values):
            raise ValueError("its words stand for no numbers")
        if self.decimal not in DECIMAL_MARKS or not are_symbols or len("".join(self.symbols)) > MOST_SYMBOLS:
            raise ValueError("it is not how numbers are written")

    def to_json(self) -> dict[str, Any]:
        """See `Notation`: what is as usual is left out."""
        plain = {
            "decimal": self.decimal,
            "thousands": self.thousands,
            "symbols": list(self.symbols),
            "factors": list(self.factors),
            "missing": list(self.missing),
            "negative": list(self.negative),
            "values": dict(self.values),
        }
        return {name: value for name, value in plain.items() if name == "decimal" or value not in ([], {}, True)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """See `Notation`."""
        if not content.keys() <= {"decimal", "thousands", "values", *_LISTS}:
            raise ValueError("it says more than how numbers are written")
        lists = {name: tuple(content.get(name, ())) for name in _LISTS}
        thousands, values = content.get("thousands", True), tuple(dict(content.get("values", {})).items())
        return cls(decimal=content["decimal"], thousands=thousands, values=values, **lists)

    def accepts(self, before: NumberNotation | None) -> bool:
        """Whether all cells that were read before, plainly if there was no notation, are read as the same numbers."""
        if before is None:
            return self.decimal == "." and self.takes_numbers
        more = all(
            set(getattr(self, name)) >= set(getattr(before, name))
            for name in ("symbols", "factors", "missing", "values")
        )
        return more and self.decimal == before.decimal and self.thousands >= before.thousands

    # ---- cells

    def plain(self, series: Series) -> Series:
        """See `Notation`: float64."""
        numbers = self.numbers(series, str(series.name))
        return pd.Series(numbers, index=series.index, name=series.name, dtype=np.float64)

    def numbers(self, series: Series, column: str, distinct: DistinctTexts | None = None) -> NDArray[np.float64]:
        """float64 [rows], NaN where missing.

        Args:
            series: the cells.
            column: its name.
            distinct: its texts, if it has nothing else and they are known.

        Raises:
            InvalidValueError: for a text that is not written so, what is neither text nor number, and infinities.
        """
        if isinstance(series.dtype, pd.StringDtype):
            distinct = distinct or distinct_texts(series)
            found, read = self.read_texts(distinct.texts.cast(pa.string()))
            places = distinct.codes
            if not read.all():
                row = int(np.flatnonzero(~np.append(read, True)[places])[0])
                raise self._refused(series.iloc[row], row, column)
            numbers = np.asarray(np.append(found, np.nan)[places])
            return to_numbers(pd.Series(numbers), column) if np.isinf(found).any() else numbers
        if series.dtype != object:
            if self._missing_numbers and pd.api.types.is_numeric_dtype(series.dtype):
                # infinite ones may be among those that are missing
                series = pd.Series(self._without_missing(series.to_numpy(np.float64, na_value=np.nan)))
            return to_numbers(series, column)
        cells = series.tolist()
        memory = {text: self.read_cell(text) for text in {cell for cell in cells if isinstance(cell, str)}}
        values = [memory[cell] if isinstance(cell, str) else self.read_cell(cell) for cell in cells]
        if None in values:
            row = values.index(None)
            raise self._refused(cells[row], row, column)
        # infinities are refused as in every column of numbers
        return to_numbers(pd.Series(values, dtype=np.float64), column)

    def read_cell(self, cell: object) -> float | None:
        """One cell: a number stays one, a text is read; NaN for missing, None for what is not written so."""
        if not isinstance(cell, str):
            number = parse_number(cell)
            return math.nan if number in self._missing_numbers else number
        text = plain_text(cell)
        word = lowered(text)
        if word in self._words:
            return math.nan
        if word in self._values:
            return self._values[word]
        match = self._compiled.fullmatch(text)
        if match is None:
            return None
        found = match.groupdict("")
        factor = "".join(found[name] for name in _FACTORS)
        digits = "".join(found[name] for name in _NUMBERS)
        for mark in self._marks:
            digits = digits.replace(mark, "")
        digits = digits.replace(self.decimal, ".")
        exponent = f"e{POWERS[factor]}" if factor else "".join(found[name] for name in _EXPONENTS)
        number = float(digits + exponent)
        number = -number if found["bracketed"] or any(found[name] == "-" for name in _SIGNS) else number
        number = -number if self.negative and self.negative_end.search(text) else number
        return math.nan if number in self._missing_numbers else number

    def read_texts(self, texts: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """`read_cell` of each of some texts.

        Returns:
            float64 [texts], NaN for missing and for what is not written so; and which of them are, bool [texts].
        """
        plain = plain_texts(texts)
        lower = pc.ascii_lower(plain)
        missing = _is_in(lower, self._words)
        named = _is_in(lower, self._values)
        simple = ~missing & ~named & matches(plain, self._simple)
        numbers = np.full(len(plain), np.nan)
        digits = plain.filter(pa.array(simple))
        for symbol in self._symbols:
            digits = pc.replace_substring(digits, symbol, "")
        numbers[simple] = self._to_floats(digits)
        numbers[named] = [self._values[word] for word in lower.filter(pa.array(named)).to_pylist()]
        read = missing | named | simple
        if not read.all():
            rest = np.flatnonzero(~read)
            numbers[rest] = self._read_others(plain.take(pa.array(rest)))
            read[rest] = ~np.isnan(numbers[rest])
        if self.negative:
            numbers = np.where(matches(plain, self.negative_end.pattern) & ~named, -numbers, numbers)
        return self._without_missing(numbers) if self._missing_numbers else numbers, read

    def fits(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Which of some `plain_texts` are numbers that are written so: bool [texts]."""
        return matches(texts, rf"\A{_without_names(self._full)}\z")

    def _read_others(self, plain: pa.Array) -> NDArray[np.float64]:
        """Texts with more than digits and marks; NaN for those that are not written so."""
        # a match without groups is much faster than one with groups
        numbers, fit = np.full(len(plain), np.nan), self.fits(plain)
        if not fit.any():
            return numbers
        found = pc.extract_regex(plain.filter(pa.array(fit)), rf"\A{self._full}\z")
        group = {name: pc.struct_field(found, name) for name in (*_NUMBERS, *_FACTORS, *_EXPONENTS, *_SIGNS)}
        digits = pc.binary_join_element_wise(*(group[name] for name in _NUMBERS), "")
        factor = pc.binary_join_element_wise(*(group[name] for name in _FACTORS), "")
        powers = pa.array([f"e{power}" for power in POWERS.values()])
        exponents = powers.take(pc.index_in(factor, pa.array(list(POWERS))))
        exponents = pc.coalesce(exponents, pc.binary_join_element_wise(*(group[name] for name in _EXPONENTS), ""))
        values = self._to_floats(digits, exponents)
        minus = pc.not_equal(group["bracketed"], "")
        for name in _SIGNS:
            minus = pc.or_(minus, pc.equal(group[name], "-"))
        numbers[fit] = np.where(minus.to_numpy(zero_copy_only=False), -values, values)
        return numbers

    def _to_floats(self, digits: pa.Array, exponents: pa.Array | None = None) -> NDArray[np.float64]:
        for mark in self._marks:
            digits = pc.replace_substring(digits, mark, "")
        if self.decimal != ".":
            digits = pc.replace_substring(digits, self.decimal, ".")
        if exponents is not None:
            digits = pc.binary_join_element_wise(digits, exponents, "")
        return np.asarray(digits.cast(pa.float64()).to_numpy(zero_copy_only=False))

    def _without_missing(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isin(numbers, list(self._missing_numbers)), np.nan, numbers)

    def _refused(self, value: object, row: int, column: str) -> InvalidValueError:
        sentence = f"row {row + 1}, column '{column}': {shorten(value)} is not a number as the column has them"
        return InvalidValueError(f"{sentence}, such as {self.example}", column, row)

    # ---- the expression

    @property
    def example(self) -> str:
        """A number that is written so."""
        return f"1{self.other_mark}234{self.decimal}5 {self.symbols[0] if self.symbols else ''}".strip()

    @property
    def takes_numbers(self) -> bool:
        """Whether all numbers stand for themselves, none for a missing one."""
        return not self._missing_numbers

    @property
    def pattern(self) -> str:
        """A regular expression of all texts that are read, for JSON Schema."""
        words = word_pattern((self._words | self._values.keys()) - {""})
        blanks = f"[{in_class(BLANKS)}]*"
        return f"^{blanks}(?:{_without_names(self._expression(_ALL))}|{words})?{blanks}$"

    @property
    def other_mark(self) -> str:
        """That of thousands, a comma or a point."""
        return "," if self.decimal == "." else "."

    @property
    def _marks(self) -> tuple[str, ...]:
        return (self.other_mark, " ", "'")

    @cached_property
    def _words(self) -> frozenset[str]:
        return MISSING_STRINGS | PLACEHOLDERS | frozenset(self.missing)

    @cached_property
    def _values(self) -> dict[str, float]:
        return {word: float(number) for word, number in self.values}

    @cached_property
    def _missing_numbers(self) -> frozenset[float]:
        return frozenset(float(word) for word in self.missing if is_number_text(word))

    @cached_property
    def _full(self) -> str:
        return self._expression(_PLAIN)

    @cached_property
    def negative_end(self) -> re.Pattern[str]:
        """What begins or ends with a symbol that makes a number negative."""
        symbols = "|".join(any_form(symbol, _PLAIN) for symbol in _longest_first(map(plain_text, self.negative)))
        return re.compile(f"^(?:{symbols})|(?:{symbols})$")

    @cached_property
    def _simple(self) -> str:
        """Of most numbers: what is left when marks and symbols are taken out is read by a cast."""
        symbols = "|".join(any_form(symbol, _PLAIN) for symbol in self._symbols)
        head, tail = (f"(?:(?:{symbols}) ?)?", f"(?: ?(?:{symbols}))?") if symbols else ("", "")
        return rf"\A-?{head}{self._digits(_PLAIN)}{tail}\z"

    @cached_property
    def _symbols(self) -> list[str]:
        return _longest_first(map(plain_text, self.symbols))

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._full)

    def _digits(self, characters: Mapping[str, str]) -> str:
        """Digits with their marks."""
        # as many as a float64 has room for, with any exponent or factor
        decimal, other, digit = (f"[{characters[name]}]" for name in (self.decimal, self.other_mark, "digit"))

        def grouped(mark: str, least: int = 1) -> str:
            return f"[{characters['first']}]{digit}{{0,2}}(?:{mark}{digit}{{3}}){{{least},33}}"

        fraction = f"{decimal}{digit}{{1,100}}"
        wholes = [grouped(f"[{characters[' ']}]"), grouped(f"[{characters[chr(39)]}]"), f"{digit}{{1,100}}"]
        forms = [f"{fraction}"]
        if self.decimal == "." or self.thousands:
            wholes.insert(0, grouped(other))
        else:
            # 1.234 alone may be a machine's, 1.234.567 and 1.234,5 are not
            forms += [f"{grouped(other, 2)}(?:{fraction})?", f"{grouped(other)}{fraction}"]
        if self.decimal == ".":
            # as in India
            wholes.insert(0, f"[{characters['first']}]{digit}?(?:{other}{digit}{{2}}){{1,20}}{other}{digit}{{3}}")
        forms.append(f"(?:{'|'.join(wholes)})(?:{fraction})?")
        return f"(?:{'|'.join(forms)})"

    def _expression(self, characters: Mapping[str, str]) -> str:
        """A number with a sign before it, one with a sign behind it, or one in brackets, which is negative, too.

        Args:
            characters: the content of a class of characters, for each that there may be others for.
        """
        digits, blank = self._digits(characters), f"[{characters[' ']}]?"
        sign, decimal = f"[{characters['-']}{characters['+']}]", f"[{characters[self.decimal]}]"
        symbols = "|".join(any_form(symbol, characters) for symbol in self._symbols)
        factors = "|".join(any_form(factor, characters) for factor in _longest_first(self.factors))
        head, tail = (f"(?:(?:{symbols}){blank})?", f"(?:{blank}(?:{symbols}))?") if symbols else ("", "")
        limit = f"(?:(?:[{characters['<']}{characters['>']}{characters['~']}]=?|[cC]a\\.){blank})?"

        # as large as float64 has them, unless larger ones are missing ones
        longest = 3 if any(abs(number) >= LARGE for number in self._missing_numbers) else 2

        def number(at: int) -> str:
            # the dash as in 12,- and in 500/-
            factor = f"(?:{blank}(?P<{_FACTORS[at]}>{factors}))?" if factors else f"(?P<{_FACTORS[at]}>)"
            exponent = f"(?P<{_EXPONENTS[at]}>[eE]{sign}?[{characters['digit']}]{{1,{longest}}})"
            rest = f"(?:{exponent}|(?:{decimal}[{characters['-']}]{{0,2}}|/[{characters['-']}=])?{factor})"
            return f"(?P<{_NUMBERS[at]}>{digits}){rest}{tail}"

        leading = f"(?:(?P<before>{sign}){blank}{head}|{head}(?:(?P<beside>{sign}){blank})?)"
        forms = (
            f"{limit}{leading}{number(0)}",
            f"{limit}{head}{number(1)}{blank}(?P<after>{sign}){tail}",
            f"{head}[{characters['(']}]{blank}{head}{number(2)}{blank}[{characters[')']}]{tail}",
        )
        return f"(?:{'|'.join(forms)})"


# what a plain text has, and what any text may have
_PLAIN = {plain: in_class(plain) for plain in ANY_CHARACTER} | {"digit": "0-9", "first": "1-9"}
_ALL = ANY_CHARACTER | {
    name: f"{digit}-9" + "".join(f"{low}-{high}" for low, high in zip(SAME[digit], SAME["9"], strict=True))
    for name, digit in (("digit", "0"), ("first", "1"))
}


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts), key=lambda text: (-len(text), text))


def _without_names(expression: str) -> str:
    return re.sub(r"\(\?P<\w+>", "(?:", expression)


def _is_in(texts: pa.Array, words: Iterable[str]) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(texts, value_set=pa.array(sorted(words), pa.string())).to_numpy(zero_copy_only=False))


def matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """In which of some texts a regular expression of RE2 is found: bool [texts]."""
    return np.asarray(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False))
